"""Ctrl-C and SIGTERM during a command that has a report to write."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Ended(KeyboardInterrupt):
    """A signal ended the command; `status` is its exit status."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.status = 128 + number


class Signals:
    """While it is entered, in the main thread, the first signal raises Ended where `heard`; any other is noted alone.

    So a second Ctrl-C does not cost the report of what was run until the first.
    """

    def __init__(self) -> None:
        self._number = 0
        self._hearing = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> "Signals":
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._note) for number in _SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        for number, before in self._before.items():
            # After the first, the process is about to end with its status, which another would change.
            signal.signal(number, signal.SIG_IGN if self._number else before)

    @property
    def status(self) -> int:
        """The exit status that the first signal asks for, 0 where there was none."""
        return 128 + self._number if self._number else 0

    @contextmanager
    def heard(self) -> Iterator[None]:
        """Let the first signal raise.

        Raises:
            Ended: it came.
        """
        self._hearing = True
        try:
            yield
        finally:
            self._hearing = False

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self._number:
            return
        self._number = number
        if self._hearing:
            raise Ended(number)
