"""Errors that end a run before there is a verdict; the command prints them as one line and exits with 2."""

from clip_conformance.plain import one_line


class UsageError(Exception):
    """The run could not be made: bad usage, a candidate that cannot start, nothing to run.

    `detail` is a traceback or a log for --debug.
    """

    def __init__(self, message: str, detail: str = "") -> None:
        super().__init__(message)
        self.detail = detail


def in_a_line(error: BaseException) -> str:
    """Return a stranger's exception in one line: its type and what it says, which may itself raise."""
    try:
        text = str(error)
    except BaseException as second:
        text = f"its text cannot be had ({type(second).__name__})"
    return one_line(f"{type(error).__name__}: {text[:2000]}", 300)
