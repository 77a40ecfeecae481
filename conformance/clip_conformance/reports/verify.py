"""What a statement says, held against itself, this suite, its report, and a run of today."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import clip_spec
from clip_conformance.cases import case_id, choose, targets
from clip_conformance.engine import SCOPES, Listener, check
from clip_conformance.errors import UsageError
from clip_conformance.records import Case, Header
from clip_conformance.report import Report
from clip_conformance.reports import lines
from clip_conformance.reports.statement import CaseStatement, Statement, of_cases, statement
from clip_conformance.scoring.levels import LEVELS, reaches, worst
from clip_conformance.transports.transcript import file_digest
from clip_conformance.version import version
from clip_fixtures import digest_of_goldens
from clip_spec import StageId


def refuse_others(found: Statement) -> None:
    """Refuse what another suite must judge.

    Raises:
        UsageError: another revision of the standard, or other fixtures; one line says what to install.
    """
    if found.suite == version():
        install = "reinstall the clip-conformance that made it"
    else:
        install = f"pip install 'clip-conformance=={found.suite}', which made it"
    ours = clip_spec.canon().spec
    if found.spec != ours:
        raise UsageError(f"the statement is of revision {found.spec} of the standard, this suite has {ours}; {install}")
    if not set(found.n_px) <= set(clip_spec.sizes()) or found.fixtures != digest_of_goldens(found.n_px):
        raise UsageError(f"the statement's fixtures ({found.fixtures[:12]}) are not this suite's; {install}")


def inconsistencies(found: Statement) -> Iterator[str]:
    """Yield where a statement contradicts itself, or leaves out cases that belong to it."""
    try:
        sides = [target.n_px for target in targets(found.model)]
        chosen = choose([scope for scope in SCOPES if scope in found.scopes], found.select)
    except UsageError as error:
        yield str(error)
        return
    if found.n_px != sides:
        yield f"n_px is {_list(found.n_px)}, {found.model} has {_list(sides)}"
    expected = {case_id(fixture, n_px): fixture.scope for n_px in sides for fixture in chosen}
    for what, ids in (
        ("missing", [*expected.keys() - found.cases]),
        ("no part of it", [*found.cases.keys() - expected]),
    ):
        yield from (f"{case} is {what}" for case in sorted(ids))
    yield from _wrong_cases(found)
    cases = list(found.cases.values())
    reached = sum(_passes(case, found) for case in cases)
    counts = dict.fromkeys(found.counts, 0)
    for case in cases:
        counts[_outcome(case)] = counts.get(_outcome(case), 0) + 1
    finals = [case for case in cases if case.final != "none"]
    ends = worst(_as_level(case) for case in finals), len(finals), sum(_ends_well(case, found) for case in finals)
    end = found.end_to_end
    recomputed: dict[str, tuple[Any, Any]] = {
        "level": (found.level, worst(case.level for case in cases)),
        "counts": (found.counts, counts),
        "reached": (found.reached, reached),
        "passed": (found.passed, reached == len(cases)),
        "end_to_end": (None if end is None else (end.level, end.cases, end.passed), ends if finals else None),
        **{
            f"scopes.{scope}": (
                level,
                worst(case.level for id_, case in found.cases.items() if expected.get(id_) == scope),
            )
            for scope, level in found.scopes.items()
        },
    }
    yield from (f"{name} is {_said(a)}, its cases give {_said(b)}" for name, (a, b) in recomputed.items() if a != b)
    for stage, row in found.stages.items():
        if row.passed > row.cases or (row.passed == row.cases) != reaches(row.level, found.required):
            yield f"{stage} is {row.level}, with {row.passed} of {row.cases} passing"
        if not reaches(row.level, found.level):
            yield f"{stage} is {row.level}, where the whole is {found.level}"
    known = {fault.id for fault in clip_spec.faults()} | {dialect.id for dialect in clip_spec.canon().dialects}
    yield from (f"{fault} is no known mistake" for fault in found.findings if fault not in known)


def _wrong_cases(found: Statement) -> Iterator[str]:
    for id_, case in found.cases.items():
        if not reaches(_as_level(case), case.level):
            yield f"{id_} is {case.level}, its final tensor {case.final}"


def _outcome(case: CaseStatement) -> str:
    return case.level if case.final in LEVELS or case.final == "none" else case.final


def _as_level(case: CaseStatement) -> Any:
    """Return the level of a final tensor, the strictest where none was to be given."""
    return "exact" if case.final == "none" else case.final if case.final in LEVELS else "divergent"


def _passes(case: CaseStatement, found: Statement) -> bool:
    return _outcome(case) == case.level and reaches(case.level, found.required)


def _ends_well(case: CaseStatement, found: Statement) -> bool:
    return reaches(_as_level(case), found.required)


def _said(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{count} {name}" for name, count in value.items() if count) or "nothing"
    return _list(value) if isinstance(value, tuple) else str(value).lower()


def _list(values: Any) -> str:
    return ", ".join(map(str, values))


def differences_from_report(found: Statement, folder: Path) -> Iterator[str]:
    """Yield where a statement is not that of a report.

    Raises:
        UsageError: there is no report, or it is not as it was written.
    """
    report = lines.read(folder)
    file = folder / lines.NAME if folder.is_dir() else folder
    if (digest := file_digest(file)) != found.report:
        yield f"{file} has the SHA-256 {digest[:16]}..., the statement was made from {found.report[:16]}..."
    theirs = statement(report)
    names = [name for name in Statement.__struct_fields__ if getattr(found, name) != getattr(theirs, name)]
    yield from (f"{name} is not what {file} says" for name in names if name != "report")


class _OtherStages(Exception):  # noqa: N818 - says what it is
    """The run that begins scores other stages than the statement asked for."""


class _Watch(Listener):
    def __init__(self, stages: list[StageId], listener: Listener) -> None:
        self._stages, self._listener = stages, listener

    def begin(self, header: Header) -> None:
        if header.stages != self._stages:
            raise _OtherStages
        self._listener.begin(header)

    def done(self, case: Case) -> None:
        self._listener.done(case)


def again(found: Statement, candidate: str, listener: Listener, **options: Any) -> Report:
    """Run what a statement is of once more and return the report; options are those of `engine.check`.

    Raises:
        UsageError: the run could not be made.
    """
    settings: dict[str, Any] = {
        "scopes": [scope for scope in SCOPES if scope in found.scopes],
        "select": found.select,
        "require": found.required,
        "diagnose": False,
        "pictures": False,
        **options,
    }
    try:
        return check(candidate, found.model, **settings, listener=_Watch(found.asked, listener))
    except _OtherStages:
        # They were asked for by --stage, which a report does not tell from what a candidate exposes.
        return check(candidate, found.model, **settings, stages=found.asked, listener=listener)


def differences_from_run(found: Statement, report: Report) -> Iterator[str]:
    """Yield the cases that come out otherwise than stated."""
    now = of_cases(report.cases)
    for id_, case in found.cases.items():
        if id_ not in now:
            yield f"{id_}: stated {_told(case)}, now not run"
        elif now[id_] != case:
            yield f"{id_}: stated {_told(case)}, now {_told(now[id_])}"
    yield from (f"{id_}: not stated, now {_told(case)}" for id_, case in now.items() if id_ not in found.cases)


def _told(case: CaseStatement) -> str:
    if _outcome(case) != case.level or case.final in (case.level, "none"):
        return _outcome(case)
    return f"{case.level} (the final tensor {case.final})"


def environment_changes(found: Statement, report: Report) -> Iterator[str]:
    """Yield how the environment of a run is not the stated one."""
    then, now = found.environment, report.header.environment
    for name in [*then, *(name for name in now if name not in then)]:
        if then.get(name) != now.get(name):
            yield f"{name}: {then.get(name, 'none')} then, {now.get(name, 'none')} now"
