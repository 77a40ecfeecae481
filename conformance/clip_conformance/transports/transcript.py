"""A conversation, kept: every message in transcript.jsonl, every input beside it, of the outputs the digests."""

import hashlib
import io
import shutil
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any, Literal

import msgspec

from clip_conformance import arrays, protocol, untrusted
from clip_conformance.errors import UsageError

NAME = "transcript.jsonl"
_ARRAYS = "arrays"
# What is kept of an adapter's line.
_LINE = 1 << 20
# Of everything, at all models, a transcript has 60 MiB.
_FILE = 256 << 20


class Entry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line of a transcript.

    `lane` numbers the processes that ran side by side. "sent" holds a message of the suite, its input relative to the
    transcript's folder; "received" the adapter's line as it came; "outputs" the SHA-256 of each file that it named.
    """

    lane: str
    what: Literal["candidate", "sent", "received", "outputs"]
    candidate: str = ""
    message: msgspec.Raw = msgspec.Raw(b"null")
    text: str = ""
    seq: int = 0
    outputs: dict[str, str] = {}


class Recorder:
    """Writes a transcript to a folder, which is made when there is something to keep."""

    def __init__(self, folder: Path, candidate: str) -> None:
        self._folder, self._candidate = folder, candidate
        self._lock = threading.Lock()
        self._file: IO[bytes] | None = None

    def sent(self, lane: Path, message: protocol.Message) -> None:
        """Keep a message of the suite, and the input that it names."""
        if isinstance(message, protocol.Run) and message.input.path:
            kept = msgspec.structs.replace(message.input, path=self._kept(Path(message.input.path)))
            message = msgspec.structs.replace(message, input=kept)
        self._write(Entry(lane=lane.name, what="sent", message=msgspec.Raw(msgspec.json.encode(message))))

    def received(self, lane: Path, line: bytes) -> None:
        """Keep a line of the adapter, whatever it is."""
        self._write(Entry(lane=lane.name, what="received", text=line[:_LINE].decode("utf-8", errors="replace")))

    def outputs(self, lane: Path, message: protocol.Run, outputs: Mapping[Any, protocol.Output]) -> None:
        """Keep the digests of the files that an answer names."""
        digests = {stage: output_digest(Path(output.path)) for stage, output in outputs.items()}
        self._write(Entry(lane=lane.name, what="outputs", seq=message.seq, outputs=digests))

    def close(self) -> None:
        """End the transcript."""
        if self._file is not None:
            self._file.close()

    def _kept(self, path: Path) -> str:
        name = f"{_ARRAYS}/{file_digest(path)[:24]}{path.suffix}"
        (self._folder / _ARRAYS).mkdir(parents=True, exist_ok=True)
        if not (self._folder / name).exists():
            shutil.copyfile(path, self._folder / name)
        return name

    def _write(self, entry: Entry) -> None:
        with self._lock:
            if self._file is None:
                (self._folder / _ARRAYS).mkdir(parents=True, exist_ok=True)
                self._file = (self._folder / NAME).open("wb")
                self._file.write(
                    msgspec.json.encode(Entry(lane="", what="candidate", candidate=self._candidate)) + b"\n"
                )
            self._file.write(msgspec.json.encode(entry) + b"\n")
            self._file.flush()


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def output_digest(path: Path) -> str:
    """Return the SHA-256 of a file that a candidate wrote; of one that is larger than any stage, how large it is."""
    try:
        with arrays.opened(path) as (file, size):
            return hashlib.file_digest(file, "sha256").hexdigest() if size <= arrays.LARGEST else f"{size} bytes"
    except arrays.Unreadable:
        return "nothing"


def entries(folder: Path) -> Iterator[Entry]:
    """Read a transcript.

    Raises:
        UsageError: it is not there, or a line is none of a transcript.
    """
    path = folder / NAME
    try:
        content = untrusted.content(untrusted.file_of(folder, NAME), _FILE)
    except arrays.Unreadable as problem:
        raise UsageError(f"{problem}; check cmd:... --transcript {folder} writes a transcript") from None
    for number, line in enumerate(io.BytesIO(content), start=1):
        try:
            yield untrusted.decode(line, Entry)
        except arrays.Unreadable as problem:
            raise UsageError(f"{path}, line {number}: {problem}") from None
