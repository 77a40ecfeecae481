"""A diff for people: in a terminal, as Markdown, as a page."""

from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from clip_conformance.render import figure
from clip_conformance.reports.diff import KINDS, Change, Diff, Side
from clip_conformance.reports.files import replace
from clip_conformance.reports.templates import rendered

_COLOURS = {"regressed": "red", "fixed": "green", "drifted": "yellow", "added": "cyan", "removed": "magenta"}
# Changes of a kind that the terminal lists, and that a comment on a pull request does.
_LISTED, _COMMENTED = 15, 40


def show(diff: Diff, console: Console) -> None:
    """Print what changed, the verdict as the last line."""
    for title, differing in (("run", diff.about), ("environment", diff.environment)):
        for key, (old, new) in differing.items():
            line = (
                Text(f"{title}: {key} ", style="dim").append(short(old)).append(" -> ", style="dim").append(short(new))
            )
            console.print(line, soft_wrap=True)
    if diff.blame[0] != diff.blame[1]:
        old, new = (", ".join(stages) or "no stage" for stages in diff.blame)
        console.print(Text(f"blame: {old} -> {new}"), soft_wrap=True)
    for finding in diff.diagnosis:
        found = Text(f"diagnosed now, not before: {finding.stage}: {finding.title} ({finding.fault}). ", style="red")
        console.print(found.append(f"Fix: {finding.fix}", style=""), soft_wrap=True)
    if diff.changes:
        console.print()
        console.print(_by_stage(diff))
        for kind in KINDS:
            _list(kind, [change for change in diff.changes if change.kind == kind], console)
        console.print()
    console.print(Text(verdict(diff), style=f"bold {'red' if diff.regressed else 'green'}"), soft_wrap=True)


def short(value: str) -> str:
    """Return a value of a header, a digest by its first digits."""
    return (value[:12] if len(value) == 64 else value) or "none"


def _by_stage(diff: Diff) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    table.add_column("checks of", min_width=11)
    for kind in KINDS:
        table.add_column(kind, justify="right")
    for what, counts in diff.stages.items():
        table.add_row(
            what, *(Text(str(counts[kind]), style=_COLOURS[kind] if counts[kind] else "dim") for kind in KINDS)
        )
    return table


def _list(kind: str, changes: list[Change], console: Console) -> None:
    """Print each case once: the first stage that changed says most."""
    first: dict[str, Change] = {}
    for change in changes:
        first.setdefault(change.case, change)
    for change in list(first.values())[:_LISTED]:
        line = Text(kind, style=_COLOURS[kind]).append(f" {change.check}: {told(change)}", style="")
        console.print(line, soft_wrap=True)
    if len(first) > _LISTED:
        console.print(f"... and {len(first) - _LISTED} more cases {kind}", highlight=False)


def told(change: Change) -> str:
    """Return in words what a check was and is."""
    if change.old is None or change.new is None:
        side = change.new or change.old
        assert side is not None
        return f"{_said(side)}, not in the {'old' if change.old is None else 'new'} report"
    moved = ""
    if change.kind == "drifted" and change.moved is not None and change.moved >= 0.005:
        moved = f" (moved by {change.moved:.0%})"
    return f"{_said(change.old)} -> {_said(change.new)}{moved}"


def _said(side: Side) -> str:
    if side.status != "ok":
        return side.status
    figures = "" if side.level == "exact" else f" peak {figure(side.peak)}, mean {figure(side.mean)} LSB"
    return side.level + (f": {side.note}" if side.note and side.mean is None else figures)


def verdict(diff: Diff) -> str:
    """Return the verdict in one line."""
    counted = [f"{diff.counts[kind]} {kind}" for kind in KINDS if diff.counts[kind]]
    same = diff.compared - sum(diff.counts[kind] for kind in ("regressed", "fixed", "drifted"))
    counted.append(f"{same} as before")
    failing = f"; {diff.failing} miss {diff.required} in both" if diff.failing else ""
    word = "REGRESSED" if diff.regressed else "NO REGRESSION" if diff.changes else "THE SAME"
    return f"{word}: {diff.levels[0]} -> {diff.levels[1]}; cases: {', '.join(counted)}{failing}."


def as_markdown(diff: Diff) -> str:
    """Return a diff as Markdown, short enough for a comment on a pull request."""
    return rendered("diff.md", diff=diff, verdict=verdict(diff), told=told, short=short, kinds=KINDS, most=_COMMENTED)


def as_page(diff: Diff) -> str:
    """Return a diff as a page of its own, offline."""
    return rendered("diff.html", diff=diff, verdict=verdict(diff), told=told, short=short, kinds=KINDS)


def write(diff: Diff, *, as_json: Path | None, markdown: Path | None, html: Path | None) -> None:
    """Write a diff to the files that are asked for.

    Raises:
        OSError: one cannot be written.
    """
    if as_json is not None:
        replace(as_json, msgspec.json.format(msgspec.json.encode(diff), indent=2) + b"\n")
    if markdown is not None:
        replace(markdown, as_markdown(diff).encode())
    if html is not None:
        replace(html, as_page(diff).encode())
