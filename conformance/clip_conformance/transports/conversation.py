"""`cmd:` and Python: a long-lived process that answers JSON lines (spec/PROTOCOL.md section 2)."""

import base64
import binascii
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import numpy as np

from clip_conformance import arrays, protocol
from clip_conformance.errors import UsageError
from clip_conformance.plain import one_line
from clip_conformance.transports.base import Broken
from clip_conformance.transports.kept import Bounds
from clip_conformance.transports.process import LINE_LIMIT, Process, Silent, excerpt
from clip_conformance.transports.strict import Strict
from clip_conformance.transports.transcript import Recorder

_START_SECONDS = 120.0
_STOP_SECONDS = 2.0
# The first case after a start may have to compile something.
_FIRST = 3.0
_TRIES = 3
# What a candidate says of itself is kept in every report.
_ABOUT = 256 << 10

AnyReply = TypeVar("AnyReply", bound=protocol.Reply)


class Lost(UsageError):  # noqa: N818 - says what happened
    """The process broke off while it prepared."""


class Conversation:
    """One process that speaks the protocol; started by `profile`, and again by `run` after it died.

    Args:
        name: what the user calls the candidate.
        argv: the process.
        folder: its own part of the work directory, which is the folder above.
        suite: the version of the suite.
        threads: how many threads the process is told to use.
        bounds: what the process is bound to.
        again: whether a process that dies while it prepares gets a second chance.
        strict: holds both directions against the schemas, or None.
        recorder: keeps the conversation, or None.
    """

    def __init__(
        self,
        name: str,
        argv: Sequence[str],
        folder: Path,
        *,
        suite: str,
        threads: int = 1,
        bounds: Bounds | None = None,
        again: bool = False,
        strict: Strict | None = None,
        recorder: Recorder | None = None,
    ) -> None:
        self._name, self._argv, self._folder, self._threads = name, list(argv), folder, threads
        self._bounds, self._again = bounds, again
        self._strict, self._recorder = strict, recorder
        self._hello = protocol.hello(suite, str(folder.parent))
        self._process: Process | None = None
        self._profiled: protocol.Profile | None = None
        self._fresh = True
        self._first = _FIRST
        self._answered = False
        self._closed = False
        self._failures = 0
        self._log = ""
        self.started = protocol.Started(status="ok", protocol=protocol.VERSION)
        self.elapsed = 0.0

    def profile(self, message: protocol.Profile) -> protocol.Ready:
        """Prepare for one model; starts the process where it is not running.

        Raises:
            UsageError: the candidate cannot start, or does not serve this n_px.
        """
        if self._strict is not None and self._profiled is None:
            self._rehearse()
        if self._process is None:
            self._start()
        self._profiled = message
        try:
            ready = self._prepared(message, protocol.Ready)
        except Lost:
            if not self._again:
                raise
            self._start()
            ready = self._prepared(message, protocol.Ready)
        if not ready.scored and "decode" not in ready.stages:
            self.stop()
            raise UsageError(f'{self._name} answered profile without stages; "stages": ["normalize"] is enough')
        return ready

    def run(self, message: protocol.Run, seconds: float) -> protocol.Result:
        """Run one image, in at most `seconds`; three times as long where it is the first after a start.

        Raises:
            Broken: the process died, took too long, or broke the protocol; it is restarted before the next case.
        """
        if self._closed:
            raise Broken("error", f"{self._name} was ended")
        if self._process is None:
            self._restart()
        fresh, self._fresh = self._fresh, False
        try:
            line = self._exchange(message, seconds * (self._first if fresh else 1.0))
        except Broken as broken:
            if fresh and broken.status == "timeout":
                self._first = 1.0  # more time was no help
            raise
        self._answered = True
        try:
            result = self._decoded(message, line, protocol.Result)
            if result.seq != message.seq:
                raise Broken("error", f"{_answer_to(message)} has the seq {result.seq}, expected {message.seq}")
        except Broken:
            self._kill()
            raise
        try:
            outputs = {stage: self._located(stage, output, message) for stage, output in result.outputs.items()}
        except arrays.Unreadable as problem:
            raise Broken("error", f"{_answer_to(message)}: {problem}") from None
        if self._recorder is not None:
            self._recorder.outputs(self._folder, message, outputs)
        return msgspec.structs.replace(result, outputs=outputs)

    def _start(self) -> None:
        try:
            self._process = Process(self._argv, threads=self._threads, bounds=self._bounds)
        except OSError as error:
            raise UsageError(f"{self._name} cannot be started: {error.strerror or error}") from error
        if self._closed:
            self._kill()
            raise UsageError(f"{self._name} was ended")
        self._fresh, self._answered = True, False
        self.started = self._prepared(self._hello, protocol.Started)
        if self.started.protocol != protocol.VERSION:
            spoken = one_line(str(self.started.protocol), 20)
            self.stop()
            raise UsageError(f"{self._name} speaks protocol {spoken}, this suite speaks {protocol.VERSION}")

    def _rehearse(self) -> None:
        """Start and stop once, to see that the adapter goes when it is told to."""
        self._start()
        status = self.stop()
        if status != 0:
            how = "did not exit" if status is None else f"exited with {status}"
            raise UsageError(f"--strict-protocol: {self._name} {how} after stop; it must exit with 0 within 2 s")

    def _restart(self) -> None:
        assert self._profiled is not None
        if self._failures >= _TRIES:
            raise Broken("crash", f"given up: {self._name} could not be restarted {_TRIES} times in a row")
        try:
            self.profile(self._profiled)
        except UsageError as error:
            self._failures += 1
            raise Broken("crash", f"{self._name} did not come back: {error}") from error
        self._failures = 0

    def _prepared(self, message: protocol.Message, kind: type[AnyReply]) -> AnyReply:
        """Send a message on which all cases depend, and return the answer where it is "ok"."""
        try:
            reply = self._decoded(message, self._exchange(message, _START_SECONDS), kind)
        except Broken as broken:
            self._kill()
            log = self.log()
            last = next((line.strip() for line in reversed(log.splitlines()) if line.strip()), "")
            words = f'; its last words: "{excerpt(last.encode())}"' if last else ""
            raise Lost(f"{self._name} cannot start: {broken}{words}", log) from broken
        if reply.status != "ok":
            self.stop()
            text, trace = getattr(reply, "message", ""), getattr(reply, "traceback", "")
            said = one_line(text, 500) or f"{self._name} answered {protocol.called(message)} with {reply.status}"
            raise UsageError(said, trace)
        return reply

    def _exchange(self, message: protocol.Message, seconds: float) -> bytes:
        """Send a message and return the line that answers it."""
        process = self._process
        assert process is not None
        line = msgspec.json.encode(self._inlined(message))
        if self._strict is not None:
            self._strict.sent(line)
        if (stray := process.unread()) is not None:
            self._kill()
            raise Broken("error", f'a line that answers nothing, before {protocol.called(message)}: "{excerpt(stray)}"')
        if self._recorder is not None:
            self._recorder.sent(self._folder, message)
        began = time.monotonic()
        try:
            process.send(line)
            answer = process.receive(seconds)
        except Silent as silence:
            raise self._broken_off(process, message, silence, seconds) from None
        except (OSError, ValueError):  # its stdin is closed, or was by us
            raise Broken("crash", self._post_mortem(process, message)) from None
        finally:
            self.elapsed = time.monotonic() - began
        if self._recorder is not None:
            self._recorder.received(self._folder, answer)
        return answer

    def _inlined(self, message: protocol.Message) -> protocol.Message:
        """Put the bytes of a file into the message, for an adapter without a file system."""
        if not isinstance(message, protocol.Run) or self.started.arrays != "inline":
            return message
        content = Path(message.input.path).read_bytes()[message.input.offset :]
        data = base64.b64encode(content).decode("ascii")
        return msgspec.structs.replace(
            message, input=msgspec.structs.replace(message.input, path="", offset=0, data=data)
        )

    def _decoded(self, message: protocol.Message, line: bytes, kind: type[AnyReply]) -> AnyReply:
        try:
            if self._strict is not None:
                self._strict.received(message, line)
            if len(line) > _ABOUT and not isinstance(message, protocol.Run):
                raise msgspec.ValidationError(f"longer than {_ABOUT >> 10} KiB")
            return msgspec.json.decode(line, type=kind)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            wrong = isinstance(error, msgspec.ValidationError)
            text = one_line(str(error)) if wrong else "not JSON (stdout is for answers alone)"
            raise Broken("error", f'{_answer_to(message)} is wrong, {text}: "{excerpt(line)}"') from None

    def _located(self, stage: str, output: str | protocol.Output, message: protocol.Run) -> protocol.Output:
        """Return an output as a file of its own folder; data in the message are written there.

        Raises:
            Unreadable: there is no such file, or it lies elsewhere.
        """
        found = protocol.Output(path=output) if isinstance(output, str) else output
        folder = Path(message.out)
        if found.data or not found.path:
            path = folder / f"{stage}.inline.npy"
            arrays.write(path, _inline(found))
        else:
            path = arrays.within(found.path, folder)
            try:
                with arrays.opened(path):
                    pass
            except arrays.Unreadable as problem:
                raise arrays.Unreadable(f"it names an output for {stage}, but {problem}") from None
        if self._strict is not None:
            self._strict.output(stage, path)
        return protocol.Output(path=str(path), mode=one_line(found.mode, 20))

    def _broken_off(self, process: Process, message: protocol.Message, silence: Silent, seconds: float) -> Broken:
        unfinished = f', an unfinished line: "{silence}"' if str(silence) else ""
        if silence.endless:
            self._kill()
            return Broken("error", f"{_answer_to(message)} is a line of more than {LINE_LIMIT >> 20} MiB")
        if silence.ended:
            return Broken("crash", self._post_mortem(process, message) + unfinished)
        self._kill()
        hint = "" if self._answered or unfinished else "; is every answer a whole line, and flushed?"
        return Broken("timeout", f"no answer to {protocol.called(message)} within {seconds:g} s{unfinished}{hint}")

    def _post_mortem(self, process: Process, message: protocol.Message) -> str:
        cause = process.cause_of_death(process.wait(5.0))
        self._kill()
        return f"it {cause} before it answered {protocol.called(message)}"

    def log(self) -> str:
        """Return the end of what the process, and those before it, wrote to stderr."""
        return (self._log + (self._process.log() if self._process is not None else ""))[-(64 << 10) :]

    def _kill(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            self._log = (self._log + process.log())[-(64 << 10) :]

    def close(self) -> None:
        """End the process: politely first."""
        self._closed = True
        self.stop()

    def abort(self) -> None:
        """End the process at once, from any thread; nothing is run any more."""
        self._closed = True
        self._kill()

    def stop(self) -> int | None:
        """End the process and return its exit status, None where it had to be killed."""
        status = None
        if self._process is not None:
            if self._recorder is not None:
                self._recorder.sent(self._folder, protocol.Stop())
            with suppress(OSError):
                self._process.send(msgspec.json.encode(protocol.Stop()))
            self._process.end_input()
            status = self._process.wait(_STOP_SECONDS)
        self._kill()
        return status


def _answer_to(message: protocol.Message) -> str:
    return f"the answer to {protocol.called(message)}"


def _inline(output: protocol.Output) -> Any:
    """Return the array that an answer holds in base64."""
    try:
        content = base64.b64decode(output.data, validate=True)
    except (binascii.Error, ValueError):
        raise arrays.Unreadable("data is not base64") from None
    if output.dtype not in ("uint8", "uint16", "int32", "float32", "float64", "float16"):
        raise arrays.Unreadable(f"data of the dtype {one_line(output.dtype, 40)!r}")
    if len(output.shape) > 8 or any(not 0 <= side <= LINE_LIMIT for side in output.shape):
        raise arrays.Unreadable(f"data of the shape {one_line(str(output.shape[:9]), 60)}")
    return np.ascontiguousarray(arrays.bare(content, tuple(output.shape), output.dtype))
