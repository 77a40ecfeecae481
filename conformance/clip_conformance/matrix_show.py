"""A matrix for people: in a terminal and as Markdown."""

from collections.abc import Iterator
from functools import partial

from rich.console import Console
from rich.table import Table
from rich.text import Text

from clip_conformance.matrix import SHOWN, Matrix, Outcome
from clip_conformance.reports import diff_show
from clip_conformance.reports.markup import code, prose

# Characters of a text in Markdown.
_ROOM = 300


def show(matrix: Matrix, console: Console) -> None:
    """Print a table of the lines, what changed from the baseline to each, and the verdict as the last line."""
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for name in _names(matrix):
        table.add_column(name, overflow="fold")
    for outcome in matrix.outcomes:
        missed = "" if outcome.reached and not outcome.regressed else "red"
        line, *rest = _row(matrix, outcome)
        table.add_row(Text(line, style=missed), *map(Text, rest))
    console.print(table)
    for title, text in _remarks(matrix):
        console.print(Text(f"{title}: ", style="yellow").append(text, style=""), soft_wrap=True)
    for outcome in matrix.outcomes:
        if outcome.diff is not None:
            console.print()
            console.print(Text(_heading(matrix, outcome), style="bold"), soft_wrap=True)
            diff_show.show(outcome.diff, console)
    console.print()
    console.print(Text(verdict(matrix), style=f"bold {'red' if matrix.status else 'green'}"), soft_wrap=True)


def verdict(matrix: Matrix) -> str:
    """Return the verdict in one line."""
    against = matrix.against.text
    missing = _list(outcome for outcome in matrix.outcomes if outcome.report is None)
    regressed = _list(outcome for outcome in matrix.outcomes if outcome.regressed)
    missed = _list(outcome for outcome in matrix.outcomes if outcome.report is not None and not outcome.reached)
    required = next((outcome.report.header.required for outcome in matrix.outcomes if outcome.report is not None), "")
    told = []
    if missing:
        told.append(f"no result for {missing}")
    if regressed:
        told.append(f"worse than {against}: {regressed}")
    elif any(outcome.diff is not None for outcome in matrix.outcomes):
        told.append(f"nothing is worse than {against}")
    if missed:
        told.append(f"{required} is missed by {missed}")
    elif required:
        told.append(f"{required} is reached by {'the others' if missing else 'all'}")
    word = "REGRESSED" if regressed else "INCOMPLETE" if missing else "NOT REACHED" if missed else "NO REGRESSION"
    return f"{word}: {'; '.join(told)}."


def as_markdown(matrix: Matrix) -> str:
    """Return a matrix as Markdown, in which no text becomes markup."""
    cell = partial(code, room=_ROOM, table=True)
    names = _names(matrix)
    lines = [f"**{prose(verdict(matrix), _ROOM)}**", "", f"| {' | '.join(names)} |", "|---" * len(names) + "|"]
    lines += [f"| {' | '.join(map(cell, _row(matrix, outcome)))} |" for outcome in matrix.outcomes]
    lines += [""] + [f"- {prose(title, _ROOM)}: {code(text, _ROOM)}" for title, text in _remarks(matrix)]
    for outcome in matrix.outcomes:
        if outcome.diff is not None:
            lines += ["", f"#### {prose(_heading(matrix, outcome), _ROOM)}", "", diff_show.as_markdown(outcome.diff)]
    return "\n".join(lines).rstrip("\n") + "\n"


def _names(matrix: Matrix) -> list[str]:
    return ["line", *_packages(matrix), "level", "reached", "blame", "diagnosis"]


def _packages(matrix: Matrix) -> list[str]:
    recorded = [outcome.report.header.environment for outcome in matrix.outcomes if outcome.report is not None]
    return [name for name in SHOWN if any(name in environment for environment in recorded)]


def _row(matrix: Matrix, outcome: Outcome) -> list[str]:
    report, packages = outcome.report, _packages(matrix)
    if report is None:
        return [outcome.line.text, *["-"] * len(packages), "no result", "-", "-", "-"]
    summary = report.summary
    found = ", ".join(finding.fault for finding in summary.diagnosis)
    return [
        outcome.line.text,
        *(report.header.environment.get(name, "-") for name in packages),
        summary.level,
        f"{summary.reached} of {summary.cases}",
        ", ".join(summary.blame) or "-",
        found or (summary.recovered.verdict if summary.recovered else "-"),
    ]


def _remarks(matrix: Matrix) -> Iterator[tuple[str, str]]:
    for outcome in matrix.outcomes:
        if outcome.error or outcome.note:
            yield outcome.line.text, outcome.error or outcome.note


def _heading(matrix: Matrix, outcome: Outcome) -> str:
    return f"{outcome.line.text} against {matrix.against.text}"


def _list(outcomes: Iterator[Outcome]) -> str:
    return ", ".join(outcome.line.text for outcome in outcomes)
