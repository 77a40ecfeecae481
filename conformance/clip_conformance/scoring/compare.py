"""How far an output is from the canon: shape, type and finiteness first, then the numbers (CNF-2)."""

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
    error = got.astype(np.float64) - want.astype(np.float64)
    absolute = np.abs(error)
    in_lsb = error * _per_lsb(stage)
    return Deviation(
        peak=float(np.abs(in_lsb).max()),
        mean=float(np.abs(in_lsb).mean()),
        bias=float(in_lsb.mean()),
        share=float((error != 0).mean()),
        peak_absolute=float(absolute.max()),
        ulp=_ulp(got, want) if stage in FLOAT_STAGES else 0,
        note=note,
        beyond_floor={floor: float(1 - (absolute <= floor).mean()) for floor in _FLOORS},
        beyond_peak={peak: float(1 - (np.abs(in_lsb) <= peak).mean()) for peak in _PEAKS},
    )


def _bits(array: NDArray[Any]) -> NDArray[Any]:
    """View floats as integers: -0.0 is not 0.0 when bits are compared."""
    array = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("="))
    return array.view(np.uint32) if array.dtype == np.float32 else array


def _per_lsb(stage: StageId) -> Any:
    if stage == "normalize":
        return np.array(_CANON.std).reshape(3, 1, 1) * _CANON.max_value
    return _CANON.max_value if stage == "to_tensor" else 1.0


def _ulp(got: NDArray[Any], want: NDArray[np.float32]) -> int:
    """Return the largest distance in representable float32 numbers."""
    with np.errstate(over="ignore"):
        ordered = [np.where(bits < 0, -(2**31) - bits, bits) for bits in (_int_bits(got), _int_bits(want))]
    return int(np.abs(ordered[0] - ordered[1]).max())


def _int_bits(array: NDArray[Any]) -> NDArray[np.int64]:
    return np.ascontiguousarray(array, dtype=np.float32).view(np.int32).astype(np.int64)


def _swapped(got: NDArray[Any]) -> str:
    """Say that the bytes are in the wrong order, where they make sense in the other."""
    other = got.byteswap()
    sane = np.isfinite(other).all() and np.abs(other).max(initial=0) < _SANE
    return "; in the other byte order they are sound, write little-endian" if sane else ""


def _layout(got: NDArray[Any], want: NDArray[Any]) -> str:
    if got.ndim == 3 and want.ndim == 3 and got.transpose(2, 0, 1).shape == want.shape:
        return " (height, width, channel instead of channel, height, width)"
    return ""
