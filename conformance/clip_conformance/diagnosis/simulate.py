"""What a variant makes of a picture: its 8-bit image, and the tensor that its float end makes of that."""

import math
from dataclasses import fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

import clip_spec
from clip_conformance.diagnosis.colours import GREYS, laid_over, to_rgb
from clip_conformance.diagnosis.float_end import tensor
from clip_conformance.diagnosis.kernels import Axis
from clip_conformance.diagnosis.picture import Picture, with_transparency
from clip_conformance.diagnosis.recent import Recent
from clip_conformance.diagnosis.resampling import Box, Geometry, resample
from clip_conformance.diagnosis.variant import CANON, FIELDS, Variant
from clip_reference import pipeline
from clip_reference.alpha import unpremultiply
from clip_reference.geometry import crop_offset

Floats = NDArray[np.float64]
Size = tuple[int, int]
_MODES = {mode.id: mode for mode in clip_spec.canon().modes}
# The choices that the reference's own resize does not have.
_RESIZE = [
    field.name
    for field in fields(Variant)
    if FIELDS[field.name].stage == "resize" and field.name not in ("size_rule", "target")
]

# The choices by which something is done before the resize, and those that say how.
_BEFORE = ("transparency", "alpha", "alpha_when", "convert_when", "palette", "deep")
_CONVERSIONS = ("alpha_of", "blend", "lookup", "cmyk", "bands", "premultiplied", "bilevel", "grey")
_EXPANDED: Recent[Picture] = Recent(96)


def simulate(variant: Variant, given: Picture, n_px: int) -> NDArray[np.float32]:
    """Return a variant's final tensor of a picture, float32; its shape and layout are the variant's own."""
    return tensor(variant, image(variant, given, n_px))


def image(variant: Variant, given: Picture, n_px: int, window: Box | None = None) -> Floats:
    """Return a variant's image of a picture before its float end, float64 [rows, columns, 3], whole where it rounds.

    Args:
        variant: the pipeline.
        given: the picture, opened as the variant opens files.
        n_px: the side of the model's input.
        window: the part of the output that is wanted, (left, top, right, bottom); all of it without.
    """
    given = _expanded(variant, given)
    size = out_size(variant, *given.size, n_px)
    crop = _crop_box(variant, size, n_px)
    if window is not None:
        crop = (crop[0] + window[0], crop[1] + window[1], crop[0] + window[2], crop[1] + window[3])
    half = [int(variant.crop.startswith("fractional") and (length - n_px) % 2) for length in size]
    crop = (crop[0], crop[1], crop[2] + half[0], crop[3] + half[1])
    rgb = _cropped(variant, given, size, crop)
    if half[0]:
        rgb = (rgb[:, :-1] + rgb[:, 1:]) / 2
    if half[1]:
        rgb = (rgb[:-1] + rgb[1:]) / 2
    if any(half) and variant.crop != "fractional, float":
        rgb = np.floor(rgb + (0.5 if variant.crop == "fractional" else 0.0))
    return rgb


def _cropped(variant: Variant, given: Picture, size: Size, crop: Box) -> Floats:
    """Return a part of the resized image as RGB, padded where it leaves the image."""
    inside = (max(crop[0], 0), max(crop[1], 0), min(crop[2], size[0]), min(crop[3], size[1]))
    whole = np.broadcast_to(_padding(variant), (crop[3] - crop[1], crop[2] - crop[0], 3)).copy()
    if inside[0] >= inside[2] or inside[1] >= inside[3]:
        return whole
    rgb = to_rgb(variant, given, _resized(variant, given, size, inside))
    if inside == crop:
        return rgb
    left, top = inside[0] - crop[0], inside[1] - crop[1]
    whole[top : top + rgb.shape[0], left : left + rgb.shape[1]] = rgb
    return whole


def shape(variant: Variant, given: Picture, n_px: int) -> tuple[int, int, int]:
    """Return the shape of a variant's image of a picture."""
    left, top, right, bottom = _crop_box(variant, out_size(variant, *given.size, n_px), n_px)
    return bottom - top, right - left, 3


def _expanded(variant: Variant, given: Picture) -> Picture:
    """Return a picture as it is when the resize begins."""
    if all(getattr(variant, name) == getattr(CANON, name) for name in _BEFORE):
        return given
    key = tuple(getattr(variant, name) for name in (*_BEFORE, *_CONVERSIONS))
    return _EXPANDED.get(given, key, lambda: _made(variant, given))


def _made(variant: Variant, given: Picture) -> Picture:
    if variant.transparency == "applied":
        given = with_transparency(given)
    if variant.alpha != "dropped" and variant.alpha_when == "first":
        beside = variant.alpha_of == "bands" or (variant.alpha_of != "all" and given.in_palette)
        given = laid_over(variant, given if beside else with_transparency(given))
    first = variant.convert_when == "first" or (variant.palette == "expanded" and given.mode == "P")
    if first or (variant.deep == "scaled first" and given.mode in GREYS):
        rgb = to_rgb(variant, given, given.samples)
        given = Picture("RGB", np.clip(rgb, 0, 255).astype(np.uint8), background=given.background)
    return given


def out_size(variant: Variant, width: int, height: int, n_px: int) -> Size:
    """Return (width, height) of the resized image."""
    n = target(variant, n_px)
    if variant.crop_when != "after":
        return n, n
    short, long = min(width, height), max(width, height)
    rule = variant.size_rule
    if rule == "squash":
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


def _crop_box(variant: Variant, size: Size, n_px: int) -> Box:
    if variant.crop == "none" or variant.size_rule == "long":
        return 0, 0, *size
    left, top = (_crop_offset(variant, length, n_px) for length in size)
    return left, top, left + n_px, top + n_px


def _crop_offset(variant: Variant, length: int, n_px: int) -> int:
    margin = length - n_px
    if margin < 0:
        return -(-margin // 2)
    if variant.crop.startswith(("floor", "fractional")):
        return margin // 2
    if variant.crop == "half up":
        return (margin + 1) // 2
    if variant.crop in ("top left", "bottom right"):
        return 0 if variant.crop == "top left" else margin
    return crop_offset(length, n_px)


def _padding(variant: Variant) -> Floats:
    mean = np.floor(np.array(CANON.mean) * 255 + 0.5)
    return {"grey": np.full(3, 128.0), "white": np.full(3, 255.0), "mean": mean}.get(variant.pad, np.zeros(3))


def _geometry(variant: Variant, given: Picture, size: Size) -> Geometry:
    width, height = given.size
    if variant.crop_when == "after":
        return Geometry(Axis(width, size[0], 0.0, width), Axis(height, size[1], 0.0, height))
    side = min(width, height)
    offsets = [(length - side) / 2 for length in given.size]
    if variant.crop_when == "before, floored":
        offsets = [float(math.floor(offset)) for offset in offsets]
    elif variant.crop_when == "before":
        offsets = [float(_crop_offset(variant, length, side)) for length in given.size]
    return Geometry(Axis(width, size[0], offsets[0], side), Axis(height, size[1], offsets[1], side))


def _resized(variant: Variant, given: Picture, size: Size, window: Box) -> NDArray[np.float64]:
    """Return the window of the resized picture, in its own mode."""
    geometry = _geometry(variant, given, size)
    if variant.crop_when in ("before", "before, floored"):
        # What was cut off no longer counts at the edges.
        left, top = int(geometry.x.begin), int(geometry.y.begin)
        side = int(geometry.x.extent)
        given = _cut(given, left, top, side)
        geometry = Geometry(Axis(side, size[0], 0.0, side), Axis(side, size[1], 0.0, side))
    left, top, right, bottom = window
    mode = _MODES[given.mode]
    untouched = geometry.equal and variant.equal_size == "untouched"
    canonical = all(getattr(variant, name) == getattr(CANON, name) for name in _RESIZE)
    if untouched or (canonical and variant.crop_when != "before, fractional"):
        return pipeline.resize(given.source, size, window).astype(np.float64)
    route = mode.route
    if (mode.id == "P" and variant.palette == "interpolated") or (mode.id == "1" and variant.bilevel == "interpolated"):
        route = "bands"
    if route == "nearest" or variant.filter == "nearest":
        rows = _nearest(variant, geometry.y)[top:bottom]
        columns = _nearest(variant, geometry.x)[left:right]
        return given.samples[rows[:, None], columns].astype(np.float64)
    if route == "premultiplied" and variant.premultiply == "resized":
        if geometry.equal and variant.equal_size == "premultiplied":
            return unpremultiply(given.premultiplied[top:bottom, left:right]).astype(np.float64)
        whole = resample(given.premultiplied, geometry, window, variant, 255)
        return unpremultiply(np.clip(np.floor(whole + 0.5), 0, 255).astype(np.uint8)).astype(np.float64)
    if route == "deep-swapped":
        swapped = given.samples.astype(np.uint16).byteswap()
        out = resample(swapped, geometry, window, variant, 65535)
        return np.clip(np.rint(out), 0, 65535).astype(np.uint16).byteswap().astype(np.float64)
    top_sample = {"I": 2.0**31 - 1, "F": math.inf}.get(mode.id, 65535.0 if mode.dtype == "uint16" else 255.0)
    return resample(given.samples, geometry, window, variant, top_sample)


def _cut(given: Picture, left: int, top: int, side: int) -> Picture:
    samples = given.samples[top : top + side, left : left + side]
    opacity = given.opacity
    if opacity is not None and opacity.ndim == 2:
        opacity = opacity[top : top + side, left : left + side]
    return Picture(given.mode, np.ascontiguousarray(samples), given.palette, opacity, given.background)


def _nearest(variant: Variant, axis: Axis) -> NDArray[np.int64]:
    return np.clip(_positions(variant, axis).astype(np.int64), 0, axis.length - 1)


def _positions(variant: Variant, axis: Axis) -> NDArray[Any]:
    outputs = np.arange(axis.out)
    scale = axis.extent / axis.out
    if variant.nearest == "centred in integers" and not axis.begin:
        return (2 * outputs + 1) * axis.length // (2 * axis.out)
    if variant.nearest.startswith("centred") or axis.begin:
        return axis.begin + (outputs + 0.5) * scale
    if variant.nearest == "floored":
        return outputs * scale
    steps = np.full(axis.out, float(np.float32(axis.length)) / axis.out)
    steps[0] /= 2
    return np.add.accumulate(steps)
