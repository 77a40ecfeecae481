"""Resamplers that look at four input samples whatever the scale. RGB only."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .port import Port, listed

SINGLES: list[Port] = []

MEAN = [0.48145466, 0.4578275, 0.40821073]
STD = [0.26862954, 0.26130258, 0.27577711]
Tensor = NDArray[np.float32]
Array = Any


def _open(image: Image.Image) -> tuple[Array, int, int]:
    """Pixels, and the new height and width."""
    if image.mode != "RGB":
        raise NotImplementedError(image.mode)
    width, height = image.size
    short = min(width, height)
    return np.array(image, dtype=np.float64), 224 * height // short, 224 * width // short


def _outputs(n: int) -> Array:
    """The middle 224 of n; no other is computed."""
    return np.arange(224) + int(np.rint((n - 224) / 2))


def _close(pixels: Array) -> Tensor:
    plane = pixels.astype(np.float32) / 255
    return np.stack([(plane[..., c] - np.float32(MEAN[c])) / np.float32(STD[c]) for c in range(3)])


def _keys(t: Array, a: float) -> Array:
    """Weights [4, n] of the samples at -1, 0, 1, 2 for fractions t."""
    distance = np.stack([1 + t, t, 1 - t, 2 - t])
    inner = ((a + 2) * distance - (a + 3)) * distance**2 + 1
    outer = ((distance - 5) * distance + 8) * distance * a - 4 * a
    return np.where(distance <= 1, inner, outer)


def _axis(pixels: Array, position: Array, weights: Array, axis: int, *, cut: bool) -> Array:
    """Weigh the samples around `position` along the axis; outside ones are cut off, or the edge is repeated."""
    n = pixels.shape[axis]
    base = np.floor(position).astype(int)
    index = np.stack([base - 1, base, base + 1, base + 2])
    if cut:
        weights = np.where((index >= 0) & (index < n), weights, 0)
        weights = weights / weights.sum(axis=0)
    shape = [1, 1, 1]
    shape[axis] = len(position)
    return sum(np.take(pixels, index[k].clip(0, n - 1), axis) * weights[k].reshape(shape) for k in range(4))


def _round(pixels: Array) -> Array:
    return np.clip(np.floor(pixels + 0.5), 0, 255)


@listed(SINGLES, "resize", "no-antialias")
def pillow_rules_but_four_taps(image: Image.Image) -> Tensor:
    pixels, height, width = _open(image)
    for axis, out in ((1, width), (0, height)):
        at = (_outputs(out) + 0.5) * (pixels.shape[axis] / out) - 0.5
        pixels = _round(_axis(pixels, at, _keys(at - np.floor(at), -0.5), axis, cut=True))
    return _close(pixels)


@listed(SINGLES, "resize", "no-antialias", minor="edge-replicated float-between-passes")
def java_graphics(image: Image.Image) -> Tensor:
    """Sixteen taps at once, rounded once, edge repeated."""
    pixels, height, width = _open(image)
    for axis, out in ((1, width), (0, height)):
        at = (_outputs(out) + 0.5) * (pixels.shape[axis] / out) - 0.5
        pixels = _axis(pixels, at, _keys(at - np.floor(at), -0.5), axis, cut=False)
    return _close(_round(pixels))


@listed(SINGLES, "resize", "no-antialias align-corners", minor="edge-replicated float-between-passes")
def affine_transform(image: Image.Image) -> Tensor:
    """transformers.js in Node: sharp.affine, a = -0.5, corner to corner."""
    pixels, height, width = _open(image)
    for axis, out in ((1, width), (0, height)):
        at = _outputs(out) * ((pixels.shape[axis] - 1) / max(out - 1, 1))
        pixels = _axis(pixels, at, _keys(at - np.floor(at), -0.5), axis, cut=False)
    return _close(_round(pixels))


@listed(SINGLES, "resize", "no-antialias half-pixel-missing", minor="edge-replicated float-between-passes")
def scale_times_x(image: Image.Image) -> Tensor:
    pixels, height, width = _open(image)
    for axis, out in ((1, width), (0, height)):
        at = _outputs(out) * (pixels.shape[axis] / out)
        pixels = _axis(pixels, at, _keys(at - np.floor(at), -0.5), axis, cut=False)
    return _close(_round(pixels))


@listed(
    SINGLES,
    "resize",
    "filter-lagrange no-antialias half-pixel-missing",
    minor="edge-replicated float-between-passes truncated-samples",
)
def llama_cpp_2024(image: Image.Image) -> Tensor:
    """bicubic_resize: the cubic through four points, at x * scale, cut off to a byte."""
    pixels, height, width = _open(image)
    for axis, out in ((0, height), (1, width)):
        at = _outputs(out) * (pixels.shape[axis] / out)
        d = at - np.floor(at)
        a1 = np.stack([-1 / 3 + 0 * d, -1 / 2 + 0 * d, 1 + 0 * d, -1 / 6 + 0 * d])
        a2 = np.stack([1 / 2 + 0 * d, -1 + 0 * d, 1 / 2 + 0 * d, 0 * d])
        a3 = np.stack([-1 / 6 + 0 * d, 1 / 2 + 0 * d, -1 / 2 + 0 * d, 1 / 6 + 0 * d])
        weights = a1 * d + a2 * d**2 + a3 * d**3
        weights[1] += 1
        pixels = _axis(pixels, at, weights, axis, cut=False)
    return _close(np.trunc(pixels.clip(0, 255)))


@listed(SINGLES, "resize", "wrapped-samples no-antialias cubic-a-0.75", minor="edge-replicated float-between-passes")
def cast_without_clamp(image: Image.Image) -> Tensor:
    """DJL: bicubic of torch, then a cast to uint8; overshoot comes out on the other side."""
    pixels, height, width = _open(image)
    for axis, out in ((1, width), (0, height)):
        at = (_outputs(out) + 0.5) * (pixels.shape[axis] / out) - 0.5
        pixels = _axis(pixels, at, _keys(at - np.floor(at), -0.75), axis, cut=False)
    return _close(np.rint(pixels).astype(np.int64) & 255)


@listed(SINGLES, "resize", "filter-bilinear no-antialias truncated-samples", minor="float-between-passes")
def two_taps_truncated(image: Image.Image) -> Tensor:
    """The bilinear loop of many ports: four pixels, a cast to an unsigned byte."""
    pixels, height, width = _open(image)
    y = ((_outputs(height) + 0.5) * (pixels.shape[0] / height) - 0.5).clip(0, pixels.shape[0] - 1)
    x = ((_outputs(width) + 0.5) * (pixels.shape[1] / width) - 0.5).clip(0, pixels.shape[1] - 1)
    y0, x0 = y.astype(int), x.astype(int)
    y1, x1 = np.minimum(y0 + 1, pixels.shape[0] - 1), np.minimum(x0 + 1, pixels.shape[1] - 1)
    fy, fx = (y - y0)[:, None, None], (x - x0)[None, :, None]
    upper = pixels[y0][:, x0] * (1 - fx) + pixels[y0][:, x1] * fx
    lower = pixels[y1][:, x0] * (1 - fx) + pixels[y1][:, x1] * fx
    return _close((upper * (1 - fy) + lower * fy).astype(np.uint8))
