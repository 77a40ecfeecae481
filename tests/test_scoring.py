"""The comparison and the levels: what counts, where a bound lies, and that nothing slips past one."""

import itertools

import numpy as np
import pytest

import clip_spec
from clip_conformance.scoring.compare import Deviation, compare
from clip_conformance.scoring.levels import level_of, reaches, worst
from clip_reference.tensor import normalize, to_tensor

N = 224
RNG = np.random.default_rng(1)
IMAGE = RNG.integers(5, 250, (N, N, 3)).astype(np.uint8)
TENSOR = to_tensor(IMAGE)
FINAL = normalize(TENSOR)


def level(stage, got, want, view="isolated", mode="RGB"):
    return level_of(stage, view, compare(stage, got, want), mode)


@pytest.mark.clause("CNF-3")
def test_identical_is_exact():
    assert level("resize", IMAGE.copy(), IMAGE) == "exact"
    assert level("normalize", FINAL.copy(), FINAL) == "exact"
    assert level("normalize", np.asfortranarray(FINAL), FINAL) == "exact"
    assert level("normalize", FINAL.astype(">f4"), FINAL) == "exact"


@pytest.mark.clause("CNF-3")
def test_one_bit_is_not_exact():
    other = FINAL.copy()
    other[2, 100, 100] = np.nextafter(other[2, 100, 100], np.float32(9))
    assert level("normalize", other, FINAL) == "equivalent"
    zero = np.zeros((3, N, N), dtype=np.float32)
    assert level("normalize", -zero, zero) == "equivalent"


@pytest.mark.clause("CNF-2")
@pytest.mark.parametrize(
    ("got", "words"),
    [
        (FINAL[:, :-1], "shape [3, 223, 224], expected [3, 224, 224]"),
        (FINAL.transpose(1, 2, 0), "height, width, channel instead"),
        (np.where(np.arange(N) == 3, np.nan, FINAL).astype(np.float32), "not finite"),
        (np.where(np.arange(N) == 3, np.inf, FINAL).astype(np.float32), "not finite"),
    ],
)
def test_shape_and_finiteness_come_first(got, words):
    deviation = compare("normalize", got, FINAL)
    assert words in deviation.problem
    assert level_of("normalize", "cumulative", deviation) == "divergent"


@pytest.mark.clause("CNF-2")
def test_another_mode_is_a_problem_and_another_dtype_is_never_exact():
    assert compare("resize", IMAGE, IMAGE, "RGB", "P").problem == "mode RGB, expected P"
    assert level("resize", IMAGE.astype(np.int64), IMAGE) == "equivalent"
    assert level("normalize", FINAL.astype(np.float64), FINAL) == "equivalent"


def changed(share, by):
    """Return the image with a share of its samples moved by `by`, up and down in turn."""
    other = IMAGE.astype(np.int64).ravel()
    count = round(share * other.size)
    at = RNG.permutation(other.size)[:count]
    other[at] += np.where(np.arange(count) % 2, by, -by)
    return other.reshape(IMAGE.shape).astype(np.uint8)


@pytest.mark.clause("CNF-3")
@pytest.mark.parametrize("stage", ["decode", "resize", "center_crop", "convert_rgb"])
@pytest.mark.parametrize(
    ("share", "by", "expected"),
    [
        (0.019, 1, "equivalent"),
        (0.021, 1, "close"),
        (0.009, 2, "equivalent"),
        (0.001, 3, "close"),
        (0.34, 1, "close"),
        (0.36, 1, "divergent"),
    ],
)
def test_bounds_of_eight_bits(stage, share, by, expected):
    assert level(stage, changed(share, by), IMAGE) == expected


@pytest.mark.clause("CNF-3")
def test_peaks_beyond_the_last_bound_are_divergent():
    other = IMAGE.copy()
    other[0, 0, 0] += 30 if other[0, 0, 0] < 128 else -30
    assert level("resize", other, IMAGE) == "divergent"
    assert level("resize", other, IMAGE, mode="RGBA") == "equivalent"


@pytest.mark.clause("CNF-3")
def test_bias_is_bounded_where_the_peak_is_not_enough():
    other = IMAGE.copy()
    other.ravel()[: round(0.018 * other.size)] += 1
    assert level("resize", other, IMAGE) == "close"
    other = IMAGE.copy()
    other.ravel()[: round(0.06 * other.size)] += 1
    assert level("resize", other, IMAGE) == "divergent"


@pytest.mark.clause("CNF-3", "NRM-1")
@pytest.mark.parametrize(
    ("by", "expected"), [(9e-7, "equivalent"), (1.2e-6, "close"), (3e-3, "close"), (9e-3, "divergent")]
)
def test_bounds_of_the_float_end_alone(by, expected):
    sign = np.where(np.indices(FINAL.shape).sum(axis=0) % 2, 1, -1)
    assert level("normalize", FINAL.astype(np.float64) + sign * by, FINAL) == expected


@pytest.mark.clause("CNF-3")
def test_end_to_end_the_float_stages_inherit_eight_bit_bounds():
    for share, by, expected in [(0.015, 1, "equivalent"), (0.3, 1, "close"), (0.01, 40, "divergent")]:
        other = normalize(to_tensor(changed(share, by)))
        assert level("normalize", other, FINAL, "cumulative") == expected


@pytest.mark.clause("CNF-2")
def test_figures():
    other = IMAGE.astype(np.int64)
    other[0, 0] += 4
    deviation = compare("resize", other.astype(np.uint8), IMAGE)
    assert deviation.peak == 4
    assert deviation.mean == deviation.bias == pytest.approx(12 / IMAGE.size)
    assert deviation.share == pytest.approx(3 / IMAGE.size)
    up = compare("normalize", np.nextafter(FINAL, np.float32(9)), FINAL)
    assert up.ulp == 1
    one = compare("normalize", normalize(to_tensor(changed(0.1, 1))), FINAL)
    assert one.peak == pytest.approx(1, abs=1e-4)
    assert one.peak_absolute == pytest.approx(0.015, abs=1e-3)


@pytest.mark.clause("CNF-2")
def test_a_figure_that_is_not_a_number_keeps_no_bound():
    bounds = clip_spec.levels().bounds
    shares = {"beyond_floor": {b.floor: 0.0 for b in bounds}, "beyond_peak": {b.peak: 0.0 for b in bounds}}
    assert level_of("resize", "isolated", Deviation(**shares)) == "equivalent"
    for figure in ("mean", "bias"):
        assert level_of("resize", "isolated", Deviation(**shares, **{figure: float("nan")})) == "divergent"
    assert level_of("normalize", "isolated", Deviation(**shares, peak_absolute=float("nan"))) == "close"


def test_order_of_levels():
    order = clip_spec.level_ids()
    assert order == ("exact", "equivalent", "close", "divergent")
    for left, right in itertools.product(order, order):
        assert reaches(left, right) == (order.index(left) <= order.index(right))
        assert worst([left, right]) == order[max(order.index(left), order.index(right))]
    assert worst([]) == "divergent"


@pytest.mark.clause("CNF-3")
def test_the_share_is_bounded_where_the_mean_is_not_enough():
    for share, expected in [(0.019, "equivalent"), (0.021, "close")]:
        other = FINAL.copy()
        other.ravel()[: round(share * other.size)] += np.float32(0.004)  # a quarter of an LSB
        assert level("normalize", other, FINAL, "cumulative") == expected
