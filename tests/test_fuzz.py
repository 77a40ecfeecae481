"""The search beyond the fixtures: what it finds, how small, and that the printed command says it again."""

import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from PIL import __version__ as pillow

from clip_conformance import UsageError
from clip_conformance.fuzzing import properties, strategies
from clip_conformance.fuzzing.finding import Settings, load
from clip_conformance.fuzzing.pictures import (
    Content,
    Picture,
    Recipe,
    render,
)
from clip_conformance.fuzzing.repeat import repeat
from clip_conformance.fuzzing.session import fuzz
from clip_conformance.fuzzing.verdict import many_values
from clip_reference import Stages

HERE = Path(__file__).parent
FUZZED = str(HERE / "fuzzed.py")
# By the number of images, never by the clock: what is found must not hang on the machine.
UNHURRIED = {"seconds": 900.0, "shrinking": 900.0, "seed": 11}


def search(name, *only, images=120, **options):
    return fuzz(f"{FUZZED}:{name}", only=only, images=images, **{**UNHURRIED, **options})


def area(finding):
    return finding.picture.width * finding.picture.height


# What nothing is found in.


@pytest.mark.clause("INP-7")
@pytest.mark.parametrize("name", ["sound", "batches"])
def test_the_reference_passes(name):
    session = search(name, images=60)
    assert session.findings == []
    assert session.answered["RGB"] == 60
    assert sum(session.answered.values()) == 120
    assert not list(session.unanswered)
    held = {found.name: found.hunt for found in session.searches if found.hunt is not None}
    missing = {found.name for found in session.searches if found.hunt is None}
    assert missing == ({"batch", "strided"} if name == "sound" else {"strided"})
    assert {hunt.images for hunt in held.values()} == {60}


@pytest.mark.skipif(
    tuple(map(int, pillow.split(".")[:2])) >= (12, 2), reason="tall images come out otherwise from Pillow 12.2 on"
)
def test_pillow_passes():
    session = fuzz("pillow", images=80, only=("arrays", "modes"), **UNHURRIED)
    assert session.findings == []
    assert session.images == 160


def test_arrays_are_searched_as_arrays():
    session = search("on_arrays", images=30, kind="array")
    assert session.findings == []
    assert {found.name for found in session.searches if found.hunt is None} == {"modes", "batch"}
    assert set(session.answered) == {"RGB"}


def test_bounds_of_mean_and_share_are_for_images_of_many_values():
    """Where a half comes back at every pixel, one rounding says nothing about a preprocessor."""
    checker = render(Recipe("RGB", 448, 448, Content("checker", (("period", 1),))))
    noise = render(Recipe("RGB", 100, 90, Content("noise", (("seed", 1),))))
    assert not many_values(checker)
    assert not many_values(render(Recipe("RGB", 500, 400, Content("gradient", (("seed", 1),)))))
    assert many_values(noise)
    assert many_values(Picture("L", noise.samples[..., 0]))


@pytest.mark.clause("CNF-3")
def test_a_rounding_of_halves_passes_where_it_repeats_and_not_under_exact():
    """Every sample of a checker's half is off by one LSB: the peak of `equivalent`, but not its share."""
    session = search("halves_down", "arrays", images=300)
    assert session.findings == []
    assert session.lenient > 0
    assert search("halves_down", "arrays", images=300, require="exact", shrinking=0.1).findings
    assert search("truncating", "arrays", images=300, shrinking=0.1).findings


# What is found.

FOUND = {
    # candidate: search, largest area of what is found, mode, level
    "floor_crop": ("arrays", 45, "RGB", "divergent"),
    "rounded_long_side": ("arrays", 12, "RGB", "divergent"),
    "bilinear": ("arrays", 6, "RGB", "divergent"),
    "blue_first": ("arrays", 1, "RGB", "divergent"),
    "not_a_number": ("arrays", 41, "RGB", "divergent"),
    "single_precision_scale": ("arrays", 23 * 23, "RGB", "divergent"),
    "rgb_first": ("modes", 4, None, "divergent"),
    "mutating": ("arrays", 4, "RGB", "divergent"),
}


@pytest.mark.clause("CNF-3")
@pytest.mark.parametrize("name", FOUND)
def test_a_deviation_is_found_shrunk_saved_and_repeated(name, tmp_path):
    where, largest, mode, level = FOUND[name]
    session = search(name, where, images=400)
    (found,) = session.findings
    assert area(found) <= largest
    assert mode in (None, found.picture.mode)
    assert (found.verdict.status, found.worst) == ("ok", level)
    assert found.verdict.level in ("close", level)
    assert found.alone
    assert found.shrunk
    if name == "floor_crop":  # nothing smaller has an odd margin whose half is rounded up
        assert sorted((found.picture.width, found.picture.height)) == [5, 9]
    if name == "single_precision_scale":
        assert found.verdict.text.startswith("shape [3, 223, 223], expected [3, 224, 224]")
        assert min(found.picture.width, found.picture.height) in strategies.rounding_sides(224)
    session.keep(tmp_path / "out", Settings(f"{FUZZED}:{name}"))
    (found,) = session.findings
    assert load(found.path).same(found.picture)
    again = repeat(f"{FUZZED}:{name}", found.path)
    assert again.verdict.failed
    assert again.verdict.level == found.verdict.level
    assert not repeat(f"{FUZZED}:sound", found.path).verdict.failed


def test_a_crash_is_a_finding():
    session = search("aborts_on_grey", "arrays", "modes", images=60)
    (found,) = session.findings
    assert (found.verdict.status, found.picture.mode, area(found)) == ("crash", "L", 1)
    assert "SIGABRT" in found.verdict.text


def test_a_timeout_is_a_finding():
    (found,) = search("hangs_on_bilevel", "modes", images=400, timeout=1.0, shrinking=0.1).findings
    assert (found.verdict.status, found.picture.mode) == ("timeout", "1")
    assert not found.shrunk


def test_an_error_on_an_image_of_a_mode_that_is_taken_is_a_finding():
    (found,) = search("fails_on_columns", "arrays", images=200).findings
    assert (found.verdict.status, found.picture.width, area(found)) == ("error", 1, 1)
    assert found.verdict.text == "ZeroDivisionError: no columns"


@pytest.mark.clause("CNF-5")
def test_what_is_refused_is_counted_apart():
    session = search("no_inks", "modes", images=400)
    assert session.findings == []
    apart = {(mode, status): message for mode, status, _, message in session.unanswered}
    assert apart == {
        ("CMYK", "rejected"): "NotImplementedError: no inks here",
        ("P", "error"): "ValueError: cannot do P",
    }
    assert session.answered["CMYK"] == session.answered["P"] == 0
    counted = sum(count for _, _, count, _ in session.unanswered)
    assert sum(session.answered.values()) + counted == session.images == 400


def test_the_last_stage_there_is_decides():
    session = search("ResizeAlone", "arrays", images=60)
    (found,) = session.findings
    assert found.stage == "resize"
    assert found.verdict.text.startswith("shape [224, 224, 3], expected [")


# Properties.

VIOLATED = {
    # candidate: property, what it says, largest area
    "dark_border": ("constant", "an image of one colour comes out", 1),
    "rows_last": ("transpose", "with rows and columns exchanged the output is", 9),
    "unlike_channels": ("permute", "with channels exchanged the output is", 1),
    "by_chance": ("twice", "the same image, sent again, has another output", 40),
    "after_others": ("order", "after other images the output is another one", 1),
    "writes_later": ("untouched", "the candidate changed its input's ", 1),
    "batch_of_first_size": ("batch", "in a batch of two it is another output", 9),
    "raw_memory": ("strided", "from strided memory it is another output", 4),
}


@pytest.mark.clause("INP-7")
@pytest.mark.parametrize("name", VIOLATED)
def test_a_violated_property_is_found_shrunk_and_repeated(name, tmp_path):
    which, words, largest = VIOLATED[name]
    kind = "array" if name == "raw_memory" else "pil"
    session = search(name, which, kind=kind)
    (found,) = session.findings
    assert found.property == which
    assert found.verdict.text.startswith(words)
    assert area(found) <= largest
    assert found.alone
    session.keep(tmp_path, Settings(f"{FUZZED}:{name}"))
    path = session.findings[0].path
    assert repeat(f"{FUZZED}:{name}", path, which, kind=kind).verdict.failed
    good = {"array": "on_arrays", "pil": "batches"}[kind]
    assert not repeat(f"{FUZZED}:{good}", path, which, kind=kind).verdict.failed


def test_every_property_can_be_violated():
    assert {which for which, _, _ in VIOLATED.values()} == set(properties.PROPERTIES)


def test_what_hangs_on_earlier_images_is_said_to():
    """Exact is required, so that the search by the canon meets it; alone, in a fresh process, it passes."""
    session = search("after_others", "arrays", require="exact", images=60)
    (found,) = session.findings
    assert found.alone is False


def test_a_process_of_its_own_offers_what_goes_through_the_protocol(tmp_path):
    adapter = HERE.parent / "examples/python/adapter.py"
    session = fuzz(f"cmd:{sys.executable} {adapter}", images=5, **UNHURRIED)
    offered = {found.name for found in session.searches if found.hunt is not None}
    assert offered == {"arrays", "modes", "constant", "transpose", "permute", "twice", "order"}
    assert {found.offered for found in session.searches if found.hunt is None} == {
        "not offered: only a Python candidate can be called that way"
    }


@pytest.mark.clause("RSZ-9")
@settings(max_examples=60, database=None, deadline=None)
@given(strategies.recipes(224, ["RGB"], mid=True))
def test_the_canon_keeps_the_bound_of_transposition(recipe):
    samples = render(recipe).samples
    plain = Stages(samples, 224).center_crop.astype(int)
    turned = Stages(np.ascontiguousarray(samples.swapaxes(0, 1)), 224).center_crop.astype(int)
    assert np.abs(plain.swapaxes(0, 1) - turned).max() <= properties.TRANSPOSED


def test_a_search_that_is_not_known_is_refused():
    with pytest.raises(UsageError, match="'colours' is not one of arrays, modes, constant"):
        search("sound", "colours")


def test_an_object_that_cannot_be_sent_is_refused():
    lock = threading.Lock()
    with pytest.raises(UsageError, match="cannot be sent to the worker process"):
        fuzz(lambda image: (lock, image), images=1)
