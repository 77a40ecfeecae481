"""Errors that end a run before there is a verdict; the command prints them as one line and exits with 2."""


class UsageError(Exception):
    """The run could not be made: bad usage, a candidate that cannot start, nothing to run.

    `detail` is a traceback or a log for --debug.
    """

    def __init__(self, message: str, detail: str = "") -> None:
        super().__init__(message)
        self.detail = detail
