"""The data of the mutation tests: what they name is still there. The tests themselves are `tox run -e mutation`."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
DATA = tomllib.loads((ROOT / "tests" / "mutation" / "mutants.toml").read_text(encoding="utf-8"))


def test_the_files_and_their_tests_are_there():
    for target in DATA["target"]:
        assert list(ROOT.glob(target["file"])), target["file"]
        for test in target["tests"]:
            path, _, name = re.sub(r"\[.*", "", test.removeprefix("--deselect=")).partition("::")
            assert f"def {name}" in (ROOT / path).read_text(encoding="utf-8"), test


def test_every_explained_line_is_still_in_its_file():
    for entry in DATA["equivalent"]:
        text = " ".join((ROOT / entry["file"]).read_text(encoding="utf-8").split())
        for was, now in entry["changes"]:
            assert was.rpartition(": ")[2] in text, was
            assert was != now
        assert entry["why"]
