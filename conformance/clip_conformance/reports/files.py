"""The files of a report's folder: report.jsonl, and what is made from it."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import msgspec

from clip_conformance.report import Report
from clip_conformance.reports import lines


def write(report: Report, folder: Path) -> None:
    """Write report.jsonl, stderr.log where the candidate left one, and what is made from the report.

    Raises:
        OSError: the folder cannot be written.
    """
    from clip_conformance.reports import junit, statement

    folder.mkdir(parents=True, exist_ok=True)
    # What was made from an earlier report is not to be taken for this one's where this one does not come to its end.
    for name in (junit.NAME, statement.NAME, *_makers(report)):
        (folder / name).unlink(missing_ok=True)
    body = lines.encode([report.header, *report.cases, *report.pictures, report.footer])
    replace(folder / lines.NAME, body)
    if report.worker_log:
        replace(folder / "stderr.log", report.worker_log.encode())
    else:
        (folder / "stderr.log").unlink(missing_ok=True)
    remake(report, folder)


def remake(report: Report, folder: Path) -> list[Path]:
    """Write what is made from a report's lines alone, and return the files."""
    makers = _makers(report)
    for name, make in makers.items():
        replace(folder / name, make())
    return [folder / name for name in makers]


def _makers(report: Report) -> dict[str, Callable[[], bytes]]:
    from clip_conformance.reports import badge, html, junit, markdown, statement

    made: dict[str, Callable[[], bytes]] = {
        "summary.json": lambda: msgspec.json.format(msgspec.json.encode(report.summary), indent=2) + b"\n",
        junit.NAME: lambda: junit.junit(report),
        markdown.NAME: lambda: markdown.markdown(report),
        badge.NAME: lambda: badge.badge(report),
        statement.NAME: lambda: statement.encode(statement.statement(report)),
        html.NAME: lambda: html.render(report),
    }
    if report.partial:  # these two have no word for what was not run
        del made[junit.NAME], made[statement.NAME]
    return made


def replace(path: Path, content: bytes) -> None:
    """Write a file so that it is whole or not there."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
