"""From the lines of a report to its summary, and to nothing else: the summary can be remade from the report."""

import re
from collections.abc import Iterable

import msgspec

import clip_spec
from clip_conformance.cases import active_stages
from clip_conformance.records import Case, Check, Finding, Footer, Header, Known, Recovered
from clip_conformance.scoring.levels import LEVELS, reaches, worst
from clip_fixtures import fixtures
from clip_spec import LevelId, ScopeId, StageId

SUMMARY_SCHEMA = "clip-conformance/summary/1"
_STATUSES = ("skipped", "rejected", "error", "crash", "timeout", "missing")


class StageSummary(msgspec.Struct, frozen=True, kw_only=True):
    """One stage over all cases: the worst level; of each figure the worst case's, None where nothing was measured."""

    level: LevelId
    cases: int
    passed: int
    peak: float | None
    mean: float | None
    bias: float | None
    unit: str
    worst: str
    note: str


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """summary.json: the verdict of a run.

    `passed` says whether the required level is reached; `accepted` whether a gate lets the run through: the same, or
    with a file of known divergences whether that holds. Fewer `cases` than `expected` are those of a run that was cut
    off; it is never passed.
    """

    schema: str
    candidate: dict[str, str]
    suite: str
    spec: str
    environment: dict[str, str]
    model: str
    n_px: list[int]
    passed: bool
    accepted: bool
    required: LevelId
    level: LevelId
    scopes: dict[ScopeId, LevelId]
    stages: dict[StageId, StageSummary]
    end_to_end: StageSummary | None
    blame: list[StageId]
    diagnosis: list[Finding]
    recovered: Recovered | None
    known: Known | None
    counts: dict[str, int]
    cases: int
    expected: int
    reached: int


def summarise(header: Header, cases: list[Case], footer: Footer) -> Summary:
    """Return the summary of a report."""
    counts = dict.fromkeys((*LEVELS, *_STATUSES), 0)
    for case in cases:
        counts[case.level if case.status == "ok" else case.status] += 1
    level = worst(case.level for case in cases)
    stages = {}
    scored = [(case, check) for case in cases for check in case.checks]
    alone = [(case, check) for case, check in scored if check.view != "cumulative"]
    whole = [(case, check) for case, check in scored if check.view == "cumulative" and check.stage == "normalize"]
    for stage in clip_spec.stage_ids():
        found = [(case, check) for case, check in alone if check.stage == stage]
        if stage in footer.blame and all(reaches(check.level, header.required) for _, check in found):
            # A black box may fail a stage only where others act too, on none of the fixtures that pin it.
            failing = [(case, check) for case, check in whole if not reaches(check.level, header.required)]
            acting = [(case, check) for case, check in failing if _acts(stage, case)]
            found += acting or failing
        if found:
            stages[stage] = _stage(found, header.required)
    reached = sum(case.status == "ok" and reaches(case.level, header.required) for case in cases)
    failed = [(case, _failed(case)) for case in cases if case.status != "ok"]
    ended = footer.cases < footer.expected  # a run that was cut off has shown nothing
    passed = bool(cases) and reached == len(cases) and not ended
    return Summary(
        schema=SUMMARY_SCHEMA,
        candidate=header.candidate,
        suite=header.suite,
        spec=header.spec,
        environment=header.environment,
        model=header.model,
        n_px=header.n_px,
        passed=passed,
        accepted=passed if footer.known is None else footer.known.holds and not ended,
        required=header.required,
        level=level,
        scopes={scope: worst(c.level for c in cases if c.scope == scope) for scope in header.scopes},
        stages=stages,
        end_to_end=_stage([*whole, *failed], header.required) if whole or failed else None,
        blame=footer.blame,
        diagnosis=footer.diagnosis,
        recovered=footer.recovered,
        known=footer.known,
        counts=counts,
        cases=len(cases),
        expected=footer.expected,
        reached=reached,
    )


def troubles(cases: Iterable[Case]) -> list[list[Case]]:
    """Return the cases without an output, those with messages that differ in ids and numbers alone together."""
    told: dict[tuple[str, str], list[Case]] = {}
    for case in cases:
        if case.status != "ok":
            kind = (case.status, re.sub(r"\d+", "0", case.message.replace(case.id, "")))
            told.setdefault(kind, []).append(case)
    return sorted(told.values(), key=len, reverse=True)


def _acts(stage: StageId, case: Case) -> bool:
    """Return whether a stage does something to a case; of a fixture that this suite has not, that is assumed."""
    fixture = fixtures().get(case.fixture)
    return fixture is None or stage in active_stages(fixture, case.n_px)


def _failed(case: Case) -> Check:
    return Check(stage="normalize", view="cumulative", level="divergent", note=case.message)


def _largest(figures: Iterable[float | None]) -> float | None:
    """Return the figure of the largest magnitude, None where nothing was measured."""
    return max((figure for figure in figures if figure is not None), key=abs, default=None)


def _stage(found: list[tuple[Case, Check]], required: LevelId) -> StageSummary:
    def badness(item: tuple[Case, Check]) -> tuple[int, bool, float, float]:
        check = item[1]
        return LEVELS.index(check.level), check.peak is None, check.peak or 0.0, check.mean or 0.0

    checks = [check for _, check in found]
    case, check = max(found, key=badness)
    return StageSummary(
        level=worst(check.level for check in checks),
        cases=len(checks),
        passed=sum(reaches(check.level, required) for check in checks),
        peak=_largest(check.peak for check in checks),
        mean=_largest(check.mean for check in checks),
        bias=_largest(check.bias for check in checks),
        unit="LSB",
        worst="" if check.level == "exact" else case.id,
        note=check.note,
    )
