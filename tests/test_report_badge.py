"""badge.json, and the annotations of GitHub Actions."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

import candidates
from clip_conformance import check
from clip_conformance.records import Known
from clip_conformance.report import Report
from clip_conformance.reports.annotations import annotations
from clip_conformance.reports.badge import NAME, badge

HERE = Path(__file__).parent
FEW = ("pin-values", "crop-right-*", "jpeg-420")
GITHUB = {"GITHUB_ACTIONS": "true", "GITHUB_WORKSPACE": str(HERE.parent)}


@pytest.fixture(scope="module")
def failing():
    return check(candidates.FloorCrop(), select=FEW, jobs=1, pictures=False)


@pytest.fixture(scope="module")
def passing():
    return check("pillow", select=FEW, jobs=1)


def whole(report, **changes):
    """The same as if everything had been run."""
    return Report(msgspec.structs.replace(report.header, select=[], **changes), report.cases, report.footer)


def said(report):
    return json.loads(badge(report))


def test_a_badge_is_an_endpoint_of_shields(failing, passing):
    scopes = ["arrays", "modes", "files"]
    assert said(whole(passing, scopes=scopes)) == {
        "schemaVersion": 1,
        "label": "CLIP preprocessing",
        "message": "exact",
        "color": "brightgreen",
    }
    assert said(whole(failing, scopes=scopes))["message"] == "divergent: center_crop"
    assert said(whole(failing, scopes=scopes))["color"] == "red"


def test_a_badge_claims_no_more_than_was_run(passing):
    assert said(passing)["message"] == f"exact ({len(passing.cases)} cases)"
    assert said(whole(passing))["message"] == "exact (arrays, files)"
    crop = check(candidates.Staged(), scopes=["arrays"], select=FEW, stages=["center_crop"], jobs=1)
    assert said(whole(crop))["message"] == "exact (center_crop alone, arrays)"


@pytest.mark.parametrize(
    ("name", "require", "message", "color"),
    [
        ("reciprocal", "equivalent", "equivalent", "green"),
        ("reciprocal", "exact", "equivalent: normalize", "red"),
        ("half_precision", "close", "close", "yellow"),
        ("half_precision", "equivalent", "close: normalize", "red"),
        ("raises", "equivalent", "divergent", "red"),
    ],
)
def test_a_badge_is_green_where_the_level_is_reached(name, require, message, color):
    report = check(getattr(candidates, name), select=["pin-*"], require=require, jobs=1, diagnose=False)
    found = said(report)
    assert (found["message"].partition(" (")[0], found["color"]) == (message, color)


def test_a_badge_is_one_of_the_files_of_a_report(passing, tmp_path):
    passing.write(tmp_path)
    assert (tmp_path / NAME).read_bytes() == badge(passing)


# Annotations.


COMMAND = re.compile(r"::error (?:file=(?P<file>[^,:]*),)?title=(?P<title>[^,:]*)::(?P<message>.*)")


def read(command):
    """A workflow command as the runner of GitHub reads it."""
    found = COMMAND.fullmatch(command)
    assert found, command
    escapes = {"%25": "%", "%0D": "\r", "%0A": "\n", "%3A": ":", "%2C": ","}
    return {
        key: re.sub("%25|%0D|%0A|%3A|%2C", lambda escape: escapes[escape[0]], value or "")
        for key, value in found.groupdict().items()
    }


def test_annotations_name_the_finding_then_the_worst_cases(failing):
    found = [read(command) for command in annotations(failing, GITHUB)]
    assert found[0]["title"] == "center_crop: Crop offset rounded down (crop-floor)"
    assert found[0]["message"].startswith("Fix: Round half to even")
    assert found[1]["title"] == "crop-right-3@224: divergent at center_crop"
    assert found[1]["message"].startswith("peak 255, mean 85.64 LSB\nmore: clip-conformance show")
    assert len(found) == 7


def test_a_stage_without_a_finding_is_named(failing):
    footer = msgspec.structs.replace(failing.footer, diagnosis=[], recovered=None)
    (first, *_) = annotations(Report(failing.header, failing.cases, footer), GITHUB)
    assert read(first)["title"] == "center_crop leaves the canon"
    assert "13 of 19 cases pass, the worst is crop-right-3@224" in read(first)["message"]


def test_there_are_no_more_than_ten():
    report = check(candidates.raises, select=["crop-*"], jobs=1, diagnose=False)
    found = [read(command) for command in annotations(report, GITHUB)]
    assert len(found) == 10
    assert all(one["title"].endswith(": error") for one in found)
    assert found[0]["message"] == "RuntimeError: first line second line"


@pytest.mark.parametrize("environment", [{}, {"GITLAB_CI": "true"}, {"GITHUB_ACTIONS": "false"}])
def test_elsewhere_there_are_none(environment, failing):
    assert annotations(failing, environment) == []


def test_a_pass_has_none(passing):
    assert annotations(passing, GITHUB) == []


@pytest.mark.parametrize(
    "text", ["a\nb\r::error::x", "%0A%25", "a,b:c=d", "::stop-commands::t", "\x85\u2028\x1b", "x" * 10**5]
)
def test_a_command_is_one_line_whatever_it_says(text, failing):
    cases = [msgspec.structs.replace(case, id=text, status="error", message=text, checks=[]) for case in failing.cases]
    finding = msgspec.structs.replace(failing.footer.diagnosis[0], title=text, fix=text)
    footer = msgspec.structs.replace(failing.footer, diagnosis=[finding])
    for command in annotations(Report(failing.header, cases, footer), GITHUB):
        assert command.splitlines() == [command]
        assert len(command) < 8000
        if text.replace("\n", "").replace("\r", "").isprintable():
            assert text[:500] in read(command)["title"]
            assert text[:500] in read(command)["message"]


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("{}/tests/candidates.py:FloorCrop", "tests/candidates.py"),
        ("cmd:{}/examples/python/adapter.py --flag", "examples/python/adapter.py"),
        ("cmd:python {}/examples/python/adapter.py", "examples/python/adapter.py"),
        ("exec:{}/examples/python/adapter.py {{input}} {{n_px}} {{output}}", "examples/python/adapter.py"),
        ("onnx:{}/pyproject.toml", "pyproject.toml"),
        ("{}/tests/missing.py:FloorCrop", ""),
        ("{}/tests:FloorCrop", ""),
        ("/etc/passwd:FloorCrop", ""),
        ("cmd:'unclosed", ""),
        ("pillow", ""),
        ("a\0b:c", ""),
        ("x" * 5000 + ":y", ""),
        ("", ""),
    ],
)
def test_the_file_is_the_candidates_own_inside_the_repository(name, file, failing):
    header = msgspec.structs.replace(failing.header, candidate={"name": name.format(HERE.parent)})
    (first, *_) = annotations(Report(header, failing.cases, failing.footer), GITHUB)
    assert read(first)["file"] == file


def test_known_divergences_are_left_out(failing):
    def told(**lists):
        fields = {"file": "known.toml", "entries": 2, "idle": 0, "matched": 1}
        known = Known(**fields, **{"unexpected": [], "worse": [], "stale": [], "expired": []} | lists)
        footer = msgspec.structs.replace(failing.footer, known=known)
        return [read(line)["title"] for line in annotations(Report(failing.header, failing.cases, footer), GITHUB)]

    assert told() == []
    assert told(stale=["a@224/resize"]) == ["a@224/resize no longer fails"]
    assert told(unexpected=["a@224/resize"])[1:] == ["a@224/resize fails and is not known"]


def test_check_prints_them_after_the_verdict(tmp_path):
    shutil.copy(HERE / "candidates.py", tmp_path)
    step = tmp_path / "step.md"
    words = ["check", "candidates.py:FloorCrop", "--select", "crop-right-3", "--jobs", "1"]
    environment = os.environ | {
        "GITHUB_ACTIONS": "true",
        "GITHUB_WORKSPACE": str(tmp_path),
        "GITHUB_STEP_SUMMARY": str(step),
    }
    done = subprocess.run(
        [sys.executable, "-m", "clip_conformance", *words],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 1
    *_, verdict, first, second = done.stdout.splitlines()
    assert verdict.startswith("DIVERGENT: ")
    assert (read(first)["file"], read(second)["file"]) == ("candidates.py", "candidates.py")
    assert not step.exists()
