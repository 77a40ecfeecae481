"""`exec:`: one process an image (spec/PROTOCOL.md section 1)."""

import difflib
import os
import re
import shlex
import shutil
import time
from collections.abc import Sequence
from pathlib import Path

from clip_conformance import arrays, protocol
from clip_conformance.errors import UsageError
from clip_conformance.transports.base import Broken
from clip_conformance.transports.kept import Bounds
from clip_conformance.transports.process import Process, excerpt, signal_name

_NEEDED = ("{input}", "{output}")
_PLACEHOLDERS = (*_NEEDED, "{n_px}", "{mode}", "{case}")
# What a shell says where it could not start a program.
_NOT_STARTED = (126, 127)
_LOGGED = 16 << 10


def words(text: str, prefix: str) -> list[str]:
    """Split a command line as a POSIX shell would.

    Raises:
        UsageError: there is nothing, or a quotation that does not end.
    """
    try:
        found = shlex.split(text)
    except ValueError as error:
        raise UsageError(f"{prefix}{text} cannot be split into words: {error}") from None
    if not found:
        raise UsageError(f"{prefix} needs a command: {prefix}./adapter")
    return found


def command(text: str) -> list[str]:
    """Return the words of an exec: candidate.

    Raises:
        UsageError: a placeholder that it needs is missing, or the program.
    """
    found = words(text, "exec:")
    for placeholder in _NEEDED:
        if not any(placeholder in word for word in found):
            raise UsageError(f"exec:{text} has no {placeholder}; write 'exec:./run.sh {{input}} {{n_px}} {{output}}'")
    for word in found:
        for name in re.findall(r"\{\w+\}", word):
            if name not in _PLACEHOLDERS and difflib.get_close_matches(name, _PLACEHOLDERS):
                raise UsageError(f"exec:{text}: {name} is none of {', '.join(_PLACEHOLDERS)}")
    if shutil.which(found[0]) is None:
        why = "is not executable" if os.path.isfile(found[0]) else "cannot be found"
        raise UsageError(f"exec:{text}: the program {found[0]} {why}")
    return found


class PerImage:
    """A program that is started for each image.

    Args:
        argv: its words, with placeholders.
        threads: how many threads it is told to use.
        bounds: what each process is bound to.
    """

    def __init__(self, argv: Sequence[str], *, threads: int = 1, bounds: Bounds | None = None) -> None:
        self._argv, self._threads, self._bounds = list(argv), threads, bounds
        self._process: Process | None = None
        self._closed = False
        self._n_px = 0
        self._log = ""
        self.elapsed = 0.0
        self.started = protocol.Started(status="ok", protocol=protocol.VERSION, implementation={"name": self._argv[0]})

    def profile(self, message: protocol.Profile) -> protocol.Ready:
        """Remember for which model; nothing is started."""
        self._n_px = message.n_px
        any_size = any("{n_px}" in word for word in self._argv)
        return protocol.Ready(status="ok", stages=["normalize"], any_size=any_size)

    def run(self, message: protocol.Run, seconds: float) -> protocol.Result:
        """Run the program on one image.

        Raises:
            Broken: it could not be started, died, took too long, or wrote no output.
        """
        path = Path(message.out) / "output"
        values = (message.input.path, str(path), str(self._n_px), message.input.mode, message.case)
        argv = [_filled(word, dict(zip(_PLACEHOLDERS, values, strict=True))) for word in self._argv]
        began = time.monotonic()
        try:
            process = Process(argv, threads=self._threads, talks=False, bounds=self._bounds)
        except OSError as error:
            raise Broken("error", f"{argv[0]} cannot be started: {error.strerror or error}") from None
        self._process = process
        if self._closed:
            self.abort()
        try:
            status = process.wait(seconds)
            self.elapsed = time.monotonic() - began
        finally:
            process.kill()
            self._log = (self._log + process.log())[-_LOGGED:]
        if status is None:
            raise Broken("timeout", f"no end within {seconds:g} s")
        if status < 0:
            raise Broken("crash", f"it {process.cause_of_death(status)}")
        if status > 128 and not (named := signal_name(status - 128)).startswith("signal "):
            raise Broken("crash", f"it exited with {status}, as a shell does after {named}")
        last = _last_words(process.log())
        if status in _NOT_STARTED:
            raise Broken("error", f"it exited with {status}, as a shell does that cannot start a program{last}")
        if status:
            return protocol.Result(seq=message.seq, status="error", message=f"it exited with {status}{last}")
        try:
            with arrays.opened(path):
                pass
        except arrays.Unreadable as problem:
            raise Broken("error", f"it exited with 0 and left no output: {problem}{last}") from None
        return protocol.Result(seq=message.seq, status="ok", outputs={"normalize": protocol.Output(path=str(path))})

    def log(self) -> str:
        """Return the end of what the programs printed."""
        return self._log

    def close(self) -> None:
        """Nothing runs between two images."""

    def abort(self) -> None:
        """End the program that runs."""
        self._closed = True
        if self._process is not None:
            self._process.kill()


def _filled(word: str, values: dict[str, str]) -> str:
    for placeholder, value in values.items():
        word = word.replace(placeholder, value)
    return word


def _last_words(log: str) -> str:
    lines = [line for line in log.splitlines() if line.strip()]
    return f'; its last words: "{excerpt(lines[-1].encode())}"' if lines else ""
