"""The checks of one case: each stage's output measured, end to end, alone, or pinned (CNF-4)."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np

from clip_conformance import protocol
from clip_conformance.cases import (
    case_id,
    expected_array,
    expected_digests,
    pinned_stage,
    previous,
    reference_trace,
    stage_message,
)
from clip_conformance.errors import UsageError
from clip_conformance.records import Check, CheckView
from clip_conformance.scoring.compare import Deviation, compare
from clip_conformance.scoring.levels import level_of
from clip_fixtures import Fixture, digest
from clip_reference import Trace
from clip_spec import StageId, View

# No stage of any fixture comes near this; a larger file is not read.
OUTPUT_LIMIT = 1 << 30

# Runs one stage on the canon's output of the stage before it, the third argument.
RunStage = Callable[[protocol.Image, StageId, StageId], protocol.Reply]


class CaseScoring:
    """The checks of one case.

    Args:
        fixture: the case's fixture.
        n_px: the side of the model's input.
        ready: what the candidate said of itself.
        folder: where the inputs of single stages may be written.
        run_stage: runs one stage of the candidate.
    """

    def __init__(self, fixture: Fixture, n_px: int, ready: protocol.Reply, folder: Path, run_stage: RunStage) -> None:
        self._fixture, self._n_px, self._ready = fixture, n_px, ready
        self._folder, self._run_stage = folder, run_stage
        self._digests = expected_digests(fixture, n_px)
        self._trace: Trace | None = None
        self._black_box = ready.stages == ["normalize"]

    def score(self, outputs: dict[StageId, protocol.Output], keep: Path) -> list[Check]:
        """Return the checks of a case.

        Args:
            outputs: what the candidate returned, by stage.
            keep: where the final tensor is moved to if it is not the canon's, for the blame.
        """
        found = {stage: self._measure(stage, output) for stage, output in outputs.items() if self._compared(stage)}
        if "normalize" in found and not found["normalize"].identical:
            shutil.move(outputs["normalize"].path, keep)
        checks = [self._check(stage, "cumulative", deviation) for stage, deviation in found.items()]
        alone = ["decode"] if "decode" in outputs else []
        alone += [] if self._black_box else self._ready.stages
        checks += [self._isolated(stage, found) for stage in alone if self._compared(stage)]  # type: ignore[arg-type]
        return checks + self._pinned(found)

    def _compared(self, stage: StageId) -> bool:
        """A stage that never sees this mode because the candidate converts first is judged by what comes after it."""
        early = self._ready.early_rgb and self._fixture.mode != "RGB"
        return not (early and stage in ("resize", "center_crop"))

    def _reference(self) -> Trace:
        """Return the reference's stages, computed when they are first needed and checked against the goldens."""
        if self._trace is None:
            self._trace = reference_trace(self._fixture, self._n_px)
            # What a file decodes to is up to the installed Pillow; its check says so.
            if self._fixture.scope != "files" and digest(self._trace.normalize) != self._digests["normalize"]:
                raise UsageError(
                    f"the reference does not reproduce the golden of {case_id(self._fixture, self._n_px)}; "
                    "reinstall clip-conformance"
                )
        return self._trace

    def _measure(self, stage: StageId, output: protocol.Output) -> Deviation:
        path = Path(output.path)
        if path.stat().st_size > OUTPUT_LIMIT:
            return Deviation(problem=f"{path.stat().st_size} bytes of output")
        got = np.load(path, allow_pickle=False)
        mode = "RGB" if stage == "convert_rgb" else self._fixture.mode
        shaped = (got.shape, got.dtype.name) == expected_array(self._fixture, self._n_px, stage)
        if shaped and output.mode in ("", mode) and digest(got) == self._digests[stage]:
            return Deviation(identical=True)
        return compare(stage, got, getattr(self._reference(), stage), output.mode, mode)

    def _isolated(self, stage: StageId, found: dict[StageId, Deviation]) -> Check:
        """Score a stage on the canon's own input; where the input was that already, nothing is run again."""
        before = previous(stage)
        if stage == "decode" or (stage in found and self._had_canonical_input(stage, before, found)):
            return self._check(stage, "isolated", found[stage])
        image = stage_message(self._reference(), before, self._folder)
        reply = self._run_stage(image, stage, before)
        if reply.status != "ok" or stage not in reply.outputs:
            return Check(stage=stage, view="isolated", level="divergent", note=reply.message or "no output")
        return self._check(stage, "isolated", self._measure(stage, reply.outputs[stage]))

    def _had_canonical_input(self, stage: StageId, before: StageId, found: dict[StageId, Deviation]) -> bool:
        early = self._ready.early_rgb
        if before == "decode":
            # A file may carry transparency beside its pixels, which an early conversion may have used.
            return self._fixture.scope != "files" or (found["decode"].identical and not early)
        if early and stage == "convert_rgb":
            return False
        return before in found and found[before].identical

    def _pinned(self, found: dict[StageId, Deviation]) -> list[Check]:
        """Return the check of the stage that the fixture exercises alone, for a black box."""
        stage = pinned_stage(self._fixture, self._n_px)
        if not self._black_box or stage in (None, "decode") or "normalize" not in found:
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
        """Return a deviation as a record, its level found with the bounds of `stage` and `view`."""
        named, seen = as_stage or stage, as_view or view
        level = level_of(stage, view, deviation, self._fixture.mode)
        if deviation.problem:
            return Check(stage=named, view=seen, level=level, note=deviation.problem)
        return Check(
            stage=named,
            view=seen,
            level=level,
            peak=deviation.peak,
            mean=deviation.mean,
            bias=deviation.bias,
            share=deviation.share,
            peak_absolute=deviation.peak_absolute,
            ulp=deviation.ulp,
            note=deviation.note,
        )
