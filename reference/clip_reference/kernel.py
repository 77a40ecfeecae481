"""The bicubic filter as weights and fixed-point coefficients (RSZ-3 to RSZ-7), and the nearest indices (NEA-1)."""

import functools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

import clip_spec

_CANON = clip_spec.canon()
_ONE = 1 << _CANON.coefficient_bits

# Outputs per banded block: enough columns to keep a matrix product busy, few enough to keep the band narrow.
BLOCK = 8


def cubic(t: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the cubic convolution kernel at `t`, any shape, in double and in this order of evaluation (RSZ-3).

    Source: Pillow `bicubic_filter` in Resample.c.
    """
    a = _CANON.cubic_a
    t = np.abs(t)
    near = ((a + 2.0) * t - (a + 3.0)) * t * t + 1
    far = (((t - 5) * t + 8) * t - 4) * a
    return np.where(t < 1.0, near, np.where(t < _CANON.cubic_radius, far, 0.0))


@dataclass(frozen=True)
class Taps:
    """The window and the weights of every output sample of one axis.

    `start` and `count`, int64 [out]: the first input sample and how many follow. `weights`, float64
    [out, most taps]: normalised, zero from `count` on.
    """

    start: NDArray[np.int64]
    count: NDArray[np.int64]
    weights: NDArray[np.float64]

    @property
    def coefficients(self) -> NDArray[np.int64]:
        """The weights in 22-bit fixed point, rounded half away from zero, int64 [out, most taps] (RSZ-7)."""
        scaled = self.weights * _ONE
        return np.trunc(np.where(scaled < 0, scaled - 0.5, scaled + 0.5)).astype(np.int64)


@functools.lru_cache(maxsize=64)
def taps(length: int, out_length: int, first: int, last: int) -> Taps:
    """Return the taps of the outputs first..last-1 when an axis goes from `length` to `out_length` samples.

    Source: RSZ-4, RSZ-5, RSZ-6; Pillow `precompute_coeffs` in Resample.c.
    """
    scale = float(np.float32(length)) / out_length  # RSZ-4
    filterscale = max(scale, 1.0)
    support = _CANON.cubic_radius * filterscale
    inverse = 1.0 / filterscale
    center = (np.arange(first, last) + 0.5) * scale  # RSZ-5
    start = np.maximum(np.trunc(center - support + 0.5), 0).astype(np.int64)
    stop = np.minimum(np.trunc(center + support + 0.5), length).astype(np.int64)
    count = stop - start
    tap = np.arange(int(count.max()))
    weights = cubic(((tap + start[:, None]) - center[:, None] + 0.5) * inverse)  # RSZ-6
    weights[tap >= count[:, None]] = 0.0
    # The sum runs from left to right; np.sum adds in pairs and may differ in the last bit.
    total = np.add.accumulate(weights, axis=1)[:, -1:]
    np.divide(weights, total, out=weights, where=total != 0.0)
    for array in (start, count, weights):
        array.flags.writeable = False
    return Taps(start, count, weights)


@dataclass(frozen=True)
class Band:
    """One block of outputs first..last-1 of an axis: `matrix` [stop - start, last - first] maps inputs to them."""

    first: int
    last: int
    start: int
    stop: int
    matrix: NDArray[np.float64]


@functools.lru_cache(maxsize=64)
def bands(length: int, out_length: int, first: int, last: int) -> tuple[Band, ...]:
    """Return the fixed-point coefficients of the outputs first..last-1 as banded matrices.

    The entries are coefficients / 2^22, so a product with 8-bit samples is a sum of multiples of 2^-22 below 2^10:
    exact in double in any order of summation, which is why a matrix product may compute it (RSZ-8).
    """
    axis = taps(length, out_length, first, last)
    edges = np.arange(0, last - first, BLOCK)
    stops = np.maximum.reduceat(axis.start + axis.count, edges)
    height = int((stops - np.minimum.reduceat(axis.start, edges)).max())
    starts = stops - height  # Every band gets the height of the tallest one ...
    np.maximum(starts, 0, out=starts)  # ... and stays inside the axis.
    output = np.arange(last - first)[:, None]
    block, taps_at_most = output // BLOCK, axis.weights.shape[1]
    # Windows are padded with zero weights, which may reach below the band: room for them, then cut off.
    matrices = np.zeros((len(edges), height + taps_at_most, BLOCK))
    row = axis.start[:, None] - starts[block] + np.arange(taps_at_most)
    matrices[block, row, output % BLOCK] = axis.coefficients / _ONE
    matrices = matrices[:, :height]
    matrices.flags.writeable = False
    return tuple(
        Band(edge, min(edge + BLOCK, last - first), start, start + height, matrix[:, : last - first - edge])
        for edge, start, matrix in zip(edges.tolist(), starts.tolist(), matrices, strict=True)
    )


def nearest_indices(length: int, out_length: int) -> NDArray[np.int64]:
    """Return the input index of every output when an axis is resized by nearest neighbour, int64 [out].

    The position is accumulated in double, one addition an output, as Pillow does; (x + 0.5) * scale is not the same.
    Source: NEA-1; Pillow `ImagingScaleAffine` in Geometry.c.
    """
    step = float(np.float32(length)) / out_length
    steps = np.full(out_length, step)
    steps[0] = step * 0.5
    return np.add.accumulate(steps).astype(np.int64)
