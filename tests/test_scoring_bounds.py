"""Where each bound lies: an output just within it, and one just beyond, in every figure, stage, view and mode.

The numbers stand here as well as in levels.toml, so that a moved bound is seen.
"""

import numpy as np
import pytest

import clip_spec
from clip_conformance.scoring.compare import compare
from clip_conformance.scoring.levels import level_of

COUNT = 30_000
INTEGERS = ("decode", "resize", "center_crop", "convert_rgb")
FLOATS = ("to_tensor", "normalize")
DIVIDING = ("LA", "RGBA", "RGBa", "HSV")
TWO_PERCENT = 597  # samples, just below it


def some(count, by, *, signed=False):
    """Errors of which `count` are `by`, up and down in turn or all up."""
    errors = np.zeros(COUNT)
    errors[:count] = by
    if not signed:
        errors[1:count:2] *= -1
    return np.random.default_rng(0).permutation(errors)


def both(one, other):
    """The first of two kinds of errors, where it has any, and else the other."""
    return np.where(one != 0, one, other)


def level(stage, errors, view="isolated", mode="RGB", *, absolute=False):
    """The level of an output with these errors, in LSB or in the stage's own units."""
    scales = np.full((3, 1, 1), 255.0)
    if stage == "normalize":
        scales *= np.reshape([0.26862954, 0.26130258, 0.27577711], (3, 1, 1))
    floats = stage in FLOATS
    want = np.zeros((3, 100, 100), np.float32 if floats else np.uint8)
    got = errors.reshape(want.shape) / (scales if floats and not absolute else 1.0)
    return level_of(stage, view, compare(stage, got, want), mode)


# Of 8-bit samples and of the float stages end to end alike: what is kept, what is not, and where that leads.
SHARED = {
    "mean of equivalent": (some(TWO_PERCENT, 1.0), some(TWO_PERCENT, 1.02), "equivalent", "close"),
    "bias of equivalent": (
        some(TWO_PERCENT, 0.75, signed=True),
        some(TWO_PERCENT, 0.76, signed=True),
        "equivalent",
        "close",
    ),
    "bias downwards": (
        some(TWO_PERCENT, -0.75, signed=True),
        some(TWO_PERCENT, -0.76, signed=True),
        "equivalent",
        "close",
    ),
    "share of equivalent": (some(599, 0.1), some(601, 0.1), "equivalent", "close"),
    "peak of close": (some(1, 23.9), some(1, 24.1), "close", "divergent"),
    "mean of close": (some(COUNT, 0.349), some(COUNT, 0.351), "close", "divergent"),
    "bias of close": (some(COUNT, 0.0499, signed=True), some(COUNT, 0.0501, signed=True), "close", "divergent"),
    "bias of close downwards": (
        some(COUNT, -0.0499, signed=True),
        some(COUNT, -0.0501, signed=True),
        "close",
        "divergent",
    ),
}
WHERE = [(stage, view) for stage in INTEGERS for view in ("isolated", "cumulative")]
WHERE += [(stage, "cumulative") for stage in FLOATS]


@pytest.mark.clause("CNF-2", "CNF-3")
@pytest.mark.parametrize(("stage", "view"), WHERE)
@pytest.mark.parametrize("figure", SHARED)
def test_on_both_sides_of_a_bound(figure, stage, view):
    within, beyond, kept, lost = SHARED[figure]
    assert level(stage, within, view) == kept
    assert level(stage, beyond, view) == lost


@pytest.mark.clause("CNF-3")
@pytest.mark.parametrize(("stage", "view"), WHERE)
def test_the_peak_of_equivalent(stage, view):
    within, beyond = (2.0, 2.0005) if stage in INTEGERS else (2.0009, 2.0011)
    assert level(stage, some(1, within), view) == "equivalent"
    assert level(stage, some(1, beyond), view) == "close"


# Where the way to RGB divides, a share of the samples may be beyond the peak.
LOOSE = {
    "peak share": (some(59, 3), some(61, 3)),
    "mean": (some(59, 10), some(59, 10.3)),
    "bias": (some(59, 7.5, signed=True), some(59, 7.7, signed=True)),
    "share": (both(some(40, 3), some(580, 0.1)), both(some(40, 3), some(640, 0.1))),
}


@pytest.mark.clause("CNF-3")
@pytest.mark.parametrize(("stage", "view"), WHERE)
@pytest.mark.parametrize("figure", LOOSE)
def test_on_both_sides_of_a_bound_where_the_way_to_rgb_divides(figure, stage, view):
    within, beyond = LOOSE[figure]
    for mode in DIVIDING:
        assert level(stage, within, view, mode) == "equivalent"
        assert level(stage, beyond, view, mode) == "close"


@pytest.mark.clause("CNF-3")
@pytest.mark.parametrize(("stage", "view"), WHERE)
def test_the_peak_that_a_share_may_exceed(stage, view):
    within, beyond = (2.0, 2.0005) if stage in INTEGERS else (2.0009, 2.0011)
    for mode in DIVIDING:
        # A few are beyond it in any case, or the bound for all modes would hold.
        assert level(stage, both(some(30, 3), some(130, within)), view, mode) == "equivalent"
        assert level(stage, both(some(30, 3), some(130, beyond)), view, mode) == "close"


@pytest.mark.clause("CNF-3")
@pytest.mark.parametrize(("stage", "view"), WHERE)
def test_no_other_mode_may_exceed_the_peak(stage, view):
    for mode in {known.id for known in clip_spec.canon().modes} - set(DIVIDING):
        assert level(stage, some(1, 3), view, mode) == "close"


@pytest.mark.clause("CNF-3", "NRM-1")
@pytest.mark.parametrize("stage", FLOATS)
def test_what_is_below_the_float_ends_rounding_does_not_count_as_different(stage):
    for mode in ("RGB", *DIVIDING):
        # With a few peaks beyond 2 LSB only the bound for these modes can hold.
        peaks = some(40 if mode in DIVIDING else 0, 0.05)
        assert level(stage, both(peaks, some(COUNT, 0.9e-6)), "cumulative", mode, absolute=True) == "equivalent"
        assert level(stage, both(peaks, some(COUNT, 1.1e-6)), "cumulative", mode, absolute=True) == "close"


@pytest.mark.clause("CNF-3", "NRM-1")
@pytest.mark.parametrize("stage", FLOATS)
@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_the_float_end_on_the_canons_own_input(stage, mode):
    def found(errors, *, absolute=False):
        return level(stage, errors, "isolated", mode, absolute=absolute)

    assert found(some(1, 0.99e-6), absolute=True) == "equivalent"
    assert found(some(1, 1.01e-6), absolute=True) == "close"
    assert found(some(1, 0.499)) == "close"
    assert found(some(1, 0.501)) == "divergent"
    assert found(some(COUNT, 0.249)) == "close"
    assert found(some(COUNT, 0.251)) == "divergent"
    for sign in (1, -1):
        assert found(some(COUNT, sign * 0.1249, signed=True)) == "close"
        assert found(some(COUNT, sign * 0.1251, signed=True)) == "divergent"


@pytest.mark.clause("CNF-3", "NRM-1")
def test_a_bias_of_the_float_end():
    for sign in (1, -1):
        assert level("to_tensor", some(COUNT, sign * 0.99e-4, signed=True)) == "equivalent"
        assert level("to_tensor", some(COUNT, sign * 1.01e-4, signed=True)) == "close"
    # In LSB an error of 1e-6 is largest here.
    assert level("to_tensor", some(COUNT, 2.5e-4)) == "equivalent"


@pytest.mark.clause("CNF-3")
def test_a_changed_bound_is_a_new_revision():
    """Also one that no output can tell: the peak of the float end on its own, which its absolute peak implies."""
    assert clip_spec.canon().spec == "1.0"
    figures = ("peak", "peak_share", "mean", "bias", "share", "floor", "peak_absolute")
    bounds = [(b.level, b.modes, tuple(getattr(b, figure) for figure in figures)) for b in clip_spec.levels().bounds]
    assert bounds == [
        ("equivalent", (), (2.0, 0.0, 0.02, 0.015, 0.02, 0.0, None)),
        ("equivalent", DIVIDING, (2.0, 0.002, 0.02, 0.015, 0.02, 0.0, None)),
        ("close", (), (24.0, 0.0, 0.35, 0.05, 1.0, 0.0, None)),
        ("equivalent", (), (3e-4, 0.0, 3e-4, 1e-4, 1.0, 0.0, 1e-6)),
        ("close", (), (0.5, 0.0, 0.25, 0.125, 1.0, 0.0, None)),
        ("equivalent", (), (2.001, 0.0, 0.02, 0.015, 0.02, 1e-6, None)),
        ("equivalent", DIVIDING, (2.001, 0.002, 0.02, 0.015, 0.02, 1e-6, None)),
        ("close", (), (24.0, 0.0, 0.35, 0.05, 1.0, 0.0, None)),
    ]
