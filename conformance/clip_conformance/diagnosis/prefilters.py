"""What some ports do to an image before they resize it: a Gaussian blur, or a coarse reduction by whole factors."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clip_conformance.diagnosis.kernels import Axis, Geometry

Plane = NDArray[Any]
# Reads a box (left, top, right, bottom) of samples, [rows, columns] or [rows, columns, bands].
Reader = Callable[[int, int, int, int], Plane]
_Singles = NDArray[np.float32]


def prefiltered(read: Reader, geometry: Geometry, how: str) -> tuple[Reader, Geometry]:
    """Return an image behind a prefilter, of which nothing is computed but what is read, and its axes."""
    if how == "none":
        return read, geometry
    if how == "gaussian":
        return (lambda *box: _blurred(read, geometry, *box)), geometry
    gap = float(how.removeprefix("reduced "))
    factors = [max(int(axis.extent / axis.out / gap), 1) for axis in (geometry.x, geometry.y)]
    if factors == [1, 1]:
        return read, geometry
    x, y = (
        Axis(-(-axis.length // factor), axis.out, axis.begin / factor, axis.extent / factor)
        for axis, factor in zip((geometry.x, geometry.y), factors, strict=True)
    )
    return (lambda *box: _reduced(read, geometry, factors, *box)), Geometry(x, y)


def _reduced(
    read: Reader, geometry: Geometry, factors: list[int], left: int, top: int, right: int, bottom: int
) -> Plane:
    """Return a box of an image shrunk by whole factors, as Pillow's reducing_gap does (Image.resize, Image.reduce)."""
    across, down = factors
    x_end, y_end = min(right * across, geometry.x.length), min(bottom * down, geometry.y.length)
    data = read(left * across, top * down, x_end, y_end)
    whole = data.dtype.kind in "ui"
    data = data.astype(np.int64 if whole else np.float64)
    area = np.ones((1,) * data.ndim, dtype=np.int64)
    for along, factor in ((0, down), (1, across)):
        edges = np.arange(0, data.shape[along], factor)
        counts = np.minimum(edges + factor, data.shape[along]) - edges
        area = area * counts.reshape([-1 if i == along else 1 for i in range(data.ndim)])
        data = np.add.reduceat(data, edges, axis=along)
    # Pillow multiplies by a reciprocal that is cut off (Reduce.c).
    shrunk: Plane = np.right_shift((data + area // 2) * ((1 << 24) // area), 24) if whole else data / area
    return shrunk


def _blurred(read: Reader, geometry: Geometry, left: int, top: int, right: int, bottom: int) -> Plane:
    """Return a box blurred by (scale - 1) / 2 along each axis, as scikit-image and kornia do before they interpolate.

    In single precision: what it loses is far below one LSB.
    """
    taps = [_gaussian(axis) for axis in (geometry.x, geometry.y)]
    columns = _around(geometry.x.length, left, right, len(taps[0]) // 2)
    rows = _around(geometry.y.length, top, bottom, len(taps[1]) // 2)
    x, y = int(columns.min()), int(rows.min())
    data = read(x, y, int(columns.max()) + 1, int(rows.max()) + 1).astype(np.float32)
    for along, at, weights in ((1, columns - x, taps[0]), (0, rows - y, taps[1])):
        if len(weights) > 1:
            data = _convolved(np.take(data, at, axis=along), weights, along)
    return data


def _gaussian(axis: Axis) -> _Singles:
    sigma = max((axis.extent / axis.out - 1) / 2, 0.0)
    if sigma == 0.0:
        return np.ones(1, np.float32)
    reach = min(int(4 * sigma + 0.5), 200)
    taps = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    single: _Singles = (taps / taps.sum()).astype(np.float32)
    return single


def _around(length: int, first: int, last: int, reach: int) -> NDArray[np.int64]:
    """Return the samples first-reach..last-1+reach; beyond an edge those that are reflected in it, if there are."""
    at = np.arange(first - reach, last + reach)
    inside: NDArray[np.int64] = length - 1 - np.abs(length - 1 - np.abs(at))
    return inside if length > reach else np.clip(at, 0, length - 1)


def _convolved(data: _Singles, taps: _Singles, along: int) -> _Singles:
    """Return the sums under the taps wherever all of them lie inside: products with one band matrix, block by block."""
    count = data.shape[along] - len(taps) + 1
    block = min(max(len(taps), 16), count)
    matrix = np.zeros((block + len(taps) - 1, block), np.float32)
    for column in range(block):
        matrix[column : column + len(taps), column] = taps
    inputs = np.ascontiguousarray(data.swapaxes(along, -1))
    out = np.empty((*inputs.shape[:-1], count), np.float32)
    for first in range(0, count, block):
        size = min(block, count - first)
        np.matmul(
            inputs[..., first : first + size + len(taps) - 1],
            matrix[: size + len(taps) - 1, :size],
            out=out[..., first : first + size],
        )
    return out.swapaxes(along, -1)
