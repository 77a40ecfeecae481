"""How far an output is from the canon: shape, type and finiteness first, then the numbers (CNF-2)."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

import clip_spec
from clip_spec import StageId

FLOAT_STAGES: tuple[StageId, ...] = tuple(s.id for s in clip_spec.canon().stages if s.samples == "float32")
_CANON = clip_spec.canon()


@dataclass(frozen=True)
class Deviation:
    """The distance of one output from the canon's.

    `peak`, `mean` (of the absolute error), and `bias` (of the signed error) are in LSB: 1 for integer samples,
    1 / 255 for to_tensor, 1 / (255 std) of the channel for normalize. `share` is the share of samples that differ at
    all, `peak_absolute` the peak in the stage's own units and `ulp` the peak in units in the last place (float stages).
    `problem` says in one line why there are no numbers; `note` what keeps the output from being exact.
    """

    peak: float = 0.0
    mean: float = 0.0
    bias: float = 0.0
    share: float = 0.0
    peak_absolute: float = 0.0
    ulp: int = 0
    problem: str = ""
    note: str = ""
    identical: bool = False
    # The shares of samples beyond the floors and the peaks that the spec's bounds have, and no others.
    beyond_floor: dict[float, float] = field(default_factory=dict)
    beyond_peak: dict[float, float] = field(default_factory=dict)


# Beyond this an error in LSB may no longer be a finite number.
_ABSURD = 1e30
# Samples that are measured at a time.
_BLOCK = 1 << 16
# And no preprocessor means more than this, whatever its scale.
_SANE = 1e4
_FLOORS = tuple({bound.floor for bound in clip_spec.levels().bounds})
_PEAKS = tuple({bound.peak for bound in clip_spec.levels().bounds})


def compare(stage: StageId, got: NDArray[Any], want: NDArray[Any], mode: str = "", want_mode: str = "") -> Deviation:
    """Measure an output against the canon's.

    Args:
        stage: whose output it is.
        got: the candidate's array.
        want: the reference's array (see `clip_reference.Trace`).
        mode: the Pillow mode where the candidate gave a Pillow image, else "".
        want_mode: the canon's mode at this stage.
    """
    if mode and mode != want_mode:
        return Deviation(problem=f"mode {mode}, expected {want_mode}")
    if got.shape != want.shape:
        return Deviation(problem=f"shape {list(got.shape)}, expected {list(want.shape)}{_layout(got, want)}")
    note = "" if got.dtype.newbyteorder("=") == want.dtype else f"dtype {got.dtype}, expected {want.dtype}"
    if got.dtype.kind == "f" and not np.isfinite(got).all():
        return Deviation(problem=f"{int((~np.isfinite(got)).sum())} samples are not finite{_swapped(got)}")
    if not note and np.array_equal(_bits(got), _bits(want)):
        return Deviation(identical=True)
    if not (largest := float(np.abs(got).max(initial=0))) < _ABSURD:
        return Deviation(problem=f"samples as large as {largest:.1e}{_swapped(got)}")
    return _measured(stage, got, want, note)


def _measured(stage: StageId, got: NDArray[Any], want: NDArray[Any], note: str) -> Deviation:
    """Return the figures, taken in blocks that stay in the processor's cache."""
    peaks, absolutes, ulps, means, biases = [0.0], [0.0], [0], [], []
    differing, floors, bounds = 0, dict.fromkeys(_FLOORS, 0), dict.fromkeys(_PEAKS, 0)
    for a, b, per_lsb in _blocks(stage, got, want):
        error = a.astype(np.float64)
        error -= b
        differing += int(np.count_nonzero(error))
        absolute = np.abs(error)
        absolutes.append(float(absolute.max()))
        for floor in floors:
            floors[floor] += int(np.count_nonzero(absolute <= floor))
        absolute *= per_lsb
        peaks.append(float(absolute.max()))
        means.append(_sum(absolute))
        biases.append(_sum(error) * per_lsb)
        for bound in bounds:
            bounds[bound] += int(np.count_nonzero(absolute <= bound))
        if stage in FLOAT_STAGES:
            ulps.append(_ulp(a, b))
    size = got.size
    return Deviation(
        peak=max(peaks),
        mean=math.fsum(means) / size,
        bias=math.fsum(biases) / size,
        share=differing / size,
        peak_absolute=max(absolutes),
        ulp=max(ulps),
        note=note,
        beyond_floor={floor: 1 - kept / size for floor, kept in floors.items()},
        beyond_peak={bound: 1 - kept / size for bound, kept in bounds.items()},
    )


def _blocks(
    stage: StageId, got: NDArray[Any], want: NDArray[Any]
) -> Iterator[tuple[NDArray[Any], NDArray[Any], float]]:
    """Yield corresponding parts of two arrays, and how many LSB one unit of them is."""
    scales = [1.0]
    if stage in FLOAT_STAGES:
        std = _CANON.std if stage == "normalize" else (1.0, 1.0, 1.0)
        scales = [value * _CANON.max_value for value in std]
    pairs = zip(got.reshape(len(scales), -1), want.reshape(len(scales), -1), scales, strict=True)
    for mine, theirs, per_lsb in pairs:
        for start in range(0, mine.size, _BLOCK):
            yield mine[start : start + _BLOCK], theirs[start : start + _BLOCK], per_lsb


def _sum(samples: NDArray[np.float64]) -> float:
    """Return the sum, added in the order of the samples: that of `sum` is up to NumPy's version and the processor."""
    return float(np.cumsum(samples)[-1])


def _bits(array: NDArray[Any]) -> NDArray[Any]:
    """View floats as integers: -0.0 is not 0.0 when bits are compared."""
    array = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("="))
    return array.view(np.uint32) if array.dtype == np.float32 else array


def _ulp(got: NDArray[Any], want: NDArray[np.float32]) -> int:
    """Return the largest distance in representable float32 numbers."""
    with np.errstate(over="ignore"):
        return int(np.abs(np.subtract(_ordered(got), _ordered(want), dtype=np.int64)).max())


def _ordered(array: NDArray[Any]) -> NDArray[np.int32]:
    """Return the bits of floats as integers in the order of the floats; both zeros are 0."""
    bits = np.ascontiguousarray(array, dtype=np.float32).view(np.int32)
    sign = bits >> np.int32(31)  # 0 or -1
    ordered: NDArray[np.int32] = ((bits & np.int32(0x7FFFFFFF)) ^ sign) - sign
    return ordered


def _swapped(got: NDArray[Any]) -> str:
    """Say that the bytes are in the wrong order, where they make sense in the other."""
    other = got.byteswap()
    sane = np.isfinite(other).all() and np.abs(other).max(initial=0) < _SANE
    return "; in the other byte order they are sound, write little-endian" if sane else ""


def _layout(got: NDArray[Any], want: NDArray[Any]) -> str:
    if got.ndim == 3 and want.ndim == 3 and got.transpose(2, 0, 1).shape == want.shape:
        return " (height, width, channel instead of channel, height, width)"
    return ""
