"""The report's files: whole, made from its lines alone, and what they say."""

import json
import stat

import msgspec
import pytest

import candidates
from clip_conformance import check
from clip_conformance.records import Case, Footer, Header, Line, Picture
from clip_conformance.summary import summarise

FEW = ("pin-values", "crop-right-*", "empty-width", "jpeg-420")


@pytest.fixture(scope="module")
def report():
    return check(candidates.FloorCrop(), select=FEW, jobs=1)


@pytest.fixture(scope="module")
def folder(report, tmp_path_factory):
    folder = tmp_path_factory.mktemp("report") / "new" / "folder"
    report.write(folder)
    return folder


def lines(folder):
    read = [msgspec.json.decode(line, type=Line) for line in (folder / "report.jsonl").read_bytes().splitlines()]
    return [line for line in read if not isinstance(line, Picture)]


def test_the_lines_are_a_header_the_cases_and_a_footer(report, folder):
    header, *cases, footer = lines(folder)
    assert isinstance(header, Header)
    assert isinstance(footer, Footer)
    assert all(isinstance(case, Case) for case in cases)
    assert header.expected == footer.expected == footer.cases == len(cases) == len(report.cases)
    assert header.environment["Pillow"]
    assert header.environment["numpy"]


def test_the_summary_is_made_from_the_lines_alone(report, folder):
    header, *cases, footer = lines(folder)
    written = msgspec.json.decode((folder / "summary.json").read_bytes())
    assert msgspec.to_builtins(summarise(header, cases, footer)) == written
    assert msgspec.to_builtins(report.summary) == written


def test_the_summary_says_what_section_7_of_the_design_asks(folder):
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["passed"] is False
    assert (summary["required"], summary["level"]) == ("equivalent", "divergent")
    assert summary["scopes"] == {"arrays": "divergent", "modes": "exact", "files": "exact"}
    assert summary["blame"] == ["center_crop"]
    assert (summary["model"], summary["spec"]) == ("ViT-B/32", "1.0")
    assert [finding["fault"] for finding in summary["diagnosis"]] == ["crop-floor"]
    assert summary["recovered"]["verdict"] == "reproduced"
    crop = summary["stages"]["center_crop"]
    assert set(crop) == {"level", "cases", "passed", "peak", "mean", "bias", "unit", "worst", "note"}
    assert crop["level"] == "divergent"
    assert crop["passed"] < crop["cases"]
    assert crop["unit"] == "LSB"
    assert summary["counts"]["exact"] + summary["counts"]["divergent"] == summary["cases"]
    assert set(summary["counts"]) == {
        *("exact", "equivalent", "close", "divergent"),
        *("skipped", "rejected", "error", "crash", "timeout", "missing"),
    }


def test_writing_again_replaces_and_leaves_nothing_behind(report, folder):
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert before.keys() >= {"badge.json", "junit.xml", "report.jsonl", "statement.json", "summary.json", "summary.md"}
    report.write(folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert stat.S_IMODE((folder / "summary.json").stat().st_mode) == 0o644


def test_a_second_run_says_the_same(report):
    again = check(candidates.FloorCrop(), select=FEW, jobs=2)
    assert [msgspec.structs.replace(case, seconds=0) for case in again.cases] == [
        msgspec.structs.replace(case, seconds=0) for case in report.cases
    ]
