"""One run: every case to the candidate, every output scored."""

import re
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
from numpy.typing import NDArray

from clip_conformance import arrays, protocol
from clip_conformance.cases import (
    Target,
    case_id,
    expected_array,
    input_message,
    pinned_stage,
    reference_input,
)
from clip_conformance.errors import UsageError
from clip_conformance.plain import one_line
from clip_conformance.records import Case, Check, Status
from clip_conformance.reserve import Reserve
from clip_conformance.scoring.checks import CaseScoring, Outputs
from clip_conformance.scoring.levels import worst
from clip_conformance.transports.base import Broken, Candidate, Transport
from clip_conformance.transports.patience import Patience
from clip_fixtures import Fixture
from clip_spec import LevelId, StageId

# What is kept of a candidate's own words.
_MESSAGE = 300
ACCEPTED = "accepted an image that must be rejected"
# Where an object lies, in the words of Python.
_ADDRESS = re.compile(r"\bat 0x[0-9a-fA-F]{8,16}\b")
# Inputs that lie ready for each lane, made while the candidate works.
_AHEAD = 2


@dataclass
class Lane:
    """One line to the candidate with a folder of its own; `ready` is its answer to the current model."""

    transport: Transport
    folder: Path
    ready: protocol.Ready
    seconds: float = 0.0


class Runner:
    """Runs cases for one candidate, on as many lanes as it has jobs."""

    def __init__(
        self, candidate: Candidate, folder: Path, *, jobs: int, seconds: float, stages: tuple[StageId, ...] = ()
    ) -> None:
        self._candidate = candidate
        self._folder = folder
        # The start of a path into it: of an input, of an output of a lane.
        self._within = re.compile(rf"{re.escape(str(folder))}[/\\](?:inputs[/\\]|\d+[/\\](?:[^/\\\s]+[/\\]\d+[/\\])?)?")
        self._seconds = seconds
        self._only = stages
        self._lanes: list[Lane] = []
        self._idle: list[Lane] = []
        self._jobs = jobs
        # A lane that is being opened while others work, and what a lane is opened for and with how many seconds.
        self._coming: Lane | None = None
        self._profile: protocol.Profile | None = None
        self._opening = 0.0
        self._lock = threading.Lock()
        self._free = threading.Condition(self._lock)
        self._seq = 0
        # The candidate's final tensor of every case whose bits are not the canon's, for blame and diagnosis, and the
        # cases of which the final tensor is known.
        self.finals: dict[str, Path] = {}
        self.ended: set[str] = set()

    @contextmanager
    def prepared(self, target: Target) -> Iterator[protocol.Ready]:
        """Prepare the lanes for a model; the first one's reply says what the candidate is."""
        message = protocol.profile(target.name, target.n_px)
        began = time.monotonic()
        self._profile = message
        while len(self._lanes) < (self._jobs if self._candidate.eager else 1):
            self._lanes.append(self._opened())
        with ThreadPoolExecutor(self._jobs) as pool:
            try:
                replies = pool.map(lambda lane: lane.transport.profile(message), self._lanes)
                for lane, reply in zip(self._lanes, replies, strict=True):
                    lane.ready = reply
            except BaseException:
                self.abort()  # or the pool would wait for a candidate that does not start
                raise
        self._opening = self._opening or time.monotonic() - began
        self._idle = list(self._lanes)
        yield self._lanes[0].ready

    @property
    def started(self) -> protocol.Started:
        """What the candidate said when it was loaded."""
        return self._lanes[0].transport.started

    def log(self) -> str:
        """Return the end of what the candidate wrote to stderr."""
        return "".join(lane.transport.log() for lane in self._lanes)

    def forget_finals(self) -> None:
        """Delete the final tensors that were kept."""
        for path in self.finals.values():
            path.unlink(missing_ok=True)
        self.finals.clear()
        self.ended.clear()

    def close(self) -> None:
        """End the candidate."""
        with ExitStack() as stack:
            for lane in self._lanes:
                stack.callback(lane.transport.close)

    def abort(self) -> None:
        """End the candidate at once, whatever it is doing."""
        with ExitStack() as stack:
            for lane in self._lanes:
                stack.callback(lane.transport.abort)

    def run(self, chosen: list[Fixture], n_px: int, done: Callable[[Case], None]) -> list[Case]:
        """Run fixtures and return their cases in the same order; `done` is called as they finish."""
        results: dict[str, Case] = {}
        lanes = self._jobs
        inputs = _Inputs(chosen, n_px, self._folder, ahead=_AHEAD * lanes, picture=self._candidate.pictures)
        reserve = Reserve(
            opening=self._opening,
            todo=len(chosen),
            done=lambda: len(results),
            join=self._join,
            dismiss=self._dismiss,
        )
        more = reserve if len(self._lanes) < min(self._jobs, len(chosen)) else nullcontext()
        # One thread scores while another waits for the candidate's next answer.
        with inputs, ThreadPoolExecutor(2 * lanes) as pool, more:
            waiting = iter(chosen)
            pending = [pool.submit(self._run_next, waiting, n_px, inputs) for _ in chosen]
            try:
                for future in as_completed(pending):
                    case = future.result()
                    results[case.fixture] = case
                    done(case)
            except BaseException:
                for future in pending:
                    future.cancel()
                self.abort()  # or the pool would wait for the cases that are running
                raise
        return [results[fixture.slug] for fixture in chosen]

    def again(self, fixture: Fixture, n_px: int) -> NDArray[Any] | str:
        """Run a case once more and return its final tensor, or why there is none."""
        inputs = _Inputs([fixture], n_px, self._folder, ahead=1, picture=self._candidate.pictures)
        with inputs, inputs.taken(fixture) as (image, _), self._lane() as lane:
            out = lane.folder / fixture.slug
            try:
                reply = self._send(lane, case_id(fixture, n_px), image, _asked(fixture, lane.ready), out, None)
                output = reply.outputs.get("normalize")
                if not isinstance(output, protocol.Output):
                    return self._repeatable(_said(reply)) or reply.status
                return arrays.read(Path(output.path), *expected_array(fixture, n_px, "normalize"))
            except (Broken, arrays.Unreadable) as problem:
                return self._repeatable(str(problem))
            finally:
                shutil.rmtree(out, ignore_errors=True)

    def _opened(self) -> Lane:
        folder = self._folder / str(len(self._lanes))
        folder.mkdir(exist_ok=True)
        return Lane(Patience(self._candidate.open(folder)), folder, protocol.Ready(status="ok"))

    def _join(self) -> bool:
        """Open one more lane, and return whether there may be another one; where it cannot be, those there are do."""
        assert self._profile is not None
        lane = self._coming = self._opened()
        try:
            lane.ready = lane.transport.profile(self._profile)
        except UsageError:
            return False
        with self._free:
            if self._coming is None:
                return False
            self._coming = None
            self._lanes.append(lane)
            self._idle.append(lane)
            self._free.notify()
        return len(self._lanes) < self._jobs

    def _dismiss(self) -> None:
        """End the lane that is being opened."""
        with self._lock:
            lane, self._coming = self._coming, None
        if lane is not None:
            lane.transport.abort()

    @contextmanager
    def _lane(self) -> Iterator[Lane]:
        with self._free:
            while not self._idle:
                self._free.wait()
            lane = self._idle.pop()
        try:
            yield lane
        finally:
            with self._free:
                self._idle.append(lane)
                self._free.notify()

    def _run_next(self, waiting: Iterator[Fixture], n_px: int, inputs: "_Inputs") -> Case:
        """Run and score the next case; the lane is free as soon as the scoring does not need it."""
        outcome: _Outcome | None = None
        with self._lane() as lane:
            with self._lock:
                fixture = next(waiting)  # chosen with the lane: on one lane the cases run in their order
            lane.seconds = 0.0
            out = lane.folder / fixture.slug
            shutil.rmtree(out, ignore_errors=True)

            def send(given: protocol.Input, stages: list[StageId], start: StageId | None = None) -> protocol.Result:
                return self._send(lane, case_id(fixture, n_px), given, stages, out, start)

            with inputs.taken(fixture) as (image, source):
                scoring = CaseScoring(
                    fixture,
                    n_px,
                    source,
                    lane.ready,
                    lane.folder,
                    lambda given, stage, start: send(given, [stage], start),
                )
                try:
                    reply = send(image, _asked(fixture, lane.ready))
                    if lane.ready.alone:
                        outcome = self._outcome(fixture, n_px, reply, scoring)
                except Broken as broken:
                    outcome = _Outcome(broken.status, "divergent", str(broken))
            seconds = lane.seconds
        outcome = outcome or self._outcome(fixture, n_px, reply, scoring)
        shutil.rmtree(out, ignore_errors=True)
        return Case(
            id=case_id(fixture, n_px),
            fixture=fixture.slug,
            scope=fixture.scope,
            mode=fixture.mode,
            n_px=n_px,
            status=outcome.status,
            level=outcome.level,
            pins=pinned_stage(fixture, n_px) or "",
            seconds=round(seconds, 6),
            message=self._repeatable(outcome.message),
            checks=[msgspec.structs.replace(check, note=self._repeatable(check.note)) for check in outcome.checks],
        )

    def _repeatable(self, text: str) -> str:
        """Return a text without what the next run has otherwise: the place of its files, addresses of objects."""
        return _ADDRESS.sub("at 0x...", self._within.sub("", text)) if text else text

    def _outcome(self, fixture: Fixture, n_px: int, reply: protocol.Result, scoring: CaseScoring) -> "_Outcome":
        if fixture.expect == "reject":
            # An orderly answer without an output is a refusal (CNF-5), whatever the language calls it.
            if reply.status in ("rejected", "error"):
                return _Outcome("ok", "exact", _said(reply))
            accepted = ACCEPTED if reply.status == "ok" else _said(reply)
            return _Outcome(reply.status, "divergent", accepted)
        if reply.status != "ok":
            return _Outcome(reply.status, "divergent", _said(reply))
        checks = self._score(fixture, n_px, reply, scoring)
        if self._only or "normalize" in reply.outputs:
            return _Outcome("ok", worst(check.level for check in checks), "", checks)
        message = "the answer names no output for normalize"
        if reply.outputs:
            message = f"no output end to end; what it has can be scored with --stage {next(iter(reply.outputs))}"
        return _Outcome("missing", "divergent", message, checks)

    def _score(self, fixture: Fixture, n_px: int, reply: protocol.Result, scoring: CaseScoring) -> list[Check]:
        keep = self._folder / f"final-{n_px}-{fixture.slug}.npy"
        outputs: Outputs = {
            stage: found for stage, found in reply.outputs.items() if isinstance(found, protocol.Output)
        }
        checks = scoring.score(outputs, keep)
        if scoring.ended:
            self.ended.add(case_id(fixture, n_px))
        if keep.exists():
            self.finals[case_id(fixture, n_px)] = keep
        return [check for check in checks if not self._only or check.stage in self._only]

    def _send(
        self,
        lane: Lane,
        case: str,
        image: protocol.Input,
        stages: list[StageId],
        out: Path,
        start: StageId | None,
    ) -> protocol.Result:
        """Send one run message and return the reply; its outputs lie in a folder of its own below `out`."""
        with self._lock:
            self._seq += 1
            seq = self._seq
        place = out / str(seq)
        place.mkdir(parents=True)
        message = protocol.Run(seq=seq, case=case, input=image, stages=stages, out=str(place), start=start)
        lane.transport.elapsed = 0.0
        try:
            return lane.transport.run(message, self._seconds)
        finally:
            lane.seconds += lane.transport.elapsed


@dataclass(frozen=True)
class _Outcome:
    """What becomes of a case."""

    status: Status
    level: LevelId
    message: str
    checks: list[Check] = field(default_factory=list)


def _asked(fixture: Fixture, ready: protocol.Ready) -> list[StageId]:
    decodes = fixture.scope == "files" and "decode" in ready.stages
    return ["decode", *ready.scored] if decodes else ready.scored


def _said(reply: protocol.Result) -> str:
    return one_line(reply.message, _MESSAGE)


class _Inputs:
    """The inputs of a run, written a few ahead of the cases that take them, by one thread of its own."""

    def __init__(self, chosen: list[Fixture], n_px: int, folder: Path, *, ahead: int, picture: bool) -> None:
        self._folder = folder / "inputs"
        self._n_px, self._picture = n_px, picture
        self._waiting = iter(chosen)
        self._ahead = ahead
        self._lock = threading.Lock()
        self._made: dict[str, Future[tuple[protocol.Input, Any]]] = {}
        self._pool = ThreadPoolExecutor(1)

    def __enter__(self) -> "_Inputs":
        self._folder.mkdir(exist_ok=True)
        self._go_on(self._ahead)
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)

    @contextmanager
    def taken(self, fixture: Fixture) -> Iterator[tuple[protocol.Input, Any]]:
        """Hand out the input of a case, and what the reference starts from; the file is deleted afterwards."""
        while fixture.slug not in self._made:
            self._go_on(1)
        image, source = self._made.pop(fixture.slug).result()
        self._go_on(1)
        try:
            yield image, source
        finally:
            Path(image.path).unlink(missing_ok=True)

    def _go_on(self, count: int) -> None:
        with self._lock:
            for _, fixture in zip(range(count), self._waiting, strict=False):
                self._made[fixture.slug] = self._pool.submit(self._make, fixture)

    def _make(self, fixture: Fixture) -> tuple[protocol.Input, Any]:
        source = reference_input(fixture, self._n_px)
        return input_message(fixture, self._n_px, self._folder, picture=self._picture, source=source), source
