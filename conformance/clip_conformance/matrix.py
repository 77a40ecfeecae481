"""One Python candidate scored in several environments, each held against the first: what an upgrade would change."""

import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

import msgspec

from clip_conformance import environments
from clip_conformance.errors import UsageError
from clip_conformance.report import Report
from clip_conformance.reports import lines as report_lines
from clip_conformance.reports.diff import Diff, compare

CURRENT = "current"
# Distributions whose versions the table shows, as reports call them.
SHOWN = ("Pillow", "torch", "torchvision", "numpy")
_ELSEWHERE = ("cmd:", "exec:", "dir:")
_OPERATOR = re.compile(r"\s*(===|[=!<>~]=|[<>@])\s*")
# A comma that ends a requirement, not one between two bounds or two extras.
_COMMA = re.compile(r"\s*,\s*(?=[A-Za-z0-9])(?![^\[]*\])")
_SLUG = 80


class Line(msgspec.Struct, frozen=True):
    """One environment: its requirements as they were written, and a name for files; none for the running one."""

    text: str
    slug: str
    requirements: tuple[str, ...] = ()


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a line: a report, or the `error` that there is none; `diff` holds it against the baseline.

    `note` says what is odd about the environment.
    """

    line: Line
    report: Report | None = None
    diff: Diff | None = None
    note: str = ""
    error: str = ""

    @property
    def reached(self) -> bool:
        """Return whether the required level is reached."""
        return self.report is not None and self.report.passed

    @property
    def regressed(self) -> bool:
        """Return whether something regressed against the baseline."""
        return self.diff is not None and self.diff.regressed


class Matrix(msgspec.Struct, frozen=True, kw_only=True):
    """The outcomes of all lines, in their order, and which of them is the baseline."""

    outcomes: list[Outcome]
    baseline: int

    @property
    def against(self) -> Line:
        """Return the line that the others are compared with."""
        return self.outcomes[self.baseline].line

    @property
    def status(self) -> int:
        """Return the exit status: 2 a line has no report, 1 one regressed or misses the level, 0 neither."""
        if any(outcome.report is None for outcome in self.outcomes):
            return 2
        return 0 if all(outcome.reached and not outcome.regressed for outcome in self.outcomes) else 1


# Scores a line, keeps the report in a folder; returns it with a note, or raises UsageError.
Score = Callable[[Line, Path], tuple[Report, str]]


def parse(texts: Sequence[str]) -> list[Line]:
    """Return the lines of --with.

    Raises:
        UsageError: one has no requirement, or something that is none.
    """
    found: list[Line] = []
    for text in texts:
        requirements = _requirements(text)
        stem = re.sub(r"[^a-z0-9._+]+", "-", " ".join(requirements).lower()).strip("-.")[:_SLUG] or "line"
        slug, number = stem, 1
        while slug in {line.slug for line in found}:
            number += 1
            slug = f"{stem}-{number}"
        current = requirements == (CURRENT,)
        found.append(Line(" ".join(requirements), slug, () if current else requirements))
    return found


def _requirements(text: str) -> tuple[str, ...]:
    if ";" in text:
        raise UsageError(f"--with {text!r}: no markers; an environment has one Python, --python")
    joined = re.sub(r"\s*,\s*(?=[=!<>~])", ",", _OPERATOR.sub(r"\1", text.strip()))
    words = tuple(word for part in _COMMA.split(joined) for word in part.strip(", ").split())
    if not words:
        raise UsageError(f"--with {text!r} names no requirement; write --with 'pillow==13.0.0', or --with {CURRENT}")
    for word in words:
        if word.startswith("-") or (word == CURRENT and len(words) > 1):
            raise UsageError(f"--with {text!r}: {word!r} is no requirement; options of uv go into its UV_ variables")
    return words


def run(texts: Sequence[str], score: Score, folder: Path, baseline: int = 1) -> Matrix:
    """Score all lines, and compare each with line number `baseline`.

    Args:
        texts: the lines of --with.
        score: scores one line; that it cannot, ends nothing but the line.
        folder: where each line's report is kept, by its slug.
        baseline: counted from 1.

    Raises:
        UsageError: a line cannot be read, or there is no such baseline.
    """
    lines = parse(texts)
    if not 1 <= baseline <= len(lines):
        raise UsageError(f"--baseline {baseline}: there are {len(lines)} lines")
    outcomes = [_outcome(line, score, folder / line.slug) for line in lines]
    first = outcomes[baseline - 1].report
    for place, outcome in enumerate(outcomes):
        if first is not None and outcome.report is not None and place != baseline - 1:
            outcomes[place] = msgspec.structs.replace(outcome, diff=compare(first, outcome.report, across=True))
    return Matrix(outcomes=outcomes, baseline=baseline - 1)


def _outcome(line: Line, score: Score, folder: Path) -> Outcome:
    try:
        report, note = score(line, folder)
    except UsageError as error:
        return Outcome(line=line, error=" ".join(str(error).split()))
    return Outcome(line=line, report=report, note=note)


class Scorer:
    """Scores lines with `clip-conformance check`, each in an environment of its own; a context that removes them.

    Args:
        candidate: as for `check`, in Python.
        options: more words for `check`.
        python: see `environments.Maker`, as are `requirements` and `project`.
        keep: leave the environments there, in `home`.

    Raises:
        UsageError: the candidate is a program of its own, uv is missing, or the project cannot be built.
    """

    def __init__(
        self,
        candidate: str,
        options: Sequence[str],
        *,
        python: str = "",
        requirements: Path | None = None,
        project: Path | None = None,
        keep: bool = False,
    ) -> None:
        if candidate.startswith(_ELSEWHERE):
            raise UsageError(f"{candidate!r} runs outside of these environments; matrix takes candidates in Python")
        self._words = [*options, "--", candidate]
        self._stack = ExitStack()
        if keep:
            self.home = Path(tempfile.mkdtemp(prefix="clip-matrix-"))
        else:
            temporary = tempfile.TemporaryDirectory(prefix="clip-matrix-", ignore_cleanup_errors=True)
            self.home = Path(self._stack.enter_context(temporary))
        with ExitStack() as undo:
            undo.callback(self._stack.close)
            self._maker = environments.Maker(self.home, python=python, requirements=requirements, project=project)
            undo.pop_all()

    def __enter__(self) -> "Scorer":
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def __call__(self, line: Line, folder: Path) -> tuple[Report, str]:
        """Return the report of a line, and a note on its environment.

        Raises:
            UsageError: the environment cannot be made, or the candidate cannot be run in it.
        """
        python, note = Path(sys.executable), ""
        if line.requirements:
            python, note = self._maker.make(line.slug, line.requirements)
        # A report of an earlier run must not be taken for this one's.
        (folder / report_lines.NAME).unlink(missing_ok=True)
        done = subprocess.run(
            # -P: the suite of the environment, not one that lies in the working directory.
            [str(python), "-P", "-m", "clip_conformance", "check", "--report", str(folder), *self._words],
            capture_output=True,
            text=True,
            encoding="utf-8",
            errors="replace",
            env=environments.surroundings(),
        )
        if done.returncode not in (0, 1):
            last = (done.stderr.strip().splitlines() or [f"check ended with {done.returncode}"])[-1]
            raise UsageError(last.removeprefix("clip-conformance: "), done.stderr)
        return report_lines.read(folder), note
