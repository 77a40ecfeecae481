"""What a case ends in: the final tensor that blame and diagnosis are given, of a candidate that ends early as well."""

import numpy as np
import pytest

import clip_spec
from bench import BLACK_BOX, EARLY, EVERY, N_PX, Bench, wrong
from clip_conformance import protocol
from clip_reference import trace


@pytest.fixture
def bench(tmp_path):
    return lambda *given, **options: Bench(tmp_path, *given, **options)


@pytest.mark.clause("CNF-4")
@pytest.mark.parametrize("stages", [EVERY, BLACK_BOX])
def test_a_final_tensor_that_is_not_the_canons_is_kept_for_the_blame(bench, stages):
    it = bench("pin-noise", stages)
    it.score("normalize")
    assert not it.keep.exists()
    it.score("normalize", **wrong(it, "convert_rgb"))
    assert not it.keep.exists()
    off = it.canon.normalize + np.float32(1e-7)
    it.score("to_tensor", normalize=off)
    assert np.array_equal(np.load(it.keep), off)


CARRIED_ON = [("sides-640x480", EVERY, stage) for stage in EVERY[:4]] + [
    ("grey-pin", EVERY, "center_crop"),
    ("grey-pin", EVERY, "convert_rgb"),
    ("grey-pin", EARLY, "convert_rgb"),
]


@pytest.mark.clause("CNF-4")
@pytest.mark.parametrize(("slug", "stages", "stage"), CARRIED_ON, ids=lambda value: value if value in EVERY else "")
def test_what_ends_early_is_carried_on_by_the_canon(bench, slug, stages, stage):
    it = bench(slug, stages)
    given = wrong(it, stage)
    it.score(*stages[: stages.index(stage)], **given)
    if stage == "to_tensor":
        mean, std = (np.float32(values).reshape(3, 1, 1) for values in (clip_spec.canon().mean, clip_spec.canon().std))
        want = (given[stage] - mean) / std
    else:
        # n_px x n_px, or a shorter side of n_px: nothing is left to resize, and the crop is what is left to do.
        want = trace(given[stage], N_PX).normalize
    assert it.scoring.ended
    assert np.array_equal(np.load(it.keep), want)


@pytest.mark.clause("CNF-4")
def test_what_is_kept_of_a_candidate_that_ends_early_leaves_the_canon(bench):
    it = bench("sides-640x480")
    assert not it.scoring.ended
    it.score("resize", "center_crop")
    assert it.scoring.ended
    assert not it.keep.exists()
    # It differs where the crop discards it: the end is the canon's.
    resized = it.canon.resize.copy()
    resized[:, 0] ^= 255
    again = bench("sides-640x480")
    found = again.score(resize=resized)
    assert found[0].level == "divergent"
    assert again.scoring.ended
    assert not again.keep.exists()


@pytest.mark.clause("CNF-4")
def test_an_end_that_cannot_be_read_is_none(bench, tmp_path):
    it = bench("sides-640x480")
    (tmp_path / "no.npy").write_bytes(b"no")
    for stage in ("center_crop", "normalize"):
        it.scoring.score({stage: protocol.Output(path=str(tmp_path / "no.npy"))}, it.keep)
        assert not it.scoring.ended
        assert not it.keep.exists()


@pytest.mark.clause("CNF-4")
@pytest.mark.parametrize("shape", [(N_PX, 3, N_PX), (3 * N_PX, N_PX)])
def test_a_final_tensor_of_another_shape_is_kept_whatever_its_bytes(bench, shape):
    it = bench("pin-noise", BLACK_BOX)
    turned = it.canon.normalize.reshape(shape)
    it.score(normalize=turned)
    assert it.scoring.ended
    assert np.array_equal(np.load(it.keep), turned)
