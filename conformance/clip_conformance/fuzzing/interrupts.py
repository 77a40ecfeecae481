"""Ctrl-C during a search: it ends the search, which shows what it found, and not whatever code it happens to meet."""

import signal
import threading
from types import FrameType, TracebackType
from typing import Any


class Interrupts:
    """Notes SIGINT while it is entered, in the main thread alone.

    KeyboardInterrupt is raised at once where the candidate is waited for, between `waiting` and its end, and by `check`
    everywhere else: raised in a callback of the garbage collector, of which Hypothesis has one, it would be lost.
    """

    def __init__(self) -> None:
        self.waiting = False
        self._seen = False
        self._before: Any = None

    def __enter__(self) -> "Interrupts":
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._seen = True
        if self.waiting:
            self.check()

    def check(self) -> None:
        """Raise KeyboardInterrupt where there was an interrupt that was not raised yet."""
        if self._seen:
            self._seen = False
            raise KeyboardInterrupt
