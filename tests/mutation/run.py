"""Mutation tests of what compares, scores and gates: break a copy of it in one place at a time; a test has to notice.

`python tests/mutation/run.py --write docs/mutation.md` copies the working tree, makes every mutant of the files that
mutants.toml names, runs the tests that it names for each, and writes the score. A mutant that no test notices has to be
in mutants.toml with the reason why it cannot change an outcome: the exit status is 1 where one is not, and where an
entry fits no survivor.
"""

import argparse
import contextlib
import hashlib
import importlib
import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
import traceback
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from itertools import repeat
from pathlib import Path
from typing import Any

# Before NumPy is imported.
os.environ["OPENBLAS_NUM_THREADS"] = "1"
# A mutant may have the size and the time of the one before: no compiled file must outlive it.
os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
sys.dont_write_bytecode = True

import mutate_code  # noqa: E402
import mutate_data  # noqa: E402
import pytest  # noqa: E402
from mutate_code import Mutant  # noqa: E402

ROOT = Path(__file__).parents[2]
DATA = Path(__file__).with_name("mutants.toml")
PACKAGES = ("spec", "reference", "fixtures", "conformance")
# Imported once; every mutant's process inherits them. Nothing of the project is among them.
_WARM = ("PIL.Image", "jsonschema", "msgspec", "numpy", "skimage", "cloudpickle", "rich.console")

# Mutants of a file that are run one after the other.
_PART = 40


@dataclass
class Target:
    """A file to break, the tests that have to notice, and what became of its mutants."""

    file: str
    tests: list[str]
    mutants: list[Mutant]
    outcomes: Counter[str] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    survivors: list[Mutant] = field(default_factory=list)


# What failed so far in this process, by file.
_FAILURES: dict[str, Counter[str]] = {}


def main() -> int:
    """Run what the command line asks for and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", type=Path, metavar="FILE", help="write the score to this Markdown file")
    parser.add_argument("--only", default="", metavar="TEXT", help="only files with this in their path")
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="keep outcomes here; take those of the same mutants and tests"
    )
    parser.add_argument("--timeout", type=float, default=120.0, help="seconds after which a mutant counts as noticed")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="mutants at a time (default: all cores)")
    options = parser.parse_args()
    if options.write and options.only:
        parser.error("--write needs all files")
    settings = tomllib.loads(DATA.read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory(prefix="mutation-", ignore_cleanup_errors=True) as folder:
        whole = Path(folder) / "whole"
        copy(whole)
        _warm()
        targets = [target for target in _targets(settings, whole) if options.only in target.file]
        started = time.monotonic()
        run_all(targets, whole, options)
        print(f"{time.monotonic() - started:.0f} s", flush=True)
    explained, wrong = judge(targets, settings.get("equivalent", []), whole=not options.only)
    for line in wrong:
        print(line)
    print("\n".join(table(targets)))
    if options.write and not wrong:
        options.write.write_text(document(targets, explained), encoding="utf-8")
    return 1 if wrong else 0


def copy(clone: Path) -> None:
    """Copy what git tracks, and what it does not ignore, to a folder of its own."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout.decode()
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (clone / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, clone / name)


def _warm() -> None:
    for name in _WARM:
        importlib.import_module(name)
    assert not [name for name in sys.modules if name.startswith("clip_")]


def _targets(settings: dict[str, Any], clone: Path) -> Iterator[Target]:
    kinds = {"levels.toml": mutate_data.levels, "canon.toml": mutate_data.canon, ".py": mutate_code.mutants}
    for entry in settings["target"]:
        for path in sorted(clone.glob(entry["file"])):
            text = path.read_text(encoding="utf-8")
            if path.suffix == ".json":
                mutants = mutate_data.goldens(text, path.name)
            else:
                mutants = next(make for end, make in kinds.items() if path.name.endswith(end))(text)
            tests = [test.replace("STEM", path.stem) for test in entry["tests"]]
            yield Target(path.relative_to(clone).as_posix(), tests, mutants)


def run_all(targets: list[Target], whole: Path, options: argparse.Namespace) -> None:
    """Run all mutants, a part of a file at a time, on a copy for each process, and fill in what became of them."""
    parts = [
        (target, Target(target.file, target.tests, target.mutants[start : start + _PART]))
        for target in targets
        for start in range(0, len(target.mutants), _PART)
    ]
    known = dict(map(json.loads, options.json.open())) if options.json and options.json.exists() else {}
    keys = [_key(part, whole) for _, part in parts]
    todo = [(key, part) for key, (_, part) in zip(keys, parts, strict=True) if key not in known]
    with ProcessPoolExecutor(options.jobs, multiprocessing.get_context("fork")) as pool:
        done = pool.map(run, [part for _, part in todo], repeat(whole), repeat(options.timeout))
        for (key, part), outcomes in zip(todo, done, strict=True):
            known[key] = outcomes
            print(f"{part.file}: {dict(Counter(outcomes))}", flush=True)
            if options.json:
                with options.json.open("a") as file:
                    file.write(json.dumps([key, outcomes]) + "\n")
    for key, (target, part) in zip(keys, parts, strict=True):
        target.outcomes.update(known[key])
        target.survivors += [
            mutant for mutant, outcome in zip(part.mutants, known[key], strict=True) if outcome == "survived"
        ]


def _key(part: Target, whole: Path) -> str:
    """Return what stands for the mutants of a part and the tests that are run on them."""
    tests = sorted({test.removeprefix("--deselect=").partition("::")[0] for test in part.tests})
    texts = [part.file, *part.tests, *(mutant.text for mutant in part.mutants)]
    texts += [(whole / test).read_text(encoding="utf-8") for test in tests]
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()


def run(target: Target, whole: Path, timeout: float) -> list[str]:
    """Run the tests of a file on it as it is, where they must pass, and on each of its mutants; return the outcomes."""
    clone = whole.with_name(str(os.getpid()))
    if not clone.exists():
        shutil.copytree(whole, clone)
    target.failures = _FAILURES.setdefault(target.file, Counter())
    path = clone / target.file
    sound = path.read_text(encoding="utf-8")
    outcomes = []
    _passes(clone, target, timeout)
    try:
        for mutant in target.mutants:
            path.write_text(mutant.text, encoding="utf-8")
            outcomes.append(_outcome(clone, target, timeout))
    finally:
        path.write_text(sound, encoding="utf-8")
    _passes(clone, target, timeout)
    return outcomes


def _passes(clone: Path, target: Target, timeout: float) -> None:
    """End the run where the tests fail on what is not broken: then they would say nothing."""
    if (outcome := _outcome(clone, target, 10 * timeout)) != "survived":
        raise RuntimeError(f"{target.file}: the tests do not pass as it is ({outcome}): {' '.join(target.tests)}")


def _outcome(clone: Path, target: Target, timeout: float) -> str:
    """Run tests in a process of their own and return "failed", "survived", "unusable" (no test began) or "timeout"."""
    told = clone / ".failed"
    told.unlink(missing_ok=True)
    child = os.fork()
    if not child:
        os.setpgid(0, 0)
        _tests(clone, target, told)
    with contextlib.suppress(OSError):  # it was faster
        os.setpgid(child, child)
    end = time.monotonic() + timeout
    while not (ended := os.waitpid(child, os.WNOHANG))[0]:
        if time.monotonic() > end:
            os.killpg(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return "timeout"
        time.sleep(0.005)
    if os.waitstatus_to_exitcode(ended[1]) == 0:
        return "survived"
    if not told.exists():
        return "unusable"
    target.failures[told.read_text(encoding="utf-8")] += 1
    return "failed"


class _Order:
    """Runs first what failed most often so far, and says what fails."""

    def __init__(self, failures: Counter[str], told: Path) -> None:
        self._failures, self._told = failures, told

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items.sort(key=lambda item: -self._failures[item.nodeid])

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self._told.write_text(report.nodeid, encoding="utf-8")


def _tests(clone: Path, target: Target, told: Path) -> None:
    """Become pytest on the clone's sources."""
    code = 70
    try:
        os.chdir(clone)
        sources = [str(clone / package) for package in PACKAGES]
        sys.path[:0] = sources
        os.environ["PYTHONPATH"] = os.pathsep.join(sources)
        log = os.open(os.environ.get("MUTATION_LOG", os.devnull), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(log, 1)
        os.dup2(log, 2)
        without = [word for name in ("cacheprovider", "xdist", "hypothesispytest") for word in ("-p", f"no:{name}")]
        code = int(pytest.main(["-x", "-q", *without, *target.tests], plugins=[_Order(target.failures, told)]))
        if not str(sys.modules["clip_spec"].__file__).startswith(str(clone)):
            code = 71
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def judge(
    targets: list[Target], entries: list[dict[str, Any]], *, whole: bool
) -> tuple[list[tuple[Target, Mutant, str]], list[str]]:
    """Return the survivors with the reason why each is no hole, and a line for each that has none."""
    reasons = {(entry["file"], was, now): entry["why"] for entry in entries for was, now in entry["changes"]}
    explained, wrong, used = [], [], set()
    for target in targets:
        for mutant in target.survivors:
            key = (target.file, mutant.was, mutant.now)
            if key in reasons:
                explained.append((target, mutant, reasons[key]))
                used.add(key)
            else:
                wrong.append(f"survives unexplained: {target.file}: {mutant.was}  ->  {mutant.now}")
    if whole:
        wrong += [f"fits no survivor: {file}: {was}  ->  {now}" for file, was, now in reasons.keys() - used]
    return explained, wrong


def table(targets: list[Target]) -> list[str]:
    """Return the score by file, goldens in one row, as the lines of a Markdown table."""
    rows: dict[str, Counter[str]] = {}
    for target in targets:
        name = target.file if target.file.endswith((".py", ".toml")) else f"{Path(target.file).parent}/*.json"
        row = rows.setdefault(name, Counter())
        row.update(target.outcomes)
    rows["all"] = sum(rows.values(), Counter())
    lines = ["| file | mutants | a test fails | no test can begin | no end | survive |", "|---|---|---|---|---|---|"]
    for name, row in rows.items():
        counts = [row[outcome] for outcome in ("failed", "unusable", "timeout", "survived")]
        lines.append(f"| {name} | {sum(counts)} | {' | '.join(map(str, counts))} |")
    return lines


_HEAD = """\
# Mutation tests of the comparison, the scoring and the gates

**{noticed} of {total} mutants are noticed; the other {alive} cannot change an outcome, and are listed below.**

Each mutant is the code or the data broken in one place; of the tests that `tests/mutation/mutants.toml` names for the
file, one has to fail. Code is broken by operators of [cosmic-ray](https://cosmic-ray.readthedocs.io) and by some of our
own (`tests/mutation/mutate_code.py`), data by `tests/mutation/mutate_data.py`: every bound of `levels.toml` times 1.5
and divided by 1.5, its tables and their entries missing, the levels in another order; every constant of `canon.toml`
off by one in its last digit, its tables missing, of another choice, the stages in another order; and a digit of a
golden digest, one of every stage at every n_px.

```bash
tox run -e mutation
```

It fails where a mutant survives that `mutants.toml` does not explain, and where an explanation fits none.
"""
_TAIL = "## What survives, and why it is the same program"


def document(targets: list[Target], explained: list[tuple[Target, Mutant, str]]) -> str:
    """Return the Markdown document."""
    counts: Counter[str] = sum((target.outcomes for target in targets), Counter())
    total, alive = sum(counts.values()), counts["survived"]
    reasons: dict[str, dict[str, list[Mutant]]] = {}
    for target, mutant, why in explained:
        reasons.setdefault(target.file, {}).setdefault(why, []).append(mutant)
    lines = [_HEAD.format(noticed=total - alive, total=total, alive=alive), *table(targets), "", _TAIL]
    for file, groups in reasons.items():
        lines += ["", f"### {file}"]
        for why, mutants in groups.items():
            lines += ["", why, "", "```diff"]
            for mutant in mutants:
                lines += [f"- {mutant.was}", f"+ {mutant.now}"]
            lines.append("```")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
