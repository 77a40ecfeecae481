"""Where a variant puts an image: the size that it is resized to, the crop, and which part of the image that is."""

import math

import numpy as np

from clip_conformance.diagnosis.kernels import Axis, Box, Geometry
from clip_conformance.diagnosis.variant import Variant
from clip_reference.geometry import crop_offset

Size = tuple[int, int]


def out_size(variant: Variant, width: int, height: int, n_px: int) -> Size:
    """Return (width, height) of the resized image."""
    n = target(variant, n_px)
    if variant.crop_when != "after":
        return n, n
    short, long = min(width, height), max(width, height)
    rule = variant.size_rule
    if rule in ("squash", "expanded"):
        return n, n
    if rule == "none":
        return width, height
    if rule in ("letterbox", "letterbox round", "long"):
        scaled = round if rule == "letterbox round" else int
        return max(1, scaled(width * n / long)), max(1, scaled(height * n / long))
    if rule == "float32 factor":
        factor = np.float32(n) / np.float32(short)
        return max(1, int(np.float32(width) * factor)), max(1, int(np.float32(height) * factor))
    new = {
        "short round": math.floor(n * long / short + 0.5),
        "short ceil": -(-n * long // short),
        "ratio first": int(n * (long / short)),
        "factor first": int(long * (n / short)),
    }.get(rule, n * long // short)
    size = (n, new) if width <= height else (new, n)
    return (size[1], size[0]) if rule == "swapped" else size


def target(variant: Variant, n_px: int) -> int:
    """Return what the short side becomes: "n", or an expression in n with a whole result."""
    text = variant.target
    if text == "n":
        return n_px
    if text.startswith("n + "):
        return n_px + int(text[4:])
    if text == "n * 8 / 7":
        return n_px * 8 // 7
    rounded, _, share = text.partition(" n / ")
    exact = n_px / float(share)
    return math.floor(exact + 1e-9) if rounded == "floor" else round(exact)


def crop_box(variant: Variant, size: Size, n_px: int) -> Box:
    """Return the crop of a resized image; without its half pixel."""
    if variant.crop == "none" or variant.size_rule == "long":
        return 0, 0, *size
    left, top = (_crop_offset(variant, length, n_px) for length in size)
    return left, top, left + n_px, top + n_px


def is_halved(variant: Variant, size: Size, n_px: int) -> tuple[bool, bool]:
    """Return along which axes the crop lies between pixels."""
    fractional = variant.crop.startswith("fractional")
    return fractional and (size[0] - n_px) % 2 == 1, fractional and (size[1] - n_px) % 2 == 1


def shape(variant: Variant, size: Size, n_px: int) -> tuple[int, int]:
    """Return rows and columns of a variant's image of a picture of this (width, height)."""
    left, top, right, bottom = crop_box(variant, out_size(variant, *size, n_px), n_px)
    return bottom - top, right - left


def _crop_offset(variant: Variant, length: int, n_px: int) -> int:
    margin = length - n_px
    if margin < 0:
        return -round(-margin / 2) if variant.pad_offset == "half even" else -(-margin // 2)
    if variant.crop.startswith(("floor", "fractional")):
        return margin // 2
    if variant.crop == "half up":
        return (margin + 1) // 2
    if variant.crop in ("top left", "bottom right"):
        return 0 if variant.crop == "top left" else margin
    return crop_offset(length, n_px)


def source_square(variant: Variant, size: Size) -> tuple[tuple[float, float], int]:
    """Return (left, top) and the side of the square that is cut out of an image before it is resized."""
    side = min(size)
    x, y = ((length - side) / 2 for length in size)
    if variant.crop_when == "before, floored":
        x, y = float(math.floor(x)), float(math.floor(y))
    elif variant.crop_when == "before":
        x, y = (float(_crop_offset(variant, length, side)) for length in size)
    return (x, y), side


def geometry(variant: Variant, given: Size, size: Size) -> Geometry:
    """Return how the axes of an image of (width, height) become those of the resized one."""
    if variant.crop_when != "before, fractional":
        return Geometry(*(Axis(length, out, 0.0, length) for length, out in zip(given, size, strict=True)))
    begin, side = source_square(variant, given)
    return Geometry(*(Axis(length, out, at, side) for length, out, at in zip(given, size, begin, strict=True)))
