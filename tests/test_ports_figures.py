"""The figures of docs/diagnosis.md: counted right, a wrong claim caught, an extra name seen."""

from dataclasses import replace

import msgspec
import numpy as np
import PIL
import pytest
from PIL import ImageFile, ImageOps

import ports
import ports_figures
import ports_measure
from clip_conformance.diagnosis.variant import CANON, changed
from clip_fixtures import fixtures
from ports_figures import page, rows_of, wrongs
from ports_images import N_PX, fresh
from ports_measure import Claim, Row, error, judged, measure

EVERYONE = {port.name: port for members in ports_figures.GROUPS.values() for port in members}
FLOOR, SOUND = EVERYONE["crop_floor_division"], EVERYONE["pillow_and_numpy"]
# Enough to name the floor of the crop.
SELECT = ("pin-*", "crop-*", "sides-*", "*-square", "rgba-crop")
FLOORED, HALF_UP = changed(CANON, {"crop": "floor"}), changed(CANON, {"crop": "half up"})
with_ports = pytest.mark.skipif(
    tuple(map(int, PIL.__version__.split(".")[:2])) > (12, 1), reason="ports are right on Pillow up to 12.1"
)


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    return fresh(tmp_path_factory.mktemp("images"))


def row(name, group="SINGLES", **fields):
    given = {"passed": False, "blamed": True, "blame": ["resize"], "found": [], "missing": [], "extra": []}
    return Row(name=name, group=group, **(given | {"verdict": "reproduced"} | fields))


def claim(accepted, agreed, shown, told):
    return Claim(accepted=accepted, agreed=agreed, shown=shown, told=told)


def completed(image):
    """Right, but for files that are cut off."""
    before, ImageFile.LOAD_TRUNCATED_IMAGES = ImageFile.LOAD_TRUNCATED_IMAGES, True
    try:
        return SOUND.call(image)
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = before


def table(rows, missing=()):
    """The cells of a document's tables, by group."""
    lines = [line.strip("| ").split(" | ") for line in page(rows, list(missing)).splitlines()]
    return {cells[0]: cells[1:] for cells in lines if cells[0] in ports_figures.GROUPS}


def test_the_images_are_the_same_each_time_and_of_no_fixture(images, tmp_path):
    taken = {fixture.size_at(N_PX) for fixture in fixtures().values()}
    again = fresh(tmp_path)
    assert [image.name for image in images] == [image.name for image in again]
    modes = set()
    for one, other in zip(images, again, strict=True):
        with one.open() as shown, other.open() as same:
            modes.add(shown.mode)
            assert shown.size not in taken
            assert max(shown.size) <= 700
            if "truncated" not in one.name:
                assert shown.tobytes() == same.tobytes()
    assert modes >= {"RGB", "RGBA", "LA", "L", "P", "CMYK", "1", "I;16"}


@with_ports
def test_a_sound_port_is_the_canon_on_every_image(images):
    found = judged(SOUND, CANON, images)
    # A file that is cut off is refused.
    assert (found.accepted, found.agreed, found.shown) == (len(images) - 1, len(images) - 1, 0)
    assert found.holds
    assert not found.holds_where_shown


@with_ports
def test_a_claim_holds_for_the_variant_that_it_is(images):
    right = judged(FLOOR, FLOORED, images)
    assert right.agreed == right.accepted
    assert 0 < right.shown == right.told
    wrong = judged(FLOOR, HALF_UP, images)
    assert not wrong.holds
    assert wrong.wrong
    assert wrong.told == 0


@with_ports
def test_a_mistake_that_shows_in_few_files_is_not_claimed_by_what_holds_elsewhere(images):
    turned = replace(SOUND, call=lambda image: SOUND.call(ImageOps.exif_transpose(image)))
    missed = judged(turned, CANON, images)
    assert missed.holds
    assert missed.shown == 2
    assert not missed.holds_where_shown
    assert wrongs(row("turned", claim=missed)) == ["right on 0 of 2 new images that show a mistake"]
    assert judged(turned, changed(CANON, {"orientation": "applied"}), images).holds_where_shown


@with_ports
@pytest.mark.parametrize(
    "other",
    [
        lambda tensor: tensor[:, :-1],
        lambda tensor: np.full_like(tensor, np.nan),
        lambda tensor: np.where(np.arange(N_PX) < 3, tensor + 1, tensor),
    ],
    ids=["smaller", "no-numbers", "a-border"],
)
def test_what_is_not_the_same_is_in_error(images, other):
    made = SOUND.call(images[0].open())
    assert error(CANON, images[0], made) == (pytest.approx(0, abs=1e-3), 0)
    mean, beyond = error(CANON, images[0], other(made))
    assert mean > ports_measure.MEAN or beyond > ports_measure.SHARE


@with_ports
def test_a_row_says_what_the_labels_and_the_claim_are_worth(images, monkeypatch):
    found = measure(FLOOR, "SINGLES", images, select=SELECT)
    assert (found.passed, found.blamed, found.verdict) == (False, True, "reproduced")
    assert (found.missing, found.extra, wrongs(found)) == ([], [], [])
    assert found.claim.holds_where_shown
    assert found.cpu > 0
    assert found.wall > 0
    # The same with other labels, and with a diagnosis that recovered something else than it says.
    mislabelled = replace(FLOOR, stages=("resize",), faults=(frozenset({"crop-half-up"}),))
    monkeypatch.setattr(ports_measure.Recorded, "variant", HALF_UP)
    spoiled = measure(mislabelled, "SINGLES", images, select=SELECT)
    assert (spoiled.blamed, spoiled.missing, spoiled.extra) == (False, ["crop-half-up"], ["crop-floor"])
    assert spoiled.verdict == "reproduced"
    assert not spoiled.claim.holds
    assert table([found, spoiled])["SINGLES"] == ["2", "0", "2", "1", "1", "1", "2", "1", "2", "1"]
    # What is minor may be named.
    minor = replace(mislabelled, minor=frozenset({"crop-floor"}))
    assert measure(minor, "SINGLES", (), select=SELECT).extra == []


@with_ports
def test_a_sound_port_is_quiet_and_a_truncated_file_needs_no_variant(images):
    quiet = measure(SOUND, "SOUND", images, select=SELECT)
    assert (quiet.quiet, quiet.claim, wrongs(quiet)) == (True, None, [])
    lenient = measure(replace(SOUND, call=completed), "SINGLES", images, select=("*truncated*", "pin-values"))
    assert lenient.found == ["truncated-accepted"]
    assert lenient.claim == Claim(accepted=len(images), agreed=len(images), shown=1, told=1)


def test_the_tables_count():
    rows = [
        row("right", claim=claim(40, 40, 5, 5)),
        row("elsewhere", claim=claim(40, 38, 2, 1)),
        row("wrong", claim=claim(40, 37, 20, 20)),
        row("vacuous", claim=claim(40, 40, 0, 0)),
        row("refuses", claim=claim(0, 0, 0, 0)),
        row("guess", verdict="guess", missing=["squash"], extra=["grey"], blamed=False, reproduced=3, compared=9),
        row("blind", verdict="", passed=True, blamed=False, blame=[]),
        row("both", "COMBINATIONS", extra=["grey", "squash"], claim=claim(9, 9, 9, 9)),
        row("quiet", "SOUND", passed=True, blame=[], verdict=""),
        row("alarm", "SOUND", passed=True, blame=[], verdict="unknown"),
        row("failing", "SOUND", blame=[], verdict=""),
        row("claimed", "UNKNOWN", found=["grey"]),
        row("placed", "UNKNOWN", verdict="guess", found=["grey"], extra=["grey"]),
    ]
    cells = table(rows, [("SINGLES", FLOOR)])
    assert cells["SINGLES"] == ["8", "1", "6", "5", "6", "1", "5", "3", "3", "1"]
    assert cells["COMBINATIONS"] == ["1", "0", "1", "1", "1", "1", "1", "1", "1", "1"]
    assert cells["SOUND"][:4] == ["3", "0", "1", "2"]
    assert cells["UNKNOWN"][:3] == ["2", "0", "2"]
    assert cells["UNKNOWN"][4] == "1"
    assert {entry.name for entry in rows if not wrongs(entry)} == {"right", "vacuous", "quiet", "placed"}
    text = page(rows, [("SINGLES", FLOOR)])
    assert "- `guess`: blamed first: resize; not named: squash; named besides: grey; guess (3 of 9 cases)." in text
    assert "- `claimed`: claimed to be grey (0 of 0 cases)." in text
    assert "Not run, for a package is missing: `crop_floor_division`." in text


def test_a_port_without_its_packages_is_counted_and_never_run(monkeypatch, tmp_path):
    monkeypatch.setattr(ports_figures, "measure", None)
    told = []
    chosen = [("SINGLES", replace(FLOOR, needs=("no_such_package",)))]
    rows, missing = rows_of(chosen, tmp_path / "rows", told.append)
    assert (rows, missing) == ([], chosen)
    assert told == ["crop_floor_division: not run, needs no_such_package"]
    assert not (tmp_path / "rows").exists()


def test_a_run_goes_on_where_it_ended(monkeypatch, tmp_path):
    measured = []

    def once(port, group, images, *, code):
        measured.append(port.name)
        return row(port.name, group, code=code)

    monkeypatch.setattr(ports_figures, "measure", once)
    path = tmp_path / "rows"
    first, both = [("SINGLES", FLOOR)], [("SINGLES", FLOOR), ("SOUND", SOUND)]
    rows_of(first, path, lambda text: None)
    path.write_bytes(path.read_bytes() + msgspec.json.encode(row(SOUND.name, code="older")) + b"\n{\n")
    rows, _ = rows_of(both, path, lambda text: None)
    assert [entry.name for entry in rows] == [FLOOR.name, SOUND.name]
    assert measured == [FLOOR.name, SOUND.name]
    assert len(rows_of(both, path, lambda text: None)[0]) == 2
    assert len(measured) == 2


def test_ports_are_chosen_by_name_and_by_number():
    assert [port.name for _, port in ports_figures.choose(["web_palette", "upright"], 1)] == ["upright", "web_palette"]
    assert len(ports_figures.choose([], 100)) == 3
    assert len(ports_figures.choose([], 1)) == len(ports.SINGLES + ports.COMBINATIONS + ports.SOUND + ports.UNKNOWN)
    with pytest.raises(ports_figures.UsageError, match="no port none"):
        ports_figures.choose(["none"], 1)
