"""A further lane to the candidate, opened while the first works: where what is left takes longer than to open it."""

import threading
import time
from collections.abc import Callable
from types import TracebackType

# Part of the time that the first lane took to open, after which it is first asked whether another one pays; and
# seconds.
_PART, _LEAST = 0.25, 0.05
# Another lane has to gain more than it costs the machine: so many openings, and seconds.
_OPENINGS, _WORTH = 2.0, 1.0


class Reserve:
    """A thread that opens lanes while the context is entered.

    Args:
        opening: seconds that the first lane took to open.
        todo: how many cases the run has.
        done: says how many are done.
        join: opens one more lane; says whether there may be yet another one.
        dismiss: ends a lane that is being opened, from any thread.
    """

    def __init__(
        self,
        *,
        opening: float,
        todo: int,
        done: Callable[[], int],
        join: Callable[[], bool],
        dismiss: Callable[[], None],
    ) -> None:
        self._opening, self._todo = opening, todo
        self._done, self._join, self._dismiss = done, join, dismiss
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "Reserve":
        self._thread.start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._over.set()
        while self._thread.is_alive():
            self._dismiss()  # it may have begun a moment ago
            self._thread.join(_LEAST)

    def _watch(self) -> None:
        began = time.monotonic()
        while not self._over.wait(max(_PART * self._opening, _LEAST)):
            if pays(self._opening, time.monotonic() - began, self._done(), self._todo) and not self._join():
                return


def pays(opening: float, took: float, done: int, todo: int) -> bool:
    """Return whether what is left to do takes so long that one more lane gains by it.

    Args:
        opening: seconds that a lane takes to open.
        took: seconds since the run began.
        done: cases that are done.
        todo: cases of the run.
    """
    left = took / max(done, 1) * (todo - done)
    return left > max(_OPENINGS * opening, opening + _WORTH)
