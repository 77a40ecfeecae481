"""action.yml: sound as GitHub's schema has it, no input in a script, and its steps run as they stand."""

import json
import re
import shutil
import sys
from importlib import resources

import pytest
from jsonschema import Draft7Validator

from clip_conformance.engine import SCOPES
from scratch import FEW, ROOT, Runner, environment, load, needs, programs, project, uv

ACTION = load(ROOT / "action.yml")
STEPS = ACTION["runs"]["steps"]
SELECT = " ".join(f"--select '{slug}'" for slug in FEW)


@pytest.fixture
def runner(tmp_path):
    workspace = project(tmp_path / "work space")
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    return Runner(workspace, temporary, environment())


def check(runner, candidate, **given):
    """Run the step that scores, in the environment of the tests."""
    given = {"args": SELECT} | given
    return runner.step("check", {"install.outputs.python": sys.executable}, candidate=candidate, **given)


# As it is written.


@pytest.mark.parametrize("path", ["action.yml"])
def test_it_keeps_the_schema_of_actions(path):
    vendored = resources.files("check_jsonschema").joinpath("builtin_schemas/vendor/github-actions.json")
    schema = json.loads(vendored.read_text(encoding="utf-8"))
    assert [error.message for error in Draft7Validator(schema).iter_errors(load(ROOT / path))] == []


def test_no_expression_is_in_a_script():
    for step in STEPS:
        assert "${{" not in step.get("run", "")
        assert ("run" in step) == (step.get("shell") == "bash")


def test_every_input_and_step_that_is_named_is_there_and_every_input_is_used():
    text = (ROOT / "action.yml").read_text(encoding="utf-8")
    assert set(re.findall(r"inputs\.([\w-]+)", text)) == set(ACTION["inputs"])
    ids = {step["id"] for step in STEPS if "id" in step}
    assert set(re.findall(r"steps\.([\w-]+)", text)) == ids
    assert [name for name, about in ACTION["inputs"].items() if about.get("required")] == ["candidate"]
    assert all(isinstance(about.get("default", ""), str) for about in ACTION["inputs"].values())
    assert set(ACTION["outputs"]) == {"level", "passed", "report"}


def test_the_report_is_uploaded_whatever_happened():
    upload = STEPS[-1]
    assert upload["uses"].startswith("actions/upload-artifact@v")
    assert "always()" in upload["if"]
    assert "inputs.upload == 'true'" in upload["if"]


# As it runs.


def test_what_is_installed_and_by_what(tmp_path, runner):
    """Stand-ins for python and uv say how they are called."""
    calls = tmp_path / "calls"
    stand_in = f"""#!/bin/bash
echo "${{0##*/}} $*" | tr '\\n' ' ' >>'{calls}'; echo >>'{calls}'
case "$*" in
*EXTERNALLY-MANAGED*) exit "$NOT_MANAGED" ;;
*"-m venv"*) mkdir -p "${{@: -1}}/bin"; cp "$0" "${{@: -1}}/bin/python" ;;
*"pip --version") exit "$NO_PIP" ;;
esac
"""
    folder = tmp_path / "stand-ins"
    folder.mkdir()
    for name in ("python", "uv"):
        (folder / name).write_text(stand_in)
        (folder / name).chmod(0o755)
    plain = {"PATH": f"{folder}:/usr/bin:/bin"}

    def installed(not_managed, no_pip, version):
        calls.unlink(missing_ok=True)
        runner.variables = plain | {"NOT_MANAGED": not_managed, "NO_PIP": no_pip}
        done, told, _ = runner.step("install", candidate="pillow", version=version)
        assert done.returncode == 0, done.stderr
        return calls.read_text().splitlines()[-1], told["python"]

    own = f"{folder}/python"
    assert installed("1", "0", "")[0].endswith(f"pip install --quiet --disable-pip-version-check {ROOT} ")
    assert installed("1", "0", "0.1.0")[0].startswith("python -I -m pip install")
    assert installed("1", "0", "0.1.0")[0].endswith(" clip-conformance==0.1.0 ")
    assert installed("1", "1", "0.1.0") == (f"uv pip install --quiet --python {own} clip-conformance==0.1.0 ", own)
    # One that is the system's own.
    home = runner.temporary / "clip-conformance" / "bin" / "python"
    assert installed("0", "0", "0.1.0")[1] == str(home)


def test_a_job_with_nothing_but_python(tmp_path):
    """From a checkout, as GitHub has it, to outputs."""
    needs("uv")
    checkout = tmp_path / "action"
    parts = ("spec", "reference", "fixtures", "conformance")
    for name in parts:
        shutil.copytree(ROOT / name, checkout / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE", "action.yml"):
        shutil.copy(ROOT / name, checkout)
    uv("venv", "--quiet", "--python", sys.executable, str(tmp_path / "venv"))
    variables = environment(tmp_path / "venv" / "bin", programs(tmp_path / "programs"))
    runner = Runner(project(tmp_path / "workspace"), tmp_path, variables)
    done, told, _ = runner.step("install", action_path=checkout, candidate="my_port:preprocess")
    assert done.returncode == 0, done.stderr
    assert told == {"python": str(tmp_path / "venv" / "bin" / "python")}
    steps = {"install.outputs.python": told["python"]}
    done, told, summary = runner.step("check", steps, candidate="my_port:preprocess", args=SELECT)
    assert done.returncode == 0, done.stdout
    assert (told["level"], told["passed"]) == ("exact", "true")
    assert summary.startswith("### ✅ CLIP preprocessing: exact")


def test_a_candidate_that_passes(runner):
    done, told, summary = check(runner, "my_port:preprocess", scope="arrays modes", require="exact", report="a/b")
    assert done.returncode == 0, done.stdout
    report = runner.workspace / "a" / "b"
    assert told == {"level": "exact", "passed": "true", "report": str(report)}
    assert summary == (report / "summary.md").read_text(encoding="utf-8")
    assert (report / "report.jsonl").exists()
    assert json.loads((report / "summary.json").read_bytes())["cases"] == len(FEW)
    assert {"arrays", "modes"} < set(SCOPES)


def test_a_candidate_that_fails(runner):
    done, told, summary = check(runner, "my_port.py:broken")
    assert done.returncode == 1
    assert (told["level"], told["passed"]) == ("divergent", "false")
    assert summary.startswith("### ❌ CLIP preprocessing: divergent")
    assert "::error file=my_port.py," in done.stdout
    # Held against itself, and what it misses known, it gets through.
    old = runner.workspace / "clip-report"
    old.rename(runner.workspace / "old")
    known = runner.workspace / "known.toml"
    known.write_text(
        'schema = "clip-conformance/known/1"\nwildcards = true\n[[known]]\ncheck = "*/*"\nreason = "r"\nowner = "me"\n'
        'url = "https://example.org"\nexpires = 2099-01-01\n'
    )
    done, told, _ = check(runner, "my_port.py:broken", baseline="old", known="known.toml")
    assert done.returncode == 0, done.stdout
    assert (told["level"], told["passed"]) == ("divergent", "true")
    assert "Compared with old:" in done.stdout


@pytest.mark.parametrize(
    "given",
    [
        {"candidate": "; touch pwned"},
        {"candidate": "$(touch pwned)`touch pwned`"},
        {"candidate": '"; touch pwned; echo "'},
        {"candidate": "--help"},
        {"candidate": "my_port:preprocess", "model": "$(touch pwned)"},
        {"candidate": "my_port:preprocess", "scope": "*; touch pwned"},
        {"candidate": "my_port:preprocess", "args": "--select '"},
        {"candidate": "my_port:preprocess", "args": "; touch pwned"},
        {"candidate": "my_port:preprocess", "known": "$(touch pwned)"},
    ],
)
def test_a_hostile_input_is_a_text(runner, given):
    done, told, summary = check(runner, **given)
    assert done.returncode not in (0, None), done.stdout
    assert not list(runner.workspace.parent.rglob("pwned"))
    assert told.get("passed", "false") == "false"
    assert told.get("level", "") == ""
    if told:
        assert summary.startswith("### CLIP preprocessing: no result\n\n    ")


def test_an_earlier_run_is_not_taken_for_this_one(runner):
    (runner.workspace / "clip-report").mkdir()
    (runner.workspace / "clip-report" / "summary.json").write_text('{"level": "exact"}')
    (runner.workspace / "clip-report" / "summary.md").write_text("passed")
    done, told, summary = check(runner, "no_such:port")
    assert (done.returncode, told["level"], told["passed"]) == (2, "", "false")
    assert "no module 'no_such'" in summary
