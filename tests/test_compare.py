"""Every figure of a comparison, on arrays whose figures can be told without it, and every line that it says."""

import dataclasses
import struct

import numpy as np
import pytest

import clip_spec
from clip_conformance.scoring.compare import Deviation, compare
from clip_conformance.scoring.levels import level_of

STD = np.reshape([0.26862954, 0.26130258, 0.27577711], (3, 1, 1))
LSB = {"to_tensor": np.full((3, 1, 1), 255.0), "normalize": 255.0 * STD}
# More samples a channel than are measured at a time.
SHAPE = (3, 300, 301)


@pytest.mark.clause("CNF-2")
@pytest.mark.parametrize("stage", ["resize", "to_tensor", "normalize"])
@pytest.mark.parametrize("at", [(0, 0, 0), (1, 299, 300), (2, 150, 7), (2, 299, 300)])
@pytest.mark.parametrize("sign", [1, -1])
def test_the_figures_are_those_of_the_formulas(stage, at, sign):
    """CNF-2 in one line each; the largest error is in one channel, at the beginning, in the middle, at the end."""
    rng = np.random.default_rng(3)
    floats = stage in LSB
    want = (rng.random(SHAPE) if floats else rng.integers(50, 200, SHAPE)).astype(np.float32 if floats else np.uint8)
    got = want.copy()
    count = 0
    for channel in range(3):
        few = rng.choice(want[channel].size, 100 * (channel + 1), replace=False)
        got[channel].ravel()[few] = (want[channel].ravel()[few] + (0.001 if floats else 1)).astype(want.dtype)
        count += few.size
    got[at] = float(want[at]) + sign * (0.25 if floats else 40)
    error = got.astype(np.float64) - want
    errors = error * LSB.get(stage, 1)
    found = compare(stage, got, want)

    assert found.peak == pytest.approx(np.abs(errors).max(), rel=1e-12)
    assert found.peak_absolute == pytest.approx(0.25 if floats else 40, rel=1e-6)
    assert found.mean == pytest.approx(np.abs(errors).mean(), rel=1e-12)
    assert found.bias == pytest.approx(errors.mean(), rel=1e-12)
    assert found.share == np.count_nonzero(error) / error.size
    assert abs(found.share * error.size - count) <= 1
    assert (found.problem, found.note, found.identical) == ("", "", False)
    bounds = clip_spec.levels().bounds
    floors, peaks = {bound.floor for bound in bounds}, {bound.peak for bound in bounds}
    assert found.beyond_floor == {floor: 1 - (np.abs(error) <= floor).sum() / error.size for floor in floors}
    assert found.beyond_peak == {peak: 1 - (np.abs(errors) <= peak).sum() / error.size for peak in peaks}
    distances = [abs(ordinal(a) - ordinal(b)) for a, b in zip(got[got != want], want[got != want], strict=True)]
    assert found.ulp == (max(distances) if floats else 0)


def ordinal(value):
    """Which representable number this is, counted from zero."""
    (bits,) = struct.unpack("<I", struct.pack("<f", value))
    return -(bits & 0x7FFFFFFF) if bits >> 31 else bits


@pytest.mark.clause("CNF-2")
@pytest.mark.parametrize(
    ("got", "want"),
    [
        (-0.0, 0.0),
        (1e-45, 0.0),
        (-1e-45, 1e-45),
        (-1e-45, 0.0),
        (1.0, -1.0),
        (-1.5, -1.25),
        (-1.25, -1.5),
        (9e29, -9e29),
        (-9e29, 9e29),
    ],
)
def test_units_in_the_last_place_go_on_across_zero(got, want):
    arrays = (np.full((3, 2, 2), value, np.float32) for value in (got, want))
    assert compare("normalize", *arrays).ulp == abs(ordinal(got) - ordinal(want))


@pytest.mark.clause("CNF-2")
def test_what_is_identical_deviates_in_nothing():
    one = np.ones((3, 2, 2), np.float32)
    found = compare("normalize", one, one.copy())
    assert found == Deviation(identical=True)
    names = ("peak", "mean", "bias", "share", "peak_absolute", "ulp", "problem", "note", "beyond_floor", "beyond_peak")
    assert [getattr(found, name) for name in names] == [0, 0, 0, 0, 0, 0, "", "", {}, {}]
    with pytest.raises(dataclasses.FrozenInstanceError):
        found.peak = 1.0


@pytest.mark.clause("CNF-2")
@pytest.mark.parametrize("dtype", [np.uint8, np.float16, np.float32, np.float64])
def test_figures_are_plain_numbers(dtype):
    """JSON knows no others, and a summary's figures are compared with Python's."""
    want = np.zeros((3, 2, 2), np.float32)
    found = compare("to_tensor", np.ones((3, 2, 2), dtype), want)
    for name in ("peak", "mean", "bias", "share", "peak_absolute"):
        assert type(getattr(found, name)) is float
    assert type(found.ulp) is int
    assert {type(share) for share in (*found.beyond_floor.values(), *found.beyond_peak.values())} == {float}


@pytest.mark.clause("CNF-2")
@pytest.mark.parametrize("dtype", ["float16", "float64", "int8", "int64"])
def test_another_type_is_named_and_never_exact(dtype):
    want = np.ones((3, 2, 2), np.float32)
    found = compare("normalize", want.astype(dtype), want)
    assert found.note == f"dtype {dtype}, expected float32"
    assert (found.identical, found.peak, found.share) == (False, 0.0, 0.0)
    assert level_of("normalize", "isolated", found) == "equivalent"
    samples = np.ones((2, 2, 3), np.uint8)
    found = compare("convert_rgb", samples.astype(dtype), samples)
    assert found.note == f"dtype {dtype}, expected uint8"
    assert not found.identical


@pytest.mark.clause("CNF-2")
def test_the_bits_decide_and_not_their_order():
    want = np.arange(12, dtype=np.float32).reshape(3, 2, 2)
    for same in (want.astype(">f4"), np.asfortranarray(want), want[::-1].copy()[::-1]):
        assert compare("to_tensor", same, want).identical
    deep = np.arange(4, dtype=np.uint16).reshape(2, 2)
    assert compare("resize", deep.astype(">u2"), deep).identical
    minus = want.copy()
    minus[0, 0, 0] = -0.0
    found = compare("to_tensor", minus, want)
    assert (found.identical, found.peak, found.share, found.ulp, found.note) == (False, 0.0, 0.0, 0, "")


@pytest.mark.clause("CNF-2")
@pytest.mark.parametrize(
    ("mode", "wanted", "problem"),
    [
        ("", "", ""),
        ("", "RGB", ""),
        ("RGB", "RGB", ""),
        ("P", "RGB", "mode P, expected RGB"),
        ("RGB", "P", "mode RGB, expected P"),
        ("RGB", "", "mode RGB, expected "),
    ],
)
def test_the_mode_is_compared_where_one_is_told(mode, wanted, problem):
    samples = np.ones((2, 2, 3), np.uint8)
    found = compare("resize", samples, samples, mode, wanted)
    assert (found.problem, found.identical) == (problem, not problem)
    assert level_of("resize", "isolated", found) == ("divergent" if problem else "exact")


HINT = " (height, width, channel instead of channel, height, width)"


@pytest.mark.clause("CNF-2")
@pytest.mark.parametrize(
    ("got", "want", "hint"),
    [
        ((4, 5, 3), (3, 4, 5), HINT),
        ((3, 5, 4), (3, 4, 5), ""),
        ((5, 3, 4), (3, 4, 5), ""),
        ((4, 5), (3, 4, 5), ""),
        ((1, 3, 4, 5), (3, 4, 5), ""),
        ((60,), (3, 4, 5), ""),
        ((4, 5, 1), (4, 5), ""),
        ((5, 4), (4, 5), ""),
    ],
)
def test_another_shape_is_named(got, want, hint):
    found = compare("normalize", np.zeros(got, np.float32), np.zeros(want, np.float32))
    assert found == Deviation(problem=f"shape {list(got)}, expected {list(want)}{hint}")


SOUND = "; in the other byte order they are sound, write little-endian"


def swapped(value):
    """The float whose bytes are those of `value` in the other order."""
    return np.array(value, np.float32).byteswap()


@pytest.mark.clause("CNF-2")
@pytest.mark.parametrize(
    ("samples", "words"),
    [
        ([np.nan], "1 samples are not finite"),
        ([np.nan, np.inf, -np.inf], "3 samples are not finite"),
        # Each half is finite in one of the orders alone.
        ([np.nan, swapped(np.nan)], "1 samples are not finite"),
        # 2.0 and others, with the first byte last.
        ([swapped(-2.0), swapped(0.5), np.nan], "1 samples are not finite"),
        ([np.float32(1e31)], "samples as large as 1.0e+31"),
        ([np.float32(-1e31)], "samples as large as 1.0e+31"),
        ([np.float32(1e30)], "samples as large as 1.0e+30"),
    ],
)
def test_samples_that_cannot_be_measured(samples, words):
    want = np.zeros((3, 2, 2), np.float32)
    got = want.copy()
    got.ravel()[: len(samples)] = samples
    found = compare("normalize", got, want)
    sound = np.isfinite(got.byteswap()).all() and np.abs(got.byteswap()).max() < 1e4
    assert found == Deviation(problem=words + (SOUND if sound else ""))


@pytest.mark.clause("CNF-2")
def test_the_largest_that_can_be_measured_is():
    want = np.zeros((3, 2, 2), np.float32)
    assert compare("normalize", np.full(want.shape, 1e30), want).problem == "samples as large as 1.0e+30"
    found = compare("normalize", np.full_like(want, 9.9e29), want)
    assert found.problem == ""
    assert found.peak_absolute == pytest.approx(9.9e29)
    assert level_of("normalize", "isolated", found) == "divergent"


@pytest.mark.clause("CNF-2")
@pytest.mark.parametrize(
    ("value", "hint"), [(1.5, SOUND), (-9999.5, SOUND), (9999.5, SOUND), (10000.0, ""), (10000.5, ""), (-2e4, "")]
)
@pytest.mark.parametrize(
    ("spoilt", "words"), [(0x7FC00000, "1 samples are not finite"), (0x7F000000, "samples as large as 1.7e+38")]
)
def test_the_wrong_byte_order_is_named_where_the_other_makes_sense(value, hint, spoilt, words):
    want = np.zeros((3, 2, 2), np.float32)
    got = want.copy()
    got[0, 0, 0] = swapped(value)
    # Harmless in the other order.
    got[1, 0, 0] = np.array(spoilt, np.uint32).view(np.float32)
    assert compare("normalize", got, want).problem == words + hint


@pytest.mark.clause("CNF-2")
def test_what_is_not_finite_in_either_order_is_not_put_on_the_order():
    want = np.zeros((3, 2, 2), np.float32)
    got = want.copy()
    got[0, 0, 0], got[0, 0, 1] = np.nan, swapped(np.nan)
    assert compare("normalize", got, want).problem == "1 samples are not finite"


@pytest.mark.clause("CNF-2")
def test_a_figure_that_is_at_its_bound_keeps_it():
    bounds = clip_spec.levels().bounds
    peaks = {bound.peak: 0.0 for bound in bounds}
    at = {"beyond_floor": {0.0: 0.02, 1e-6: 0.02}, "beyond_peak": peaks}
    for figure in ({"mean": 0.02}, {"bias": 0.015}, {"bias": -0.015}):
        assert level_of("resize", "isolated", Deviation(**at, **figure)) == "equivalent"
        assert level_of("normalize", "cumulative", Deviation(**at, **figure)) == "equivalent"
    assert level_of("normalize", "isolated", Deviation(**at, peak_absolute=1e-6)) == "equivalent"
    at["beyond_peak"] = peaks | {2.0: 0.002}
    assert level_of("resize", "isolated", Deviation(**at), "RGBA") == "equivalent"
    assert level_of("resize", "isolated", Deviation(**at), "RGB") == "close"
