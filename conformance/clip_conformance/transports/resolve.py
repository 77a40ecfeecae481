"""From what the user wrote, or gave, to a candidate that can be opened."""

import os
import sys
from pathlib import Path
from typing import Any

import cloudpickle
import msgspec

from clip_conformance.errors import UsageError
from clip_conformance.transports.base import Candidate, Transport
from clip_conformance.transports.conversation import Conversation
from clip_conformance.transports.folder import Folder
from clip_conformance.transports.per_image import PerImage, command, words
from clip_conformance.transports.setup import InputKind, Setup
from clip_conformance.transports.strict import Strict
from clip_conformance.transports.transcript import Recorder
from clip_conformance.version import version

_ONLY_CMD = "is for candidates that hold a conversation: cmd: and Python"


def resolve(
    candidate: Any,
    folder: Path,
    *,
    jobs: int,
    kind: InputKind = "pil",
    strict: bool = False,
    recorder: Recorder | None = None,
) -> Candidate:
    """Return a candidate, not started yet.

    Args:
        candidate: text as on the command line, or a Python object.
        folder: where an object is left for the workers.
        jobs: how many at a time; 0 for as many as suit the candidate.
        kind: what a Python callable takes.
        strict: whether both directions of the protocol are validated.
        recorder: keeps the conversation.

    Raises:
        UsageError: it is no candidate, or an option does not apply to it.
    """
    cores = os.cpu_count() or 1
    text = candidate if isinstance(candidate, str) else ""
    if text.startswith(("exec:", "dir:")) and (strict or recorder is not None):
        raise UsageError(f"{'--strict-protocol' if strict else '--transcript'} {_ONLY_CMD}")
    if text.startswith("exec:"):
        argv = command(text.removeprefix("exec:"))
        jobs = jobs or cores
        return Candidate(lambda lane: PerImage(argv, threads=max(1, cores // jobs)), pictures=True, jobs=jobs)
    if text.startswith("dir:"):
        return Candidate(lambda lane: Folder(Path(text.removeprefix("dir:"))), jobs=jobs or 1)
    jobs = jobs or min(cores, 2)
    checker = Strict() if strict else None
    if text.startswith("cmd:"):
        name = text
        conversation_words(text, folder)
    else:
        setup = _setup(candidate, folder, kind)
        name = setup.target
        file = folder / "candidate.json"
        file.write_bytes(msgspec.json.encode(setup))
    worker = [sys.executable, "-X", "faulthandler", "-m", "clip_conformance.worker", str(folder / "candidate.json")]

    def converse(lane: Path) -> Transport:
        return Conversation(
            name,
            conversation_words(text, lane.parent) if text.startswith("cmd:") else worker,
            lane,
            suite=version(),
            threads=max(1, cores // jobs),
            strict=checker,
            recorder=recorder,
        )

    return Candidate(converse, jobs=jobs)


def conversation_words(candidate: str, folder: Path) -> list[str]:
    """Return the words of a cmd: candidate whose work directory is `folder`.

    Raises:
        UsageError: there are none.
    """
    found = words(candidate.removeprefix("cmd:"), "cmd:")
    return [word.replace("{workdir}", str(folder)) for word in found]


def _setup(candidate: Any, folder: Path, kind: InputKind) -> Setup:
    path = [entry for entry in sys.path if entry]
    if isinstance(candidate, str):
        return Setup(target=candidate, input=kind, path=path)
    name = getattr(candidate, "__qualname__", type(candidate).__qualname__)
    try:
        pickled = cloudpickle.dumps(candidate)
    except Exception as error:
        raise UsageError(
            f"{name} cannot be sent to the worker process ({type(error).__name__}: {error}); "
            'name it as "pkg.mod:attr" instead'
        ) from error
    file = folder / "candidate.pickle"
    file.write_bytes(pickled)
    return Setup(target=name, input=kind, pickled=str(file), path=path)
