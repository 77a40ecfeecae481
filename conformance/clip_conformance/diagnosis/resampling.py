"""Two passes in any arithmetic that a port may have; the canon's own is the reference's."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clip_conformance.diagnosis.kernels import Axis, Band, Sampling, bands
from clip_conformance.diagnosis.recent import Recent
from clip_conformance.diagnosis.variant import Variant

Plane = NDArray[Any]
Floats = NDArray[np.float64]
Box = tuple[int, int, int, int]
_VERTICAL: dict[str, Callable[[int, int, int, int], bool]] = {
    "vertical-first": lambda width, height, out_width, out_height: True,
    "height-over-100-widths": lambda width, height, out_width, out_height: height > 100 * width and out_height < height,
    "shrink-over-2-widths": lambda width, height, out_width, out_height: (
        height - out_height > max(0, 2 * (width - out_width))
    ),
}


@dataclass(frozen=True)
class Geometry:
    """Which part of an image becomes how many samples: both axes."""

    x: Axis
    y: Axis

    @property
    def equal(self) -> bool:
        """Return whether nothing is resized."""
        return all(axis.extent == axis.length == axis.out for axis in (self.x, self.y))


def resample(plane: Plane, geometry: Geometry, window: Box, variant: Variant, top: float) -> Floats:
    """Resample samples [height, width] or [height, width, bands] and return the `window` of the result as floats.

    Args:
        plane: the samples; whole numbers but for mode F.
        geometry: the axes.
        window: (left, top, right, bottom) of the result.
        variant: its kernel and its arithmetic.
        top: the largest sample of the mode; infinite for floats, which are not rounded.
    """
    light = variant.light if top == 255 else "stored"
    if variant.prefilter != "none":
        plane, geometry = _prefiltered(plane, geometry, variant.prefilter)
    if light != "stored":
        plane = _to_linear(plane.astype(np.float64) / top, light)
    sampling = Sampling(
        variant.filter, variant.cubic_a, variant.antialias, variant.alignment, variant.edge, fixed=top == 255
    )
    x, y = geometry.x, geometry.y
    upright = variant.passes in _VERTICAL and _VERTICAL[variant.passes](x.length, y.length, x.out, y.out)
    left, upper, right, lower = window
    runs: list[tuple[int, tuple[Band, ...] | None, int, int]] = [
        (1, _active(x, sampling, variant, left, right), left, right),
        (0, _active(y, sampling, variant, upper, lower), upper, lower),
    ]
    # What the second pass does not need, the first does not compute.
    data = plane
    first, second = (runs[1], runs[0]) if upright else (runs[0], runs[1])
    low, high = _span(second)
    data = np.take(data, range(low, high), axis=second[0]) if (low, high) != (0, data.shape[second[0]]) else data
    both = first[1] is not None and second[1] is not None
    out = _pass(data, first, 0)
    if first[1] is not None and light == "stored":
        out = _stored(out, variant.between if both else variant.samples, top)
    out = _pass(out, second, low)
    if second[1] is not None and light == "stored":
        out = _stored(out, variant.samples, top)
    if light != "stored":
        return _stored(_from_linear(np.clip(out, 0, 1), light) * top, variant.samples, top)
    return out


def _active(axis: Axis, sampling: Sampling, variant: Variant, first: int, last: int) -> tuple[Band, ...] | None:
    """Return the bands of an axis, None where it keeps its length and no kernel runs."""
    if axis.length == axis.extent == axis.out and variant.equal_size != "resampled":
        return None
    return bands(axis, sampling, first, last)


def _span(run: tuple[int, tuple[Band, ...] | None, int, int]) -> tuple[int, int]:
    _, blocks, first, last = run
    if blocks is None:
        return first, last
    return min(b.start for b in blocks), max(b.stop for b in blocks)


def _pass(data: Plane, run: tuple[int, tuple[Band, ...] | None, int, int], cut: int) -> Floats:
    """Run one pass along an axis whose first `cut` samples have been cut off."""
    along, blocks, first, last = run
    if blocks is None:
        return np.take(data, range(first - cut, last - cut), axis=along).astype(np.float64)
    moved = np.moveaxis(data, along, -1)
    low, high = _span(run)
    inputs = np.ascontiguousarray(moved[..., low - cut : high - cut], dtype=np.float64)
    out = np.empty((*inputs.shape[:-1], last - first))
    for band in blocks:
        np.matmul(inputs[..., band.start - low : band.stop - low], band.matrix, out=out[..., band.first : band.last])
    return np.moveaxis(out, -1, along)


def _stored(x: Floats, how: str, top: float) -> Floats:
    """Return sums as they are stored: rounded, clipped, or neither."""
    if how in ("none", "unclipped"):
        return x
    if math.isinf(top):
        return x.astype(np.float32).astype(np.float64)
    bottom = -(2.0**31) if top > 65535 else 0.0
    if how in ("clipped", "float"):
        return np.clip(x, bottom, top)
    if how == "truncated":
        return np.clip(np.trunc(x), bottom, top)
    whole = np.trunc(x) if how == "cast" else np.where(x >= 0, np.floor(x + 0.5), -np.floor(-x + 0.5))
    return np.mod(whole, 256) if how in ("wrapped", "cast") and top == 255 else np.clip(whole, bottom, top)


def _to_linear(x: Floats, light: str) -> Floats:
    if light == "linear 2.2":
        return x**2.2
    return np.where(x <= 0.04045, x / 12.92, ((x + 0.055) / 1.055) ** 2.4)


def _from_linear(x: Floats, light: str) -> Floats:
    if light == "linear 2.2":
        return x ** (1 / 2.2)
    return np.where(x <= 0.0031308, x * 12.92, 1.055 * x ** (1 / 2.4) - 0.055)


_PREFILTERED: Recent[tuple[Plane, "Geometry"]] = Recent(32)


def _prefiltered(plane: Plane, geometry: Geometry, how: str) -> tuple[Plane, Geometry]:
    if how == "gaussian":
        return _PREFILTERED.get(plane, (geometry, how), lambda: (_blurred(plane, geometry), geometry))
    return _PREFILTERED.get(plane, (geometry, how), lambda: _reduced(plane, geometry, int(how[-1])))


def _reduced(plane: Plane, geometry: Geometry, gap: int) -> tuple[Plane, Geometry]:
    """Shrink by whole factors with a box, as Pillow's reducing_gap does (Image.resize, Image.reduce)."""
    factors = [max(int(axis.extent / axis.out / gap), 1) for axis in (geometry.y, geometry.x)]
    if factors == [1, 1]:
        return plane, geometry
    whole = plane.dtype.kind in "ui"
    data = plane.astype(np.int64 if whole else np.float64)
    area = np.ones((1,) * data.ndim, dtype=np.int64)
    for along, factor in enumerate(factors):
        edges = np.arange(0, data.shape[along], factor)
        counts = np.minimum(edges + factor, data.shape[along]) - edges
        area = area * counts.reshape([-1 if i == along else 1 for i in range(data.ndim)])
        data = np.add.reduceat(data, edges, axis=along)
    y, x = (
        Axis(data.shape[i], axis.out, axis.begin / factors[i], axis.extent / factors[i])
        for i, axis in enumerate((geometry.y, geometry.x))
    )
    # Pillow multiplies by a reciprocal that is cut off (Reduce.c).
    shrunk: Plane = np.right_shift((data + area // 2) * ((1 << 24) // area), 24) if whole else data / area
    return shrunk, Geometry(x, y)


def _blurred(plane: Plane, geometry: Geometry) -> Floats:
    """Blur by (scale - 1) / 2 along each axis, as scikit-image and kornia do before they interpolate."""
    data = plane.astype(np.float64)
    for along, axis in ((1, geometry.x), (0, geometry.y)):
        sigma = max((axis.extent / axis.out - 1) / 2, 0.0)
        if sigma == 0.0:
            continue
        reach = min(int(4 * sigma + 0.5), 200)
        taps = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
        taps /= taps.sum()
        pad = [(reach, reach) if i == along else (0, 0) for i in range(data.ndim)]
        padded = np.pad(data, pad, mode="reflect" if data.shape[along] > reach else "edge")
        total, part = np.zeros_like(data), np.empty_like(data)
        rows, sums, product = (np.moveaxis(array, along, 0) for array in (padded, total, part))
        for i, weight in enumerate(taps):
            sums += np.multiply(rows[i : i + len(sums)], weight, out=product)
        data = total
    return data
