"""What each command loads, and nothing beside it: start-up time is imports, and they creep in one by one."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

OWN = {"clip_spec", "clip_reference", "clip_fixtures", "clip_conformance"}
# What msgspec and rich load where it is installed, and not otherwise.
BESIDE = {"typing_extensions", "colorama", "ipywidgets", "IPython", "attr", "attrs"}
PRINTS = {"click", "rich", "msgspec"}
SCORES = PRINTS | {"numpy", "PIL", "cloudpickle"}

# Prints the top-level packages of others that the code loads, and the modules of ours.
SPY = """
import json, os, sys
before = set(sys.modules)
try:
    {code}
except SystemExit:
    pass
loaded = [name for name in sys.modules if name not in before]
tops = {{name.split(".")[0] for name in loaded}} - set(sys.stdlib_module_names) - {{"__main__", "__mp_main__"}}
# Parts of packages that are modules of their own: _distutils_hack, numpy's compiled ones.
tops = {{name for name in tops if getattr(sys.modules.get(name), "__file__", None)}}
own = sorted(name for name in loaded if name.startswith("clip_"))
with open(sys.argv[1], "w") as file:
    json.dump([sorted(tops), own], file)
"""


def loaded(code: str, tmp_path: Path) -> tuple[set[str], set[str]]:
    """Return the packages of others that some code loads in a process of its own, and the modules of ours."""
    said = tmp_path / "loaded.json"
    done = subprocess.run(
        [sys.executable, "-c", SPY.format(code=code), str(said)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    others, own = json.loads(said.read_text())
    return set(others) - OWN - BESIDE, set(own)


def command(*words: str) -> str:
    return f"from clip_conformance.cli import main; main({list(words)})"


@pytest.mark.parametrize(
    ("package", "allowed"),
    [
        ("clip_spec", {"msgspec"}),
        ("clip_fixtures", {"msgspec"}),
        ("clip_reference", {"msgspec", "numpy", "PIL"}),
        ("clip_conformance", set()),
    ],
)
def test_a_package_loads_what_it_needs(package, allowed, tmp_path):
    others, own = loaded(f"import {package}", tmp_path)
    assert others == allowed
    assert package in own


@pytest.mark.parametrize("words", [("--help",), ("--version",), ("check", "--help"), ("fuzz", "--help")], ids=" ".join)
def test_help_loads_click_alone(words, tmp_path):
    others, own = loaded(command(*words), tmp_path)
    assert others == {"click"}
    assert {name for name in own if not name.startswith("clip_conformance.cli")} <= {
        "clip_conformance",
        "clip_conformance.errors",
        "clip_conformance.plain",
    }


@pytest.mark.parametrize("kind", ["models", "stages", "clauses", "fixtures", "faults"])
def test_list_loads_what_prints_a_table(kind, tmp_path):
    others, own = loaded(command("list", kind), tmp_path)
    assert others == PRINTS
    assert not {name for name in own if name.startswith("clip_reference")}


# Parts of the suite that most runs need nothing of.
SELDOM = (
    "clip_conformance.diagnosis.diagnose",
    "clip_conformance.diagnosis.search",
    "clip_conformance.reports.html",
    "clip_conformance.fuzzing",
    "clip_conformance.onnx",
    "clip_conformance.witnesses",
)


def test_a_run_that_finds_nothing_loads_what_scores(tmp_path):
    others, own = loaded(command("check", "clip_reference:preprocess", "--select", "pin-noise"), tmp_path)
    assert others == SCORES
    assert not {name for name in own if name.startswith(SELDOM)}


def test_a_run_that_finds_something_loads_no_more_packages(tmp_path):
    (tmp_path / "candidate.py").write_text(
        "from clip_reference import preprocess\n\n\ndef worse(image):\n    return preprocess(image) + 1\n"
    )
    others, own = loaded(command("check", "candidate.py:worse", "--select", "pin-noise"), tmp_path)
    assert others == SCORES
    assert "clip_conformance.diagnosis.diagnose" in own


def test_a_report_loads_its_templates_engine(tmp_path):
    words = ("check", "clip_reference:preprocess", "--select", "pin-noise", "--report", "out")
    others, _ = loaded(command(*words), tmp_path)
    assert others == SCORES | {"jinja2", "markupsafe"}


@pytest.mark.parametrize("brings", ["", "sqlite3"])
def test_a_worker_loads_what_the_candidate_brings_and_no_more(brings, tmp_path):
    """The candidate says what lies in its process; of SSIM and the like nothing is there."""
    (tmp_path / "candidate.py").write_text(
        "import json, sys\nfrom pathlib import Path\n"
        + (f"import {brings}\n" if brings else "")
        + "from clip_reference import preprocess\n\n\n"
        "def spy(image):\n"
        "    names = [name for name in sys.modules if getattr(sys.modules[name], '__file__', None)]\n"
        f"    Path({str(tmp_path / 'loaded.json')!r}).write_text(json.dumps(names))\n"
        "    return preprocess(image)\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "clip_conformance", "check", "candidate.py:spy", "--select", "pin-noise"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    names = json.loads((tmp_path / "loaded.json").read_text())
    tops = {name.split(".")[0] for name in names} - set(sys.stdlib_module_names) - OWN - BESIDE
    bare = subprocess.run(
        [sys.executable, "-c", "import sys; print(*sys.modules)"], capture_output=True, text=True, timeout=60
    )
    tops -= {name.split(".")[0] for name in bare.stdout.split()} | {"__main__", "candidate"}
    assert tops == {"msgspec", "numpy", "PIL"}
    assert (brings in names) == bool(brings)
    assert not {name for name in names if name.startswith(("clip_conformance.scoring", "clip_fixtures"))}
