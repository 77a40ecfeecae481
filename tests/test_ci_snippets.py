"""docs/ci and examples/ci: each file run in a scratch project that has clip-conformance from the wheel alone."""

import fnmatch
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from importlib import resources

import pytest
from jsonschema import Draft7Validator

from clip_conformance import check, known
from scratch import ROOT, SELECT, Runner, bash, environment, load, needs, programs, project

DOCS, EXAMPLES = ROOT / "docs" / "ci", ROOT / "examples" / "ci"
WORKFLOWS = [DOCS / "github-workflow.yml", *sorted(EXAMPLES.glob("*/.github/workflows/*.yml"))]
GITLAB = [DOCS / ".gitlab-ci.yml", *sorted(EXAMPLES.glob("*/.gitlab-ci.yml"))]


def tox(folder, *words):
    needs("uv")
    if importlib.util.find_spec("tox") is None:
        pytest.fail("tox missing") if os.environ.get("CLIP_EXAMPLES") == "all" else pytest.skip("tox missing")
    return subprocess.run(
        [sys.executable, "-m", "tox", "run", *words], cwd=folder, env=environment(), capture_output=True, text=True
    )


def on_gitlab(job, folder, variables, chosen=SELECT):
    """Run the `script` of a job, its check on few fixtures."""
    lines = [f"{line} {chosen}" if "clip-conformance check" in line else line for line in job["script"]]
    return bash("\n".join(lines), folder, variables)


def copied(name, folder):
    ignored = shutil.ignore_patterns(".tox", ".venv", "clip-report", "__pycache__")
    return shutil.copytree(EXAMPLES / name, folder / name, ignore=ignored)


def uses(path):
    """The steps of the one job of a workflow, and the one among them that is the action."""
    (job,) = load(path)["jobs"].values()
    (step,) = [step for step in job["steps"] if "/clip-conformance@" in step.get("uses", "")]
    return job["steps"], step


# As they are written.


@pytest.mark.parametrize("path", [*WORKFLOWS, *GITLAB], ids=lambda path: str(path.relative_to(ROOT)))
def test_the_file_keeps_its_schema(path):
    kind = "github-workflows" if path in WORKFLOWS else "gitlab-ci"
    vendored = resources.files("check_jsonschema").joinpath(f"builtin_schemas/vendor/{kind}.json")
    errors = Draft7Validator(json.loads(vendored.read_text(encoding="utf-8"))).iter_errors(load(path))
    assert [error.message for error in errors] == []


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_workflow_gives_the_action_what_it_takes_at_this_version(path, tmp_path):
    steps, step = uses(path)
    Runner(tmp_path, tmp_path, {}).inputs(step["with"])
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    assert step["uses"] == f"OWNER/clip-conformance@v{version}"
    assert load(path)["permissions"] == {"contents": "read"}
    assert not [one for one in steps if "${{" in one.get("run", "")]


def test_nothing_pins_anything_but_the_suite_and_every_readme_is_short():
    for path in EXAMPLES.iterdir():
        assert len((path / "README.md").read_text(encoding="utf-8").strip().splitlines()) <= 7
    assert {path.name for path in EXAMPLES.iterdir()} == {"python", "other"}
    assert {path.name for path in DOCS.iterdir()} == {"tox.ini", ".gitlab-ci.yml", "github-workflow.yml"}


# As they run.


def test_the_tox_snippet(tmp_path):
    folder = project(tmp_path / "port")
    text = (DOCS / "tox.ini").read_text(encoding="utf-8")
    (folder / "tox.ini").write_text(text)
    done = tox(folder, "-e", "clip", "--", *SELECT.split())
    assert done.returncode == 0, done.stdout + done.stderr
    assert "EXACT: my_port:preprocess conforms" in done.stdout
    assert (folder / ".tox" / "clip" / "report" / "summary.json").exists()
    (folder / "tox.ini").write_text(text.replace(":preprocess", ":broken"))
    done = tox(folder, "-e", "clip", "--", *SELECT.split())
    assert done.returncode == 1
    assert "DIVERGENT: my_port:broken" in done.stdout


def in_a_venv(tmp_path):
    """A project in a folder with a fresh `.venv`, as the image of a job is."""
    needs("uv")
    folder = project(tmp_path / "port")
    home = programs(tmp_path / "bin")
    assert bash("python3 -m venv .venv", folder, environment(home)).returncode == 0
    return folder, (folder / ".venv" / "bin", home)


def test_the_gitlab_snippet(tmp_path):
    folder, first = in_a_venv(tmp_path)
    (job,) = load(DOCS / ".gitlab-ci.yml").values()
    done = on_gitlab(job, folder, environment(*first))
    assert done.returncode == 0, done.stdout + done.stderr
    assert all((folder / path).exists() for path in [*job["artifacts"]["paths"], *job["artifacts"]["reports"].values()])
    job["script"] = [job["script"][-1].replace(":preprocess", ":broken")]
    done = on_gitlab(job, folder, environment(*first))
    assert done.returncode == 1, done.stdout + done.stderr


def test_the_workflow_snippet(tmp_path):
    folder, first = in_a_venv(tmp_path)
    steps, step = uses(DOCS / "github-workflow.yml")
    variables = environment(*first)
    for one in steps:
        if "run" in one:
            done = bash(one["run"], folder, variables)
            assert done.returncode == 0, done.stderr
    # The suite comes with the action, here from the tests' own environment.
    runner = Runner(folder, tmp_path, environment())
    done, told, _ = runner.step("check", {"install.outputs.python": sys.executable}, **step["with"], args=SELECT)
    assert (done.returncode, told["level"]) == (0, "exact"), done.stdout


# The examples.


def test_the_python_port(tmp_path):
    folder = copied("python", tmp_path)
    few = ["--select", "pin-values", "--select", "*-exif-*"]
    done = tox(folder, "--", *few)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 passed" in done.stdout
    assert "DIVERGENT, AS KNOWN: upright_clip:preprocess leaves the canon at decode" in done.stdout
    assert (folder / "clip-report" / "junit.xml").exists()
    (job,) = load(folder / ".gitlab-ci.yml").values()
    assert job["script"] == ["pip install --quiet tox", "tox run"]
    assert job["artifacts"]["reports"]["junit"] == "clip-report/junit.xml"
    # The gate's other side: a file that knows one check less.
    file = folder / "known.toml"
    file.write_text(re.sub(r'\[\[known\]\]\ncheck = "jpeg-exif-6@224.*\n.*\n', "", file.read_text()))
    _, step = uses(folder / ".github" / "workflows" / "clip.yml")
    runner = Runner(folder, tmp_path, environment())
    args = " ".join(f"'{word}'" for word in few)
    done, told, _ = runner.step("check", {"install.outputs.python": sys.executable}, **step["with"], args=args)
    assert (done.returncode, told["passed"]) == (1, "false"), done.stdout
    assert "known.toml: jpeg-exif-6@224/end_to_end fails and is not in it" in done.stdout


def test_the_python_port_has_one_mistake_and_every_entry_of_its_file_is_of_it(monkeypatch):
    folder = EXAMPLES / "python"
    monkeypatch.chdir(folder)
    report = check("upright_clip:preprocess", select=["pin-*", "crop-*", "*exif*"], known=folder / "known.toml")
    assert report.summary.accepted
    assert report.footer.known is not None
    assert report.footer.known.idle == 0
    assert [finding.fault for finding in report.summary.diagnosis] == ["exif-applied"]
    assert all(fnmatch.fnmatch(entry.check, "*-exif-*") for entry in known.read(folder / "known.toml").known)


def test_the_port_in_another_language(tmp_path):
    needs("node", "uv")
    folder = copied("other", tmp_path)
    (job,) = load(folder / ".gitlab-ci.yml").values()
    chosen = "--select 'crop-*' --select 'tall-*' --strict-protocol"
    done = on_gitlab(job, folder, environment(programs(tmp_path / "bin")), chosen)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "EXACT: cmd:node adapter.mjs conforms" in done.stdout
    assert (folder / "clip-report" / "junit.xml").exists()
    _, step = uses(folder / ".github" / "workflows" / "clip.yml")
    runner = Runner(folder, tmp_path, environment())
    port = folder / "preprocess.mjs"
    port.write_text(port.read_text().replace("half % 2 === 1 ? half + 1 : half", "half < 0 ? 0 : half"))
    done, told, _ = runner.step("check", {"install.outputs.python": sys.executable}, **step["with"], args=SELECT)
    assert (done.returncode, told["level"], told["passed"]) == (1, "divergent", "false"), done.stdout
