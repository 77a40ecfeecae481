"""statement.json: what a run showed, small enough to publish, and enough to check and to repeat it."""

import hashlib
from pathlib import Path
from typing import Any, Literal

import msgspec

import clip_spec
from clip_conformance import arrays, untrusted
from clip_conformance.errors import UsageError
from clip_conformance.plain import one_line
from clip_conformance.records import Case, Count
from clip_conformance.report import Report
from clip_conformance.reports import lines
from clip_spec import LevelId, ScopeId, StageId

NAME = "statement.json"
STATEMENT_SCHEMA = "clip-conformance/statement/1"
# All cases of five models take 0.2 MiB.
_LARGEST = 4 << 20

Final = Literal[
    "exact", "equivalent", "close", "divergent", "skipped", "rejected", "error", "crash", "timeout", "missing", "none"
]


class CaseStatement(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One case: its level, and what became of its final tensor: the level of it, or why there is none.

    "none" where there was none to give: an image that must be rejected, or stages that were scored alone.
    """

    level: LevelId
    final: Final


class StageStatement(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One stage over all cases: the worst level, how many cases, how many reach the required level."""

    level: LevelId
    cases: Count
    passed: Count


class Statement(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """statement.json: what was claimed of a candidate, by which standard, on which cases, where.

    `fixtures` is the digest of the golden digests that were scored against, `report` the SHA-256 of report.jsonl.
    """

    schema: str
    spec: str
    suite: str
    fixtures: str
    candidate: dict[str, str]
    environment: dict[str, str]
    model: str
    n_px: list[Count]
    select: list[str]
    required: LevelId
    level: LevelId
    passed: bool
    scopes: dict[ScopeId, LevelId]
    asked: list[StageId]
    stages: dict[StageId, StageStatement]
    end_to_end: StageStatement | None
    counts: dict[str, Count]
    reached: Count
    blame: list[StageId]
    findings: list[str]
    report: str
    cases: dict[str, CaseStatement]


def statement(report: Report) -> Statement:
    """Return the statement of a report."""
    header, summary = report.header, report.summary
    body = lines.encode([header, *report.cases, *report.pictures, report.footer])

    def short(row: object) -> StageStatement:
        return msgspec.convert(row, StageStatement, from_attributes=True)

    return Statement(
        schema=STATEMENT_SCHEMA,
        spec=header.spec,
        suite=header.suite,
        fixtures=header.fixtures,
        candidate=header.candidate,
        environment=header.environment,
        model=header.model,
        n_px=header.n_px,
        select=header.select,
        required=header.required,
        level=summary.level,
        passed=summary.passed,
        scopes=summary.scopes,
        asked=header.stages,
        stages={stage: short(row) for stage, row in summary.stages.items()},
        end_to_end=None if summary.end_to_end is None else short(summary.end_to_end),
        counts=summary.counts,
        reached=summary.reached,
        blame=summary.blame,
        findings=[finding.fault for finding in summary.diagnosis],
        report=hashlib.sha256(body).hexdigest(),
        cases=of_cases(report.cases),
    )


def of_cases(cases: list[Case]) -> dict[str, CaseStatement]:
    """Return cases by id as a statement has them."""
    return {case.id: CaseStatement(level=case.level, final=_final(case)) for case in cases}


def _final(case: Case) -> Final:
    if case.status != "ok":
        return case.status
    ends = [check.level for check in case.checks if (check.stage, check.view) == ("normalize", "cumulative")]
    return ends[0] if ends else "none"


def encode(found: Statement) -> bytes:
    """Return a statement as a file, a line for every case."""
    return msgspec.json.format(msgspec.json.encode(found), indent=1) + b"\n"


class _Start(msgspec.Struct):
    schema: str = ""


def read(path: Path) -> Statement:
    """Return the statement of a file that anybody may have written.

    Raises:
        UsageError: there is none, it is too large, or breaks its schema.
    """
    try:
        content = untrusted.content(path, _LARGEST)
    except arrays.Unreadable as problem:
        raise UsageError(str(problem)) from None
    try:
        start = untrusted.decode(content, _Start)
        if start.schema != STATEMENT_SCHEMA:
            said = repr(one_line(start.schema, 80)) if start.schema else "no schema"
            raise UsageError(f"{path} is of {said}, where this version reads {STATEMENT_SCHEMA!r}")
        found: Statement = untrusted.decode(content, Statement)
        document = untrusted.decode(content, Any)
    except arrays.Unreadable as problem:
        raise UsageError(f"{path} is no statement: {problem}") from None
    from jsonschema import Draft202012Validator

    breach = next(Draft202012Validator(clip_spec.schema("statement")).iter_errors(document), None)
    if breach is not None:
        # What it says may quote all of the file.
        said = f"{one_line(breach.message)} at {one_line(breach.json_path, 100)}"
        raise UsageError(f"{path} is no statement: {said}")
    return found
