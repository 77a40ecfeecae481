"""A few cases once more, at the end: an answer that is not the same again is told, with how far apart the two are."""

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from clip_conformance import arrays
from clip_conformance.cases import case_id, expected_digests, reference_stages
from clip_conformance.records import Case
from clip_conformance.runner import Runner
from clip_conformance.scoring.compare import compare
from clip_conformance.scoring.levels import level_of, worst
from clip_fixtures import Fixture, digest
from clip_spec import LevelId

# How many cases are run again; each costs what a case costs.
_CASES = 2
# In what is said of a case that had another answer.
AGAIN = "the same image again gave"


def repeated(runner: Runner, chosen: Sequence[Fixture], cases: Sequence[Case], n_px: int) -> list[Case]:
    """Run some of the cases again and return all, those marked that had another answer.

    Their end-to-end check is at the level at which one answer reaches the other, at best.
    """
    found = {case.id: case for case in cases}
    answered = [
        fixture
        for fixture in chosen
        if (case := found[case_id(fixture, n_px)]).id in runner.ended
        and any((check.stage, check.view) == ("normalize", "cumulative") for check in case.checks)
    ]
    for fixture in answered[:: max(1, len(answered) // _CASES)][:_CASES]:
        case = found[case_id(fixture, n_px)]
        found[case.id] = _compared(runner, fixture, case)
    return list(found.values())


def _compared(runner: Runner, fixture: Fixture, case: Case) -> Case:
    again = runner.again(fixture, case.n_px)
    kept = runner.finals.get(case.id)
    if isinstance(again, str):
        return _marked(case, "divergent", f"not deterministic: {AGAIN} no answer: {again}")
    if kept is None and digest(again) == expected_digests(fixture, case.n_px)["normalize"]:
        return case
    first = reference_stages(fixture, case.n_px).normalize if kept is None else arrays.load(kept, arrays.LARGEST)
    if _same(first, again):
        return case
    apart = compare("normalize", again, first, "", "RGB")
    third = runner.again(fixture, case.n_px)
    settled = not isinstance(third, str) and _same(again, third)
    what = "depends on what it was given before" if settled else "not deterministic"
    spread = apart.problem or f"up to {apart.peak:.3g} LSB away"
    level = level_of("normalize", "cumulative", apart, fixture.mode)
    return _marked(case, level, f"{what}: {AGAIN} another answer, {spread}")


def _marked(case: Case, level: LevelId, text: str) -> Case:
    checks = [
        msgspec.structs.replace(check, level=worst([check.level, level]), note=text)
        if (check.stage, check.view) == ("normalize", "cumulative")
        else check
        for check in case.checks
    ]
    return msgspec.structs.replace(case, level=worst([case.level, level]), message=text, checks=checks)


def _same(first: NDArray[np.float32], second: NDArray[np.float32]) -> bool:
    return (first.shape, first.dtype, first.tobytes()) == (second.shape, second.dtype, second.tobytes())
