"""Resampling of sample planes: the two 8-bit passes (RSZ-8 to RSZ-11), the deep passes (DEP) and nearest (NEA)."""

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from clip_reference.kernel import Band, Taps, bands, nearest_indices, taps

Plane: TypeAlias = NDArray[Any]
# Reads a box (left, top, right, bottom) of input samples, [rows, columns] or [rows, columns, bands].
Reader: TypeAlias = Callable[[int, int, int, int], Plane]
Size: TypeAlias = tuple[int, int]
Box: TypeAlias = tuple[int, int, int, int]

# Samples that are read and multiplied at a time: enough for the matrix product, few enough to stay in cache.
_STRIP = 350_000


def resample_bands(read: Reader, size: Size, out_size: Size, window: Box, depth: int) -> NDArray[np.uint8]:
    """Resize 8-bit bands bicubically and return the `window` of the result, uint8 [rows, columns(, bands)].

    The horizontal pass comes first (RSZ-9), a pass that keeps its length is skipped (RSZ-10), each pass rounds and
    clips to 8 bits (RSZ-8), and only what the window needs is computed (RSZ-11).

    Args:
        read: gives the input samples of a box.
        size: input (width, height).
        out_size: output (width, height).
        window: (left, top, right, bottom) in output pixels.
        depth: the number of bands.
    """
    left, top, right, bottom = window
    if size[1] == out_size[1]:
        return _interleaved(_horizontal(read, size[0], out_size[0], (left, right), (top, bottom), depth))
    blocks = bands(size[1], out_size[1], top, bottom)
    first, last = min(b.start for b in blocks), max(b.stop for b in blocks)
    if size[0] == out_size[0]:
        return _vertical(read(left, first, right, last), first, blocks)
    lines = _horizontal(read, size[0], out_size[0], (left, right), (first, last), depth)
    return _interleaved(_vertical(lines, first, blocks))


def _horizontal(
    read: Reader, length: int, out_length: int, columns: tuple[int, int], rows: tuple[int, int], depth: int
) -> NDArray[np.uint8]:
    """Return the outputs columns[0]..columns[1]-1 of the rows, one plane a band: [rows, bands, columns]."""
    blocks = bands(length, out_length, *columns)
    start, stop = min(b.start for b in blocks), max(b.stop for b in blocks)
    width = columns[1] - columns[0]
    out = np.empty((rows[1] - rows[0], depth, width), dtype=np.uint8)
    height = min(max(_STRIP // ((stop - start) * depth), 16), len(out))
    planes = np.empty((height, depth, stop - start))
    sums = np.empty((height, depth, width))
    for top in range(rows[0], rows[1], height):
        bottom = min(top + height, rows[1])
        strip = read(start, top, stop, bottom).reshape(bottom - top, stop - start, depth)
        np.copyto(planes[: bottom - top], strip.transpose(0, 2, 1))
        inputs, results = planes.reshape(-1, stop - start), sums.reshape(-1, width)
        for block in blocks:
            part = inputs[: (bottom - top) * depth, block.start - start : block.stop - start]
            np.matmul(part, block.matrix, out=results[: len(part), block.first : block.last])
        _store(sums[: bottom - top], out[top - rows[0] : bottom - rows[0]])
    return out


def _vertical(lines: Plane, first: int, blocks: tuple[Band, ...]) -> NDArray[np.uint8]:
    """Return the outputs of the blocks from input rows that begin at `first`, in the layout of `lines`."""
    inputs = lines.reshape(len(lines), -1)
    sums = np.empty((blocks[-1].last, inputs.shape[1]))
    for block in blocks:
        part = inputs[block.start - first : block.stop - first].astype(np.float64)
        np.matmul(block.matrix.T, part, out=sums[block.first : block.last])
    out = np.empty((len(sums), *lines.shape[1:]), dtype=np.uint8)
    _store(sums.reshape(out.shape), out)
    return out


def _interleaved(planes: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return [rows, bands, columns] as [rows, columns, bands], a view; a single band as [rows, columns]."""
    return planes[:, 0] if planes.shape[1] == 1 else planes.transpose(0, 2, 1)


def _store(sums: NDArray[np.float64], out: NDArray[np.uint8]) -> None:
    """Round half up, clip to 0..255 and store; as (2^21 + sum) >> 22 on the integers (RSZ-8). Overwrites `sums`."""
    sums += 0.5
    np.clip(sums, 0.0, 255.0, out=sums)
    np.copyto(out, sums, casting="unsafe")


def resample_deep(plane: Plane, out_size: Size, window: Box) -> Plane:
    """Resize one plane of int32, float32 or uint16 bicubically in double; return the `window` of the result.

    Sums run from left to right and are rounded to the dtype after each pass (DEP-1, DEP-2, DEP-3); what the window
    does not need is not computed (RSZ-11).
    """
    left, top, right, bottom = window
    height, width = plane.shape
    if height != out_size[1]:
        axis = taps(height, out_size[1], top, bottom)
        first, last = int(axis.start.min()), int((axis.start + axis.count).max())
    else:
        axis, first, last = None, top, bottom
    lines = plane[first:last]
    if width != out_size[0]:
        lines = _deep_pass(lines, taps(width, out_size[0], left, right), 0)
    else:
        lines = lines[:, left:right]
    if axis is not None:
        lines = _deep_pass(np.ascontiguousarray(lines.T), axis, first).T
    return np.ascontiguousarray(lines)


def _deep_pass(plane: Plane, axis: Taps, first: int) -> Plane:
    """Resample the rows of a plane whose first column is the input sample `first` of the axis."""
    sums = np.zeros((plane.shape[0], len(axis.start)))
    for tap in range(axis.weights.shape[1]):
        live = np.flatnonzero(tap < axis.count)
        with np.errstate(invalid="ignore"):
            sums[:, live] += plane[:, axis.start[live] + (tap - first)] * axis.weights[live, tap]
    return _round_deep(sums, plane.dtype)


def _round_deep(sums: NDArray[np.float64], dtype: np.dtype[Any]) -> Plane:
    if dtype == np.float32:  # DEP-2
        with np.errstate(over="ignore"):
            return sums.astype(np.float32)
    rounded = np.trunc(np.where(sums >= 0, sums + 0.5, sums - 0.5))
    if dtype == np.uint16:  # DEP-3
        return np.clip(rounded, 0, 65535).astype(np.uint16)
    overflow = (rounded < -(2.0**31)) | (rounded >= 2.0**31)  # DEP-1
    return np.where(overflow, -(2.0**31), rounded).astype(np.int32)


def resample_nearest(plane: Plane, out_size: Size, window: Box) -> Plane:
    """Resize one plane by nearest neighbour (NEA-1); return the `window` of the result."""
    left, top, right, bottom = window
    height, width = plane.shape
    rows = nearest_indices(height, out_size[1])[top:bottom]
    return plane[rows[:, None], nearest_indices(width, out_size[0])[left:right]]
