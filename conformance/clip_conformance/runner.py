"""One run: every case through a worker, every output scored."""

import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
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
from clip_conformance.process import WorkerGone, WorkerProcess
from clip_conformance.records import Case, Check, Status
from clip_conformance.scoring.checks import CaseScoring
from clip_conformance.scoring.levels import worst
from clip_fixtures import Fixture
from clip_spec import LevelId, StageId


@dataclass
class Lane:
    """One worker with a folder of its own; `ready` is its answer to the current model."""

    worker: WorkerProcess
    folder: Path
    ready: protocol.Reply


class Runner:
    """Runs cases for one candidate on one or more workers."""

    def __init__(
        self,
        start: protocol.Start,
        folder: Path,
        *,
        jobs: int,
        seconds: float,
        stages: tuple[StageId, ...] = (),
    ) -> None:
        self._start = start
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
    def prepared(self, target: Target) -> Iterator[protocol.Reply]:
        """Prepare the workers for a model; the first one's reply says what the candidate is."""
        profile = protocol.Profile(target.name, target.n_px)
        if not self._lanes:
            for index in range(self._jobs):
                lane_folder = self._folder / str(index)
                lane_folder.mkdir()
                threads = max(1, (os.cpu_count() or 1) // self._jobs)
                worker = WorkerProcess(self._start, self._folder / f"worker-{index}.log", threads=threads)
                self._lanes.append(Lane(worker, lane_folder, protocol.Reply(status="ok")))
        with ThreadPoolExecutor(self._jobs) as pool:
            for lane, reply in zip(
                self._lanes, pool.map(lambda lane: lane.worker.profile(profile), self._lanes), strict=True
            ):
                lane.ready = reply
        self._idle = list(self._lanes)
        yield self._lanes[0].ready

    @property
    def started(self) -> protocol.Reply:
        """What the candidate said when it was loaded."""
        return self._lanes[0].worker.started

    def log(self) -> str:
        """Return the end of what each worker wrote to stderr."""
        return "".join(lane.worker.log() for lane in self._lanes)

    def forget_finals(self) -> None:
        """Delete the final tensors that were kept."""
        for path in self.finals.values():
            path.unlink(missing_ok=True)
        self.finals.clear()

    def close(self) -> None:
        """End all workers."""
        with ExitStack() as stack:
            for lane in self._lanes:
                stack.callback(lane.worker.close)

    def run(self, chosen: list[Fixture], n_px: int, done: Callable[[Case], None]) -> list[Case]:
        """Run fixtures and return their cases in the same order; `done` is called as they finish."""
        results: dict[str, Case] = {}
        with ThreadPoolExecutor(len(self._lanes)) as pool:
            pending = [pool.submit(self._on_lane, fixture, n_px) for fixture in chosen]
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

    def _on_lane(self, fixture: Fixture, n_px: int) -> Case:
        with self._free:
            while not self._idle:
                self._free.wait()
            lane = self._idle.pop()
        try:
            return self.run_case(lane, fixture, n_px)
        finally:
            with self._free:
                self._idle.append(lane)
                self._free.notify()

    def run_case(self, lane: Lane, fixture: Fixture, n_px: int) -> Case:
        """Run and score one case."""
        began = time.monotonic()
        status: Status = "ok"
        message = ""
        checks: list[Check] = []
        must_reject = fixture.expect == "reject"
        try:
            reply = self._ask(lane, fixture, n_px)
            if reply.status != "ok":
                status, message = reply.status, reply.message
            elif must_reject:
                message = "accepted an image that must be rejected"
            else:
                checks = self._score(lane, fixture, n_px, reply)
                if not self._only and "normalize" not in reply.outputs:
                    status = "missing"
                    message = f"no output end to end; what it has can be scored with --stage {lane.ready.stages[0]}"
        except WorkerGone as gone:
            status, message = gone.status, str(gone)
        level: LevelId = worst(check.level for check in checks) if status == "ok" else "divergent"
        if must_reject and status in ("rejected", "error"):
            # In Python an exception is how an image is refused (CNF-5).
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
            seconds=round(time.monotonic() - began, 4),
            message=message,
            checks=checks,
        )

    def _ask(self, lane: Lane, fixture: Fixture, n_px: int) -> protocol.Reply:
        stages: list[StageId] = list(lane.ready.stages)
        if fixture.scope == "files":
            stages.insert(0, "decode")
        return self._send(lane, fixture, n_px, input_message(fixture, n_px, lane.folder), stages)

    def _score(self, lane: Lane, fixture: Fixture, n_px: int, reply: protocol.Reply) -> list[Check]:
        def run_stage(image: protocol.Image, stage: StageId, start: StageId) -> protocol.Reply:
            return self._send(lane, fixture, n_px, image, [stage], start)

        keep = self._folder / f"final-{n_px}-{fixture.slug}.npy"
        checks = CaseScoring(fixture, n_px, lane.ready, lane.folder, run_stage).score(reply.outputs, keep)
        if keep.exists():
            self.finals[case_id(fixture, n_px)] = keep
        return [check for check in checks if not self._only or check.stage in self._only]

    def _send(
        self,
        lane: Lane,
        fixture: Fixture,
        n_px: int,
        image: protocol.Image,
        stages: list[StageId],
        start: StageId | None = None,
    ) -> protocol.Reply:
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
        return lane.worker.run(message, self._seconds)
