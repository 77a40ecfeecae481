"""A process that is read line by line, with a limit on everything: time, the length of a line, the log."""

import os
import queue
import secrets
import signal
import subprocess
import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import IO

from clip_conformance.transports.kept import GIB, KEPT, SECONDS, TOKEN, Bounds, Keeper, kill_by_token

LINE_LIMIT = 64 << 20
_LOG_LIMIT = 64 << 10
# A line that every pipe takes whole, whether it is read or not.
_PIPE = 32 << 10
# What a process may have written and nobody read, in lines.
_QUEUED = 16
# Processes share the cores; a user's own setting wins.
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class Silent(Exception):  # noqa: N818 - says what happened
    """No whole line came: `ended` where none can come any more; the text is what there is of a line."""

    def __init__(self, unfinished: bytes, *, ended: bool = False, endless: bool = False) -> None:
        super().__init__(excerpt(unfinished))
        self.ended = ended
        self.endless = endless


class Process:
    """A running process in a session of its own; on Linux under a keeper, which ends with it all that it started.

    Args:
        argv: its words.
        threads: how many threads it is told to use.
        talks: whether lines are sent to it and read from it; else stdin is empty, and stdout belongs to the log.
        bounds: what it is bound to.

    Raises:
        OSError: it cannot be started.
    """

    def __init__(
        self, argv: Sequence[str], *, threads: int = 1, talks: bool = True, bounds: Bounds | None = None
    ) -> None:
        self._bounds = bounds or Bounds()
        self._token = secrets.token_hex(8)
        environment = dict.fromkeys(_THREADS, str(threads)) | os.environ | {TOKEN: self._token}
        self._keeper = Keeper(self._bounds) if KEPT else None
        try:
            self._process = subprocess.Popen(
                self._keeper.words(argv) if self._keeper else list(argv),
                stdin=subprocess.PIPE if talks else subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE if talks else subprocess.STDOUT,
                env=environment,
                pass_fds=self._keeper.handles if self._keeper else (),
                start_new_session=True,
            )
        except BaseException:
            if self._keeper:
                self._keeper.started()
                self._keeper.dismiss()
            raise
        if self._keeper and (problem := self._keeper.started()):
            self._process.communicate()
            self._keeper.dismiss()
            raise OSError(problem, os.strerror(problem))
        self._lines: queue.Queue[bytes | Silent] = queue.Queue(_QUEUED)
        self._unfinished = b""
        self._log = bytearray()
        self._closed = threading.Event()
        self._readers = [
            threading.Thread(target=read, args=(stream,), daemon=True)
            for read, stream in (
                (self._read_lines if talks else self._read_log, self._process.stdout),
                (self._read_log, self._process.stderr),
            )
            if stream is not None
        ]
        for reader in self._readers:
            reader.start()

    def send(self, line: bytes) -> None:
        """Write one line.

        Raises:
            OSError: nobody reads any more.
        """
        if len(line) < _PIPE:
            self._write(line)
        else:
            # A process that does not read would block the writer beyond every limit.
            threading.Thread(target=self._write_late, args=(line,), daemon=True).start()

    def _write(self, line: bytes) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line + b"\n")
        self._process.stdin.flush()

    def _write_late(self, line: bytes) -> None:
        with suppress(OSError, ValueError):
            self._write(line)

    def receive(self, seconds: float) -> bytes:
        """Return the next line.

        Raises:
            Silent: none came within `seconds`, or none will.
        """
        try:
            line = self._lines.get(timeout=seconds)
        except queue.Empty:
            raise Silent(self._unfinished) from None
        if isinstance(line, Silent):
            raise line
        return line

    def unread(self) -> bytes | None:
        """Return a line that came unasked, if there is one."""
        with suppress(queue.Empty):
            line = self._lines.get_nowait()
            if not isinstance(line, Silent):
                return line
            self._lines.put(line)
        return None

    def wait(self, seconds: float) -> int | None:
        """Return the exit status (negative: a signal), None where the process still runs after `seconds`."""
        try:
            return self._process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            return None

    def end_input(self) -> None:
        """Close the process's stdin."""
        if self._process.stdin is not None:
            with suppress(OSError):
                self._process.stdin.close()

    def kill(self) -> None:
        """Kill the process and what it started; returns when it is gone."""
        self._closed.set()
        if self._keeper is not None:
            self._keeper.dismiss()
            if self.wait(SECONDS) is None or not self._keeper.said("done"):
                self._kill_group()
                kill_by_token(self._token)
        else:
            self._kill_group()
        self._process.wait()
        self.end_input()
        for reader in self._readers:
            # A process that left the session may hold the pipe.
            reader.join(timeout=0.5)

    def _kill_group(self) -> None:
        with suppress(ProcessLookupError, PermissionError):
            if hasattr(os, "killpg"):
                os.killpg(self._process.pid, signal.SIGKILL)
            else:
                self._process.kill()

    def cause_of_death(self, status: int | None) -> str:
        """Return how the process ended, in words; `status` is what `wait` returned."""
        if self._keeper is not None and self._keeper.said("memory"):
            return f"held more than {self._bounds.memory / GIB:g} GiB of memory and was ended (--memory)"
        if status is None:
            return "closed its output"
        return f"died of {signal_name(-status)}" if status < 0 else f"exited with {status}"

    def log(self) -> str:
        """Return the end of what the process wrote to stderr."""
        return self._log.decode("utf-8", errors="replace")

    def _read_lines(self, stream: IO[bytes]) -> None:
        buffer = bytearray()
        with stream:
            while len(buffer) <= LINE_LIMIT and (chunk := os.read(stream.fileno(), 1 << 16)):
                buffer += chunk
                if b"\n" in chunk:
                    *lines, rest = buffer.split(b"\n")
                    for line in lines:
                        self._put(bytes(line))
                    buffer = rest
                self._unfinished = bytes(buffer[:200])
            self._put(Silent(self._unfinished, ended=len(buffer) <= LINE_LIMIT, endless=len(buffer) > LINE_LIMIT))

    def _put(self, line: bytes | Silent) -> None:
        """Queue a line; a process that is not read is made to wait, until it is killed."""
        while True:
            with suppress(queue.Full):
                self._lines.put(line, timeout=0.2)
                return
            if self._closed.is_set():
                return

    def _read_log(self, stream: IO[bytes]) -> None:
        with stream:
            while chunk := os.read(stream.fileno(), 1 << 16):
                self._log += chunk
                if len(self._log) > 2 * _LOG_LIMIT:
                    del self._log[:-_LOG_LIMIT]


def signal_name(number: int) -> str:
    """Return the name of a signal."""
    known = {known.value: known.name for known in signal.Signals}
    return known.get(number, f"signal {number}")


def excerpt(line: bytes) -> str:
    """Return the beginning of what a process wrote, fit for one line."""
    text = " ".join(line[:120].decode("utf-8", errors="replace").split())
    return "".join(char if char.isprintable() else "?" for char in text)
