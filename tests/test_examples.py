"""The adapters of examples/: built and scored for real; one whose tools are missing is named, not passed over."""

import fcntl
import os
import re
import sys
import tempfile
from importlib import metadata
from pathlib import Path

import pytest

from clip_conformance import check

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "examples"))

import levels  # noqa: E402 - lies beside the examples

EXAMPLES = {example.id: example for example in levels.examples()}
# An exec: candidate takes a process an image; these few show the same.
FEW = ("pin-*", "crop-right-?", "crop-down-?", "sides-640x480", "sides-480x640", "down-300-noise", "photo-coffee")
EXACT = {"cpp", "go", "python"}
# What the others reach where nothing is resized, and at best where something is.
RESIZERS = {"javascript", "rust", "java", "vips", "imagemagick"}


@pytest.fixture(scope="session", autouse=True)
def at_the_root():
    before = Path.cwd()
    os.chdir(ROOT)
    yield
    os.chdir(before)


def built(name):
    """Build an example once in a run, however many processes the run has."""
    example = EXAMPLES[name]
    if example.missing:
        text = f"examples/{name} was not run: {', '.join(example.missing)} missing (apt: {' '.join(example.debian)})"
        if os.environ.get("CLIP_EXAMPLES") == "all":
            pytest.fail(text)
        pytest.skip(text)
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID", str(os.getpid()))
    with Path(tempfile.gettempdir(), f"clip-examples-{run}-{example.home.name}").open("a+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.seek(0)
        if not lock.read():
            example.build()
            lock.write("built")
    return example


def test_every_folder_is_listed_and_has_a_readme():
    folders = {path.name for path in levels.HERE.iterdir() if path.is_dir() and not path.name.startswith((".", "__"))}
    # ci has whole repositories, tests/test_ci_snippets.py.
    assert {example.home.name for example in EXAMPLES.values()} == folders - {"ci"}
    assert all((example.home / "README.md").exists() for example in EXAMPLES.values())
    assert set(EXAMPLES) == EXACT | RESIZERS


def test_the_table_has_every_example():
    text = (levels.HERE / "README.md").read_text(encoding="utf-8")
    table = text.partition(levels.BEGIN)[2].partition(levels.END)[0]
    for example in EXAMPLES.values():
        assert f"[{example.title}]({example.home.name}/)" in table
    for name in EXACT:
        line = next(line for line in table.splitlines() if EXAMPLES[name].title in line)
        assert re.search(r"\| exact: 164 \+ 0 of 164 \|", line)


@pytest.mark.parametrize("name", sorted(EXACT))
def test_what_computes_the_canon_is_exact(name):
    example = built(name)
    report = check(example.command, scopes=["arrays"], strict=True)
    newer = tuple(map(int, metadata.version("Pillow").split(".")[:2])) >= (12, 2)
    if name == "python" and newer:
        assert [finding.fault for finding in report.summary.diagnosis] in (["pillow-12.2"], ["pillow-13"])
    else:
        assert report.level == "exact"
    assert len(report.cases) == 164


@pytest.mark.parametrize("name", ["cpp", "go"])
def test_what_computes_the_canon_is_exact_for_every_model(name):
    report = check(built(name).command, "all", scopes=["arrays"], select=FEW)
    assert report.level == "exact"
    assert report.header.n_px == [224, 288, 336, 384, 448]


@pytest.mark.parametrize("name", sorted(RESIZERS))
def test_what_resizes_on_its_own_leaves_the_canon_there_alone(name):
    report = check(built(name).command, scopes=["arrays"], select=FEW)
    stages = report.summary.stages
    assert report.summary.blame == ["resize"]
    assert (stages["normalize"].level, stages["center_crop"].level) == ("exact", "exact")
    assert all(case.status == "ok" for case in report.cases)


def test_the_go_program_also_takes_one_image_at_a_time():
    example = built("go")
    command = example.candidate.replace("cmd:", "exec:") + " {input} {n_px} {output}"
    assert check(command, scopes=["arrays"], select=FEW).level == "exact"


def test_the_python_adapter_also_speaks_without_files():
    report = check(EXAMPLES["python"].command + " --inline", select=[*FEW, "palette-64", "jpeg-420"], strict=True)
    assert report.level == "exact"
