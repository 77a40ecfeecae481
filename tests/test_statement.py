"""statement.json: what it says of a report; and `verify`, which holds it against itself, its report and a run."""

import copy
import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from jsonschema import Draft202012Validator

import candidates
import clip_spec
from clip_conformance import UsageError, check, worker
from clip_conformance.reports import statement, verify
from clip_conformance.reports.statement import NAME
from clip_conformance.version import version

HERE = Path(__file__).parent
FEW = ("pin-values", "crop-right-3", "crop-right-4", "empty-width", "jpeg-420")
FAILING = f"{HERE / 'candidates.py'}:FloorCrop"


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """The folder of a failing report."""
    folder = tmp_path_factory.mktemp("report")
    check(FAILING, select=FEW, jobs=1).write(folder)
    return folder


@pytest.fixture
def folder(written, tmp_path):
    return Path(shutil.copytree(written, tmp_path / "report"))


def command(*words, cwd=None):
    return subprocess.run(
        [sys.executable, "-m", "clip_conformance", "verify", *map(str, words)],
        capture_output=True,
        text=True,
        cwd=cwd,
        timeout=120,
    )


RUNS = {
    "passes": ("pillow", {}),
    "fails": (candidates.FloorCrop(), {}),
    "crashes": (candidates.aborts_on_crop, {"diagnose": False}),
    "refuses": (candidates.refuses_crop, {"diagnose": False}),
    "raises": (candidates.raises, {"diagnose": False}),
    "half precision": (candidates.half_precision, {"require": "close"}),
    "one stage": (candidates.FloorCrop(), {"stages": ["center_crop"]}),
    "one scope": (candidates.FloorCrop(), {"scopes": ["arrays"], "select": ("pin-values", "crop-right-3")}),
    "all models": (candidates.any_n_px, {"model": "all"}),
    "no output end to end": (candidates.ResizeAlone(), {"diagnose": False}),
}


@pytest.mark.parametrize("name", RUNS)
def test_what_is_written_is_valid_is_read_back_and_holds(name, tmp_path):
    candidate, options = RUNS[name]
    report = check(candidate, jobs=1, **{"select": FEW} | options)
    report.write(tmp_path)
    found = statement.read(tmp_path / NAME)
    assert found == statement.statement(report)
    Draft202012Validator(clip_spec.schema("statement")).validate(json.loads((tmp_path / NAME).read_bytes()))
    verify.refuse_others(found)
    assert list(verify.inconsistencies(found)) == []
    assert list(verify.differences_from_report(found, tmp_path)) == []


def test_it_says_what_was_shown(written):
    found = json.loads((written / NAME).read_bytes())
    assert (found["spec"], found["suite"], found["model"], found["n_px"]) == ("1.0", version(), "ViT-B/32", [224])
    assert (found["required"], found["level"], found["passed"]) == ("equivalent", "divergent", False)
    assert found["scopes"] == {"arrays": "divergent", "modes": "exact", "files": "exact"}
    assert found["stages"]["center_crop"] == {"level": "divergent", "cases": 4, "passed": 3}
    assert found["end_to_end"] == {"level": "divergent", "cases": 4, "passed": 3}
    assert (found["blame"], found["findings"]) == (["center_crop"], ["crop-floor"])
    assert found["cases"]["crop-right-3@224"] == {"level": "divergent", "final": "divergent"}
    assert found["cases"]["empty-width@224"] == {"level": "exact", "final": "none"}
    assert found["report"] == hashlib.sha256((written / "report.jsonl").read_bytes()).hexdigest()
    assert {"python", "Pillow", "Pillow:jpg", "Pillow:zlib", "numpy", "cpu", "machine"} <= found["environment"].keys()


def test_the_processor_is_named(monkeypatch, tmp_path):
    assert worker.cpu()
    x86 = "processor\t: 0\nmodel name\t: A  CPU @ 2GHz\nflags\t\t: fpu avx2 sse4_1 avx\n\nmodel name: B\n"
    arm = "processor\t: 0\nFeatures\t: fp asimd sve\nCPU part\t: 0xd0c\n"
    machine = os.uname().machine
    told = {"x86": (x86, "A CPU @ 2GHz sse4_1 avx avx2"), "arm": (arm, f"{machine} asimd sve"), "none": ("", machine)}
    real = open
    for name, (text, wanted) in told.items():
        file = tmp_path / name
        file.write_text(text)
        monkeypatch.setattr("builtins.open", lambda path, mode, file=file: real(file, mode))
        assert worker.cpu() == wanted, name
    monkeypatch.undo()


# Files that anybody may have written.


def document(folder):
    return json.loads((folder / NAME).read_bytes())


def with_change(folder, change):
    found = document(folder)
    change(found)
    (folder / NAME).write_text(json.dumps(found))
    return folder / NAME


UNREADABLE = {
    "another schema": (lambda d: d.update(schema="clip-conformance/statement/2"), "clip-conformance/statement/2"),
    "no schema": (lambda d: d.pop("schema"), "no schema"),
    "another key": (lambda d: d.update(extra=1), "extra"),
    "no cases": (lambda d: d.update(cases={}), "cases"),
    "a case that is none": (lambda d: d["cases"].update({"../../etc": d["cases"]["pin-values@224"]}), "../../etc"),
    "a level that is none": (lambda d: d.update(level="perfect"), "perfect"),
    "a digest that is none": (lambda d: d.update(fixtures="0"), "fixtures"),
    "a count below nothing": (lambda d: d["counts"].update(exact=-1), "$.counts"),
    "control characters": (lambda d: d.update({"\x1b[2J\n": 1}), r"\x1b[2J"),
    "control characters in a path": (lambda d: d["environment"].update({"\x1b[2J\n": 1}), "$.environment"),
    "a suite that is no version": (lambda d: d.update(suite="0; rm -rf /"), "suite"),
}


@pytest.mark.parametrize("breach", UNREADABLE)
def test_what_is_no_statement_is_refused(breach, folder):
    change, said = UNREADABLE[breach]
    with pytest.raises(UsageError) as error:
        statement.read(with_change(folder, change))
    assert said in str(error.value)
    assert str(error.value).isprintable()


@pytest.mark.parametrize("content", [b"", b"[]", b"hello", b"[" * 10**6, b'{"schema": "\xff"}', b"null"])
def test_what_is_no_json_is_refused(content, tmp_path):
    (tmp_path / NAME).write_bytes(content)
    with pytest.raises(UsageError):
        statement.read(tmp_path / NAME)


def test_a_large_file_and_a_pipe_are_not_read(tmp_path):
    with (tmp_path / "large.json").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(UsageError, match="4 MiB"):
        statement.read(tmp_path / "large.json")
    os.mkfifo(tmp_path / "pipe.json")
    with pytest.raises(UsageError, match="no regular file"):
        statement.read(tmp_path / "pipe.json")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            {"spec": "2.0", "suite": "9.1"},
            "revision 2.0 of the standard, this suite has 1.0; pip install 'clip-conform",
        ),
        ({"fixtures": "0" * 64, "suite": "9.1"}, "pip install 'clip-conformance==9.1'"),
        ({"fixtures": "0" * 64}, "reinstall"),
        ({"n_px": [10**9]}, "fixtures"),
        ({"n_px": [225]}, "fixtures"),
    ],
)
def test_another_standard_or_other_fixtures_are_refused_with_what_to_install(change, said, folder):
    path = with_change(folder, lambda found: found.update(change))
    done = command(path)
    assert done.returncode == 2
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert said in line


def test_a_suite_of_another_version_is_no_obstacle(folder):
    (folder / "report.jsonl").unlink()
    assert command(with_change(folder, lambda found: found.update(suite="0.0.7"))).returncode == 0


# What contradicts itself.


def better(found):
    found["cases"]["crop-right-3@224"] = {"level": "exact", "final": "exact"}


FORGED = {
    "a better case": (better, "level is divergent, its cases give exact"),
    "a better level": (lambda d: d.update(level="exact"), "level is exact, its cases give divergent"),
    "a pass": (lambda d: d.update(passed=True), "passed is true, its cases give false"),
    "more that pass": (lambda d: d.update(reached=5), "reached is 5, its cases give 4"),
    "other counts": (lambda d: d["counts"].update(exact=5), "counts is 5 exact, 1 divergent, its cases give 4 exact"),
    "a better scope": (
        lambda d: d["scopes"].update(arrays="close"),
        "scopes.arrays is close, its cases give divergent",
    ),
    "a better end": (lambda d: d["end_to_end"].update(passed=4), "end_to_end is divergent, 4, 4, its cases give"),
    "no end": (lambda d: d.update(end_to_end=None), "end_to_end is none, its cases give divergent, 4, 3"),
    "a better stage": (lambda d: d["stages"]["center_crop"].update(passed=4), "center_crop is divergent, with 4 of 4"),
    "a worse stage": (lambda d: d["stages"]["resize"].update(level="divergent"), "resize is divergent, with 4 of 4"),
    "a case left out": (lambda d: d["cases"].pop("crop-right-3@224"), "crop-right-3@224 is missing"),
    "a case too many": (lambda d: d["cases"].update({"a@224": d["cases"]["pin-values@224"]}), "a@224 is no part of it"),
    "another choice": (lambda d: d["select"].remove("crop-right-3"), "crop-right-3@224 is no part of it"),
    "a choice of nothing": (lambda d: d["select"].append("no-such-*"), "no fixture matches"),
    "no choice": (lambda d: d.update(select=[]), "is missing"),
    "another model": (lambda d: d.update(model="RN50x4"), "n_px is 224, RN50x4 has 288"),
    "no model": (lambda d: d.update(model="GPT"), "no model 'GPT'"),
    "a scope left out": (lambda d: d["scopes"].pop("files"), "jpeg-420@224 is no part of it"),
    "a final tensor worse than its case": (
        lambda d: d["cases"]["pin-values@224"].update(final="crash"),
        "pin-values@224 is exact, its final tensor crash",
    ),
    "a mistake that is none": (lambda d: d["findings"].append("no-such-fault"), "no-such-fault is no known mistake"),
}


@pytest.mark.parametrize("breach", FORGED)
def test_what_contradicts_itself_is_named(breach, folder):
    change, said = FORGED[breach]
    found = statement.read(with_change(folder, change))
    assert said in "\n".join(verify.inconsistencies(found))


def test_a_forged_statement_exits_with_1(folder):
    (folder / "report.jsonl").unlink()
    done = command(with_change(folder, better))
    assert done.returncode == 1
    *problems, verdict = done.stdout.splitlines()
    assert "level is divergent, its cases give exact" in problems
    assert verdict.endswith("statement.json does not hold")


# With its report.


def consistently_better(found):
    """A forgery that agrees with itself."""
    better(found)
    found["counts"] |= {"exact": 5, "divergent": 0}
    found["end_to_end"] = {"level": "exact", "cases": 4, "passed": 4}
    found["stages"]["center_crop"] = {"level": "exact", "cases": 4, "passed": 4}
    found |= {"level": "exact", "passed": True, "reached": 5, "scopes": dict.fromkeys(found["scopes"], "exact")}
    found |= {"blame": [], "findings": []}


def test_a_statement_that_agrees_with_itself_is_held_against_the_report_beside_it(folder, tmp_path):
    path = with_change(folder, consistently_better)
    done = command(path)
    assert done.returncode == 1
    assert "level is not what" in done.stdout
    moved = tmp_path / "moved.json"
    shutil.copy(path, moved)
    assert command(moved).returncode == 0
    assert command(moved, "--report", folder).returncode == 1


def test_the_report_of_another_run_is_another(folder, tmp_path):
    check(candidates.FloorCrop(), select=FEW, jobs=1, diagnose=False).write(tmp_path / "other")
    done = command(folder / NAME, "--report", tmp_path / "other")
    assert done.returncode == 1
    assert "the statement was made from" in done.stdout
    assert "findings is not what" in done.stdout


def test_a_broken_report_cannot_be_checked(folder):
    (folder / "report.jsonl").write_bytes(b"{}\n")
    assert command(folder).returncode == 2


def test_a_folder_of_a_report_is_as_good_as_the_file(folder):
    done = command(folder)
    assert (done.returncode, done.stderr) == (0, "")
    (line,) = done.stdout.splitlines()
    assert line == f"{folder / NAME} holds: divergent, 4 of 5 cases reach equivalent; its report is the same"


def test_a_folder_with_a_report_alone_is_told_what_makes_the_statement(folder, tmp_path):
    alone = tmp_path / "alone"
    alone.mkdir()
    shutil.copy(folder / "report.jsonl", alone)
    done = command(alone)
    assert done.returncode == 2
    assert f"{alone} has no statement.json; `clip-conformance report {alone}` makes it" in done.stderr


# And run again.


def test_again_runs_what_the_statement_names(folder):
    done = command(folder, "--again")
    assert done.returncode == 0
    assert done.stdout.splitlines()[-1].endswith("run again, every case is as stated")


def test_another_candidate_differs_in_the_cases_that_are_listed(folder):
    done = command(folder, "--candidate", "pillow")
    assert done.returncode == 1
    assert done.stdout.splitlines() == [
        "crop-right-3@224: stated divergent, now exact",
        f"{folder / NAME} does not hold of pillow: 1 of 5 cases differ",
    ]


def test_a_crash_is_not_what_was_stated(folder):
    done = command(folder, "--candidate", f"{HERE / 'candidates.py'}:aborts_on_crop")
    assert done.returncode == 1
    assert "crop-right-3@224: stated divergent, now crash" in done.stdout


def test_stages_that_were_asked_for_are_asked_for_again(tmp_path):
    report = check(FAILING, select=FEW, jobs=1, stages=["center_crop"])
    report.write(tmp_path)
    assert command(tmp_path, "--again").returncode == 0
    assert "crop-right-3@224" in command(tmp_path, "--candidate", f"{HERE / 'candidates.py'}:Staged").stdout


def test_a_candidate_that_is_no_name_cannot_be_run_again(tmp_path):
    check(candidates.FloorCrop(), select=["pin-values"], jobs=1).write(tmp_path)
    done = command(tmp_path, "--again")
    assert done.returncode == 2
    assert "'FloorCrop' is no candidate" in done.stderr


def test_what_a_forged_candidate_says_cannot_control_the_terminal(folder):
    (folder / "report.jsonl").unlink()
    path = with_change(
        folder, lambda d: d.update(candidate={"name": "pillow"}, environment={"\x1b[2J": "\x1b]0;x\x07"})
    )
    done = command(path, "--again")
    assert done.returncode == 1
    assert "\x1b" not in done.stdout


def test_the_final_tensor_counts_too(written):
    found = statement.read(written / NAME)
    report = check(FAILING, select=FEW, jobs=1, diagnose=False)
    assert list(verify.differences_from_run(found, report)) == []
    other = copy.deepcopy(found.cases)
    other["crop-right-3@224"] = msgspec.structs.replace(other["crop-right-3@224"], final="exact")
    changed = msgspec.structs.replace(found, cases=other)
    (line,) = verify.differences_from_run(changed, report)
    assert line == "crop-right-3@224: stated divergent (the final tensor exact), now divergent"


def test_the_environment_is_compared(written):
    found = statement.read(written / NAME)
    report = check(FAILING, select=["pin-values"], jobs=1)
    assert list(verify.environment_changes(found, report)) == []
    older = msgspec.structs.replace(found, environment=found.environment | {"Pillow": "9.5"})
    assert list(verify.environment_changes(older, report)) == [
        f"Pillow: 9.5 then, {report.header.environment['Pillow']} now"
    ]


def test_a_bundle_takes_no_statements_options(tmp_path):
    done = command(tmp_path, "--again")
    assert done.returncode == 2
    assert "go with a statement" in done.stderr
