"""What report.html says before the cases: the verdict, the stages, the diagnosis, as the template reads it."""

from typing import Any

import msgspec

import clip_spec
from clip_conformance.diagnosis.show import fixes, nothing_found
from clip_conformance.plain import plain_all
from clip_conformance.records import Case
from clip_conformance.render import figure
from clip_conformance.report import Report
from clip_conformance.reports.html_data import STATUSES, failing
from clip_conformance.scoring.levels import LEVELS, reaches, worst
from clip_conformance.summary import StageSummary, Summary, troubles
from clip_fixtures import fixtures
from clip_spec import LevelId

# Messages of cases without an output that are shown above the table.
_MESSAGES = 6
_CHECKS = 5


def overview(report: Report, most: int) -> dict[str, Any]:
    """Return what the template shows, with texts of at most `most` characters."""
    summary, header = report.summary, report.header
    used = [fixtures()[case.fixture] for case in report.cases if case.fixture in fixtures()]
    found: dict[str, Any] = plain_all(
        {
            "name": summary.candidate.get("name", "?"),
            "about": {key: text for key, text in summary.candidate.items() if key != "name"},
            "environment": summary.environment,
            "notes": header.notes,
            "model": summary.model,
            "n_px": list(map(str, summary.n_px)),
            "spec": summary.spec,
            "suite": summary.suite,
            "fixtures": header.fixtures,
            "select": header.select,
            "passed": summary.passed,
            "level": summary.level,
            "meaning": _meaning(summary.level),
            "required_meaning": _meaning(summary.required),
            "required": summary.required,
            "reached": summary.reached,
            "cases": summary.cases,
            "failing": len(failing(report)),
            "headline": _headline(summary),
            "accepted": summary.accepted,
            "known": _known(summary),
            "shares": _shares(summary),
            "groups": _groups(report),
            "tested": [
                (len({case.fixture for case in report.cases}), "fixtures"),
                (len({name for fixture in used for name in fixture.clauses}), "clauses tested"),
                (len({name for fixture in used for name in fixture.catches}), "known mistakes looked for"),
            ],
            "stages": _stages(report),
            "seen": _seen(report.cases),
            "blame": summary.blame,
            "end_to_end": _figures(summary.end_to_end),
            "troubles": _troubles(report.cases),
            "diagnosis": _diagnosis(summary),
        },
        most,
    )
    return found


def _meaning(name: LevelId) -> str:
    return next(level.meaning for level in clip_spec.levels().levels if level.id == name).rstrip(".")


def _headline(summary: Summary) -> str:
    """Return what the terminal says in its last line, without the level and the count."""
    if summary.passed:
        done = "Conforms" if reaches(summary.level, "equivalent") else "Is accepted"
        if summary.stages and "normalize" not in summary.stages and summary.end_to_end is None:
            done += f" at {', '.join(summary.stages)} alone"
        return f"{done}."
    if not summary.cases:
        return "Nothing was run."
    mute = sum(summary.counts.get(status, 0) for status in STATUSES)
    if 2 * mute > summary.cases:
        return f"Gives no output on {mute} of {summary.cases} cases."
    if summary.blame:
        return f"Leaves the canon at {', '.join(summary.blame)}."
    return "Leaves the canon; no single stage is to blame."


def _known(summary: Summary) -> dict[str, Any] | None:
    """Return what a file of known divergences says of the run, with a few of the checks that it is wrong about."""
    known = summary.known
    if known is None:
        return None
    wrong = (
        (known.unexpected, "fail and are not in it"),
        (known.worse, "are worse than it says"),
        (known.stale, "no longer fail"),
        (known.expired, "fail though their day is over"),
    )
    told = [(len(checks), what, checks[:_CHECKS]) for checks, what in wrong if checks]
    return {"file": known.file, "matched": known.matched, "entries": known.entries, "idle": known.idle, "wrong": told}


def _shares(summary: Summary) -> list[dict[str, Any]]:
    """Return the cases by level or status, with where each part begins and ends, in thousandths of a bar."""
    parts, start = [], 0
    for name, count in summary.counts.items():
        if count:
            begin, end = (round(1000 * place / summary.cases) for place in (start, start + count))
            kind = "none" if name in STATUSES else name
            parts.append({"name": name, "kind": kind, "count": count, "begin": begin, "width": end - begin})
            start += count
    return parts


def _groups(report: Report) -> list[tuple[str, str, int, int]]:
    """Return (name, level, reached, cases) of each scope, then of each n_px where there are several."""
    header, cases = report.header, report.cases
    groups: list[tuple[str, list[Case]]] = [(s, [case for case in cases if case.scope == s]) for s in header.scopes]
    if len(header.n_px) > 1:
        groups += [(f"{n_px} px", [case for case in cases if case.n_px == n_px]) for n_px in header.n_px]
    bad = {case.id for case in failing(report)}
    return [
        (name, worst(case.level for case in group), sum(case.id not in bad for case in group), len(group))
        for name, group in groups
        if group
    ]


def _stages(report: Report) -> list[dict[str, Any]]:
    """Return the six stages in order; a stage that was not scored alone says why."""
    summary = report.summary
    found = []
    for stage in clip_spec.canon().stages:
        row = summary.stages.get(stage.id)
        blamed = stage.id in summary.blame
        inherits = row is not None and bool(summary.blame) and not blamed and not reaches(row.level, summary.required)
        together = stage.id == "to_tensor" and list(report.header.stages) == ["normalize"]
        found.append(
            {
                "id": stage.id,
                "title": stage.title,
                "scored": row is not None,
                "why": "seen together with normalize" if together else "not scored alone",
                "blamed": blamed,
                "inherits": inherits,
                **(_figures(row) or {}),
            }
        )
    return found


def _seen(cases: list[Case]) -> str:
    """Return how stages were told apart; decoding is Pillow's where a candidate in Python takes images."""
    views = {check.view for case in cases for check in case.checks if check.stage != "decode"}
    return "each on the canon's own input" if "isolated" in views else "each on the fixtures that exercise it alone"


def _figures(row: StageSummary | None) -> dict[str, Any] | None:
    if row is None:
        return None
    return {
        "level": row.level,
        "cases": row.cases,
        "passed": row.passed,
        "figures": [(name, figure(getattr(row, name))) for name in ("peak", "mean", "bias")],
        "worst": row.worst,
        "note": row.note,
    }


def _troubles(cases: list[Case]) -> dict[str, Any]:
    """Return the most frequent messages of cases without an output."""
    told = troubles(cases)
    most = [{"status": one[0].status, "message": one[0].message, "count": len(one)} for one in told[:_MESSAGES]]
    return {"cases": sum(map(len, told)), "messages": most, "more": len(told) - len(most)}


def _diagnosis(summary: Summary) -> dict[str, Any]:
    recovered = summary.recovered
    return {
        "nothing": nothing_found(summary),
        "verdict": recovered.verdict if recovered is not None else "",
        "text": recovered.text if recovered is not None else "",
        "unexplained": recovered.unexplained if recovered is not None else [],
        "findings": msgspec.to_builtins(summary.diagnosis),
        # As in the terminal: choices of a pipeline that explains nothing would mislead.
        "pipeline": msgspec.to_builtins(recovered.pipeline)
        if recovered is not None and recovered.verdict != "unknown"
        else [],
        "fixes": fixes(summary),
        "levels": LEVELS,
    }
