"""One case on a bench: the canon's outputs of it, and a candidate that returns what a test says."""

from pathlib import Path
from typing import Any

import numpy as np

from clip_conformance import arrays, protocol
from clip_conformance.cases import reference_input
from clip_conformance.images import samples_of
from clip_conformance.scoring.checks import CaseScoring
from clip_fixtures import fixtures
from clip_reference import trace

EVERY = ["resize", "center_crop", "convert_rgb", "to_tensor", "normalize"]
EARLY = ["convert_rgb", "resize", "center_crop", "to_tensor", "normalize"]
BLACK_BOX = ["normalize"]
N_PX = 224


class Bench:
    """A case, the canon's outputs of it, and what a candidate is made to return."""

    def __init__(self, folder: Path, slug: str, stages=EVERY, alone=()):
        self.fixture = fixtures()[slug]
        self.folder, self.keep = folder, folder / "final.npy"
        self.source = reference_input(self.fixture, N_PX)
        self.canon = trace(self.source, N_PX)
        self.asked: list[tuple[str, str, Any, str]] = []
        # What it answers for one stage alone; the canon's output without.
        self.alone: dict[str, Any] = {}
        self.reply: protocol.Result | None = None
        ready = protocol.Ready(status="ok", stages=list(stages), alone=list(alone))
        self.scoring = CaseScoring(self.fixture, N_PX, self.source, ready, folder, self.run_stage)

    def run_stage(self, given, stage, start):
        self.asked.append((stage, start, samples_of(given), given.mode))
        given = {stage: self.output(stage, self.alone.get(stage), name="alone")}
        return self.reply or protocol.Result(seq=1, status="ok", outputs=given)

    def output(self, stage, samples=None, mode="", name="given"):
        path = self.folder / f"{name}-{stage}.npy"
        arrays.write(path, getattr(self.canon, stage) if samples is None else samples)
        return protocol.Output(path=str(path), mode=mode)

    def score(self, *stages, **wrong):
        """Score outputs: the canon's where no others are given."""
        outputs = {stage: self.output(stage, wrong.get(stage)) for stage in (*stages, *wrong)}
        return self.scoring.score(outputs, self.keep)

    def off(self, stage, by):
        """The canon's output, every sample off by so much."""
        samples = getattr(self.canon, stage)
        return (np.clip(samples.astype(np.float64), 20, 235) + by).astype(samples.dtype)


def wrong(bench, stage):
    if stage in ("to_tensor", "normalize"):
        return {stage: getattr(bench.canon, stage) + np.float32(3)}
    return {stage: bench.off(stage, 20)[::-1].copy()}
