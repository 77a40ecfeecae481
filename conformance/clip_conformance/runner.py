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

import numpy as np

from clip_conformance import protocol
from clip_conformance.cases import (
    Target,
    case_id,
    expected_array,
    expected_digests,
    input_message,
    pinned_stage,
    previous,
    reference_trace,
    stage_message,
)
from clip_conformance.errors import UsageError
from clip_conformance.process import WorkerGone, WorkerProcess
from clip_conformance.records import Case, Check, CheckView, Status
from clip_conformance.scoring.compare import Deviation, compare
from clip_conformance.scoring.levels import level_of, worst
from clip_fixtures import Fixture, digest
from clip_reference import Trace
from clip_spec import StageId, View

OUTPUT_LIMIT = 1 << 30


@dataclass
class Lane:
    """One worker with a folder of its own; `ready` is its answer to the current model."""

    worker: WorkerProcess
    folder: Path
    ready: protocol.Reply


class Runner:
    """Runs cases for one candidate on one or more workers."""

    def __init__(
        self, start: protocol.Start, folder: Path, *, jobs: int, seconds: float, stages: tuple[StageId, ...] = ()
    ) -> None:
        self._start = start
        self._folder = folder
        self._seconds = seconds
        self._only = stages
        self._lanes: list[Lane] = []
        self._idle: list[Lane] = []
        self._jobs = jobs
        self._free = threading.Condition()
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
        """Return the end of what the first worker wrote to stderr."""
        return self._lanes[0].worker.log() if self._lanes else ""

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
            elif not must_reject:
                checks = _Scoring(self, lane, fixture, n_px, reply).checks()
        except WorkerGone as gone:
            status, message = _gone(gone)
        if must_reject:
            refused = status in ("rejected", "error")
            message = message if refused or status != "ok" else "accepted an image that must be rejected"
            status = "ok" if refused else status
            level = "exact" if refused else "divergent"
        else:
            level = worst(check.level for check in checks) if status == "ok" else "divergent"
        pins = pinned_stage(fixture, n_px)
        return Case(
            id=case_id(fixture, n_px),
            fixture=fixture.slug,
            scope=fixture.scope,
            mode=fixture.mode,
            n_px=n_px,
            status="missing" if status == "ok" and not checks and not must_reject else status,
            level=level,  # type: ignore[arg-type]
            pins=pins or "",
            seconds=round(time.monotonic() - began, 4),
            message=message,
            checks=checks,
        )

    def _ask(self, lane: Lane, fixture: Fixture, n_px: int) -> protocol.Reply:
        stages: list[StageId] = list(lane.ready.stages)
        if fixture.scope == "files":
            stages.insert(0, "decode")
        return self.send(lane, fixture, n_px, input_message(fixture, n_px, lane.folder), stages)

    def send(
        self,
        lane: Lane,
        fixture: Fixture,
        n_px: int,
        image: protocol.Image,
        stages: list[StageId],
        start: StageId | None = None,
    ) -> protocol.Reply:
        """Send one run message and return the reply."""
        self._seq += 1
        out = lane.folder / "out"
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir()
        message = protocol.Run(
            seq=self._seq,
            case=case_id(fixture, n_px),
            input=image,
            stages=stages,
            out=str(out),
            start=start,
        )
        return lane.worker.run(message, self._seconds)

    def wanted(self, stage: StageId) -> bool:
        """Return whether a stage is scored in this run."""
        return not self._only or stage in self._only

    def keep_final(self, fixture: Fixture, n_px: int, path: Path) -> None:
        """Keep a final tensor that is not the canon's until the blame has been found."""
        kept = self._folder / f"final-{n_px}-{fixture.slug}.npy"
        shutil.move(path, kept)
        self.finals[case_id(fixture, n_px)] = kept


def _gone(gone: WorkerGone) -> tuple[Status, str]:
    return ("timeout" if gone.status == "timeout" else "crash"), str(gone)


class _Scoring:
    """The checks of one case."""

    def __init__(self, runner: Runner, lane: Lane, fixture: Fixture, n_px: int, reply: protocol.Reply) -> None:
        self._runner, self._lane, self._fixture, self._n_px, self._reply = runner, lane, fixture, n_px, reply
        self._digests = expected_digests(fixture, n_px)
        self._trace: Trace | None = None
        self._stages = tuple(lane.ready.stages)
        self._black_box = self._stages == ("normalize",)

    def reference(self) -> Trace:
        """Return the reference's stages, computed when they are first needed and checked against the goldens."""
        if self._trace is None:
            self._trace = reference_trace(self._fixture, self._n_px)
            if self._fixture.scope != "files" and digest(self._trace.normalize) != self._digests["normalize"]:
                raise UsageError(
                    f"the reference does not reproduce the golden of {case_id(self._fixture, self._n_px)}; "
                    "reinstall clip-conformance"
                )
        return self._trace

    def checks(self) -> list[Check]:
        found: dict[StageId, Deviation] = {}
        for stage, output in self._reply.outputs.items():
            if self._compared(stage):
                found[stage] = self._measure(stage, output)
        final = self._reply.outputs.get("normalize")
        if final is not None and not found["normalize"].identical and Path(final.path).exists():
            self._runner.keep_final(self._fixture, self._n_px, Path(final.path))
        checks = [self._check(stage, "cumulative", deviation) for stage, deviation in found.items()]
        for stage in self._exposed():
            if self._compared(stage) and not (self._black_box and stage == "normalize"):
                checks.append(self._isolated(stage, found))
        if self._black_box:
            checks += self._pinned(found)
        return [check for check in checks if self._runner.wanted(check.stage)]

    def _exposed(self) -> list[StageId]:
        return (["decode"] if "decode" in self._reply.outputs else []) + list(self._stages)

    def _compared(self, stage: StageId) -> bool:
        """A stage that never sees this mode because the candidate converts first is judged by what comes after it."""
        early = self._lane.ready.early_rgb and self._fixture.mode != "RGB"
        return not (early and stage in ("resize", "center_crop"))

    def _measure(self, stage: StageId, output: protocol.Output) -> Deviation:
        path = Path(output.path)
        if path.stat().st_size > OUTPUT_LIMIT:
            return Deviation(problem=f"{path.stat().st_size} bytes of output")
        got = np.load(path, allow_pickle=False)
        mode_fits = output.mode in ("", self._mode(stage))
        if mode_fits and (got.shape, got.dtype.name) == expected_array(self._fixture, self._n_px, stage):
            if digest(got) == self._digests[stage]:
                return compare(stage, got, got)
        return compare(stage, got, getattr(self.reference(), stage), output.mode, self._mode(stage))

    def _mode(self, stage: StageId) -> str:
        return "RGB" if stage == "convert_rgb" else self._fixture.mode

    def _isolated(self, stage: StageId, found: dict[StageId, Deviation]) -> Check:
        """Score a stage on the canon's own input; where the candidate's input was that already, nothing is run again."""
        before = previous(stage)
        same = stage == "decode" or (stage in found and self._had_canonical_input(stage, before, found))
        if same:
            return self._check(stage, "isolated", found[stage])
        image = stage_message(self.reference(), before, self._lane.folder)
        reply = self._runner.send(self._lane, self._fixture, self._n_px, image, [stage], before)
        if reply.status != "ok" or stage not in reply.outputs:
            return Check(stage=stage, view="isolated", level="divergent", note=reply.message or "no output")
        return self._check(stage, "isolated", self._measure(stage, reply.outputs[stage]))

    def _had_canonical_input(self, stage: StageId, before: StageId, found: dict[StageId, Deviation]) -> bool:
        early = self._lane.ready.early_rgb
        if before == "decode":
            # A file may carry transparency beside its pixels, which an early conversion may have used.
            return self._fixture.scope != "files" or (found["decode"].identical and not early)
        if early and stage == "convert_rgb":
            return False
        return before in found and found[before].identical

    def _pinned(self, found: dict[StageId, Deviation]) -> list[Check]:
        stage = pinned_stage(self._fixture, self._n_px)
        if stage is None or stage == "decode" or "normalize" not in found:
            return []
        view: View = "isolated" if stage == "normalize" else "cumulative"
        return [self._check("normalize", view, found["normalize"], as_stage=stage, as_view="pinned")]

    def _check(
        self,
        stage: StageId,
        view: View,
        deviation: Deviation,
        as_stage: StageId | None = None,
        as_view: CheckView | None = None,
    ) -> Check:
        return Check(
            stage=as_stage or stage,
            view=as_view or view,
            level=level_of(stage, view, deviation, self._fixture.mode),
            peak=deviation.peak,
            mean=deviation.mean,
            bias=deviation.bias,
            share=deviation.share,
            peak_absolute=deviation.peak_absolute,
            ulp=deviation.ulp,
            note=deviation.problem or deviation.note,
        )
