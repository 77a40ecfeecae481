"""The runner's end of a worker: start it, send messages, wait with a limit, kill and restart it."""

import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
from contextlib import suppress
from pathlib import Path
from typing import IO, Literal

import msgspec

from clip_conformance import protocol
from clip_conformance.errors import UsageError

_START_SECONDS = 300.0
# Workers share the cores; a user's own setting wins.
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class WorkerGone(Exception):  # noqa: N818 - says what happened
    """The worker died; `status` says of what, the message how."""

    def __init__(self, status: Literal["crash", "timeout"], message: str) -> None:
        super().__init__(message)
        self.status: Literal["crash", "timeout"] = status


class WorkerProcess:
    """One worker for one candidate; restarted by `profile` after it died."""

    def __init__(self, start: protocol.Start, log: Path, *, threads: int) -> None:
        self._start = start
        self._log = log
        self._threads = str(threads)
        self._process: subprocess.Popen[bytes] | None = None
        self._lines: queue.Queue[bytes] = queue.Queue()
        self._decode = msgspec.json.Decoder(protocol.Reply)
        self._profiled: protocol.Profile | None = None
        self.started = protocol.Reply(status="ok")

    def profile(self, profile: protocol.Profile) -> protocol.Reply:
        """Prepare for one model; starts the process where it is not running.

        Raises:
            UsageError: the candidate cannot start.
        """
        if self._process is None:
            self._spawn()
            self.started = self._checked(self._start)
        self._profiled = profile
        return self._checked(profile)

    def run(self, message: protocol.Run, seconds: float) -> protocol.Reply:
        """Send one case and return its reply.

        Raises:
            WorkerGone: the process died or took longer than `seconds`; it is restarted before the next case.
        """
        if self._process is None:
            assert self._profiled is not None
            try:
                self.profile(self._profiled)
            except UsageError as error:
                raise WorkerGone("crash", f"the worker did not come back: {error}") from error
        return self._exchange(message, seconds)

    def _spawn(self) -> None:
        self._lines = queue.Queue()
        environment = dict.fromkeys(_THREADS, self._threads) | os.environ | {"TRANSFORMERS_VERBOSITY": "error"}
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-X", "faulthandler", "-m", "clip_conformance.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=environment,
                start_new_session=True,
            )
        assert self._process.stdout is not None
        threading.Thread(target=_pump, args=(self._process.stdout, self._lines), daemon=True).start()

    def _checked(self, message: protocol.Message) -> protocol.Reply:
        try:
            reply = self._exchange(message, _START_SECONDS)
        except WorkerGone as gone:
            raise UsageError(f"the candidate cannot start: {gone}", self.log()) from gone
        if reply.status != "ok":
            self.close()
            raise UsageError(reply.message, reply.traceback)
        return reply

    def _exchange(self, message: protocol.Message, seconds: float) -> protocol.Reply:
        assert self._process is not None
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(msgspec.json.encode(message) + b"\n")
            self._process.stdin.flush()
            line = self._lines.get(timeout=seconds)
        except queue.Empty:
            self._kill()
            raise WorkerGone("timeout", f"no answer within {seconds:g} s") from None
        except OSError:
            line = b""
        if not line:
            raise WorkerGone("crash", self._post_mortem())
        return self._decode.decode(line)

    def _post_mortem(self) -> str:
        assert self._process is not None
        try:
            code = self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._kill()
            return "the worker closed its output"
        self._kill()
        return f"the worker died of {signal.Signals(-code).name}" if code < 0 else f"the worker exited with {code}"

    def log(self) -> str:
        """Return the end of what the worker wrote to stderr."""
        return self._log.read_text(encoding="utf-8", errors="replace")[-4000:] if self._log.exists() else ""

    def _kill(self) -> None:
        """Kill the process and what it started; a new one is made for the next case."""
        if self._process is not None:
            with suppress(ProcessLookupError, PermissionError):
                if hasattr(os, "killpg"):
                    os.killpg(self._process.pid, signal.SIGKILL)
                else:
                    self._process.kill()
            self._process.wait()
            for pipe in (self._process.stdin, self._process.stdout):
                if pipe is not None:
                    with suppress(OSError):
                        pipe.close()
        self._process = None

    def close(self) -> None:
        """End the process: politely first."""
        if self._process is not None:
            with suppress(WorkerGone, subprocess.TimeoutExpired):
                self._exchange(protocol.Stop(), 2.0)
                self._process.wait(timeout=2.0)
        self._kill()


def _pump(stream: IO[bytes], lines: "queue.Queue[bytes]") -> None:
    """Move the worker's lines to the queue; an empty one marks the end."""
    with suppress(OSError, ValueError):
        for line in stream:
            lines.put(line)
    lines.put(b"")


def workdir() -> "tempfile.TemporaryDirectory[str]":
    """Return a directory for arrays on their way, in memory where the system offers it."""
    shared = "/dev/shm"
    home = shared if os.path.isdir(shared) and os.access(shared, os.W_OK) else None
    return tempfile.TemporaryDirectory(prefix="clip-conformance-", dir=home, ignore_cleanup_errors=True)
