"""Resampling weights of every filter, alignment and edge that a port may have, as narrow bands of a matrix."""

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
# The precision of Pillow's coefficients; that of others is finer, and the difference is far below one LSB.
_ONE = float(1 << 22)
_BLOCK = 8


def _cubic(t: Floats, b: float, c: float) -> Floats:
    near = ((12 - 9 * b - 6 * c) * t**3 + (-18 + 12 * b + 6 * c) * t**2 + (6 - 2 * b)) / 6
    far = ((-b - 6 * c) * t**3 + (6 * b + 30 * c) * t**2 + (-12 * b - 48 * c) * t + (8 * b + 24 * c)) / 6
    return np.where(t < 1, near, np.where(t < 2, far, 0.0))


def _lagrange(t: Floats) -> Floats:
    near = (1 - t * t) * (2 - t) / 2
    return np.where(t < 1, near, np.where(t < 2, (1 - t) * (2 - t) * (3 - t) / 6, 0.0))


def _hamming(t: Floats) -> Floats:
    return np.where(t < 1, np.sinc(t) * (0.54 + 0.46 * np.cos(math.pi * t)), 0.0)


def _lanczos(t: Floats) -> Floats:
    return np.where(t < 3, np.sinc(t) * np.sinc(t / 3), 0.0)


# Of |t| in input samples, and the radius beyond which there is nothing.
_KERNELS: dict[str, tuple[Callable[[Floats], Floats], float]] = {
    "linear": (lambda t: np.maximum(1 - t, 0.0), 1),
    "hamming": (_hamming, 1),
    "lanczos": (_lanczos, 3),
    "mitchell": (lambda t: _cubic(t, 1 / 3, 1 / 3), 2),
    "bspline": (lambda t: _cubic(t, 1, 0), 2),
    "lagrange": (_lagrange, 2),
}


@dataclass(frozen=True)
class Sampling:
    """How one axis is sampled; the fields are those of `Variant`. `fixed` weights have 22 fraction bits."""

    filter: str
    cubic_a: float
    antialias: bool
    alignment: str
    edge: str
    fixed: bool


@dataclass(frozen=True)
class Axis:
    """An axis of `length` samples of which the part begin..begin+extent becomes `out` samples."""

    length: int
    out: int
    begin: float
    extent: float


@dataclass(frozen=True)
class Band:
    """Outputs first..last-1, counted from the first that was asked for: inputs start..stop-1 times `matrix`."""

    first: int
    last: int
    start: int
    stop: int
    matrix: Floats


@functools.lru_cache(maxsize=1024)
def bands(axis: Axis, sampling: Sampling, first: int, last: int) -> tuple[Band, ...]:
    """Return the weights of the outputs first..last-1 of an axis."""
    positions, weights = _taps(axis, sampling, np.arange(first, last))
    if sampling.fixed:
        weights = np.rint(weights * _ONE) / _ONE
    found = []
    for begin in range(0, last - first, _BLOCK):
        end = min(begin + _BLOCK, last - first)
        at, part = positions[begin:end], weights[begin:end]
        live = part != 0
        start = int(at[live].min()) if live.any() else 0
        stop = int(at[live].max()) + 1 if live.any() else 1
        matrix = np.zeros((stop - start, end - begin))
        columns = np.broadcast_to(np.arange(end - begin)[:, None], at.shape)
        np.add.at(matrix, (at[live] - start, columns[live]), part[live])
        found.append(Band(begin, end, start, stop, matrix))
    return tuple(found)


def _taps(axis: Axis, sampling: Sampling, x: NDArray[np.int64]) -> tuple[NDArray[np.int64], Floats]:
    """Return the input positions and weights of outputs x, both [outputs, taps]."""
    scale = axis.extent / axis.out
    center = axis.begin + _centers(axis, sampling.alignment, scale, x)
    if sampling.filter == "area" and scale > 1:
        low, high = center - scale / 2, center + scale / 2
        at = np.floor(low).astype(np.int64)[:, None] + np.arange(math.ceil(scale) + 2)
        weights = np.minimum(at + 1, high[:, None]) - np.maximum(at, low[:, None])
        return _inside(at, np.maximum(weights, 0.0), axis.length, sampling.edge)
    stretch = max(scale, 1.0) if sampling.antialias else 1.0
    kernel, radius = _kernel(sampling)
    reach = radius * stretch
    # As Pillow does: a tap belongs to the window where its centre is less than the support away.
    start = np.floor(center - reach + 0.5).astype(np.int64)
    stop = np.floor(center + reach + 0.5).astype(np.int64)
    tap = np.arange(max(int((stop - start).max()), 1))
    at = start[:, None] + tap
    weights = kernel((at - center[:, None] + 0.5) * (1.0 / stretch))
    weights[tap >= (stop - start)[:, None]] = 0.0
    return _inside(at, weights, axis.length, sampling.edge)


def _kernel(sampling: Sampling) -> tuple[Callable[[Floats], Floats], float]:
    if sampling.filter == "cubic":
        return lambda t: _cubic(np.abs(t), 0.0, -sampling.cubic_a), 2
    if sampling.filter == "box":
        return lambda t: ((t > -0.5) & (t <= 0.5)).astype(np.float64), 0.5
    kernel, radius = _KERNELS["linear" if sampling.filter == "area" else sampling.filter]
    return lambda t: kernel(np.abs(t)), radius


def _centers(axis: Axis, alignment: str, scale: float, outputs: NDArray[np.int64]) -> Floats:
    x = outputs.astype(np.float64)
    if alignment == "corner":
        return x * ((axis.extent - 1) / max(axis.out - 1, 1)) + 0.5
    if alignment == "origin":
        return x * scale + 0.5
    shifted = alignment == "shifted up" and scale < 1
    return (x + (0.0 if shifted else 0.5)) * scale


def _inside(at: NDArray[np.int64], weights: Floats, length: int, edge: str) -> tuple[NDArray[np.int64], NDArray[Any]]:
    """Return taps with those beyond the edge dealt with, and the weights normalised."""
    outside = (at < 0) | (at >= length)
    if edge == "black":
        weights = weights / weights.sum(axis=1, keepdims=True)
    if edge in ("cut", "black"):
        weights = np.where(outside, 0.0, weights)
    if edge == "reflected" and length > 1:
        period = 2 * length
        folded = np.mod(at, period)
        at = np.where(folded >= length, period - 1 - folded, folded)
    at = np.clip(at, 0, length - 1)
    if edge == "black":
        return at, weights
    total = weights.sum(axis=1, keepdims=True)
    return at, np.divide(weights, total, out=np.zeros_like(weights), where=total != 0.0)
