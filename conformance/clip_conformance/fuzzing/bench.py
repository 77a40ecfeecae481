"""One candidate on the bench: any image sent to it, its outputs read back."""

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clip_conformance import arrays, protocol
from clip_conformance.candidates.trials import How, Trial
from clip_conformance.cases import Target, targets
from clip_conformance.errors import UsageError
from clip_conformance.fuzzing.interrupts import Interrupts
from clip_conformance.fuzzing.pictures import MODES, Picture
from clip_conformance.records import Status
from clip_conformance.scoring.compare import FLOAT_STAGES
from clip_conformance.transports.base import Broken, Transport
from clip_conformance.transports.kept import GIB, Bounds
from clip_conformance.transports.resolve import resolve
from clip_conformance.transports.setup import InputKind
from clip_reference import Stages
from clip_reference.geometry import resized_size
from clip_spec import StageId

_MESSAGE = 300


@dataclass(frozen=True)
class Output:
    """One stage's output: the array and, for a Pillow image, its mode; or why it cannot be read."""

    array: NDArray[Any]
    mode: str = ""
    problem: str = ""

    def same(self, other: "Output") -> bool:
        """Return whether two outputs are the same to the bit."""
        mine, theirs = self.array, other.array
        return (
            (self.problem, mine.shape, mine.dtype) == (other.problem, theirs.shape, theirs.dtype)
        ) and mine.tobytes() == theirs.tobytes()


@dataclass(frozen=True)
class Answer:
    """What came back for one image; `outputs` holds something where `status` is "ok"."""

    status: Status
    message: str = ""
    outputs: dict[StageId, Output] = field(default_factory=dict)


class Bench:
    """A candidate that is running, ready for one model.

    `stage` is the last stage whose output it gives; `target` the model.

    Args:
        candidate: text as on the command line, or a Python object.
        target: the model.
        folder: an empty folder to work in.
        timeout: seconds for one image.
        memory: GiB that the candidate may hold, 0 for any number (see `check`).
        kind: what a Python callable takes.

    Raises:
        UsageError: it is no candidate, cannot start, or cannot be sent an image.
    """

    def __init__(
        self, candidate: Any, target: Target, folder: Path, *, timeout: float, memory: float, kind: InputKind
    ) -> None:
        text = candidate if isinstance(candidate, str) else ""
        if text.startswith("dir:"):
            raise UsageError("dir: holds outputs that were made before; fuzz needs a candidate that runs")
        self.target, self._folder, self._timeout = target, folder, timeout
        self.python = not text.startswith(("cmd:", "exec:"))
        self.takes_arrays = self.python and kind == "array"
        # Of many jobs each is told to use one thread: for small images that is the fastest, and always the same.
        bounds = Bounds(memory=int(memory * GIB), scratch=folder)
        self._found = resolve(candidate, folder, jobs=os.cpu_count() or 1, kind=kind, seconds=timeout, bounds=bounds)
        self._seq = self._lanes = 0
        self.interrupts = Interrupts()
        self._transport: Transport | None = None
        self.ready = self._open()
        if not self.ready.scored:
            raise UsageError("the candidate gives no stage after decode; fuzz has nothing to compare")
        self.stage: StageId = self.ready.scored[-1]

    def __enter__(self) -> "Bench":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the candidate."""
        if self._transport is not None:
            self._transport.close()
        self._transport = None

    def restart(self) -> None:
        """Start the candidate anew, so that nothing of what it was sent before is left."""
        self.close()
        self._open()

    @property
    def started(self) -> protocol.Started:
        """What the candidate said when it was loaded."""
        assert self._transport is not None
        return self._transport.started

    def log(self) -> str:
        """Return the end of what the candidate wrote to stderr."""
        return self._transport.log() if self._transport is not None else ""

    def _open(self) -> protocol.Ready:
        self._lanes += 1
        self._lane = self._folder / str(self._lanes)
        self._lane.mkdir()
        self._transport = self._found.open(self._lane)
        with self._waiting():
            return self._transport.profile(protocol.profile(self.target.name, self.target.n_px))

    @contextmanager
    def _waiting(self) -> Iterator[None]:
        self.interrupts.waiting = True
        try:
            yield
        finally:
            self.interrupts.waiting = False

    def ask(self, picture: Picture, *, how: How | None = None, stages: Sequence[StageId] = ()) -> Answer:
        """Send an image and return the answer.

        Args:
            picture: the image.
            how: for a Python candidate, another way to call it.
            stages: whose outputs are wanted; the last one's without.
        """
        assert self._transport is not None
        self._seq += 1
        place = self._lane / "out"
        place.mkdir(exist_ok=True)
        given = picture.message(self._lane, "image", picture=self._found.pictures)
        fields: Any = {
            "seq": self._seq,
            "case": f"fuzz-{self._seq}@{self.target.n_px}",
            "input": given,
            "stages": list(stages or [self.stage]),
            "out": str(place),
        }
        message = protocol.Run(**fields) if how is None else Trial(how=how, **fields)
        try:
            with self._waiting():
                result = self._transport.run(message, self._timeout)
            return self._read(result, picture, place)
        except Broken as broken:
            return Answer(broken.status, str(broken))
        finally:
            shutil.rmtree(place, ignore_errors=True)

    def _read(self, result: protocol.Result, picture: Picture, place: Path) -> Answer:
        if result.status != "ok":
            return Answer(result.status, " ".join(result.message.split())[:_MESSAGE])
        outputs = {
            stage: self._output(stage, output, picture)
            for stage, output in result.outputs.items()
            if isinstance(output, protocol.Output)
        }
        if not outputs:
            return Answer("missing", "the answer names no output")
        return Answer("ok", "", outputs)

    def _output(self, stage: StageId, output: protocol.Output, picture: Picture) -> Output:
        shape, dtype = self._expected(stage, picture)  # for bare samples, which have no shape of their own
        try:
            return Output(arrays.read(Path(output.path), shape, dtype), output.mode)
        except arrays.Unreadable as problem:
            return Output(np.zeros(0, np.float32), output.mode, str(problem))

    def _expected(self, stage: StageId, picture: Picture) -> tuple[tuple[int, ...], str]:
        n_px, mode = self.target.n_px, MODES[picture.mode]
        if stage in FLOAT_STAGES:
            return (3, n_px, n_px), "float32"
        if stage == "convert_rgb":
            return (n_px, n_px, 3), "uint8"
        width, height = (n_px, n_px)
        if stage == "resize":
            width, height = resized_size(picture.width, picture.height, n_px)
        return ((height, width) if mode.bands == 1 else (height, width, mode.bands)), mode.dtype

    def reference(self, picture: Picture) -> Stages:
        """Return the canon's stages for an image, computed as they are asked for."""
        return Stages(picture.source(self._lane), self.target.n_px)


def one_target(model: str) -> Target:
    """Return the model of a name.

    Raises:
        UsageError: there is none, or several.
    """
    found = targets(model)
    if len(found) != 1:
        raise UsageError("fuzz takes one model")
    return found[0]
