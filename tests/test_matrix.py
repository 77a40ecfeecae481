"""One candidate in several environments: what --with says, what the verdict says, and two environments for real."""

import importlib
import io
import os
import subprocess
import sys
import zipfile
from importlib import metadata
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner
from rich.console import Console

import candidates
from clip_conformance import UsageError, check, environments, matrix_show
from clip_conformance.cli import cli
from clip_conformance.environments import find_uv, reason, wheel
from clip_conformance.matrix import Line, Scorer, parse, run
from clip_conformance.reports import lines as report_lines

FEW = ("pin-values", "crop-right-3", "crop-right-4")


@pytest.fixture(scope="module")
def good():
    return check("pillow", select=FEW, jobs=1)


@pytest.fixture(scope="module")
def bad():
    return check(candidates.FloorCrop(), select=FEW, jobs=1)


@pytest.fixture
def score(good, bad):
    """A fake that needs no environment: what a line is called decides what it gives."""

    def scored(line, folder):
        if line.text.startswith("missing"):
            raise UsageError("no such\n  version")
        return (bad if line.text.startswith("bad") else good), "odd" if line.text.startswith("odd") else ""

    return scored


def shown(matrix):
    console = Console(width=120, record=True, file=io.StringIO())
    matrix_show.show(matrix, console)
    return console.export_text()


# --with.


@pytest.mark.parametrize(
    ("text", "requirements"),
    [
        ("pillow==11.3", ["pillow==11.3"]),
        ("torch==2.12.1 torchvision==0.27.1", ["torch==2.12.1", "torchvision==0.27.1"]),
        ("torch==2.12.1,torchvision==0.27.1", ["torch==2.12.1", "torchvision==0.27.1"]),
        (" torch == 2.12.1 ,  torchvision ", ["torch==2.12.1", "torchvision"]),
        ("pillow>=11,<12 numpy", ["pillow>=11,<12", "numpy"]),
        ("pillow >= 11 , < 12, numpy", ["pillow>=11,<12", "numpy"]),
        ("port[cpu,fast]==1, numpy", ["port[cpu,fast]==1", "numpy"]),
        ("pillow @ git+https://example.org/a/b@main", ["pillow@git+https://example.org/a/b@main"]),
        ("./port-1.0-py3-none-any.whl", ["./port-1.0-py3-none-any.whl"]),
    ],
)
def test_requirements_of_a_line(text, requirements):
    assert list(parse([text])[0].requirements) == requirements


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "names no requirement"),
        (" , ", "names no requirement"),
        ("--index-url=https://example.org", "is no requirement"),
        ("pillow -r other.txt", "is no requirement"),
        ("current pillow==12.1.1", "is no requirement"),
        ("pillow==12.1.1; python_version < '3.12'", "no markers"),
    ],
)
def test_what_is_no_line(text, words):
    with pytest.raises(UsageError, match=words):
        parse([text])


def test_slugs_are_names_of_folders_and_each_its_own():
    texts = ["pillow==11.3", "Pillow == 11.3", "torch==2.12.1, torchvision>=0.27,<1", "../../etc", "current", "a@" * 90]
    slugs = [line.slug for line in parse(texts)]
    assert slugs[:5] == ["pillow-11.3", "pillow-11.3-2", "torch-2.12.1-torchvision-0.27-1", "etc", "current"]
    assert len(slugs[5]) <= 80
    assert parse(["current"])[0].requirements == ()


# The verdict.


def test_nothing_regressed(score, tmp_path):
    matrix = run(["good==1", "odd==2"], score, tmp_path)
    assert (matrix.status, [outcome.regressed for outcome in matrix.outcomes]) == (0, [False, False])
    text = shown(matrix)
    assert "odd==2: odd" in text
    assert "odd==2 against good==1\nTHE SAME: exact -> exact" in text
    assert text.endswith("NO REGRESSION: nothing is worse than good==1; equivalent is reached by all.\n")


def test_a_regression_names_the_line(score, tmp_path):
    matrix = run(["good==1", "bad==2"], score, tmp_path)
    assert matrix.status == 1
    text = shown(matrix)
    assert "bad==2 against good==1" in text
    assert "regressed crop-right-3@224/center_crop" in text
    assert text.endswith("REGRESSED: worse than good==1: bad==2; equivalent is missed by bad==2.\n")


def test_the_baseline_can_be_another_line(score, tmp_path):
    matrix = run(["good==1", "bad==2", "bad==3"], score, tmp_path, baseline=2)
    assert [outcome.diff is None for outcome in matrix.outcomes] == [False, True, False]
    assert matrix.status == 1
    assert matrix_show.verdict(matrix) == (
        "NOT REACHED: nothing is worse than bad==2; equivalent is missed by bad==2, bad==3."
    )
    with pytest.raises(UsageError, match="there are 2 lines"):
        run(["good==1", "bad==2"], score, tmp_path, baseline=3)


def test_a_line_without_a_report_ends_nothing_but_itself(score, tmp_path):
    matrix = run(["good==1", "missing==2", "good==3"], score, tmp_path)
    assert matrix.status == 2
    assert [outcome.error for outcome in matrix.outcomes] == ["", "no such version", ""]
    assert matrix.outcomes[2].diff is not None
    assert "missing==2: no such version" in shown(matrix)
    assert matrix_show.verdict(matrix) == (
        "INCOMPLETE: no result for missing==2; nothing is worse than good==1; equivalent is reached by the others."
    )
    alone = run(["missing==1", "good==2"], score, tmp_path)
    assert (alone.status, alone.outcomes[1].diff) == (2, None)
    assert matrix_show.verdict(run(["missing==1"], score, tmp_path)) == "INCOMPLETE: no result for missing==1."


def test_a_line_of_more_cases_than_the_baseline_is_no_regression(good, tmp_path):
    fewer = msgspec.structs.replace(good.header, expected=1), good.cases[:1]
    smaller = type(good)(*fewer, msgspec.structs.replace(good.footer, cases=1, expected=1))
    matrix = run(["a==1", "a==2"], lambda line, folder: (smaller if line.slug == "a-1" else good, ""), tmp_path)
    assert matrix.status == 0


def test_markdown_shows_texts_and_makes_no_markup_of_them(score, tmp_path):
    text = matrix_show.as_markdown(run(["good==1", "bad@<b>|x", "missing[a|b]"], score, tmp_path))
    assert "<b>" not in text.replace("`bad@<b>\\|x`", "")
    assert "| `bad@<b>\\|x` |" in text
    table = [line for line in text.splitlines() if line.startswith("| `")]
    assert {line.replace("\\|", "").count("|") for line in table[:3]} == {table[0].count("|")}


# uv.


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("error: No solution\n  cause: Because a\n         and b, no.\n", "Because a and b, no."),
        ("  × No solution found:\n  ╰─▶ Because there is\n      no version.\n", "Because there is no version."),
        ("error: a\n  Caused by: b\n  Caused by: c\n", "c"),
        ("warning: w\nerror: No interpreter found\n\n", "No interpreter found"),
        ("", ""),
    ],
)
def test_the_reason_is_one_line(said, why):
    assert reason(said) == why


def test_without_uv_it_says_what_to_install(monkeypatch):
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(sys, "executable", str(Path(__file__)))
    monkeypatch.setattr(subprocess, "run", lambda *words, **other: subprocess.CompletedProcess(words, 1))
    with pytest.raises(UsageError, match="pip install uv"):
        find_uv()


def test_programs_are_refused_before_anything_is_made():
    done = CliRunner().invoke(cli, ["matrix", "cmd:./adapter", "--with", "pillow"])
    assert isinstance(done.exception, UsageError)
    assert "candidates in Python" in str(done.exception)


def test_the_wheel_is_the_suite_that_runs(tmp_path):
    path = wheel(tmp_path)
    assert path.read_bytes() == wheel(tmp_path / "again").read_bytes()
    with zipfile.ZipFile(path) as archive:
        names = set(archive.namelist())
        told = archive.read(f"clip_conformance-{metadata.version('clip-conformance')}.dist-info/METADATA").decode()
        assert (
            archive.read("clip_conformance/matrix.py")
            == Path(str(importlib.import_module("clip_conformance.matrix").__file__)).read_bytes()
        )
    assert {"clip_spec/CLIP-PREPROCESSING.md", "clip_spec/PROTOCOL.md", "clip_reference/__init__.py"} <= names
    assert not [name for name in names if "__pycache__" in name]
    assert "\nRequires-Dist: numpy" in told
    assert "extra" not in told


def test_the_running_environment_is_a_line_and_an_old_report_is_not_taken_for_new(tmp_path, monkeypatch, good):
    monkeypatch.setattr(environments, "find_uv", lambda: ["uv"])
    good.write(tmp_path)
    with Scorer("no.such:module", []) as scorer, pytest.raises(UsageError, match=r"no module 'no\.such'"):
        scorer(Line("current", "current"), tmp_path)
    assert not (tmp_path / report_lines.NAME).exists()
    assert not scorer.home.exists()


# For real.


def needs_uv():
    try:
        find_uv()
    except UsageError as error:
        if os.environ.get("CLIP_EXAMPLES") == "all":
            pytest.fail(str(error))
        pytest.skip(str(error))


PROJECT = """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "scratch-port"
version = "1.0"
dependencies = ["clip-conformance", "pillow"]

[tool.hatch.build.targets.wheel]
include = ["scratch_port.py"]
"""


def test_two_environments(tmp_path, monkeypatch):
    needs_uv()
    project = tmp_path / "project"
    project.mkdir()
    (project / "pyproject.toml").write_text(PROJECT)
    (project / "scratch_port.py").write_text(
        "from clip_conformance.witnesses import WITNESSES\npreprocess = WITNESSES['pillow'].load()\n"
    )
    pins = tmp_path / "requirements.txt"
    pins.write_text("pillow==12.1.1\n")
    monkeypatch.chdir(tmp_path)
    words = ["matrix", "scratch_port:preprocess", "--project", str(project), "--requirements", str(pins)]
    lines = ["--with", "pillow==12.1.1", "--with", "pillow==13.0.0", "--with", "pillow==0.0.1"]
    rest = ["--select", "pin-values", "--select", "tall-triple", "--scope", "arrays"]
    done = CliRunner().invoke(
        cli, [*words, *lines, *rest, "--report", "kept", "--markdown", "m.md"], standalone_mode=False
    )
    assert done.exception is None, done.output
    assert done.return_value == 2, done.output
    old, new = (report_lines.read(tmp_path / "kept" / slug) for slug in ("pillow-12.1.1", "pillow-13.0.0"))
    assert (old.header.environment["Pillow"], new.header.environment["Pillow"]) == ("12.1.1", "13.0.0")
    assert old.header.suite == new.header.suite == metadata.version("clip-conformance")
    assert (old.level, old.summary.blame, new.summary.blame) == ("exact", [], ["resize"])
    assert [finding.fault for finding in new.summary.diagnosis] == ["pillow-13"]
    text = " ".join(done.output.split())
    assert "pillow==13.0.0: installed against other requirements: Because you require pillow==1" in text
    assert "regressed tall-triple@224/resize: exact -> " in text
    assert "REGRESSED: no result for pillow==0.0.1; worse than pillow==12.1.1: pillow==13.0.0;" in text
    assert (tmp_path / "m.md").read_text(encoding="utf-8").startswith("**REGRESSED")
