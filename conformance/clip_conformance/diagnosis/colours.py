"""From any mode to RGB as a variant does it, and what transparency is laid over."""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clip_conformance.diagnosis.picture import Picture
from clip_conformance.diagnosis.variant import Variant
from clip_reference.color import convert_rgb

Floats = NDArray[np.float64]
# Modes of more than 8 bits that are grey.
GREYS = ("I", "I;16", "I;16L", "I;16B", "I;16N")
_COLOURS = {"white": (255, 255, 255), "black": (0, 0, 0), "grey": (128, 128, 128)}
LUMA = np.array([0.299, 0.587, 0.114])


def to_rgb(variant: Variant, given: Picture, plane: NDArray[Any]) -> Floats:
    """Return a plane of a picture's mode as RGB samples, float64 [rows, columns, 3]; whole unless the plane is not."""
    mode = given.mode
    if mode in ("RGBA", "LA") and variant.alpha != "dropped" and variant.alpha_when == "last":
        over = laid_over(variant, replace(given, samples=plane))
        mode, plane = over.mode, over.samples
    rgb = _converted(variant, mode, plane, given.palette)
    if variant.grey != "no":
        grey = rgb.sum(axis=-1) / 3 if variant.grey == "average" else rgb @ LUMA
        if variant.grey != "luma in floats":
            grey = np.floor(grey + 0.5)
        rgb = np.repeat(grey[..., None], 3, axis=-1)
    return rgb


def deep(variant: Variant, mode: str) -> str:
    """Return how a variant brings a mode of more than 8 bits to 8."""
    return variant.deep if mode in GREYS and (variant.deep_of == "all" or mode != "I") else "clipped"


def _converted(variant: Variant, mode: str, plane: NDArray[Any], palette: NDArray[np.uint8] | None) -> Floats:
    floats = plane.astype(np.float64, copy=False)
    if mode in ("RGB", "RGBA", "RGBX"):
        return floats[..., :3]
    if mode == "P" and variant.lookup == "indices":
        return np.repeat(floats[..., None], 3, axis=-1)
    if mode == "1" and variant.bilevel == "unscaled":
        return np.repeat((floats / 255)[..., None], 3, axis=-1)
    if mode in ("YCbCr", "HSV") and variant.bands == "taken":
        return floats[..., :3]
    if mode == "RGBa" and variant.premultiplied == "kept":
        return floats[..., :3]
    if mode == "CMYK" and variant.cmyk != "product":
        inks = floats[..., :3] + (floats[..., 3:] if variant.cmyk == "naive" else 0.0)
        return 255 - np.minimum(inks, 255)
    if deep(variant, mode) != "clipped":
        whole = plane.astype(np.int64)
        grey = whole & 255 if variant.deep == "wrapped" else np.clip(whole >> 8, 0, 255)
        return np.repeat(grey[..., None].astype(np.float64), 3, axis=-1)
    if mode in ("L", "1", "LA") and not np.array_equal(floats, np.floor(floats)):
        return np.repeat((floats[..., 0] if mode == "LA" else floats)[..., None], 3, axis=-1)
    dtype = {"I": np.int64, "F": np.float64}.get(mode, np.uint16 if mode.startswith("I;16") else np.uint8)
    if mode != "F" and plane.dtype.kind == "f":
        plane = np.clip(np.rint(plane), np.iinfo(dtype).min, np.iinfo(dtype).max)  # type: ignore[type-var]
    return convert_rgb(mode, plane.astype(dtype, copy=False), palette).astype(np.float64)


def laid_over(variant: Variant, given: Picture) -> Picture:
    """Return a picture with alpha laid over a colour, as RGB, or as L where it was LA over grey."""
    if given.mode not in ("RGBA", "LA") or (variant.alpha == "background" and given.background is None):
        return given
    colours = given.samples[..., :-1].astype(np.float64)
    if given.mode == "LA":
        colours = np.repeat(colours, 3, axis=-1)
    alpha = given.samples[..., -1:].astype(np.float64) / 255
    below = np.array(_COLOURS.get(variant.alpha, given.background))
    blended = colours * alpha + below * (1 - alpha)
    whole = np.floor(blended + (0.5 if variant.blend == "rounded" else 0.0))
    return Picture("RGB", np.clip(whole, 0, 255).astype(np.uint8), background=given.background)
