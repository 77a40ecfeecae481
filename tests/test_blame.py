"""Blame and diagnosis: every known mistake, as a black box, is put on the stage where it sits, and named."""

import numpy as np
import pytest

import candidates
import clip_spec
import faulty
from clip_conformance import check
from clip_conformance.scoring import lens
from clip_fixtures import build, fixtures
from clip_reference import preprocess, trace

# Enough fixtures to tell the stages apart, few enough to try every mistake.
FIXTURES = (
    *("pin-*", "crop-right-1", "crop-right-3", "crop-down-3", "crop-down-5", "crop-down-64"),
    *("down-300-noise", "down-500-binary", "down-500-noise", "down-1200-noise"),
    *("up-100-noise", "tiny-5", "down-500-white"),
    *(
        "sides-640x480",
        "sides-451x300",
        "sides-100x80",
        "sides-201x251",
        "sides-23x31",
        "sides-7x61",
        "sides-5x45",
        "photo-coffee",
    ),
    *("*-pin", "*-square", "palette-64", "palette-short", "rgba-binary", "grey-alpha-noop", "palette-grey"),
    *("cmyk-values", "ycbcr-values", "hsv-values", "float32-unit", "rgba-crop", "bilevel-64"),
)
STAGES = {fault.id: fault.stage for fault in clip_spec.faults()}


def test_every_mistake_past_decoding_has_a_faulty_pipeline():
    expected = {fault.id for fault in clip_spec.faults() if fault.stage != "decode"}
    assert expected - set(faulty.FAULTY) == {"alpha-over-background"}


@pytest.mark.clause("CNF-4")
@pytest.mark.parametrize("fault", faulty.FAULTY)
def test_a_black_box_is_blamed_at_the_right_stage(fault):
    report = check(faulty.FAULTY[fault], scopes=("arrays", "modes"), select=FIXTURES, jobs=1)
    assert not report.passed
    assert report.summary.blame == [STAGES[fault]]
    assert fault in {finding.fault for finding in report.summary.diagnosis}
    assert report.summary.recovered.verdict in ("reproduced", "guess")


@pytest.mark.clause("CNF-4")
@pytest.mark.parametrize(
    ("change", "blame"),
    [
        ({"crop": "floor", "stats": faulty.IMAGENET}, ["center_crop", "normalize"]),
        ({"kernel": "bilinear", "crop": "half-up"}, ["resize", "center_crop"]),
        ({"size": "round", "scale": 256.0}, ["resize", "to_tensor"]),
        ({"antialias": False, "channels": "bgr", "times": 0}, ["resize", "convert_rgb", "normalize"]),
        ({"first": "white", "crop": "floor"}, ["center_crop", "convert_rgb"]),
    ],
)
def test_several_mistakes_are_all_blamed(change, blame):
    candidate = faulty.Pipeline(**change)
    report = check(candidate, scopes=("arrays", "modes"), select=FIXTURES, jobs=1)
    assert report.summary.blame == blame


def test_the_lens_recovers_slope_offset_and_order():
    noise = build(fixtures()["pin-noise"], 224)
    pixels = np.asarray(noise)
    swapped = preprocess(noise)[::-1]
    found = lens.recover(pixels, swapped, {})
    assert found is not None
    assert found.order == (2, 1, 0)
    assert (found.image(swapped) == pixels).all()


@pytest.mark.clause("CNF-4")
def test_a_stage_that_is_not_there_is_blamed():
    summary = check(candidates.WithoutNormalize(), scopes=("arrays",), select=FIXTURES, jobs=1).summary
    assert summary.blame == ["normalize"]
    assert {stage for stage, row in summary.stages.items() if row.level == "divergent"} == {"normalize"}


@pytest.mark.clause("CNF-4")
def test_low_precision_at_the_end_is_not_put_on_the_resize():
    report = check(lambda image: preprocess(image).astype("float16"), scopes=("arrays",), select=FIXTURES, jobs=1)
    assert report.level == "close"
    assert report.summary.blame == ["normalize"]


@pytest.mark.clause("CNF-4")
@pytest.mark.parametrize(
    ("change", "blame"),
    [
        ({"stats": faulty.IMAGENET}, ["normalize"]),
        ({"scale": 256.0}, ["to_tensor"]),
        ({"kernel": "bilinear"}, ["resize"]),
    ],
)
def test_photographs_alone_are_enough_to_tell_the_float_end(change, blame):
    report = check(faulty.Pipeline(**change), select=["photo-*"], jobs=1)
    assert report.summary.blame == blame


def brightest(image):
    """Mixes the channels as no known mistake does."""
    crop = trace(image).convert_rgb
    return preprocess(np.repeat(crop.max(axis=2, keepdims=True), 3, axis=2))


def test_mixed_up_colours_are_blamed_on_the_conversion():
    report = check(brightest, scopes=["arrays"], select=["pin-*"], jobs=1, diagnose=False)
    assert report.summary.blame == ["convert_rgb"]
