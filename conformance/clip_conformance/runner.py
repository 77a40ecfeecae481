"""One run: every case to the candidate, every output scored."""

import shutil
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from clip_conformance import protocol
from clip_conformance.cases import (
    Target,
    case_id,
    input_message,
    pinned_stage,
)
from clip_conformance.records import Case, Check, Status
from clip_conformance.scoring.checks import CaseScoring, Outputs
from clip_conformance.scoring.levels import worst
from clip_conformance.transports.base import Broken, Candidate, Transport
from clip_fixtures import Fixture
from clip_spec import LevelId, StageId

# What is kept of a candidate's own words.
_MESSAGE = 300
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
        self._seconds = seconds
        self._only = stages
        self._lanes: list[Lane] = []
        self._idle: list[Lane] = []
        self._jobs = jobs
        self._lock = threading.Lock()
        self._free = threading.Condition(self._lock)
        self._seq = 0
        # The candidate's final tensor of every case whose bits are not the canon's, for the blame of a black box.
        self.finals: dict[str, Path] = {}

    @contextmanager
    def prepared(self, target: Target) -> Iterator[protocol.Ready]:
        """Prepare the lanes for a model; the first one's reply says what the candidate is."""
        message = protocol.profile(target.name, target.n_px)
        for index in range(len(self._lanes), self._jobs):
            folder = self._folder / str(index)
            folder.mkdir()
            self._lanes.append(Lane(self._candidate.open(folder), folder, protocol.Ready(status="ok")))
        with ThreadPoolExecutor(self._jobs) as pool:
            replies = pool.map(lambda lane: lane.transport.profile(message), self._lanes)
            for lane, reply in zip(self._lanes, replies, strict=True):
                lane.ready = reply
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

    def close(self) -> None:
        """End the candidate."""
        with ExitStack() as stack:
            for lane in self._lanes:
                stack.callback(lane.transport.close)

    def run(self, chosen: list[Fixture], n_px: int, done: Callable[[Case], None]) -> list[Case]:
        """Run fixtures and return their cases in the same order; `done` is called as they finish."""
        results: dict[str, Case] = {}
        inputs = _Inputs(chosen, n_px, self._folder, ahead=_AHEAD * len(self._lanes), picture=self._candidate.pictures)
        with inputs, ThreadPoolExecutor(len(self._lanes)) as pool:
            pending = [pool.submit(self._on_lane, fixture, n_px, inputs) for fixture in chosen]
            try:
                for future in as_completed(pending):
                    case = future.result()
                    results[case.fixture] = case
                    done(case)
            except BaseException:
                for future in pending:
                    future.cancel()
                self.close()  # or the pool would wait for the cases that are running
                raise
        return [results[fixture.slug] for fixture in chosen]

    def _on_lane(self, fixture: Fixture, n_px: int, inputs: "_Inputs") -> Case:
        with self._free:
            while not self._idle:
                self._free.wait()
            lane = self._idle.pop()
        try:
            with inputs.taken(fixture) as image:
                return self._run_case(lane, fixture, n_px, image)
        finally:
            with self._free:
                self._idle.append(lane)
                self._free.notify()

    def _run_case(self, lane: Lane, fixture: Fixture, n_px: int, image: protocol.Input) -> Case:
        """Run and score one case."""
        lane.seconds = 0.0
        status: Status = "ok"
        message = ""
        checks: list[Check] = []
        must_reject = fixture.expect == "reject"
        refused = False
        try:
            reply = self._ask(lane, fixture, n_px, image)
            # An orderly answer without an output is a refusal (CNF-5), whatever the language calls it.
            refused = must_reject and reply.status in ("rejected", "error")
            if reply.status != "ok":
                status, message = reply.status, " ".join(reply.message.split())[:_MESSAGE]
            elif must_reject:
                message = "accepted an image that must be rejected"
            else:
                checks = self._score(lane, fixture, n_px, reply)
                if not self._only and "normalize" not in reply.outputs:
                    status = "missing"
                    message = "no output end to end"
                    if scored := lane.ready.scored:
                        message += f"; what it has can be scored with --stage {scored[0]}"
        except Broken as broken:
            status, message = broken.status, str(broken)
        level: LevelId = worst(check.level for check in checks) if status == "ok" else "divergent"
        if refused:
            status, level = "ok", "exact"
        return Case(
            id=case_id(fixture, n_px),
            fixture=fixture.slug,
            scope=fixture.scope,
            mode=fixture.mode,
            n_px=n_px,
            status=status,
            level=level,
            pins=pinned_stage(fixture, n_px) or "",
            seconds=round(lane.seconds, 6),
            message=message,
            checks=checks,
        )

    def _ask(self, lane: Lane, fixture: Fixture, n_px: int, image: protocol.Input) -> protocol.Result:
        stages = lane.ready.scored
        if fixture.scope == "files" and "decode" in lane.ready.stages:
            stages = ["decode", *stages]
        return self._send(lane, fixture, n_px, image, stages)

    def _score(self, lane: Lane, fixture: Fixture, n_px: int, reply: protocol.Result) -> list[Check]:
        def run_stage(image: protocol.Input, stage: StageId, start: StageId) -> protocol.Result:
            return self._send(lane, fixture, n_px, image, [stage], start)

        keep = self._folder / f"final-{n_px}-{fixture.slug}.npy"
        outputs: Outputs = {
            stage: found for stage, found in reply.outputs.items() if isinstance(found, protocol.Output)
        }
        checks = CaseScoring(fixture, n_px, lane.ready, lane.folder, run_stage).score(outputs, keep)
        if keep.exists():
            self.finals[case_id(fixture, n_px)] = keep
        return [check for check in checks if not self._only or check.stage in self._only]

    def _send(
        self,
        lane: Lane,
        fixture: Fixture,
        n_px: int,
        image: protocol.Input,
        stages: list[StageId],
        start: StageId | None = None,
    ) -> protocol.Result:
        """Send one run message and return the reply."""
        with self._lock:
            self._seq += 1
            seq = self._seq
        out = lane.folder / "out"
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir()
        message = protocol.Run(
            seq=seq, case=case_id(fixture, n_px), input=image, stages=stages, out=str(out), start=start
        )
        lane.transport.elapsed = 0.0
        try:
            return lane.transport.run(message, self._seconds)
        finally:
            lane.seconds += lane.transport.elapsed


class _Inputs:
    """The inputs of a run, written a few ahead of the cases that take them, by one thread of its own."""

    def __init__(self, chosen: list[Fixture], n_px: int, folder: Path, *, ahead: int, picture: bool) -> None:
        self._folder = folder / "inputs"
        self._n_px, self._picture = n_px, picture
        self._waiting = iter(chosen)
        self._ahead = ahead
        self._lock = threading.Lock()
        self._made: dict[str, Future[protocol.Input]] = {}
        self._pool = ThreadPoolExecutor(1)

    def __enter__(self) -> "_Inputs":
        self._folder.mkdir(exist_ok=True)
        self._go_on(self._ahead)
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)

    @contextmanager
    def taken(self, fixture: Fixture) -> Iterator[protocol.Input]:
        """Hand out the input of a case; its file is deleted afterwards."""
        while fixture.slug not in self._made:
            self._go_on(1)
        image = self._made.pop(fixture.slug).result()
        self._go_on(1)
        try:
            yield image
        finally:
            Path(image.path).unlink(missing_ok=True)

    def _go_on(self, count: int) -> None:
        with self._lock:
            for _, fixture in zip(range(count), self._waiting, strict=False):
                self._made[fixture.slug] = self._pool.submit(
                    input_message, fixture, self._n_px, self._folder, picture=self._picture
                )
