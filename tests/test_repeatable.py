"""The same verdict bit for bit: on a second run, and wherever it runs."""

import os
import subprocess
import sys
from pathlib import Path

import msgspec
import numpy as np
import PIL
import pytest

from clip_conformance import environments
from clip_conformance.reports import lines
from scratch import needs

# Images of every scope, staged checks, pictures of what fails and a diagnosis: all that a report can hold.
SELECT = ("pin-noise", "crop-right-?", "down-257-noise", "palette-*up", "rgba-*pin", "jpeg-header-only", "jpeg-cmyk*")
CANDIDATE = """
from PIL import Image

import clip_reference


def floored(image):
    width, height = clip_reference.geometry.resized_size(*image.size, 224)
    image = image.convert("RGB").resize((width, height), Image.Resampling.BILINEAR)
    left, top = (width - 224) // 2, (height - 224) // 2
    return clip_reference.preprocess(image.crop((left, top, left + 224, top + 224)))
"""
OTHER_NUMPY = "2.1.3"


def bits(folder: Path, *apart: str) -> bytes:
    """What a report says, but for the seconds, and for the entries of the environment that are named."""
    report = lines.read(folder)
    kept = {name: value for name, value in report.header.environment.items() if name not in apart}
    return msgspec.json.encode(
        [
            msgspec.structs.replace(report.header, environment=kept),
            *(msgspec.structs.replace(case, seconds=0.0) for case in report.cases),
            *report.pictures,
            report.footer,
        ]
    )


def ran(candidate: Path, folder: Path, *options: str, python: str = sys.executable, cwd: Path, env: dict[str, str]):
    words = [python, "-m", "clip_conformance", "check", f"{candidate}:floored", "--report", str(folder), *options]
    done = subprocess.run(
        [*words, *(word for slug in SELECT for word in ("--select", slug))],
        cwd=cwd,
        env=env,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    return done.stdout.replace(str(folder), "")


@pytest.fixture(scope="module")
def candidate(tmp_path_factory):
    path = tmp_path_factory.mktemp("candidate") / "candidate.py"
    path.write_text(CANDIDATE)
    return path


@pytest.fixture(scope="module")
def first(candidate, tmp_path_factory):
    """The first run: what it printed, and where its report is."""
    folder = tmp_path_factory.mktemp("first")
    return ran(candidate, folder, "--jobs", "1", cwd=folder, env=dict(os.environ)), folder


@pytest.mark.parametrize(
    ("options", "variables"),
    [
        (["--jobs", "1"], {}),
        (["--jobs", "2"], {}),
        ([], {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}),
        ([], {"LC_ALL": "tr_TR.UTF-8", "LANG": "de_DE.UTF-8"}),
        ([], {"TZ": "Pacific/Kiritimati"}),
        ([], {"TZ": "UTC+12", "SOURCE_DATE_EPOCH": "0"}),
        ([], {"PYTHONHASHSEED": "0"}),
        ([], {"PYTHONHASHSEED": "4242"}),
        ([], {"PYTHONOPTIMIZE": "2"}),
        ([], {"OPENBLAS_NUM_THREADS": "2", "OMP_NUM_THREADS": "2"}),
        ([], {"NPY_DISABLE_CPU_FEATURES": "AVX2 FMA3 AVX512F AVX512CD AVX512_SKX"}),
    ],
    ids=lambda given: " ".join(given) or "-",
)
def test_the_report_is_the_same(options, variables, candidate, first, tmp_path):
    said = ran(candidate, tmp_path, *options, cwd=tmp_path, env=dict(os.environ) | variables)
    # The suite's own words need no locale; a terminal that has no "·" is shown another sign.
    assert said.encode("ascii", "replace")[-400:] == first[0].encode("ascii", "replace")[-400:]
    assert bits(tmp_path) == bits(first[1])


def test_the_report_is_the_same_from_another_folder(candidate, first, tmp_path):
    ran(candidate, tmp_path / "report", cwd=Path("/"), env=dict(os.environ))
    assert bits(tmp_path / "report") == bits(first[1])


def test_the_report_is_the_same_with_another_numpy(candidate, first, tmp_path):
    needs("uv")
    maker = environments.Maker(tmp_path / "made", requirements=None, project=None)
    python, note = maker.make("other", [f"numpy=={OTHER_NUMPY}", f"pillow=={PIL.__version__}"])
    assert not note
    ran(candidate, tmp_path / "report", python=str(python), cwd=tmp_path, env=environments.surroundings())
    report = lines.read(tmp_path / "report")
    assert report.header.environment["numpy"] == OTHER_NUMPY != np.__version__
    assert bits(tmp_path / "report", "numpy") == bits(first[1], "numpy")


def test_a_report_that_is_not_the_same_is_seen(candidate, first, tmp_path):
    """The comparison above compares."""
    other = candidate.with_name("other.py")
    other.write_text(CANDIDATE.replace("// 2, (height", "// 2, 1 + (height"))
    ran(other, tmp_path, cwd=tmp_path, env=dict(os.environ))
    assert bits(tmp_path).replace(b"other.py", b"candidate.py") != bits(first[1])
