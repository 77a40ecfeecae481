"""What a variant does to a picture before the resize: colours and transparency, every sample by itself."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clip_conformance.diagnosis.colours import GREYS, laid_over, to_rgb
from clip_conformance.diagnosis.picture import Picture, with_transparency
from clip_conformance.diagnosis.variant import CANON, Variant

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


def _made(variant: Variant, given: Picture) -> Picture:
    if variant.transparency == "applied":
        given = with_transparency(given)
    if variant.alpha != "dropped" and variant.alpha_when == "first":
        beside = variant.alpha_of == "bands" or (variant.alpha_of != "all" and given.in_palette)
        given = laid_over(variant, given if beside else with_transparency(given))
    first = variant.convert_when == "first" or (variant.palette == "expanded" and given.mode == "P")
    if given.mode != "RGB" and (first or (variant.deep == "scaled first" and given.mode in GREYS)):
        rgb = to_rgb(variant, given, given.samples)
        given = Picture("RGB", np.clip(rgb, 0, 255).astype(np.uint8), background=given.background)
    return given
