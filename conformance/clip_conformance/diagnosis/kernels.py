"""Resampling weights of every filter, alignment and edge that a port may have, as narrow bands of a matrix."""

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Box = tuple[int, int, int, int]
# The precision of Pillow's coefficients; that of others is finer, and the difference is far below one LSB.
_ONE = float(1 << 22)
_BLOCK = 8
# Samples after which an interpolating spline has faded below 1e-6.
_FADED = 11
# Inputs: nearer than this to a whole position is there.
_NEAR = 1e-9


def _cubic(t: Floats, b: float, c: float) -> Floats:
    near = ((12 - 9 * b - 6 * c) * t**3 + (-18 + 12 * b + 6 * c) * t**2 + (6 - 2 * b)) / 6
    far = ((-b - 6 * c) * t**3 + (6 * b + 30 * c) * t**2 + (-12 * b - 48 * c) * t + (8 * b + 24 * c)) / 6
    return np.where(t < 1, near, np.where(t < 2, far, 0.0))


def _lagrange(t: Floats) -> Floats:
    near = (1 - t * t) * (2 - t) / 2
    return np.where(t < 1, near, np.where(t < 2, (1 - t) * (2 - t) * (3 - t) / 6, 0.0))


def _hamming(t: Floats) -> Floats:
    return np.where(t < 1, np.sinc(t) * (0.54 + 0.46 * np.cos(math.pi * t)), 0.0)


def _lanczos(t: Floats, lobes: int = 3) -> Floats:
    return np.where(t < lobes, np.sinc(t) * np.sinc(t / lobes), 0.0)


# Magic Kernel Sharp: a, b, c of the parabolas a t^2 + b t + c, the first up to 0.5, each other for one sample more.
_MAGIC = {
    2013: np.array([(-28, 0, 17), (16, -44, 28), (-2, 10, -12.5), (0, 0, 0)]) / 16,
    2021: np.array(
        [(-1912, 0, 1154), (1120, -3032, 1912), (-192, 904, -1040), (32, -216, 360), (-4, 36, -81), (0, 0, 0)]
    )
    / 1152,
}


def _magic(t: Floats, year: int) -> Floats:
    pieces = _MAGIC[year]
    a, b, c = pieces[np.minimum((t + 0.5).astype(np.int64), len(pieces) - 1)].transpose(-1, *range(t.ndim))
    found: Floats = (a * t + b) * t + c
    return found


def _spline(t: Floats) -> Floats:
    """Return the cubic spline through a one among zeros: B-splines with weights that fade by the pole of a filter."""
    pole = math.sqrt(3) - 2
    total = np.zeros_like(t)
    for k in range(-_FADED, _FADED + 1):
        total += pole ** abs(k) * _cubic(np.abs(t - k), 1, 0)
    return -6 * pole / (1 - pole * pole) * total


# Of |t| in input samples, and the radius beyond which there is nothing.
_KERNELS: dict[str, tuple[Callable[[Floats], Floats], float]] = {
    "linear": (lambda t: np.maximum(1 - t, 0.0), 1),
    "hamming": (_hamming, 1),
    "lanczos": (_lanczos, 3),
    "lanczos2": (lambda t: _lanczos(t, 2), 2),
    "lanczos4": (lambda t: _lanczos(t, 4), 4),
    "mitchell": (lambda t: _cubic(t, 1 / 3, 1 / 3), 2),
    "bspline": (lambda t: _cubic(t, 1, 0), 2),
    "lagrange": (_lagrange, 2),
    "magic 2013": (lambda t: _magic(t, 2013), 2.5),
    "magic 2021": (lambda t: _magic(t, 2021), 4.5),
    "spline": (_spline, _FADED),
}


@dataclass(frozen=True)
class Sampling:
    """How one axis is sampled; the fields are those of `Variant`. `fixed` weights have 22 fraction bits."""

    filter: str
    enlarging: str
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
class Geometry:
    """Which part of an image becomes how many samples: both axes."""

    x: Axis
    y: Axis

    @property
    def equal(self) -> bool:
        """Return whether nothing is resized."""
        return all(axis.extent == axis.length == axis.out for axis in (self.x, self.y))


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
    live = weights != 0
    least = np.where(live, positions, axis.length).min(axis=1)
    most = np.where(live, positions, 0).max(axis=1)
    found = []
    for begin in range(0, last - first, _BLOCK):
        end = min(begin + _BLOCK, last - first)
        used = live[begin:end]
        start, stop = (int(least[begin:end].min()), int(most[begin:end].max()) + 1) if used.any() else (0, 1)
        # A sample may be met twice: what is beyond an edge is one of those inside.
        cells = (positions[begin:end] - start) * (end - begin) + np.arange(end - begin)[:, None]
        sums = np.bincount(cells[used], weights[begin:end][used], minlength=(stop - start) * (end - begin))
        matrix: Floats = sums.astype(np.float64, copy=False).reshape(stop - start, end - begin)
        found.append(Band(begin, end, start, stop, matrix))
    return tuple(found)


def _taps(axis: Axis, sampling: Sampling, x: NDArray[np.int64]) -> tuple[NDArray[np.int64], Floats]:
    """Return the input positions and weights of outputs x, both [outputs, taps]."""
    scale = axis.extent / axis.out
    if scale < 1 and sampling.enlarging != "the same":
        sampling = replace(sampling, filter=sampling.enlarging)
    if sampling.filter in _AREAS:
        at, weights = _AREAS[sampling.filter](axis.begin + x.astype(np.float64) * scale, scale)
        return _inside(at, weights, axis.length, sampling.edge)
    center = axis.begin + _centers(axis, sampling.alignment, scale, x)
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


def _covered(low: Floats, scale: float) -> tuple[NDArray[np.int64], Floats]:
    """Return inputs, weighted by how much of them lies between `low` and `low` + `scale`."""
    at = np.floor(low).astype(np.int64)[:, None] + np.arange(math.ceil(scale) + 2)
    return at, np.maximum(np.minimum(at + 1, (low + scale)[:, None]) - np.maximum(at, low[:, None]), 0.0)


def _pooled(low: Floats, scale: float) -> tuple[NDArray[np.int64], Floats]:
    """Return all inputs that are touched, with equal weights: torch's adaptive pooling."""
    first, last = np.floor(low + _NEAR), np.ceil(low + scale - _NEAR)
    at = first.astype(np.int64)[:, None] + np.arange(math.ceil(scale) + 2)
    return at, (at < last[:, None]).astype(np.float64)


def _opencv(low: Floats, scale: float) -> tuple[NDArray[np.int64], Floats]:
    """Return what INTER_AREA makes: coverage where it shrinks, a ramp of its own where it does not (resize.cpp)."""
    if scale > 1:
        return _covered(low, scale)
    first = np.floor(low + _NEAR)
    ramp = np.maximum((low + scale - first - 1) / scale, 0.0)
    ramp -= np.floor(ramp + _NEAR)
    return first.astype(np.int64)[:, None] + np.arange(2), np.stack([1 - ramp, ramp], axis=1)


_AREAS = {"coverage": _covered, "pool": _pooled, "area": _opencv}


def _kernel(sampling: Sampling) -> tuple[Callable[[Floats], Floats], float]:
    if sampling.filter == "cubic":
        return lambda t: _cubic(np.abs(t), 0.0, -sampling.cubic_a), 2
    if sampling.filter == "box":
        return lambda t: ((t > -0.5) & (t <= 0.5)).astype(np.float64), 0.5
    kernel, radius = _KERNELS[sampling.filter]
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
    if edge in ("reflected", "mirrored") and length > 1:
        # The outermost sample is met twice, or once.
        again = edge == "reflected"
        period = 2 * length - (0 if again else 2)
        folded = np.mod(at, period)
        at = np.where(folded >= length, period - again - folded, folded)
    at = np.clip(at, 0, length - 1)
    if edge == "black":
        return at, weights
    total = weights.sum(axis=1, keepdims=True)
    return at, np.divide(weights, total, out=np.zeros_like(weights), where=total != 0.0)
