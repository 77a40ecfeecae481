"""The checks of one case: which stages are scored, in which view, on whose input, and what the golden is good for."""

import numpy as np
import pytest

from bench import BLACK_BOX, EARLY, EVERY, N_PX, Bench, wrong
from clip_conformance import UsageError, expected, protocol
from clip_conformance.scoring import checks
from clip_fixtures import digest, goldens
from clip_reference import Stages


@pytest.fixture
def bench(tmp_path):
    return lambda *given, **options: Bench(tmp_path, *given, **options)


def told(found):
    return [(check.stage, check.view, check.level) for check in found]


@pytest.mark.clause("CNF-4")
def test_each_stage_is_scored_end_to_end_and_then_alone(bench):
    found = bench("sides-640x480").score(*EVERY)
    expected = [(stage, view, "exact") for view in ("cumulative", "isolated") for stage in EVERY]
    assert told(found) == expected
    assert all((check.peak, check.note) == (0.0, "") for check in found)


@pytest.mark.clause("CNF-4")
@pytest.mark.parametrize("stage", EVERY)
def test_the_stage_after_a_fault_is_run_again_on_the_canons_input(bench, stage):
    it = bench("sides-640x480", alone=EVERY)
    at = EVERY.index(stage)
    found = it.score(*EVERY[:at], **wrong(it, stage))
    assert [check.level for check in found if check.stage == stage] == ["divergent", "divergent"]
    assert {check.level for check in found if check.stage != stage} <= {"exact"}
    # What is not given end to end is seen alone all the same.
    assert [check.stage for check in found if check.view == "isolated"] == EVERY
    assert [asked[:2] for asked in it.asked] == list(zip(EVERY[at + 1 :], EVERY[at:], strict=False))
    for _, start, samples, mode in it.asked:
        assert np.array_equal(samples, getattr(it.canon, start))
        assert mode == ("" if start in ("to_tensor", "normalize") else "RGB")


@pytest.mark.clause("CNF-4")
def test_a_stage_whose_input_was_the_canons_is_not_run_again(bench):
    it = bench("sides-640x480", alone=EVERY)
    found = it.score(*EVERY[:4], **wrong(it, "normalize"))
    assert it.asked == []
    assert told(found)[-1] == ("normalize", "isolated", "divergent")


@pytest.mark.clause("CNF-4")
def test_a_stage_that_cannot_be_run_alone_is_not_scored_alone(bench):
    it = bench("sides-640x480", alone=["center_crop", "to_tensor", "normalize"])
    found = it.score("resize", "to_tensor", "normalize", **wrong(it, "center_crop"), **wrong(it, "convert_rgb"))
    assert [check.stage for check in found if check.view == "isolated"] == [
        "resize",
        "center_crop",
        "to_tensor",
        "normalize",
    ]
    assert [asked[:2] for asked in it.asked] == [("to_tensor", "convert_rgb")]


@pytest.mark.clause("CNF-5")
@pytest.mark.parametrize(
    ("status", "outputs", "message", "note"),
    [
        ("ok", {}, "", "no output"),
        ("ok", {"normalize": "text"}, "", "no output"),
        ("ok", {"resize": None}, "nothing", "nothing"),
        ("error", {"normalize": None}, "it failed", "it failed"),
        ("skipped", {}, "", "no output"),
    ],
)
def test_a_stage_alone_that_gives_nothing_is_divergent(bench, status, outputs, message, note):
    it = bench("pin-noise", alone=EVERY)
    given = {stage: it.output(stage, name="alone") if text is None else text for stage, text in outputs.items()}
    it.reply = protocol.Result(seq=1, status=status, outputs=given, message=message)
    found = it.score("normalize", **wrong(it, "to_tensor"))
    last = found[-1]
    assert (last.stage, last.view, last.level, last.note) == ("normalize", "isolated", "divergent", note)
    assert (last.peak, last.mean) == (None, None)


@pytest.mark.clause("CNF-4")
def test_a_stage_alone_is_held_to_the_bounds_of_its_own_input(bench):
    """A quarter of an LSB on a share of the samples passes end to end, and not on the canon's own input."""
    it = bench("pin-noise", alone=EVERY)
    off = it.canon.normalize.copy()
    off.ravel()[:2000] += np.float32(0.004)
    it.alone["normalize"] = off
    found = it.score(*EVERY[:4], normalize=off)
    assert [check.level for check in found if check.stage == "normalize"] == ["equivalent", "close"]
    assert it.asked == []
    found = it.score(normalize=off, **wrong(it, "to_tensor"))
    assert [check.level for check in found if check.stage == "normalize"] == ["equivalent", "close"]
    assert it.asked[-1][0] == "normalize"


def test_the_figures_are_handed_on(bench):
    it = bench("pin-noise", BLACK_BOX)
    off = it.canon.normalize.astype(np.float64) - 0.001
    end, alone = it.score(normalize=off)
    figures = ("peak", "mean", "bias", "share", "peak_absolute", "ulp", "note")
    measured = checks.compare("normalize", off, it.canon.normalize)
    for check in (end, alone):
        assert [getattr(check, name) for name in figures] == [getattr(measured, name) for name in figures]
    assert (end.level, alone.level, end.note) == ("divergent", "close", "dtype float64, expected float32")
    assert end.bias < 0 < end.ulp


@pytest.mark.clause("CNF-2")
def test_what_cannot_be_measured_has_a_note_and_no_figures(bench):
    it = bench("pin-noise", BLACK_BOX)
    (end, pinned) = it.score(normalize=it.canon.normalize[:, 1:])
    assert (end.level, end.note) == ("divergent", "shape [3, 223, 224], expected [3, 224, 224]")
    assert (pinned.level, pinned.view, pinned.note) == ("divergent", "pinned", end.note)
    assert [getattr(end, name) for name in ("peak", "mean", "bias", "share", "peak_absolute", "ulp")] == [None] * 6
    # The blame may still look at it.
    assert it.keep.exists()


@pytest.mark.clause("CNF-2")
def test_a_shape_counts_even_where_the_bytes_are_the_canons(bench):
    it = bench("pin-noise", BLACK_BOX)
    (end, _) = it.score(normalize=it.canon.normalize[None])
    assert (end.level, end.note) == ("divergent", "shape [1, 3, 224, 224], expected [3, 224, 224]")
    (end, _) = it.score(normalize=it.canon.normalize.view(np.int32))
    assert end.level == "divergent"
    assert end.note == "dtype int32, expected float32"


@pytest.mark.clause("CNF-2")
def test_a_file_that_holds_no_array_is_divergent(bench, tmp_path):
    it = bench("pin-noise", BLACK_BOX)
    (tmp_path / "short").write_bytes(b"abc")
    (end, _) = it.scoring.score({"normalize": protocol.Output(path=str(tmp_path / "short"))}, it.keep)
    assert end.level == "divergent"
    assert end.note.startswith("3 bytes, expected 602112")
    assert not it.keep.exists()


@pytest.mark.clause("CNF-2")
@pytest.mark.parametrize(
    ("stage", "mode", "note"),
    [
        ("resize", "L", ""),
        ("resize", "", ""),
        ("resize", "P", "mode P, expected L"),
        ("center_crop", "RGB", "mode RGB, expected L"),
        ("convert_rgb", "RGB", ""),
        ("convert_rgb", "L", "mode L, expected RGB"),
    ],
)
def test_an_image_is_of_the_stages_mode(bench, stage, mode, note):
    it = bench("grey-pin")
    found = it.scoring.score({stage: it.output(stage, mode=mode)}, it.keep)
    assert (found[0].level, found[0].note) == ("divergent" if note else "exact", note)


# What a candidate does not show.


@pytest.mark.clause("CNF-4")
@pytest.mark.parametrize(
    ("slug", "stage"),
    [
        ("pin-noise", "normalize"),
        ("crop-right-3", "center_crop"),
        ("down-300-noise", "resize"),
        ("grey-pin", "convert_rgb"),
        ("jpeg-420-224", "decode"),
        ("sides-640x480", None),
        ("grey-crop", None),
    ],
)
def test_a_black_box_is_scored_end_to_end_and_by_what_the_fixture_pins(bench, slug, stage):
    found = bench(slug, BLACK_BOX).score("normalize")
    pinned = [(stage, "pinned", "exact")] if stage else []
    assert told(found) == [("normalize", "cumulative", "exact"), *pinned]


@pytest.mark.clause("CNF-4")
@pytest.mark.parametrize(
    ("slug", "stage", "level"), [("pin-noise", "normalize", "close"), ("crop-right-3", "center_crop", "equivalent")]
)
def test_a_pinned_float_end_is_held_to_the_bounds_of_its_own_input(bench, slug, stage, level):
    it = bench(slug, BLACK_BOX)
    off = it.canon.normalize.copy()
    off.ravel()[:2000] += np.float32(0.004)
    assert told(it.score(normalize=off)) == [("normalize", "cumulative", "equivalent"), (stage, "pinned", level)]


@pytest.mark.clause("CNF-4")
def test_the_pin_stands_in_for_a_stage_that_is_not_shown_and_for_no_other(bench):
    hidden = ["center_crop", "convert_rgb", "normalize"]
    found = bench("down-300-noise", hidden).score(*hidden)
    assert ("resize", "pinned", "exact") in told(found)
    assert not [check for check in bench("crop-right-3", hidden).score(*hidden) if check.view == "pinned"]
    # The float end is scored alone where something before it is seen.
    assert not [check for check in bench("pin-noise", hidden).score(*hidden) if check.view == "pinned"]
    shown = bench("jpeg-420-224", ["decode", "normalize"]).score("decode", "normalize")
    assert told(shown) == [
        (s, v, "exact") for s, v in (("decode", "cumulative"), ("normalize", "cumulative"), ("decode", "isolated"))
    ]
    # And nothing without a final tensor, or where resize and crop are both seen.
    assert not [check for check in bench("grey-pin", hidden).score("center_crop") if check.view == "pinned"]
    shown = ["resize", "center_crop", "normalize"]
    assert not [check for check in bench("grey-pin", shown).score(*shown) if check.view == "pinned"]


@pytest.mark.clause("CNF-4")
def test_a_stage_after_one_that_is_not_shown_is_judged_where_that_one_does_nothing(bench):
    shown = ["center_crop", "convert_rgb", "to_tensor", "normalize"]

    def alone(slug, *given, **wrong):
        found = bench(slug, shown).score(*given, **wrong)
        return [check.stage for check in found if check.view == "isolated"]

    assert alone("crop-right-3", *shown) == shown
    # The hidden resize acts here: the crop's input is not known, what follows an exact crop is.
    assert alone("sides-640x480", *shown) == shown[1:]
    it = bench("sides-640x480", shown)
    bad = wrong(it, "center_crop")
    assert alone("sides-640x480", "convert_rgb", "to_tensor", "normalize", **bad) == ["to_tensor", "normalize"]
    # A conversion that does nothing hides nothing.
    shown.remove("convert_rgb")
    assert alone("crop-right-3", *shown) == shown
    assert alone("grey-crop", *shown) == ["center_crop", "normalize"]


@pytest.mark.clause("CNF-4")
def test_who_converts_first_is_judged_by_what_comes_after(bench):
    it = bench("grey-down", EARLY)
    found = it.score("convert_rgb", "to_tensor", "normalize", resize=it.canon.resize, center_crop=it.canon.center_crop)
    assert {check.stage for check in found} == {"convert_rgb", "to_tensor", "normalize"}
    # Its conversion saw another image than the canon's.
    assert [check.stage for check in found if check.view == "isolated"] == ["to_tensor", "normalize"]
    # Alone it converts the canon's crop; a resize of this mode it does not have.
    it = bench("grey-down", EARLY, alone=EVERY)
    found = it.score("convert_rgb", "to_tensor", "normalize")
    assert [check.stage for check in found if check.view == "isolated"] == ["convert_rgb", "to_tensor", "normalize"]
    assert [asked[0] for asked in it.asked] == ["convert_rgb"]
    found = bench("sides-640x480", EARLY).score(*EARLY)
    assert [check.stage for check in found if check.view == "isolated"] == [
        "resize",
        "center_crop",
        "to_tensor",
        "normalize",
    ]
    assert {check.stage for check in found if check.view == "cumulative"} == set(EARLY)


@pytest.mark.clause("CNF-4")
def test_of_a_file_the_decoding_is_scored_and_decides_over_the_next(bench):
    stages = ["decode", *EVERY]
    found = bench("jpeg-grey", stages).score(*stages)
    assert told(found) == [(stage, view, "exact") for view in ("cumulative", "isolated") for stage in stages]

    def alone(given, **wrong):
        return [
            (check.stage, check.level)
            for check in bench("jpeg-grey", given).score(*[s for s in given if s not in wrong], **wrong)
            if check.view == "isolated"
        ]

    it = bench("jpeg-grey", stages)
    shifted = it.off("decode", 5)
    # Its resize then had another input; the crop's was the canon's.
    assert alone(stages, decode=shifted) == [("decode", "divergent"), *((s, "exact") for s in EVERY[1:])]
    # So it is where the decoding is not shown.
    assert alone(EVERY) == [(stage, "exact") for stage in EVERY[1:]]
    # A file may hold transparency that an early conversion uses.
    pin = bench("jpeg-420-224", ["decode", *EARLY]).score("decode", *EARLY)
    assert [c.stage for c in pin if c.view == "isolated"] == ["decode", "center_crop", "to_tensor", "normalize"]


# The golden.


def test_an_output_with_the_goldens_digest_needs_no_reference(bench, monkeypatch):
    it = bench("sides-640x480")
    monkeypatch.setattr(checks, "Stages", None)
    assert {check.level for check in it.score(*EVERY)} == {"exact"}


def test_the_reference_of_a_case_is_made_once(bench, monkeypatch):
    made, digested = [], []
    monkeypatch.setattr(checks, "Stages", lambda *given: made.append(given) or Stages(*given))
    for module in (checks, expected):
        monkeypatch.setattr(module, "digest", lambda samples: digested.append(1) or digest(samples))
    it = bench("sides-640x480")
    tensor, final = it.canon.to_tensor + np.float32(1), it.canon.normalize + np.float32(1)
    it.score("center_crop", to_tensor=tensor, normalize=final)
    assert [(len(given), given[1]) for given in made] == [(2, N_PX)]
    assert made[0][0] is it.source
    # One for each output, and one for the canon's picture, which both tensors come from.
    assert len(digested) == 3 + 1


def spoil(monkeypatch, *stages):
    """Goldens that are not those of these stages."""

    def digests(fixture, n_px):
        return goldens(n_px)[fixture.slug] | dict.fromkeys(stages, "0" * 64)

    for module in (checks, expected):
        monkeypatch.setattr(module, "expected_digests", digests)


@pytest.mark.clause("CNF-1")
@pytest.mark.parametrize(
    ("stage", "golden"),
    [
        ("resize", "resize"),
        ("center_crop", "center_crop"),
        ("convert_rgb", "convert_rgb"),
        ("to_tensor", "convert_rgb"),
        ("normalize", "convert_rgb"),
    ],
)
def test_a_reference_that_is_not_the_goldens_ends_the_run(bench, monkeypatch, stage, golden):
    it = bench("crop-right-3")
    spoil(monkeypatch, golden)
    with pytest.raises(UsageError) as refused:
        it.score(**wrong(it, stage))
    assert str(refused.value) == (
        "the reference does not reproduce the golden of crop-right-3@224; reinstall clip-conformance"
    )


@pytest.mark.clause("CNF-1")
def test_the_float_ends_own_digests_are_not_asked_of_the_reference(bench, monkeypatch):
    it = bench("crop-right-3", BLACK_BOX)
    spoil(monkeypatch, "to_tensor", "normalize", "resize", "center_crop", "decode")
    assert told(it.score("normalize")) == [("normalize", "cumulative", "exact"), ("center_crop", "pinned", "exact")]


@pytest.mark.clause("CNF-1")
def test_the_canons_input_of_a_stage_is_checked_before_it_is_sent(bench, monkeypatch):
    it = bench("crop-right-3", ["center_crop", "normalize"], alone=["normalize"])
    spoil(monkeypatch, "convert_rgb")
    with pytest.raises(UsageError, match="does not reproduce the golden"):
        it.score("normalize", **wrong(it, "center_crop"))
    assert it.asked == []


@pytest.mark.clause("CNF-1")
def test_what_a_file_decodes_to_is_up_to_the_installed_pillow(bench, monkeypatch):
    it = bench("jpeg-grey", ["decode", *EVERY])
    spoil(monkeypatch, "decode", *EVERY)
    # Compared with what the reference makes of it, here.
    assert {check.level for check in it.score("decode", *EVERY)} == {"exact"}
