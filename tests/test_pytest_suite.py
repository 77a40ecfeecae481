"""pytest --pyargs clip_conformance.suite in a project of its own."""

import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

import clip_spec

CANDIDATES = str(Path(__file__).with_name("candidates.py"))
SOME = ("--clip-select", "crop-right-[1-4]", "--clip-select", "pin-noise", "--clip-select", "empty-width")


def run(folder, *arguments):
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "no:cacheprovider",
        "--pyargs",
        "clip_conformance.suite",
        *arguments,
    ]
    return subprocess.run(command, capture_output=True, text=True, cwd=folder, timeout=120)


def test_a_sound_candidate_passes(tmp_path):
    done = run(tmp_path, "-v", "--clip-candidate", f"{CANDIDATES}:Staged", *SOME)
    assert done.returncode == 0
    assert "31 passed" in done.stdout
    assert "test_conformance[crop-right-3@224-center_crop] PASSED" in done.stdout
    assert "test_conformance[empty-width@224-rejected] PASSED" in done.stdout


def test_a_failing_stage_fails_its_test_and_the_end(tmp_path):
    done = run(tmp_path, "--clip-candidate", f"{CANDIDATES}:FloorCrop", *SOME)
    assert done.returncode == 1
    assert "2 failed, 29 passed" in done.stdout
    assert "test_conformance[crop-right-3@224-center_crop]" in done.stdout
    assert "test_conformance[crop-right-3@224-end_to_end]" in done.stdout
    assert "divergent: peak" in done.stdout


def test_a_black_box_is_tested_at_the_stage_that_a_fixture_pins(tmp_path):
    done = run(tmp_path, "-v", "--clip-candidate", f"{CANDIDATES}:sound", *SOME, "-k", "crop-right-3")
    assert "[crop-right-3@224-center_crop] PASSED" in done.stdout
    assert "2 passed" in done.stdout


def test_the_level_can_be_required(tmp_path):
    options = ("--clip-candidate", f"{CANDIDATES}:reciprocal", *SOME, "--clip-scope", "arrays")
    assert run(tmp_path, *options).returncode == 0
    assert run(tmp_path, *options, "--clip-require", "exact").returncode == 1


def test_without_a_candidate_it_is_an_error(tmp_path):
    done = run(tmp_path)
    assert done.returncode not in (0, 5)
    assert "needs --clip-candidate: pkg.mod:attr" in done.stdout


def test_a_candidate_that_cannot_start_is_an_error(tmp_path):
    done = run(tmp_path, "--clip-candidate", "nosuch:f")
    assert done.returncode not in (0, 5)
    assert "no module 'nosuch'" in done.stdout


def test_a_crash_is_one_failure(tmp_path):
    done = run(tmp_path, "--clip-candidate", f"{CANDIDATES}:aborts_on_crop", *SOME)
    assert "crash: it died of SIGABRT" in done.stdout
    assert "2 failed" in done.stdout


def test_workers_of_xdist_share_the_tests(tmp_path):
    done = run(tmp_path, "-n", "2", "--clip-candidate", f"{CANDIDATES}:Staged", *SOME)
    assert "31 passed" in done.stdout


def test_the_header_names_the_revision(tmp_path):
    done = run(tmp_path, "--clip-candidate", f"{CANDIDATES}:Staged", "--clip-select", "pin-noise")
    assert f"spec {clip_spec.canon().spec}: {CANDIDATES}:Staged as ViT-B/32, equivalent required" in done.stdout


CROP, FLOOR = "crop-right-3@224-center_crop", "crop-right-3@224-end_to_end"
PALETTE, REJECTED = "palette-down@224-center_crop", "empty-width@224-rejected"


@pytest.mark.parametrize(
    ("option", "expression", "chosen", "left"),
    [
        ("-m", "clip(stage='center_crop')", {CROP, PALETTE}, {FLOOR, REJECTED}),
        ("-m", "clip(stage='center_crop', scope='modes')", {PALETTE}, {CROP, FLOOR, REJECTED}),
        ("-m", "clip(fault='crop-floor')", {CROP, FLOOR}, {PALETTE, REJECTED, "crop-right-4@224-center_crop"}),
        ("-k", "center_crop and modes", {PALETTE}, {CROP, FLOOR, REJECTED}),
        ("-k", "crop-floor", {CROP, FLOOR}, {PALETTE, REJECTED, "crop-right-4@224-center_crop"}),
        ("-k", "rejected", {REJECTED}, {CROP, FLOOR, PALETTE}),
    ],
)
def test_tests_are_chosen_by_stage_scope_and_mistake(option, expression, chosen, left, tmp_path):
    select = ("--clip-candidate", f"{CANDIDATES}:Staged", *SOME, "--clip-select", "palette-down")
    done = run(tmp_path, *select, "--co", "-q", option, expression)
    found = {line.partition("[")[2].rstrip("]") for line in done.stdout.splitlines() if "::" in line}
    assert chosen <= found
    assert not left & found


def test_junit_xml_has_every_test(tmp_path):
    path = tmp_path / "junit.xml"
    done = run(tmp_path, "--clip-candidate", f"{CANDIDATES}:FloorCrop", *SOME, f"--junitxml={path}", "-n", "2")
    assert done.returncode == 1
    suite = ElementTree.parse(path).getroot().find("testsuite")
    assert (suite.get("tests"), suite.get("failures")) == ("31", "2")


def test_other_runs_of_pytest_are_left_alone(tmp_path):
    (tmp_path / "test_it.py").write_text("def test_it(): pass\n")
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--strict-markers"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=120)
    assert done.returncode == 0
    assert "spec" not in done.stdout
