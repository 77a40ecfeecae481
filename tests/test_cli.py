"""The command: exit status, the last line, one line for every error."""

import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
CANDIDATES = str(HERE / "candidates.py")
FEW = ("--scope", "arrays", "--select", "pin-*", "--select", "crop-right-3", "--jobs", "1")


def run(*arguments, cwd=None, env=None):
    return subprocess.run(
        [sys.executable, "-m", "clip_conformance", *arguments],
        capture_output=True,
        text=True,
        cwd=cwd,
        env=env,
        timeout=120,
    )


def test_a_conforming_candidate_exits_with_0():
    done = run("check", f"{CANDIDATES}:sound", *FEW)
    assert done.returncode == 0
    assert done.stdout.splitlines()[-1].startswith("EXACT: ")
    assert done.stdout.splitlines()[-1].endswith("conforms; 15 of 15 cases reach equivalent.")
    assert done.stderr == ""


def test_a_divergent_candidate_exits_with_1_and_names_the_stage():
    done = run("check", f"{CANDIDATES}:FloorCrop", *FEW)
    assert done.returncode == 1
    assert "leaves the canon at center_crop; 14 of 15" in done.stdout.splitlines()[-1]


def test_require_moves_the_line():
    assert run("check", f"{CANDIDATES}:reciprocal", *FEW).returncode == 0
    assert run("check", f"{CANDIDATES}:reciprocal", *FEW, "--require", "exact").returncode == 1
    assert run("check", f"{CANDIDATES}:half_precision", *FEW, "--require", "close").returncode == 0


def test_the_table_is_plain_text_in_a_pipe():
    done = run("check", f"{CANDIDATES}:sound", *FEW)
    assert "\x1b" not in done.stdout
    assert done.stdout.splitlines()[3].split() == [
        "stage",
        "level",
        "cases",
        "passed",
        "peak",
        "mean",
        "bias",
        "worst",
        "fixture",
    ]
    assert not any(line.endswith(" ") for line in done.stdout.splitlines())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("check", "nosuch"), "'nosuch' is no candidate; write pkg.mod:attr"),
        (("check", "nosuch:f"), "no module 'nosuch'; install it or run from its folder"),
        (("check", "nosuch.py:f"), "no file nosuch.py"),
        (("check", "broken:f"), "broken does not import: ZeroDivisionError"),
        (("check", "needy:f"), "needy does not import: it needs nowhere_to_be_found; install that"),
        (("check", f"{CANDIDATES}:sound", "--select", "zz"), "matches 'zz'"),
        (("check", f"{CANDIDATES}:sound", "--model", "ViT"), "no model 'ViT'; there are RN50"),
        (("check", f"{CANDIDATES}:sound", "--report", "file"), "'file' is a file"),
        (("show", "crop-flor"), "near it: crop-floor"),
    ],
)
def test_an_error_is_one_line_and_exits_with_2(tmp_path, arguments, words):
    (tmp_path / "broken.py").write_text("1 / 0\n")
    (tmp_path / "needy.py").write_text("import nowhere_to_be_found\n")
    (tmp_path / "file").write_text("")
    done = run(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert len([line for line in done.stderr.splitlines() if line.startswith(("clip-conformance:", "Error:"))]) == 1


def test_debug_shows_the_traceback(tmp_path):
    (tmp_path / "broken.py").write_text("1 / 0\n")
    assert "Traceback" in run("--debug", "check", "broken:f", cwd=tmp_path).stderr


def test_a_candidate_of_the_working_directory_is_found(tmp_path):
    (tmp_path / "mine.py").write_text("from clip_reference import preprocess\n")
    assert run("check", "mine:preprocess", *FEW, cwd=tmp_path).returncode == 0


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("models", "ViT-L/14@336px  336"),
        ("stages", "center_crop"),
        ("clauses", "RSZ-9"),
        ("fixtures", "crop-right-3"),
        ("faults", "crop-floor"),
        ("faults", "pillow-13"),
    ],
)
def test_list(kind, words):
    assert words in run("list", kind).stdout


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("RSZ-9", "Rationale."),
        ("crop-right-3", "CRP-1, CRP-2"),
        ("jpeg-exif-6", "exif-applied"),
        ("empty-width", "must be rejected"),
        ("crop-floor", "Round half to even"),
        ("RN50x4", "288"),
        ("resize", "bicubic"),
        ("pillow-13", "RSZ-9"),
    ],
)
def test_show(name, words):
    done = run("show", name)
    assert done.returncode == 0
    assert words in done.stdout


def test_show_of_a_fault_runs_from_its_looks_to_the_fixtures_that_catch_it():
    words = ("title", "stage", "look", "fix", "Pillow", "C++", "Rust", "JavaScript", "evidence", "fixtures")
    lines = run("show", "crop-floor").stdout.splitlines()
    assert lines[0].strip() == "crop-floor"
    heads = [line.split()[0] for line in lines[1:] if line[:1].strip()]
    assert [head for head in heads if head in words] == list(words)
    assert "    crop = resized.crop((left, top, left + n_px, top + n_px))" in [line.rstrip() for line in lines]


def test_a_missing_package_names_the_extra(tmp_path):
    (tmp_path / "timm").mkdir()
    (tmp_path / "timm/__init__.py").write_text("raise ModuleNotFoundError('no timm', name='timm')\n")
    done = run("check", "timm", cwd=tmp_path)
    assert done.returncode == 2
    assert "timm needs timm; pip install 'clip-conformance[timm]'" in done.stderr


def test_help_loads_nothing_heavy():
    code = (
        "import sys\n"
        "from clip_conformance.cli import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        "print([m for m in ('numpy', 'PIL', 'torch', 'scipy', 'skimage', 'matplotlib', 'rich') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_run_loads_no_package_that_the_candidate_does_not_bring(tmp_path):
    (tmp_path / "spy.py").write_text(
        "import sys\nfrom clip_reference import preprocess\n"
        "def f(image):\n"
        "    assert not {'torch', 'scipy', 'skimage', 'matplotlib'} & set(sys.modules), 'loaded'\n"
        "    return preprocess(image)\n"
    )
    assert run("check", "spy:f", *FEW, cwd=tmp_path).returncode == 0
