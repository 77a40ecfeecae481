"""Five cases for the first ten minutes of an adapter's life, each with what it shows."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

import clip_spec
from clip_conformance import arrays
from clip_conformance.cases import Target, case_id, source_of
from clip_conformance.errors import UsageError
from clip_conformance.records import Case
from clip_conformance.runner import Runner
from clip_conformance.scoring import lens as lenses
from clip_conformance.scoring.levels import reaches
from clip_fixtures import fixtures
from clip_spec import LevelId

_CANON = clip_spec.canon()


@dataclass(frozen=True)
class Step:
    """One fixture: what it shows, and what to look at where it fails."""

    fixture: str
    shows: str
    look: str


STEPS = (
    Step(
        "pin-grey",
        "A grey square of n_px x n_px: nothing to resize, nothing to crop. Shows that the output has the right shape, "
        "type and byte order, and one value in each channel.",
        "The output is float32, little-endian, 3 x n_px x n_px: all of red, then green, then blue.",
    ),
    Step(
        "pin-noise",
        "A square of noise. Shows the order of the channels, rows and columns, the division by 255 and the constants.",
        "y = (u / 255 - mean) / std with CLIP's own mean and std, not ImageNet's; red first; rows before columns.",
    ),
    Step(
        "crop-right-3",
        "n_px + 3 columns, n_px rows: nothing to resize. Shows where the crop begins: at 1.5, half to even, so at 2.",
        "left = round_half_even((width - n_px) / 2), top likewise (CRP-1). Rounding down is the usual mistake; half up "
        "shows in crop-right-5.",
    ),
    Step(
        "down-500-noise",
        "A square of 500 x 500 that shrinks to n_px x n_px: the kernel alone. Noise shows all of it.",
        "Bicubic with a = -0.5, antialiased: the kernel is stretched by the scale when shrinking (RSZ-3, RSZ-4). Each "
        "of the two passes is rounded to 8 bits (RSZ-8).",
    ),
    Step(
        "sides-640x480",
        "640 x 480: resize and crop together. Shows the size rule: the shorter side becomes n_px, the longer is "
        "rounded down.",
        "new_long = n_px * long // short (SIZ-1): 298 for n_px 224, where rounding gives 299 and squashing gives 224.",
    ),
)


_ARITHMETIC = (
    "The geometry and the kernel are right, what is left is arithmetic: rounding to 8 bits after each pass (RSZ-8), "
    "horizontal pass first (RSZ-9), the float end in float32 (NRM-3)."
)


@dataclass(frozen=True)
class Outcome:
    """What became of a step: the case, its deviation in words, and what was made out about it."""

    step: Step
    case: Case
    passed: bool
    what: str
    hints: tuple[str, ...] = ()


def walk(runner: Runner, target: Target, required: LevelId = "equivalent") -> Iterator[Outcome]:
    """Run the five cases one after the other.

    Raises:
        UsageError: the candidate cannot start.
    """
    with runner.prepared(target) as ready:
        if "normalize" not in ready.stages:
            raise UsageError("the candidate has no stage normalize; smoke looks at the final tensor")
        for step in STEPS:
            (case,) = runner.run([fixtures()[step.fixture]], target.n_px, lambda case: None)
            passed = case.status == "ok" and reaches(case.level, required)
            final = runner.finals.get(case_id(fixtures()[step.fixture], target.n_px))
            hints = () if passed or final is None else tuple(_hints(step, final, target.n_px))
            if case.status == "ok" and case.level == "close" and step is not STEPS[1]:
                step = replace(step, look=_ARITHMETIC)
            yield Outcome(step, case, passed, _what(case), hints)
            runner.forget_finals()


def _what(case: Case) -> str:
    """Return how far a case is off, in words."""
    if case.status != "ok":
        return f"{case.status}: {case.message}"
    worst = next((check for check in case.checks if (check.stage, check.view) == ("normalize", "cumulative")), None)
    if worst is None or case.level == "exact":
        return "bit for bit the canon"
    if worst.peak is None:
        return worst.note
    off = f"off by {worst.mean:.3g} LSB on average, {worst.peak:.3g} at most"
    return f"{off}; {worst.note}" if worst.note else off


def _hints(step: Step, final: Path, n_px: int) -> Iterator[str]:
    """Yield what can be read off the final tensor itself."""
    got = arrays.read(final, (3, n_px, n_px), "float32")
    if step.fixture == "pin-noise":
        noise = np.asarray(source_of(fixtures()[step.fixture], n_px))
        found = lenses.recover(noise, got, {})
        if found is not None:
            yield from _float_end(found)


def _float_end(found: lenses.Lens) -> Iterator[str]:
    layouts = {
        "hwc": "its layout is row, column, channel; the canon has channel, row, column",
        "interleaved": "its samples are interleaved: r, g, b, r, g, b; the canon has all of red, then green, then blue",
        "cwh": "rows and columns are exchanged",
    }
    if found.layout in layouts:
        yield layouts[found.layout]
    if found.turn != "no":
        yield f"the image is {found.turn}"
    if found.order != (0, 1, 2):
        yield f"its channels are {', '.join('RGB'[band] for band in found.order)}; the canon has R, G, B"
    canon = lenses.canonical()
    if max(np.abs(found.slope / canon.slope - 1).max(), np.abs(found.offset - canon.offset).max()) > 1e-3:
        std, mean = 1 / (found.slope * _CANON.max_value), -found.offset / (found.slope * _CANON.max_value)
        yield f"after division by 255 it uses mean {_three(mean)} and std {_three(std)}"
        yield f"CLIP has mean {_three(_CANON.mean)} and std {_three(_CANON.std)}"


def _three(values: Any) -> str:
    return f"({', '.join(f'{value:.4g}' for value in values)})"
