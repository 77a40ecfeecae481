"""The one interface through which the runner reaches any candidate."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from clip_conformance import protocol
from clip_conformance.plain import one_line

# Characters of what is said of a case; a candidate may have written part of them.
_MESSAGE = 500


class Broken(Exception):  # noqa: N818 - says what happened
    """A case to which there is no orderly answer; `status` is its verdict, the text says how it came to it."""

    def __init__(self, status: Literal["crash", "timeout", "error", "missing"], message: str) -> None:
        super().__init__(one_line(message, _MESSAGE))
        self.status: Literal["crash", "timeout", "error", "missing"] = status


class Transport(Protocol):
    """One line to a candidate; a run has one for each job.

    `started` is what the candidate said of itself, `elapsed` the seconds that it took for the last answer.
    """

    started: protocol.Started
    elapsed: float

    def profile(self, message: protocol.Profile) -> protocol.Ready:
        """Prepare for one model.

        Raises:
            UsageError: the candidate cannot start.
        """
        ...

    def run(self, message: protocol.Run, seconds: float) -> protocol.Result:
        """Run one image; the outputs of the result are files.

        Raises:
            Broken: there is no answer, or none that can be used.
        """
        ...

    def log(self) -> str:
        """Return the end of what the candidate wrote to stderr."""
        ...

    def close(self) -> None:
        """End the candidate: politely first."""
        ...

    def abort(self) -> None:
        """End the candidate at once, from any thread; nothing is run any more."""
        ...


@dataclass(frozen=True)
class Candidate:
    """A candidate that is not started yet.

    Attributes:
        open: makes one line to it, given a folder of its own.
        pictures: whether it wants images as picture files rather than as samples.
        jobs: how many at a time without a wish of the user.
        eager: whether all of these are opened at once, and not those after the first where they pay.
    """

    open: Callable[[Path], Transport]
    pictures: bool = False
    jobs: int = field(default=2)
    eager: bool = True
