"""Scratch projects for the tests of what CI runs: the wheel that is released, uv in pip's place, GitHub's runner."""

import fcntl
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from clip_conformance import UsageError
from clip_conformance.environments import find_uv, surroundings

ROOT = Path(__file__).parent.parent
FEW = ("pin-values", "crop-right-3", "crop-right-4")
SELECT = " ".join(f"--select {slug}" for slug in FEW)
# A port that is the canon, and one with its channels in reverse.
PORT = """
import clip_reference
import numpy as np


def preprocess(image):
    return clip_reference.preprocess(image)


def broken(image):
    return np.flip(clip_reference.preprocess(image), 0)
"""
PROJECT = """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "my-port"
version = "1.0"

[tool.hatch.build.targets.wheel]
include = ["my_port.py"]
"""


def load(path):
    """A YAML file, `on` a word like any other."""
    return YAML(typ="safe").load(path.read_text(encoding="utf-8"))


def needs(*programs):
    """Skip a test where a program is missing; in CI that is a failure."""
    missing = [name for name in programs if shutil.which(name) is None]
    if "uv" in missing:
        try:
            find_uv()
            missing.remove("uv")
        except UsageError:
            pass
    if missing:
        text = f"{', '.join(missing)} missing"
        pytest.fail(text) if os.environ.get("CLIP_EXAMPLES") == "all" else pytest.skip(text)


def uv(*words, **other):
    """Run uv, and fail with what it says."""
    done = subprocess.run([*find_uv(), *words], capture_output=True, text=True, env=surroundings(), **other)
    assert done.returncode == 0, done.stderr


def wheelhouse():
    """The folder of the wheel, built once in a run, however many processes the run has."""
    needs("uv")
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID", str(os.getpid()))
    folder = Path(tempfile.gettempdir(), f"clip-wheel-{run}")
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            uv("build", "--quiet", "--wheel", "--out-dir", str(folder), str(ROOT))
    return folder


def project(folder):
    """A project with a port, in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "pyproject.toml").write_text(PROJECT)
    (folder / "my_port.py").write_text(PORT)
    return folder


def programs(folder):
    """A folder for PATH: uv, and pip and `python3 -m venv` as uv does them, which is faster."""
    folder.mkdir()
    words = " ".join(f"'{word}'" for word in find_uv())
    scripts = {
        "uv": f'exec {words} "$@"',
        # Into the Python beside it, or else the first on PATH; left alone, `python -m uv` takes its own.
        "pip": f"""python=$(dirname "$0")/python
[ -x "$python" ] || python=$(command -v python)
exec {words} pip "$@" --python "$python" """,
        "python3": f"""[ "$1 $2" = "-m venv" ] || exec '{sys.executable}' "$@"
{words} venv --quiet --python '{sys.executable}' "$3" && cp '{folder}/pip' "$3/bin/pip" """,
    }
    for name, text in scripts.items():
        (folder / name).write_text(f"#!/bin/bash\n{text}\n")
        (folder / name).chmod(0o755)
    return folder


def environment(*first, **more):
    """Environment variables of a runner that has clip-conformance only as the wheel; `first` stands before PATH."""
    links = str(wheelhouse())
    kept = {
        name: value for name, value in surroundings().items() if not name.startswith(("TOX_", "PYTEST_", "GITHUB_"))
    }
    path = os.pathsep.join([*map(str, first), kept["PATH"]])
    return kept | {"PATH": path, "UV_FIND_LINKS": links, "PIP_FIND_LINKS": links} | more


def bash(script, folder, variables):
    """Run a script as GitHub and GitLab do: it ends with the first command that fails."""
    return subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script],
        cwd=folder,
        env=variables,
        capture_output=True,
        text=True,
        timeout=300,
    )


class Runner:
    """Runs the `run:` steps of action.yml in a folder, as far as GitHub's runner matters to them."""

    def __init__(self, workspace, temporary, variables):
        self.action = load(ROOT / "action.yml")
        self.workspace, self.temporary, self.variables = workspace, temporary, variables
        self.files = {name: temporary / name.lower() for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}

    def inputs(self, given):
        """What the action's inputs are for those of a `with:`; an unknown or a missing one is an error."""
        known = self.action["inputs"]
        assert given.keys() <= known.keys()
        assert given.keys() >= {name for name, about in known.items() if about.get("required")}
        return {name: str(about.get("default", "")) for name, about in known.items()} | given

    def step(self, name, steps=None, action_path=ROOT, **given):
        """Run a step by its id; return the finished process, its outputs and what it added to the summary."""
        (step,) = [step for step in self.action["runs"]["steps"] if step.get("id") == name]
        contexts = {f"inputs.{key}": value for key, value in self.inputs(given).items()}
        contexts |= {f"steps.{key}": value for key, value in (steps or {}).items()}
        assert "${{" not in step["run"]

        def filled(text):
            return re.sub(r"\$\{\{ (\S+) \}\}", lambda found: contexts[found[1]], text)

        for file in self.files.values():
            file.write_text("")
        variables = self.variables | {key: str(path) for key, path in self.files.items()}
        variables |= {"GITHUB_ACTIONS": "true", "GITHUB_WORKSPACE": str(self.workspace)}
        variables |= {"GITHUB_ACTION_PATH": str(action_path), "RUNNER_TEMP": str(self.temporary)}
        variables |= {key: filled(value) for key, value in step.get("env", {}).items()}
        done = bash(step["run"], self.workspace / filled(step.get("working-directory", ".")), variables)
        return done, outputs(self.files["GITHUB_OUTPUT"]), self.files["GITHUB_STEP_SUMMARY"].read_text("utf-8")


def outputs(file):
    """What a step wrote to GITHUB_OUTPUT."""
    found, lines = {}, iter(file.read_text("utf-8").splitlines())
    for line in lines:
        if "<<" in line:
            name, end = line.split("<<")
            found[name] = "\n".join(iter(lambda: next(lines), end))
        else:
            name, _, found[name] = line.partition("=")
    return found
