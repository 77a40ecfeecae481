"""A report: its lines, its files, its verdict."""

import functools
from collections.abc import Sequence
from pathlib import Path

from clip_conformance.records import Case, Footer, Header, Picture
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
        pictures: some of the cases that fail, to look at.
        worker_log: the end of what the candidate wrote to stderr.
    """

    def __init__(
        self,
        header: Header,
        cases: list[Case],
        footer: Footer,
        *,
        pictures: Sequence[Picture] = (),
        worker_log: str = "",
    ) -> None:
        self.header = header
        self.cases = cases
        self.footer = footer
        self.pictures = list(pictures)
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
    def partial(self) -> bool:
        """Return whether the run was ended before all cases had run."""
        return self.footer.cases < self.footer.expected

    @property
    def passed(self) -> bool:
        """Return whether the required level is reached."""
        return self.summary.passed

    def require(self, level: LevelId) -> "Report":
        """Return the report itself, so that a test can go on.

        Raises:
            NotConforming: the level is not reached; the message names stages, fixtures and what was diagnosed.
            ValueError: no such level.
        """
        __tracebackhide__ = True
        if level not in LEVELS:
            raise ValueError(f"{level!r} is not one of {', '.join(LEVELS)}")
        if self.partial:
            raise NotConforming(f"partial: {self.footer.cases} of {self.footer.expected} cases, the run was ended")
        if not reaches(self.level, level):
            worst = [case for case in self.cases if not reaches(case.level, level)]
            names = ", ".join(case.id for case in worst[:5]) + (" ..." if len(worst) > 5 else "")
            blame = ", ".join(self.summary.blame) or "no single stage"
            fail = f"{len(worst)} of {len(self.cases)} cases fail ({names}); blame: {blame}"
            found = [f"{one.stage}: {one.title} ({one.fault}). {one.fix}" for one in self.summary.diagnosis]
            raise NotConforming("\n".join([f"{self.level}, required {level}: {fail}", *found]))
        return self

    def write(self, folder: Path) -> None:
        """Write the files of a report to a folder (see `reports.files`), and stderr.log if there is one.

        Each file is whole or not there.

        Raises:
            OSError: the folder cannot be written.
        """
        from clip_conformance.reports.files import write

        write(self, folder)
