"""A limit on how long a run goes on with a candidate that answers nothing any more."""

from typing import Literal

from clip_conformance import protocol
from clip_conformance.transports.base import Broken, Transport

# Of cases that come after so many lost ones in a row, one in ten is tried: it may be of a kind that is answered.
_TRIED = 10
# Cases in a row. A timeout costs --timeout, a crash the time of a start.
_MOST: dict[Literal["timeout", "crash"], int] = {"timeout": 5, "crash": 20}
_SAID = {"timeout": "took too long (--timeout)", "crash": "crashed"}


class Patience:
    """A line to a candidate on which few cases are tried after too many in a row were lost in the same way."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._lost: tuple[str, int] = "", 0

    @property
    def started(self) -> protocol.Started:
        """What the candidate said of itself."""
        return self._transport.started

    @started.setter
    def started(self, said: protocol.Started) -> None:
        self._transport.started = said

    @property
    def elapsed(self) -> float:
        """Seconds for the last answer."""
        return self._transport.elapsed

    @elapsed.setter
    def elapsed(self, seconds: float) -> None:
        self._transport.elapsed = seconds

    def profile(self, message: protocol.Profile) -> protocol.Ready:
        """Prepare for one model; all is forgiven."""
        self._lost = "", 0
        return self._transport.profile(message)

    def run(self, message: protocol.Run, seconds: float) -> protocol.Result:
        """Run one image.

        Raises:
            Broken: there is no answer, or the case was not tried.
        """
        how, often = self._lost
        for status, most in _MOST.items():
            if how == status and often >= most and (often - most) % _TRIED != _TRIED - 1:
                self._lost = status, often + 1
                raise Broken(status, f"not run, after {most} cases in a row that {_SAID[status]}")
        try:
            result = self._transport.run(message, seconds)
        except Broken as broken:
            self._lost = broken.status, 1 + (often if how == broken.status else 0)
            raise
        self._lost = "", 0
        return result

    def log(self) -> str:
        """Return the end of what the candidate wrote to stderr."""
        return self._transport.log()

    def close(self) -> None:
        """End the candidate: politely first."""
        self._transport.close()

    def abort(self) -> None:
        """End the candidate at once."""
        self._transport.abort()
