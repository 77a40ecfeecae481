"""The suite's side of a keeper (see keeper.py), and what is done where there is none."""

import os
import signal
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

# Elsewhere there is no way to adopt the orphans of others.
KEPT = sys.platform == "linux"
_KEEPER = Path(__file__).with_name("keeper.py")
# The variable by which a process is known that outlived its keeper, whatever became of its parents.
TOKEN = "CLIP_CONFORMANCE_PROCESS"
# What a keeper is given to end everything.
SECONDS = 10.0
GIB = 1 << 30
# GiB: several times what a large model takes.
DEFAULT_MEMORY = 8.0


@dataclass(frozen=True)
class Bounds:
    """What a process is bound to.

    Attributes:
        memory: bytes that it and its children may hold together, 0 for any number; held on Linux alone.
        scratch: a folder that is deleted where the suite is killed and cannot do it.
    """

    memory: int = int(DEFAULT_MEMORY * GIB)
    scratch: Path | None = None


class Keeper:
    """The pipes to a keeper (see keeper.py); closing the one to it ends the process and all that it started."""

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self._orders, self._control = os.pipe()
        self._status, self._saying = os.pipe()
        self._said = b""
        self._lock = threading.Lock()

    @property
    def handles(self) -> tuple[int, int]:
        """The ends that the keeper has."""
        return self._orders, self._saying

    def words(self, argv: Sequence[str]) -> list[str]:
        """Return the command that runs a command under a keeper."""
        given = [*self.handles, self._bounds.memory, self._bounds.scratch or ""]
        return [sys.executable, "-I", "-S", str(_KEEPER), *map(str, given), *argv]

    def started(self) -> int:
        """Wait for the start; return 0, or the errno for which there is none."""
        os.close(self._orders)
        os.close(self._saying)
        self._orders = self._saying = -1
        self._read()
        if self._status >= 0:
            os.set_blocking(self._status, False)
        word, _, number = self._said.decode().partition(" ")
        return int(number) if word == "errno" else 0

    def said(self, word: str) -> bool:
        """Return whether the keeper has said a word."""
        with self._lock:
            while self._status >= 0 and self._read():
                pass
        return word in self._said.decode().split()

    def _read(self) -> bool:
        try:
            found = os.read(self._status, 64)
        except BlockingIOError:
            return False
        self._said += found
        if not found:
            os.close(self._status)
            self._status = -1
        return bool(found)

    def dismiss(self) -> None:
        """Let the keeper end everything."""
        with self._lock:
            control, self._control = self._control, -1
        if control >= 0:
            with suppress(OSError):
                os.write(control, b"x")
            os.close(control)

    def __del__(self) -> None:
        for handle in (self._control, self._status):
            if handle >= 0:
                os.close(handle)


def kill_by_token(token: str) -> None:
    """Kill every process that was started with the token, for a keeper that was killed could not."""
    entry = f"{TOKEN}={token}".encode()
    for _ in range(100):
        found = []
        for name in os.listdir("/proc"):
            with suppress(OSError):
                if name.isdigit() and entry in Path("/proc", name, "environ").read_bytes().split(b"\0"):
                    found.append(int(name))
        if not found:
            return
        for pid in found:
            with suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.01)
