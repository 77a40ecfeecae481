"""report.jsonl read back: whole, or refused with the line at fault; and the pictures in it."""

import base64
import io
import json
import re
import zlib

import msgspec
import numpy as np
import pytest
from PIL import Image

import candidates
from clip_conformance import UsageError, check
from clip_conformance.records import Case, Header
from clip_conformance.reports import files, lines
from clip_conformance.reports.pictures import Album, badness
from clip_fixtures import build, fixtures
from clip_reference import Stages, preprocess

FEW = ("pin-values", "crop-right-*", "empty-width", "jpeg-420", "sides-640x480", "palette-down")


@pytest.fixture(scope="module")
def report():
    return check(candidates.FloorCrop(), select=FEW, jobs=1)


@pytest.fixture
def folder(report, tmp_path):
    report.write(tmp_path)
    return tmp_path


def test_what_was_written_is_read_back(report, folder):
    again = lines.read(folder)
    assert (again.header, again.cases, again.pictures, again.footer) == (
        report.header,
        report.cases,
        report.pictures,
        report.footer,
    )
    assert again.pictures
    assert lines.read(folder / lines.NAME).summary == report.summary


def test_the_files_are_made_again_from_the_lines_alone(report, folder):
    others = {path.name: path.read_bytes() for path in folder.iterdir() if path.name != lines.NAME}
    for name in others:
        (folder / name).unlink()
    made = files.remake(lines.read(folder), folder)
    assert {path.name: path.read_bytes() for path in made} == others


def edited(folder, change):
    file = folder / lines.NAME
    content = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join(change(content)))
    return folder


def swapped(content, old, new, number):
    assert old in content[number - 1]
    return [*content[: number - 1], content[number - 1].replace(old, new, 1), *content[number:]]


BREACHES = {
    # what is done to the lines: which line is named, and what is said of it
    "an edited level": (lambda c: swapped(c, b'"exact"', b'"close"', 3), 3, "changed"),
    "an edited header": (lambda c: swapped(c, b'"expected":', b'"expected": ', 1), 1, "changed"),
    "an edited blame": (lambda c: swapped(c, b'"blame":["center_crop",', b'"blame":[', len(c)), None, "changed"),
    "a removed case": (lambda c: [*c[:3], *c[4:]], 4, "changed"),
    "a doubled case": (lambda c: [*c[:3], c[2], *c[3:]], 4, "changed"),
    "two cases exchanged": (lambda c: [*c[:2], c[3], c[2], *c[4:]], 3, "changed"),
    "no footer": (lambda c: c[:-1], None, "no footer"),
    "a cut in a line": (lambda c: [*c[:4], c[4][:40]], 5, "ends in the middle"),
    "a line without its digest": (lambda c: [*c[:2], re.sub(rb',"digest":"\w+"', b"", c[2]), *c[3:]], 3, "changed"),
    "something after the footer": (lambda c: [*c, c[-1]], None, "changed"),
    "another schema": (lambda c: swapped(c, b"report/1", b"report/9", 1), 1, "report/9"),
    "no header": (lambda c: c[1:], 1, "a case of no schema"),
    "no JSON": (lambda c: [b"hello\n", *c], 1, "no header of a report"),
    "no UTF-8": (lambda c: [c[0].replace(b"ViT", b"V\xff\xfe"), *c[1:]], 1, "line 1"),
    "nesting without end": (lambda c: [b"[" * 100000 + b"\n", *c], 1, "no header of a report"),
}


@pytest.mark.parametrize("breach", BREACHES)
def test_a_report_that_is_not_as_written_is_refused_with_its_line(breach, folder):
    change, number, said = BREACHES[breach]
    edited(folder, change)
    with pytest.raises(UsageError) as error:
        lines.read(folder)
    assert said in str(error.value)
    assert re.search(r", line \d+:", str(error.value))
    if number is not None:
        assert f", line {number}:" in str(error.value)


def forged(report, folder, change):
    """Lines with right digests that are wrong all the same."""
    told = [report.header, *report.cases, *report.pictures, report.footer]
    (folder / lines.NAME).write_bytes(lines.encode(change(told)))
    with pytest.raises(UsageError) as error:
        lines.read(folder)
    return str(error.value)


def test_a_forged_report_has_to_be_one(report, tmp_path):
    fewer = forged(report, tmp_path, lambda told: [*told[:2], *told[3:]])
    assert "cases, where the header expects" in fewer
    assert "a second time" in forged(report, tmp_path, lambda told: [*told[:2], told[1], *told[2:]])
    assert "out of its place" in forged(report, tmp_path, lambda told: [told[0], *told])
    assert "is empty" in forged(report, tmp_path, lambda told: [])
    wrong = msgspec.structs.replace(report.cases[0], level="perfect")
    assert "line 2: Invalid enum value 'perfect'" in forged(report, tmp_path, lambda t: [t[0], wrong, *t[2:]])


def test_a_folder_without_a_report_is_one_line(tmp_path):
    with pytest.raises(UsageError, match=r"No such file.*check --report DIR"):
        lines.read(tmp_path)


def test_what_is_too_large_is_not_read(folder, monkeypatch):
    monkeypatch.setattr(lines, "_FILE", 1000)
    with pytest.raises(UsageError, match="MiB"):
        lines.read(folder)
    monkeypatch.undo()
    monkeypatch.setattr(lines, "_LINE", 200)
    with pytest.raises(UsageError, match="line 1: longer than"):
        lines.read(folder)


def test_fixtures_and_canon_are_named(report):
    header: Header = report.header
    assert re.fullmatch("[0-9a-f]{64}", header.fixtures)
    assert header.fixtures == check("pillow", select=["pin-values"], jobs=1).header.fixtures
    other = check("pillow", "RN50x4", select=["pin-values"], jobs=1).header.fixtures
    assert other != header.fixtures


# Pictures.


def image(encoded):
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(encoded))).convert("RGB"))


def test_a_picture_shows_what_was_given_what_is_expected_and_the_error(report):
    by_case = {case.id: case for case in report.cases}
    assert {picture.case for picture in report.pictures} == {c.id for c in report.cases if c.level == "divergent"}
    picture = next(picture for picture in report.pictures if picture.case == "crop-right-3@224")
    assert picture.size == (227, 224)
    assert image(picture.given).shape == (157, 160, 3)
    assert picture.window == (0, 0, 224, 224)
    given = build(fixtures()["crop-right-3"], 224)
    canon = Stages(given, 224)
    assert np.array_equal(image(picture.expected), canon.convert_rgb)
    raw = zlib.decompress(base64.b64decode(picture.error))
    error = np.frombuffer(raw, "<i2").reshape(224, 224, 3) * picture.unit
    slope = 1 / (255 * np.array([0.26862954, 0.26130258, 0.27577711]))
    shifted = preprocess(given.crop((1, 0, 225, 224)))
    wanted = ((shifted.astype(np.float64) - canon.normalize) / slope[:, None, None]).transpose(1, 2, 0)
    assert np.abs(error - wanted).max() <= picture.unit
    measured = max(check.mean for check in by_case[picture.case].checks if check.mean is not None)
    assert np.abs(error).mean() == pytest.approx(measured, rel=0.02)
    assert picture.got == ""


def square(image):
    return np.zeros((3, 100, 100), np.float32)


def flat(image):
    return np.zeros((7,), np.float32)


@pytest.mark.parametrize(("candidate", "shown"), [(square, True), (flat, False)])
def test_another_shape_is_shown_where_it_is_an_image(candidate, shown):
    report = check(candidate, select=["pin-values", "sides-640x480"], jobs=1)
    assert len(report.pictures) == 2
    for picture in report.pictures:
        assert picture.error == ""
        assert (picture.got != "") == shown
        if shown:
            assert image(picture.got).shape == (100, 100, 3)
            assert picture.shape == [3, 100, 100]


def nan(image):
    return np.full((3, 224, 224), np.nan, np.float32)


def test_what_is_no_number_has_no_error(tmp_path):
    report = check(nan, select=["pin-values"], jobs=1)
    (picture,) = report.pictures
    assert picture.error == ""
    report.write(tmp_path)
    for line in (tmp_path / lines.NAME).read_text().splitlines():
        json.loads(line)


def test_pictures_keep_to_their_budget_and_show_the_worst_and_every_scope():
    everything = check(candidates.FloorCrop(), jobs=2, diagnose=False)
    failing = [case for case in everything.cases if case.level == "divergent"]
    assert 10 < len(everything.pictures) < len(failing)
    weight = sum(len(p.given) + len(p.expected) + len(p.error) + len(p.got) for p in everything.pictures)
    assert weight <= Album().budget
    shown = {picture.case for picture in everything.pictures}
    assert {case.scope for case in failing if case.id in shown} == {case.scope for case in failing}
    worst = max(map(badness, failing))
    assert shown & {case.id for case in failing if badness(case) == worst}


def test_large_inputs_are_shown_in_part():
    report = check(candidates.FloorCrop(), "RN50x64", select=["crop-right-3"], jobs=1)
    (picture,) = report.pictures
    left, top, right, bottom = picture.window
    assert (right - left, bottom - top) == (256, 256)
    assert image(picture.expected).shape == (256, 256, 3)


def test_without_pictures():
    assert check(candidates.FloorCrop(), select=["crop-right-3"], jobs=1, pictures=False).pictures == []


def test_badness_puts_another_shape_first():
    report = check(square, select=["pin-values"], jobs=1)
    other = check(candidates.FloorCrop(), select=["crop-right-3"], jobs=1)
    case: Case = report.cases[0]
    assert badness(case) > badness(other.cases[0])
