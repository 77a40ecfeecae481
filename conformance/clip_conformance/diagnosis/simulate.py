"""What a variant makes of a picture: its 8-bit image, and the tensor that its float end makes of that."""

import math
from dataclasses import fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

import clip_spec
from clip_conformance.diagnosis.colours import to_rgb
from clip_conformance.diagnosis.converted import Converted, Expanded, converted, expanded, padding
from clip_conformance.diagnosis.float_end import tensor
from clip_conformance.diagnosis.frame import Size, crop_box, geometry, is_halved, out_size, source_square
from clip_conformance.diagnosis.kernels import Axis, Box, Geometry
from clip_conformance.diagnosis.picture import Picture
from clip_conformance.diagnosis.resampling import resample
from clip_conformance.diagnosis.variant import CANON, FIELDS, Variant
from clip_reference import pipeline
from clip_reference.alpha import premultiply, unpremultiply

Floats = NDArray[np.float64]
_MODES = {mode.id: mode for mode in clip_spec.canon().modes}
# The choices that the reference's own resize does not have.
_RESIZE = [
    field.name
    for field in fields(Variant)
    if FIELDS[field.name].stage == "resize" and field.name not in ("size_rule", "target")
]


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
    size = out_size(variant, *given.size, n_px)
    crop = crop_box(variant, size, n_px)
    if window is not None:
        crop = (crop[0] + window[0], crop[1] + window[1], crop[0] + window[2], crop[1] + window[3])
    half = is_halved(variant, size, n_px)
    start = expanded(variant, converted(variant, given))
    rgb = _cropped(variant, start, size, (*crop[:2], crop[2] + half[0], crop[3] + half[1]))
    if half[0]:
        rgb = (rgb[:, :-1] + rgb[:, 1:]) / 2
    if half[1]:
        rgb = (rgb[:-1] + rgb[1:]) / 2
    if any(half) and variant.crop != "fractional, float":
        rgb = np.floor(rgb + (0.5 if variant.crop == "fractional" else 0.0))
    return rgb


def _cropped(variant: Variant, given: Picture | Converted | Expanded, size: Size, crop: Box) -> Floats:
    """Return a part of the resized image as RGB, padded where it leaves the image."""
    inside = (max(crop[0], 0), max(crop[1], 0), min(crop[2], size[0]), min(crop[3], size[1]))
    if inside == crop:
        return to_rgb(variant, given.kind, _resized(variant, given, size, inside))
    whole = np.broadcast_to(padding(variant), (crop[3] - crop[1], crop[2] - crop[0], 3)).copy()
    if inside[0] >= inside[2] or inside[1] >= inside[3]:
        return whole
    rgb = to_rgb(variant, given.kind, _resized(variant, given, size, inside))
    left, top = inside[0] - crop[0], inside[1] - crop[1]
    whole[top : top + rgb.shape[0], left : left + rgb.shape[1]] = rgb
    return whole


def _resized(variant: Variant, given: Picture | Converted | Expanded, size: Size, window: Box) -> NDArray[Any]:
    """Return the window of the resized picture, in its own mode."""
    if variant.crop_when in ("before", "before, floored"):
        # What was cut off no longer counts at the edges.
        (left, top), side = source_square(variant, given.size)
        given = given.part(int(left), int(top), int(left) + side, int(top) + side)
    axes = geometry(variant, given.size, size)
    if axes.equal and variant.equal_size == "untouched":
        return given.read(*window)
    canonical = all(getattr(variant, name) == getattr(CANON, name) for name in _RESIZE)
    if canonical and variant.crop_when != "before, fractional" and isinstance(given, Picture):
        return pipeline.resize(given.source, size, window)
    mode = _MODES[given.kind.mode]
    route = mode.route
    if (mode.id == "P" and variant.palette == "interpolated") or (mode.id == "1" and variant.bilevel == "interpolated"):
        route = "bands"
    if route == "nearest" or variant.filter == "nearest":
        return _nearest(variant, given, axes, window)
    if route == "premultiplied" and variant.premultiply == "resized":
        if axes.equal and variant.equal_size == "premultiplied":
            return unpremultiply(premultiply(given.read(*window)))
        whole = resample(lambda *box: premultiply(given.read(*box)), axes, window, variant, 255)
        return unpremultiply(np.clip(np.floor(whole + 0.5), 0, 255).astype(np.uint8))
    if route == "deep-swapped":
        swapped = resample(lambda *box: given.read(*box).astype(np.uint16).byteswap(), axes, window, variant, 65535)
        return np.clip(np.rint(swapped), 0, 65535).astype(np.uint16).byteswap()
    top = {"I": 2.0**31 - 1, "F": math.inf}.get(mode.id, 65535.0 if mode.dtype == "uint16" else 255.0)
    return resample(given.read, axes, window, variant, top)


def _nearest(variant: Variant, given: Picture | Converted | Expanded, axes: Geometry, window: Box) -> NDArray[Any]:
    rows = _indices(variant, axes.y)[window[1] : window[3]]
    columns = _indices(variant, axes.x)[window[0] : window[2]]
    left, top = int(columns.min()), int(rows.min())
    samples = given.read(left, top, int(columns.max()) + 1, int(rows.max()) + 1)
    return samples[(rows - top)[:, None], columns - left]


def _indices(variant: Variant, axis: Axis) -> NDArray[np.int64]:
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
    if variant.nearest == "floored in integers":
        return outputs * axis.length // axis.out
    steps = np.full(axis.out, float(np.float32(axis.length)) / axis.out)
    steps[0] /= 2
    return np.add.accumulate(steps)
