"""The checks of one case: each stage's output measured, end to end, alone, or pinned (CNF-4)."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

import clip_spec
from clip_conformance import arrays, protocol
from clip_conformance.cases import (
    active_stages,
    expected_array,
    expected_digests,
    pinned_stage,
    previous,
    stage_message,
)
from clip_conformance.expected import expected
from clip_conformance.records import Check, CheckView
from clip_conformance.scoring.compare import Deviation, compare
from clip_conformance.scoring.completion import completed
from clip_conformance.scoring.levels import level_of
from clip_fixtures import Fixture, digest
from clip_reference import Stages
from clip_spec import StageId, View

# Runs one stage on the canon's output of the stage before it, the third argument.
RunStage = Callable[[protocol.Input, StageId, StageId], protocol.Result]
Outputs = dict[StageId, protocol.Output]


class CaseScoring:
    """The checks of one case.

    Args:
        fixture: the case's fixture.
        n_px: the side of the model's input.
        source: what the reference starts from (see `reference_input`).
        ready: what the candidate said of itself.
        folder: where the inputs of single stages may be written.
        run_stage: runs one stage of the candidate.
    """

    def __init__(
        self,
        fixture: Fixture,
        n_px: int,
        source: Any,
        ready: protocol.Ready,
        folder: Path,
        run_stage: RunStage,
    ) -> None:
        self._fixture, self._n_px, self._source, self._ready = fixture, n_px, source, ready
        self._folder, self._run_stage = folder, run_stage
        self._held: set[StageId] = set()
        # Whether the end of the pipeline was told: the candidate's, or what the canon makes of its last output.
        self.ended = False

    def score(self, outputs: Outputs, keep: Path) -> list[Check]:
        """Return the checks of a case.

        Args:
            outputs: what the candidate returned, by stage.
            keep: where the final tensor is written if it is not the canon's, for blame and diagnosis.
        """
        found: dict[StageId, Deviation] = {}
        last = next((stage for stage in reversed(self._ready.scored) if stage in outputs), None)
        for stage, output in outputs.items():
            if self._compared(stage):
                found[stage], got = self._measure(stage, output)
                if stage == last:
                    self._end(stage, found[stage], got, keep)
        checks = [self._check(stage, "cumulative", deviation) for stage, deviation in found.items()]
        alone: list[StageId] = ["decode"] if "decode" in outputs else []
        alone += [] if self._ready.scored == ["normalize"] else self._ready.scored
        isolated = [self._isolated(stage, found) for stage in alone if self._compared(stage)]
        return [*checks, *(check for check in isolated if check is not None), *self._pinned(found)]

    def _end(self, stage: StageId, deviation: Deviation, output: NDArray[Any] | None, keep: Path) -> None:
        """Keep the final tensor; of a candidate that ends early, the one that its last output comes to."""
        if deviation.identical:
            self.ended = True
            return
        if stage != "normalize" and output is not None:
            output = completed(stage, output, self._stages, self._n_px)
        if output is None:
            return
        self.ended = True
        if stage == "normalize" or digest(output) != self._digests["normalize"]:
            arrays.write(keep, output)

    def _compared(self, stage: StageId) -> bool:
        """A stage that never sees this mode because the candidate converts first is judged by what comes after it."""
        early = self._ready.early_rgb and self._fixture.mode != "RGB"
        return not (early and stage in ("resize", "center_crop"))

    def _wanted(self, stage: StageId) -> NDArray[Any]:
        """Return the canon's output of a stage, made when it is first needed."""
        # The float end is a table.
        held: StageId = "convert_rgb" if stage in ("to_tensor", "normalize") else stage
        if held not in self._held:
            canon = expected(self._fixture, self._n_px, held, lambda: getattr(self._stages, held))
            setattr(self._stages, held, canon)  # what comes after is made from it
            self._held.add(held)
        wanted: NDArray[Any] = getattr(self._stages, stage)
        return wanted

    @functools.cached_property
    def _stages(self) -> Stages:
        return Stages(self._source, self._n_px)

    @functools.cached_property
    def _digests(self) -> dict[StageId, str]:
        return expected_digests(self._fixture, self._n_px)

    def _measure(self, stage: StageId, output: protocol.Output) -> tuple[Deviation, NDArray[Any] | None]:
        """Return how far an output is from the canon, and the output itself where it is an array."""
        shape, dtype = expected_array(self._fixture, self._n_px, stage)
        try:
            got = arrays.read(Path(output.path), shape, dtype)
        except arrays.Unreadable as problem:
            return Deviation(problem=str(problem)), None
        mode = "RGB" if stage == "convert_rgb" else self._fixture.mode
        shaped = (got.shape, got.dtype.name) == (shape, dtype)
        if shaped and output.mode in ("", mode) and digest(got) == self._digests[stage]:
            return Deviation(identical=True), got
        return compare(stage, got, self._wanted(stage), output.mode, mode), got

    def _isolated(self, stage: StageId, found: dict[StageId, Deviation]) -> Check | None:
        """Score a stage on the canon's own input; where the input was that already, nothing is run again.

        None where the candidate cannot run the stage alone.
        """
        if stage == "decode" or (stage in found and self._had_canonical_input(stage, found)):
            return self._check(stage, "isolated", found[stage])
        if stage not in self._ready.alone:
            return None
        before = previous(stage)
        self._wanted(before)
        reply = self._run_stage(stage_message(self._stages, before, self._folder), stage, before)
        output = reply.outputs.get(stage)
        if reply.status != "ok" or not isinstance(output, protocol.Output):
            return Check(stage=stage, view="isolated", level="divergent", note=reply.message or "no output")
        return self._check(stage, "isolated", self._measure(stage, output)[0])

    def _had_canonical_input(self, stage: StageId, found: dict[StageId, Deviation]) -> bool:
        """Return whether what came before a stage, as far as it is seen, is the canon's."""
        early = self._ready.early_rgb
        if early and stage == "convert_rgb":
            return False
        # What the candidate does not show has to leave this fixture alone; the float end is one.
        acting = active_stages(self._fixture, self._n_px)
        ids = clip_spec.stage_ids()
        for before in reversed(ids[1 : ids.index(stage)]):
            if before in found:
                return found[before].identical
            if before in acting:
                return False
        # A file may carry transparency beside its pixels, which an early conversion may have used.
        decoded = "decode" in found and found["decode"].identical
        return self._fixture.scope != "files" or (decoded and not early)

    def _pinned(self, found: dict[StageId, Deviation]) -> list[Check]:
        """Return the check of the stage that the fixture exercises alone, where the candidate does not show it."""
        stage = pinned_stage(self._fixture, self._n_px)
        if not self._ready.hides or stage is None or "normalize" not in found:
            return []
        if stage in found and (stage != "normalize" or self._ready.scored != ["normalize"]):
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
