"""Two passes in any arithmetic that a port may have; the canon's own is the reference's."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clip_conformance.diagnosis.kernels import Axis, Band, Box, Geometry, Sampling, bands
from clip_conformance.diagnosis.prefilters import Reader, prefiltered
from clip_conformance.diagnosis.variant import Variant

Plane = NDArray[Any]
Floats = NDArray[np.float64]
# Rows that are multiplied at a time.
_STRIP = 256
_VERTICAL: dict[str, Callable[[int, int, int, int], bool]] = {
    "vertical-first": lambda width, height, out_width, out_height: True,
    "height-over-100-widths": lambda width, height, out_width, out_height: height > 100 * width and out_height < height,
    "shrink-over-2-widths": lambda width, height, out_width, out_height: (
        height - out_height > max(0, 2 * (width - out_width))
    ),
}


def resample(read: Reader, geometry: Geometry, window: Box, variant: Variant, top: float) -> Floats:
    """Resample samples [height, width] or [height, width, bands] and return the `window` of the result as floats.

    Args:
        read: returns the samples of a box of the image; whole numbers but for mode F.
        geometry: the axes.
        window: (left, top, right, bottom) of the result; what it does not need is neither read nor computed.
        variant: its kernel and its arithmetic.
        top: the largest sample of the mode; infinite for floats, which are not rounded.
    """
    light = variant.light if top == 255 else "stored"
    read, geometry = prefiltered(read, geometry, variant.prefilter)
    sampling = Sampling(
        variant.filter,
        variant.enlarging,
        variant.cubic_a,
        variant.antialias,
        variant.alignment,
        variant.edge,
        fixed=top == 255,
    )
    x, y = geometry.x, geometry.y
    upright = variant.passes in _VERTICAL and _VERTICAL[variant.passes](x.length, y.length, x.out, y.out)
    left, upper, right, lower = window
    across = _Run(_across, _active(x, sampling, variant, left, right), left, right)
    down = _Run(_down, _active(y, sampling, variant, upper, lower), upper, lower)
    (begin, end), (begin_y, end_y) = across.span, down.span
    # [rows, columns] or [rows, bands, columns], as both passes like it best.
    data = read(begin, begin_y, end, end_y).swapaxes(1, -1)
    if light != "stored":
        data = _to_linear(data.astype(np.float64) / top, light)
    both = across.blocks is not None and down.blocks is not None
    for i, run in enumerate((down, across) if upright else (across, down)):
        if run.blocks is not None:
            data = run.sums(data, run.blocks, run.last - run.first)
            if light == "stored":
                data = _stored(data, variant.between if both and i == 0 else variant.samples, top)
    if light != "stored":
        data = _stored(_from_linear(np.clip(data, 0, 1), light) * top, variant.samples, top)
    return data.swapaxes(1, -1).astype(np.float64, copy=False)


@dataclass(frozen=True)
class _Run:
    """One pass along an axis: outputs first..last-1, copied where there are no blocks."""

    sums: Callable[[Plane, tuple[Band, ...], int], Floats]
    blocks: tuple[Band, ...] | None
    first: int
    last: int

    @property
    def span(self) -> tuple[int, int]:
        """Return which inputs it needs."""
        return (self.first, self.last) if self.blocks is None else _span(self.blocks)


def _span(blocks: tuple[Band, ...]) -> tuple[int, int]:
    return min(b.start for b in blocks), max(b.stop for b in blocks)


def _active(axis: Axis, sampling: Sampling, variant: Variant, first: int, last: int) -> tuple[Band, ...] | None:
    """Return the bands of an axis, None where it keeps its length and no kernel runs."""
    if axis.length == axis.extent == axis.out and variant.equal_size != "resampled":
        return None
    return bands(axis, sampling, first, last)


def _across(data: Plane, blocks: tuple[Band, ...], count: int) -> Floats:
    """Return `count` sums of every row of the inputs that the blocks need; strip by strip, for an image may be huge."""
    low, high = _span(blocks)
    out = np.empty((*data.shape[:-1], count))
    for first in range(0, len(data), _STRIP):
        inputs = np.ascontiguousarray(data[first : first + _STRIP], dtype=np.float64).reshape(-1, high - low)
        sums = out[first : first + _STRIP].reshape(-1, count)
        for band in blocks:
            part = inputs[:, band.start - low : band.stop - low]
            np.matmul(part, band.matrix, out=sums[:, band.first : band.last])
    return out


def _down(data: Plane, blocks: tuple[Band, ...], count: int) -> Floats:
    """Return `count` sums of every column of the inputs that the blocks need."""
    low, _ = _span(blocks)
    inputs = np.ascontiguousarray(data).reshape(len(data), -1)
    out = np.empty((count, inputs.shape[1]))
    for band in blocks:
        part = inputs[band.start - low : band.stop - low].astype(np.float64, copy=False)
        np.matmul(band.matrix.T, part, out=out[band.first : band.last])
    return out.reshape(count, *data.shape[1:])


def _stored(x: Floats, how: str, top: float) -> Floats:
    """Return sums as they are stored: rounded, clipped, or neither. Overwrites them."""
    if how in ("none", "unclipped"):
        return x
    if math.isinf(top):
        return x.astype(np.float32).astype(np.float64)
    bottom = -(2.0**31) if top > 65535 else 0.0
    if how == "rounded" and bottom == 0.0:
        # Half up; what is rounded otherwise below zero is clipped.
        x += 0.5
        np.floor(x, out=x)
    if how in ("clipped", "float") or (how == "rounded" and bottom == 0.0):
        return np.clip(x, bottom, top, out=x)
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
