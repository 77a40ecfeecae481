"""What a variant does to a picture before the resize: colours, transparency, and what it lays around it."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clip_conformance.diagnosis.colours import LUMA, deep, laid_over, to_rgb
from clip_conformance.diagnosis.picture import Picture, with_transparency
from clip_conformance.diagnosis.variant import CANON, Variant

_PADS = {"black": (0, 0, 0), "grey": (128, 128, 128), "white": (255, 255, 255)}
_BEFORE = ("transparency", "alpha", "alpha_when", "convert_when", "palette", "deep")


@dataclass(frozen=True)
class Converted:
    """A picture as it is when the resize begins; only what is read is converted. `kind` is like all that is read."""

    given: Picture
    variant: Variant
    kind: Picture

    @property
    def size(self) -> tuple[int, int]:
        """Return (width, height)."""
        return self.given.size

    def read(self, left: int, top: int, right: int, bottom: int) -> NDArray[Any]:
        """Return the samples of a box."""
        return _made(self.variant, self.given.part(left, top, right, bottom)).samples

    def part(self, left: int, top: int, right: int, bottom: int) -> Picture:
        """Return a box as a picture of its own."""
        return _made(self.variant, self.given.part(left, top, right, bottom))


def converted(variant: Variant, given: Picture) -> Picture | Converted:
    """Return a picture as it is when the resize begins."""
    if all(getattr(variant, name) == getattr(CANON, name) for name in _BEFORE):
        return given
    corner = given.part(0, 0, 1, 1)
    made = _made(variant, corner)
    return given if made is corner else Converted(given, variant, made)


@dataclass(frozen=True)
class Expanded:
    """A picture in the middle of a square; only what is read is made. `colour` is one sample of what lies around."""

    given: Picture | Converted
    colour: NDArray[Any]

    @property
    def size(self) -> tuple[int, int]:
        """Return (width, height)."""
        return max(self.given.size), max(self.given.size)

    @property
    def kind(self) -> Picture:
        """Return a picture of the same mode, palette and background."""
        return self.given.kind

    def read(self, left: int, top: int, right: int, bottom: int) -> NDArray[Any]:
        """Return the samples of a box."""
        width, height = self.given.size
        x, y = ((max(width, height) - length) // 2 for length in (width, height))
        box = (max(left - x, 0), max(top - y, 0), min(right - x, width), min(bottom - y, height))
        square = np.broadcast_to(self.colour, (bottom - top, right - left, *self.colour.shape)).copy()
        if box[0] < box[2] and box[1] < box[3]:
            square[box[1] + y - top : box[3] + y - top, box[0] + x - left : box[2] + x - left] = self.given.read(*box)
        return square

    def part(self, left: int, top: int, right: int, bottom: int) -> Picture:
        """Return a box as a picture of its own."""
        return replace(self.given.kind, samples=self.read(left, top, right, bottom))


def expanded(variant: Variant, given: Picture | Converted) -> Picture | Converted | Expanded:
    """Return a picture as it is when the resize begins, with what a variant lays around it."""
    if variant.size_rule != "expanded" or given.size[0] == given.size[1]:
        return given
    corner, rgb = given.read(0, 0, 1, 1)[0, 0], padding(variant)
    around = {"RGB": rgb, "RGBA": [*rgb, 255.0], "L": rgb @ LUMA}.get(given.kind.mode, 0)
    return Expanded(given, np.broadcast_to(np.asarray(around), corner.shape).astype(corner.dtype))


def padding(variant: Variant) -> NDArray[np.float64]:
    """Return the colour, RGB in LSB, that a variant lays around what is too small."""
    if variant.pad == "mean":
        return np.floor(np.array(CANON.mean) * 255 + 0.5)
    return np.array(_PADS.get(variant.pad) or variant.pad.split(), dtype=np.float64)


def _made(variant: Variant, given: Picture) -> Picture:
    if variant.transparency == "applied":
        given = with_transparency(given)
    if variant.alpha != "dropped" and variant.alpha_when == "first":
        beside = variant.alpha_of == "bands" or (variant.alpha_of != "all" and given.in_palette)
        given = laid_over(variant, given if beside else with_transparency(given))
    first = variant.convert_when == "first" or (variant.palette == "expanded" and given.mode == "P")
    if given.mode != "RGB" and (first or deep(variant, given.mode) == "scaled first"):
        rgb = to_rgb(variant, given, given.samples)
        given = Picture("RGB", np.clip(rgb, 0, 255).astype(np.uint8), background=given.background)
    return given
