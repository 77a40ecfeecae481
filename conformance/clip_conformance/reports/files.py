"""The files of a report's folder: report.jsonl, and what is made from it."""

import os
import tempfile
from pathlib import Path

import msgspec

from clip_conformance.report import Report
from clip_conformance.reports import lines


def write(report: Report, folder: Path) -> None:
    """Write report.jsonl, stderr.log where the candidate left one, and what is made from the report.

    Raises:
        OSError: the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    body = lines.encode([report.header, *report.cases, *report.pictures, report.footer])
    replace(folder / lines.NAME, body)
    if report.worker_log:
        replace(folder / "stderr.log", report.worker_log.encode())
    else:
        (folder / "stderr.log").unlink(missing_ok=True)
    remake(report, folder)


def remake(report: Report, folder: Path) -> list[Path]:
    """Write what is made from a report's lines alone, and return the files."""
    from clip_conformance.reports import badge, html, junit, markdown, statement

    made = {
        "summary.json": msgspec.json.format(msgspec.json.encode(report.summary), indent=2) + b"\n",
        junit.NAME: junit.junit(report),
        markdown.NAME: markdown.markdown(report),
        badge.NAME: badge.badge(report),
        statement.NAME: statement.encode(statement.statement(report)),
        html.NAME: html.render(report),
    }
    for name, content in made.items():
        replace(folder / name, content)
    return [folder / name for name in made]


def replace(path: Path, content: bytes) -> None:
    """Write a file so that it is whole or not there."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
