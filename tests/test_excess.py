"""The multiple of a bound: at most 1 exactly where the bound is kept."""

import math

import numpy as np
import pytest

import clip_spec
from clip_conformance.scoring.compare import Deviation, compare
from clip_conformance.scoring.excess import applying, decides, excess, level_excess
from clip_conformance.scoring.levels import level_of, reaches

BOUNDS = clip_spec.levels().bounds


def some(stage, sizes, seed):
    """A deviation of random errors: a few large ones, a share of small ones, a bias."""
    rng = np.random.default_rng(seed)
    want = np.full((3, 50, 50), 100.0)
    peak, share, bias = sizes
    errors = rng.choice([0.0, 1.0, -1.0], want.shape, p=[1 - share, share / 2, share / 2]) + bias
    errors.flat[:: rng.integers(50, 3000)] = peak
    scales = 1.0
    if stage == "normalize":
        scales = 255 * np.array(clip_spec.canon().std).reshape(3, 1, 1)
    return compare(stage, (want + errors / scales), want.astype(np.float32 if stage == "normalize" else np.uint8))


@pytest.mark.clause("CNF-3")
@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
@pytest.mark.parametrize(
    ("stage", "view"), [("resize", "isolated"), ("normalize", "isolated"), ("normalize", "cumulative")]
)
def test_it_agrees_with_the_levels(stage, view, mode):
    seen = set()
    for seed in range(300):
        rng = np.random.default_rng(seed)
        sizes = 10 ** rng.uniform(-4, 2), 10 ** rng.uniform(-6, 0), 10 ** rng.uniform(-9, 0)
        deviation = some(stage, sizes, seed)
        level = level_of(stage, view, deviation, mode)
        seen.add(level)
        for required in ("equivalent", "close"):
            within = any(level_excess(name, stage, view, deviation, mode) <= 1 for name in levels_to(required))
            assert within == reaches(level, required), (seed, sizes)
    assert {"close", "divergent"} <= seen


def levels_to(required):
    return ["equivalent"] if required == "equivalent" else ["equivalent", "close"]


def test_what_has_no_numbers():
    for bound in BOUNDS:
        assert excess(Deviation(problem="shape"), bound) == math.inf
        assert excess(Deviation(identical=True), bound) == 0.0


@pytest.mark.parametrize("mode", [mode.id for mode in clip_spec.canon().modes])
def test_one_bound_of_a_level_decides_for_a_mode(mode):
    for stage, view in (("resize", "isolated"), ("normalize", "cumulative"), ("to_tensor", "isolated")):
        for level in ("equivalent", "close"):
            bounds = [bound for bound in applying(level, stage, view, mode) if decides(bound, mode)]
            assert len(bounds) == 1
            assert bool(bounds[0].modes) == (len(applying(level, stage, view, mode)) == 2)
