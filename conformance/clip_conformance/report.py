"""A report: its lines, its files, its verdict."""

import functools
import os
import tempfile
from pathlib import Path

import msgspec

from clip_conformance.records import Case, Footer, Header
from clip_conformance.scoring.levels import LEVELS, reaches
from clip_conformance.summary import Summary, summarise
from clip_spec import LevelId


class NotConforming(AssertionError):  # noqa: N818 - reads as a verdict in a test's output
    """Raised by Report.require: the candidate does not reach the level."""


class Report:
    """The outcome of one run.

    Attributes:
        header: what was run on what.
        cases: one record a case, in the order of the catalogue.
        footer: the end of the report, with the blame.
        summary: the verdict, made from the three.
        worker_log: the end of what the candidate wrote to stderr.
    """

    def __init__(self, header: Header, cases: list[Case], footer: Footer, worker_log: str = "") -> None:
        self.header = header
        self.cases = cases
        self.footer = footer
        self.worker_log = worker_log

    @functools.cached_property
    def summary(self) -> Summary:
        """Return the summary of the report's lines."""
        return summarise(self.header, self.cases, self.footer)

    @property
    def level(self) -> LevelId:
        """Return the level that the candidate reaches."""
        return self.summary.level

    @property
    def passed(self) -> bool:
        """Return whether the required level is reached."""
        return self.summary.passed

    def require(self, level: LevelId) -> "Report":
        """Return the report itself, so that a test can go on.

        Raises:
            NotConforming: the level is not reached; the message names stages and the worst fixtures.
            ValueError: no such level.
        """
        if level not in LEVELS:
            raise ValueError(f"{level!r} is not one of {', '.join(LEVELS)}")
        if not reaches(self.level, level):
            worst = [case for case in self.cases if not reaches(case.level, level)]
            names = ", ".join(case.id for case in worst[:5]) + (" ..." if len(worst) > 5 else "")
            blame = ", ".join(self.summary.blame) or "no single stage"
            fail = f"{len(worst)} of {len(self.cases)} cases fail ({names}); blame: {blame}"
            raise NotConforming(f"{self.level}, required {level}: {fail}")
        return self

    def lines(self) -> bytes:
        """Return report.jsonl."""
        return b"".join(msgspec.json.encode(line) + b"\n" for line in (self.header, *self.cases, self.footer))

    def write(self, folder: Path) -> None:
        """Write report.jsonl and summary.json to a folder, and stderr.log where the candidate left one.

        Each file is whole or not there.

        Raises:
            OSError: the folder cannot be written.
        """
        folder.mkdir(parents=True, exist_ok=True)
        _replace(folder / "report.jsonl", self.lines())
        if self.worker_log:
            _replace(folder / "stderr.log", self.worker_log.encode())
        else:
            (folder / "stderr.log").unlink(missing_ok=True)
        _replace(folder / "summary.json", msgspec.json.format(msgspec.json.encode(self.summary), indent=2) + b"\n")


def _replace(path: Path, content: bytes) -> None:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
