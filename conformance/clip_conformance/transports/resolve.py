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
from clip_conformance.transports.kept import Bounds
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
    seconds: float = 20.0,
    bounds: Bounds | None = None,
    strict: bool = False,
    recorder: Recorder | None = None,
) -> Candidate:
    """Return a candidate, not started yet.

    Args:
        candidate: text as on the command line, or a Python object.
        folder: where an object is left for the workers.
        jobs: how many at a time; 0 for as many as suit the candidate.
        kind: what a Python callable takes.
        seconds: the limit for one case.
        bounds: what each of its processes is bound to.
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
        threads = max(1, cores // jobs)
        return Candidate(lambda lane: PerImage(argv, threads=threads, bounds=bounds), pictures=True, jobs=jobs)
    if text.startswith("dir:"):
        return Candidate(lambda lane: Folder(Path(text.removeprefix("dir:"))), jobs=jobs or 1)
    eager, jobs = bool(jobs), jobs or min(cores, 2)
    checker = Strict() if strict else None
    if text.startswith("cmd:"):
        name = text
        conversation_words(text, folder)
    else:
        setup = _setup(candidate, folder, kind, seconds)
        name = setup.target
        file = folder / "candidate.json"
        file.write_bytes(msgspec.json.encode(setup))
    worker = [sys.executable, "-X", "faulthandler", "-m", "clip_conformance.worker", str(folder / "candidate.json")]

    def converse(lane: Path) -> Transport:
        foreign = text.startswith("cmd:")
        return Conversation(
            name,
            conversation_words(text, lane.parent) if foreign else [*worker, str(lane)],
            lane,
            suite=version(),
            # One core is the suite's own: threads that wait for each other on a busy core take ten times as long.
            threads=max(1, (cores - 1) // jobs),
            bounds=bounds,
            again=not foreign,
            strict=checker,
            recorder=recorder,
        )

    return Candidate(converse, jobs=jobs, eager=eager)


def conversation_words(candidate: str, folder: Path) -> list[str]:
    """Return the words of a cmd: candidate whose work directory is `folder`.

    Raises:
        UsageError: there are none.
    """
    found = words(candidate.removeprefix("cmd:"), "cmd:")
    return [word.replace("{workdir}", str(folder)) for word in found]


def _setup(candidate: Any, folder: Path, kind: InputKind, seconds: float) -> Setup:
    path = [entry for entry in sys.path if entry]
    if isinstance(candidate, str):
        return Setup(target=candidate, input=kind, path=path, seconds=seconds)
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
    return Setup(target=name, input=kind, pickled=str(file), path=path, seconds=seconds)
