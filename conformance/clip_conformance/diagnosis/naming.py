"""From a recovered float end to the known mistakes that make it: division, layout, channel order, mean and std."""

import functools
import itertools
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

import clip_spec
from clip_conformance.diagnosis.float_end import line
from clip_conformance.diagnosis.moves import Move, moves
from clip_conformance.diagnosis.variant import CANON, FIELDS, Triple, Variant, changed
from clip_conformance.scoring.lens import Lens

# LSB: how near two float ends must be to be one; float16 outputs are off by more.
_NEAR = 0.02
_NEAR_HALF = 0.3
# How many mistakes of the float end's numbers are told apart at once.
_MOST = 3
_MISTYPED, _SHARED = "constants-mistyped", "std-shared"


def name_float_end(lens: Lens, precision: str) -> tuple[Variant, tuple[Move, ...]]:
    """Return the canon with the candidate's float end, and the faults that make the difference."""
    found: list[Move] = []
    arrangement: dict[str, Any] = {
        "channels": "".join("rgb"[band] for band in lens.order),
        "layout": lens.layout,
        "turn": lens.turn,
        "precision": precision,
    }
    known = [move for move in moves() if "clip" not in move.change]
    if lens.clip is not None:
        arrangement["clip"] = "{:.6g} to {:.6g}".format(*lens.clip)
        known += [Move(fault, {"clip": arrangement["clip"]}) for fault in clip_spec.faults() if "clip" in fault.change]
    for move in known:
        wanted = {name: arrangement.get(name) for name in move.change}
        if wanted == move.change:
            found.append(move)
    variant = CANON
    for move in found:
        variant = changed(variant, move.change)
    values, named = _values(lens, _NEAR if precision == "float32" else _NEAR_HALF)
    for name in _VALUES:
        variant = replace(variant, **{name: getattr(values, name)})
    return variant, (*found, *named)


_VALUES = ("scale", "offset", "mean", "std", "constants", "steps", "times")


@functools.cache
def _ends() -> tuple[tuple[tuple[Move, ...], Variant, NDArray[Any], NDArray[Any]], ...]:
    """Return every combination of up to three mistakes of the float end's numbers, fewest first."""
    known = [move for move in moves() if set(move.change) <= set(_VALUES) and move.id != _MISTYPED]
    found = []
    for count in range(_MOST + 1):
        for chosen in itertools.combinations(known, count):
            touched = [name for move in chosen for name in move.change]
            if len(set(touched)) == len(touched):
                variant = CANON
                for move in chosen:
                    variant = changed(variant, move.change)
                found.append((chosen, variant, *line(variant)))
    return tuple(found)


def _values(lens: Lens, near: float) -> tuple[Variant, tuple[Move, ...]]:
    """Return the variant whose slopes and offsets are the lens's, and its faults; else the constants as recovered."""
    ends = _ends()
    slopes, offsets = (np.array([end[i] for end in ends]) for i in (2, 3))
    at_black = np.abs(offsets - lens.offset)
    at_white = np.abs(offsets + 255 * slopes - lens.offset - 255 * lens.slope)
    misfit = (np.maximum(at_black, at_white) / np.abs(lens.slope)).max(axis=1)
    for count in range(_MOST + 1):
        fitting = [(misfit[i], i) for i, end in enumerate(ends) if len(end[0]) == count and misfit[i] <= near]
        if fitting:
            chosen, variant, _, _ = ends[min(fitting)[1]]
            return variant, chosen
    return _mistyped(lens)


def _mistyped(lens: Lens) -> tuple[Variant, tuple[Move, ...]]:
    """Return the constants as recovered, under the division that makes most of them known ones."""
    best: tuple[int, Variant, tuple[Move, ...]] | None = None
    for chosen, variant, _, _ in _ends():
        if len(chosen) > 1 or variant.steps != CANON.steps or variant.times != 1:
            continue
        std = 1 / (lens.slope * variant.scale)
        mean = variant.offset - lens.offset * std
        wanted = np.array([*variant.mean, *variant.std])
        got = np.array([*mean, *std])
        close = np.abs(got - wanted) < 2e-5
        right = int(np.count_nonzero(close)) - len(chosen)
        if best is None or right > best[0]:
            values = [float(w) if same else float(f"{g:.6g}") for g, w, same in zip(got, wanted, close, strict=True)]
            kept = replace(variant, mean=_triple(values[:3]), std=_triple(values[3:]), constants="rgb")
            best = right, kept, chosen
    assert best is not None
    shared = len(set(best[1].std)) == 1 and best[1].mean == CANON.mean
    fault = next(fault for fault in clip_spec.faults() if fault.id == (_SHARED if shared else _MISTYPED))
    change = {"mean": best[1].mean, "std": best[1].std}
    return best[1], (*best[2], Move(fault, change))


def _triple(values: list[float]) -> Triple:
    first, second, third = values
    return first, second, third


def float_fields() -> set[str]:
    """Return the choices that belong to the float end."""
    late = {name for name, field in FIELDS.items() if field.stage in ("to_tensor", "normalize")}
    return {*late, "channels"}
