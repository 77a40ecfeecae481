"""Annotations of GitHub Actions: what fails, as workflow commands, beside the lines of a pull request."""

import os
import re
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path

from clip_conformance.check_ids import what_of, worst_check
from clip_conformance.records import Case, Known
from clip_conformance.render import figure
from clip_conformance.report import Report
from clip_conformance.reports.pictures import badness
from clip_conformance.scoring.levels import reaches

# GitHub shows no more of a step.
_MOST = 10
_TEXT = 1000
_BREAKS = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A"})
_PROPERTY = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A", ":": "%3A", ",": "%2C"})


def annotations(report: Report, environment: Mapping[str, str] = os.environ) -> list[str]:
    """Return the workflow commands for a report, at most ten; none where it is accepted, or runs anywhere else.

    First every finding, and every blamed stage without one; then the worst cases, or with a file of known divergences
    what it does not say.
    """
    if environment.get("GITHUB_ACTIONS") != "true" or report.summary.accepted:
        return []
    summary = report.summary
    found = [(f"{one.stage}: {one.title} ({one.fault})", f"Fix: {one.fix}") for one in summary.diagnosis]
    explained = {finding.stage for finding in summary.diagnosis}
    for stage in summary.blame:
        row = summary.stages.get(stage)
        if stage not in explained and row is not None:
            figures = f"{row.passed} of {row.cases} cases pass, the worst is {row.worst}: {_said(row.peak, row.mean)}"
            found.append((f"{stage} leaves the canon", f"{row.level}; {figures} {row.note}".strip()))
    if summary.known is not None:
        found = found if summary.known.unexpected or summary.known.worse else []
        found += [(f"{check} {what}", summary.known.file) for check, what in _unknown(summary.known)]
    else:
        failing = [case for case in report.cases if case.status != "ok" or not reaches(case.level, summary.required)]
        found += [_of_case(case) for case in sorted(failing, key=badness, reverse=True)[:_MOST]]
    file = _file(report.header.candidate.get("name", ""), environment)
    return [_command(file, title, message) for title, message in found[:_MOST]]


def _unknown(known: Known) -> Iterator[tuple[str, str]]:
    for checks, what in (
        (known.unexpected, "fails and is not known"),
        (known.worse, "is worse than known"),
        (known.stale, "no longer fails"),
        (known.expired, "fails though its day is over"),
    ):
        yield from ((check, what) for check in checks[:_MOST])


def _of_case(case: Case) -> tuple[str, str]:
    if case.status != "ok" or not case.checks:
        return f"{case.id}: {case.level if case.status == 'ok' else case.status}", case.message or case.status
    check = worst_check(case)
    assert check is not None
    figures = check.note or _said(check.peak, check.mean)
    return f"{case.id}: {case.level} at {what_of(check)}", f"{figures}\nmore: clip-conformance show {case.fixture}"


def _said(peak: float | None, mean: float | None) -> str:
    return f"peak {figure(peak)}, mean {figure(mean)} LSB"


def _file(candidate: str, environment: Mapping[str, str]) -> str:
    """Return the candidate's file as GitHub names it, "" where it has none inside the repository."""
    if re.match("(cmd|exec):", candidate):
        try:
            names = shlex.split(candidate.partition(":")[2])
        except ValueError:
            return ""
    else:
        names = [candidate.removeprefix("onnx:"), candidate.rpartition(":")[0]]
    root = Path(environment.get("GITHUB_WORKSPACE") or ".").resolve()
    for name in filter(None, names):
        try:
            path = Path(name).resolve()
            if path.is_file():
                return path.relative_to(root).as_posix()
        except (OSError, ValueError):  # no name of a file, or one outside
            continue
    return ""


def _command(file: str, title: str, message: str) -> str:
    told = (("file", file), ("title", _cut(title)))
    properties = [f"{name}={value.translate(_PROPERTY)}" for name, value in told if value]
    return f"::error {','.join(properties)}::{_cut(message).translate(_BREAKS)}"


def _cut(text: str) -> str:
    return "".join(char if char.isprintable() or char in "\r\n" else "?" for char in text[:_TEXT])
