"""What is said of one image: whether the candidate fails on it, and how far it is off."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

import clip_spec
from clip_conformance.fuzzing.bench import Answer, Bench, Output
from clip_conformance.fuzzing.pictures import MODES, Picture
from clip_conformance.records import Status
from clip_conformance.scoring.compare import FLOAT_STAGES, Deviation, compare
from clip_conformance.scoring.levels import level_of, reaches
from clip_spec import LevelId, StageId

_CANON = clip_spec.canon()
# From so many values of the first band, and so many pairs of neighbours, an image counts as one of many values.
_VALUES, _PAIRS = 128, 1000


@dataclass(frozen=True)
class Worst:
    """The sample that is furthest off: its place in the output, and its values there and in LSB."""

    row: int
    column: int
    band: int
    expected: float
    got: float
    expected_lsb: float
    got_lsb: float


@dataclass(frozen=True)
class Verdict:
    """What became of one image.

    `failed` says that it is a finding; `text` says in one line what is wrong, or why there is no answer. `lenient` says
    that only bounds on mean, bias and share were missed, on an image of too few values for them to mean anything.
    """

    status: Status
    failed: bool
    text: str = ""
    level: LevelId | None = None
    deviation: Deviation | None = None
    worst: Worst | None = None
    lenient: bool = False


Judge = Callable[[Picture], Verdict]


@dataclass
class Deviations:
    """Judges images by the canon, at the last stage that the candidate gives, with the bounds of the standard.

    A crash and a timeout are findings. So is an error on an image of a mode in which another image was answered; what
    else has no output was refused, and is none.
    """

    bench: Bench
    required: LevelId
    answered: set[str] = field(default_factory=set)

    def __call__(self, picture: Picture) -> Verdict:
        """Send an image and judge the answer."""
        stage = self.bench.stage
        answer = self.bench.ask(picture)
        if answer.status == "ok" and stage in answer.outputs:
            self.answered.add(picture.mode)
        return self.judge(picture, answer)

    def judge(self, picture: Picture, answer: Answer) -> Verdict:
        """Judge an answer."""
        stage = self.bench.stage
        if answer.status != "ok":
            return unanswered(answer, taken=picture.mode in self.answered)
        if stage not in answer.outputs:
            return Verdict("missing", picture.mode in self.answered, f"no output for {stage}")
        got, want = answer.outputs[stage], getattr(self.bench.reference(picture), stage)
        deviation = measured(stage, got, want, picture.mode)
        level = level_of(stage, "cumulative", deviation, picture.mode)
        if reaches(level, self.required):
            return Verdict("ok", False, level=level, deviation=deviation)
        by_peak = level_of(stage, "cumulative", _peak_alone(deviation), picture.mode)
        if reaches(by_peak, self.required) and not many_values(picture):
            return Verdict("ok", False, level=by_peak, deviation=deviation, lenient=True)
        worst = None if deviation.problem else worst_of(stage, got.array, want)
        return Verdict("ok", True, deviation.problem, level, deviation, worst)

    def levels(self, picture: Picture) -> list[tuple[StageId, LevelId]]:
        """Return the level of every stage that the candidate shows, end to end, in the order of the pipeline."""
        ready = self.bench.ready
        answer = self.bench.ask(picture, stages=ready.scored)
        reference, found = self.bench.reference(picture), []
        for stage in ready.scored:
            hidden = ready.early_rgb and picture.mode != "RGB" and stage in ("resize", "center_crop")
            if stage in answer.outputs and not hidden:
                deviation = measured(stage, answer.outputs[stage], getattr(reference, stage), picture.mode)
                found.append((stage, level_of(stage, "cumulative", deviation, picture.mode)))
        return found


def unanswered(answer: Answer, *, taken: bool) -> Verdict:
    """Return the verdict of an image without an output; `taken` says that its mode is one that the candidate takes."""
    failed = answer.status in ("crash", "timeout") or (taken and answer.status in ("error", "missing"))
    return Verdict(answer.status, failed, answer.message)


def measured(stage: StageId, got: Output, want: NDArray[Any], mode: str) -> Deviation:
    """Return how far an output is from the canon's."""
    if got.problem:
        return Deviation(problem=got.problem)
    return compare(stage, got.array, want, got.mode, "RGB" if stage == "convert_rgb" else mode)


def many_values(picture: Picture) -> bool:
    """Return whether the bounds on mean, bias and share mean anything for an image.

    They are derived for sums that fall anywhere between two integers. On a periodic or nearly flat image the same few
    sums come back at every pixel: one that lies at a half rounds the other way everywhere, and its peak says it all.
    """
    band = picture.samples if MODES[picture.mode].bands == 1 else picture.samples[..., 0]
    band = band[: max(1, (1 << 16) // band.shape[1])]
    if np.unique(band).size < _VALUES:
        return False
    pairs = np.stack([band[:, :-1].ravel(), band[:, 1:].ravel()], axis=1)
    return len(np.unique(pairs, axis=0)) >= _PAIRS


def _peak_alone(deviation: Deviation) -> Deviation:
    floors = dict.fromkeys(deviation.beyond_floor, 0.0)
    return replace(deviation, mean=0.0, bias=0.0, beyond_floor=floors)


def in_lsb(stage: StageId, array: NDArray[Any]) -> NDArray[np.float64] | None:
    """Return an output as planes [bands, rows, columns] in LSB, None where it has not the layout of its stage."""
    values = array.astype(np.float64)
    if stage in FLOAT_STAGES:
        if values.ndim != 3 or values.shape[0] != 3:
            return None
        if stage == "normalize":
            mean, std = (np.array(numbers).reshape(3, 1, 1) for numbers in (_CANON.mean, _CANON.std))
            values = values * std + mean
        return values * _CANON.max_value
    if values.ndim not in (2, 3):
        return None
    return values[None] if values.ndim == 2 else values.transpose(2, 0, 1)


def worst_of(stage: StageId, got: NDArray[Any], want: NDArray[Any]) -> Worst | None:
    """Return the sample of an output that is furthest from the canon's."""
    mine, canon = in_lsb(stage, got), in_lsb(stage, want)
    if mine is None or canon is None or mine.shape != canon.shape:
        return None
    place = np.unravel_index(int(np.abs(mine - canon).argmax()), mine.shape)
    band, row, column = (int(index) for index in place)
    index = (band, row, column) if stage in FLOAT_STAGES else (row, column, band)[: got.ndim]
    return Worst(
        row,
        column,
        band,
        float(want[index]),
        float(got[index]),
        float(canon[place]),
        float(mine[place]),
    )


def repeated(judge: Judge, picture: Picture, tries: int) -> Verdict:
    """Return the first verdict of some that fails, or the last."""
    for _ in range(tries - 1):
        verdict = judge(picture)
        if verdict.failed:
            return verdict
    return judge(picture)
