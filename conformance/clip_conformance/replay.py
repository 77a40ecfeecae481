"""A recorded conversation, held once more with the same adapter or another one."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from clip_conformance import arrays, protocol, untrusted
from clip_conformance.errors import UsageError
from clip_conformance.plain import one_line
from clip_conformance.transports.base import Broken
from clip_conformance.transports.conversation import Conversation
from clip_conformance.transports.resolve import conversation_words
from clip_conformance.transports.transcript import Entry, entries, output_digest
from clip_conformance.version import version


@dataclass(frozen=True)
class Turn:
    """One run that was replayed: what was answered then and now, the same where `same`."""

    case: str
    then: str
    now: str

    @property
    def same(self) -> bool:
        """Whether the answer and the bytes of the outputs are those that were recorded."""
        return self.then == self.now


def replay(folder: Path, candidate: str, work: Path, seconds: float) -> Iterator[Turn]:
    """Send the messages of a transcript once more, one lane after the other.

    Args:
        folder: the transcript.
        candidate: the adapter, as for check; empty for the one that was recorded.
        work: an empty folder to work in.
        seconds: for one case.

    Raises:
        UsageError: there is no transcript, it cannot be read, or the adapter cannot start.
    """
    lines = list(entries(folder))
    candidate = candidate or next((entry.candidate for entry in lines if entry.what == "candidate"), "")
    if not candidate.startswith("cmd:"):
        named = one_line(candidate, 100) or "the transcript"
        raise UsageError(f"replay needs a cmd: adapter, and {named!r} is none; name one")
    lanes = dict.fromkeys(entry.lane for entry in lines if entry.lane)
    for number, lane in enumerate(lanes):
        place = work / f"lane-{number}"
        place.mkdir()
        argv = conversation_words(candidate, work)
        conversation = Conversation(candidate, argv, place, suite=version())
        try:
            yield from _lane(conversation, [entry for entry in lines if entry.lane == lane], folder, place, seconds)
        finally:
            conversation.close()


def _lane(conversation: Conversation, lines: list[Entry], folder: Path, place: Path, seconds: float) -> Iterator[Turn]:
    answers = _answers(lines)
    prepared = False
    for number, entry in enumerate(lines):
        if entry.what != "sent":
            continue
        message = _message(entry)
        if isinstance(message, protocol.Profile):
            conversation.profile(message)
            prepared = True
        elif isinstance(message, protocol.Run):
            if not prepared:
                raise UsageError("transcript: a run comes before profile, which no suite sends")
            out = place / str(number)
            out.mkdir()
            try:
                path = arrays.within(message.input.path, folder)
                with arrays.opened(path):
                    pass
            except arrays.Unreadable as problem:
                raise UsageError(f"transcript, {one_line(protocol.called(message), 100)}: {problem}") from None
            given = msgspec.structs.replace(message.input, path=str(path))
            again = msgspec.structs.replace(message, input=given, out=str(out))
            then, now = answers.get(message.seq, "no answer"), _now(conversation, again, seconds)
            yield Turn(one_line(message.case, 100), one_line(then), one_line(now))


def _message(entry: Entry) -> protocol.Message:
    try:
        message: protocol.Message = untrusted.decode(entry.message, protocol.Message)
    except arrays.Unreadable as problem:
        raise UsageError(f"transcript: a message that no suite sends: {problem}") from None
    return message


def _answers(lines: list[Entry]) -> dict[int, str]:
    """Return what was answered to each run, in words that can be compared."""
    found: dict[int, str] = {}
    last = -1
    for entry in lines:
        if entry.what == "sent":
            last = getattr(_message(entry), "seq", -1)
        elif entry.what == "received" and last >= 0:
            try:
                found[last] = untrusted.decode(entry.text.encode(), protocol.Result).status
            except arrays.Unreadable:
                found[last] = "error"
        elif entry.what == "outputs":
            found[entry.seq] = _words("ok", entry.outputs)
    return found


def _now(conversation: Conversation, message: protocol.Run, seconds: float) -> str:
    try:
        result = conversation.run(message, seconds)
    except Broken as broken:
        return "no answer" if broken.status in ("crash", "timeout") else broken.status
    if result.status != "ok":
        return result.status
    outputs = {stage: found for stage, found in result.outputs.items() if isinstance(found, protocol.Output)}
    return _words("ok", {stage: output_digest(Path(output.path)) for stage, output in outputs.items()})


def _words(status: str, digests: Any) -> str:
    return ", ".join([status, *(f"{stage} {digests[stage][:12]}" for stage in sorted(digests))])
