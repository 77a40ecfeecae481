"""What a check costs beside calling the candidate: python benchmarks/check_speed.py [--markdown docs/speed.md].

A whole `check`, and the loop that a user would write instead, in turn, each in a process of its own; how the time grows
with the cases and the pixels; and what a second job gains.
"""

import os

# Read when NumPy and torch are loaded; workers inherit it.
os.environ.update(OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1", MKL_NUM_THREADS="1")

import json
import math
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import numpy as np
from common import Noise, console, machine, markdown_table, terminal_table, write_section

HERE = Path(__file__).parent
N_PX = 224
LIMIT = 1.15
# Functions of subjects.py; `check` scores what they make as a black box.
SUBJECTS = ("reference", "pillow", "openai", "hf", "twenty")
# This one by its stages as well, whose outputs are five tensors an image, written, read and compared.
STAGED = "openai"
TITLES = {
    "reference": "the reference",
    "pillow": "Pillow and NumPy",
    "openai": "openai/CLIP, torchvision",
    "hf": "CLIPImageProcessorPil",
    "twenty": "20 ms an image",
    "staged": "openai/CLIP, by its stages",
}
HEADS = ("candidate", "process", "call", "call, images made", "own ms", "start, s", "a case, ms")
EXPLANATION = """\
All {cases} fixtures at 224 px, default options, no diagnosis, against a loop that makes the same images, or opens the
same files, and calls the same function, in one process: the loop compares nothing. Ratios of times on the clock, each
the median of {rounds} rounds in which check and loop take turns.

*process*: `python -m clip_conformance check` against a Python script, both from the start of the interpreter to its
end. *call*: `clip_conformance.check` against the loop, in processes that have imported what they need; check starts
its workers in that time, and they import the candidate's packages again, which the loop has done. *call, images made*
leaves the making of images out of the loop, not out of the check. *own ms* is what the candidate takes for an image in
the loop. Absolute: *start* is what a check takes until the workers are ready, *a case* what it takes for one after
that, on the clock, less the candidate's own time: below zero where two workers at a time gain more than the rest costs.

A process of its own for the candidate costs what it takes to start Python and to import; a candidate that takes 1 ms
an image is done in less. The aim, at most {limit} of a process, is reached by: {reached}.
"""
GROWTH = """\
One worker, the reference: the time of a run after the start, the fastest of {rounds} rounds. A straight line, fitted
by least squares: *line* is its R², *most* the largest distance of a run from it, as a share.
"""


def candidate(name: str) -> str:
    """Return a subject as `check` is told it."""
    return STAGED if name == "staged" else f"{HERE / 'subjects.py'}:{name}"


def loop(name: str) -> None:
    """The loop that a user would write; prints its seconds, and those that making the images took."""
    import warnings

    import subjects
    from PIL import Image

    from clip_conformance.cases import choose, source_of
    from clip_conformance.engine import SCOPES

    warnings.simplefilter("ignore")
    call = getattr(subjects, STAGED if name == "staged" else name)(N_PX)
    began, making = time.perf_counter(), 0.0
    for fixture in choose(SCOPES, []):
        if fixture.expect == "image":
            made = time.perf_counter()
            source = source_of(fixture, N_PX)
            image = Image.open(source) if isinstance(source, Path) else source
            making += time.perf_counter() - made
            call(image)
    print(json.dumps({"call": time.perf_counter() - began, "making": making}))


def check(name: str, jobs: int = 0) -> None:
    """The same by check; prints its seconds, and those until the workers were ready."""
    from clip_conformance import engine

    class Start(engine.Listener):
        seconds = 0.0

        def begin(self, header: Any) -> None:
            self.seconds = time.perf_counter() - began

    listener = Start()
    began = time.perf_counter()
    report = engine.check(candidate(name), diagnose=False, pictures=False, jobs=jobs, listener=listener)
    print(json.dumps({"call": time.perf_counter() - began, "start": listener.seconds, "cases": len(report.cases)}))


def child(*words: str) -> dict[str, float]:
    """Run a function of this file in a process of its own, and return what it printed and its `process` seconds."""
    began = time.perf_counter()
    done = subprocess.run([sys.executable, __file__, *words], check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1]) | {"process": time.perf_counter() - began}


def command(name: str) -> float:
    """Return the seconds of a whole command."""
    words = [sys.executable, "-m", "clip_conformance", "check", candidate(name), "--no-diagnosis"]
    began = time.perf_counter()
    done = subprocess.run(words, capture_output=True)
    assert done.returncode in (0, 1), done.stderr  # 1: not the canon's, and scored all the same
    return time.perf_counter() - began


def compared(name: str, rounds: int) -> tuple[list[str], float, int]:
    """Return the row of a candidate, its ratio of whole processes, and the number of cases."""
    turns = [(child("loop", name), child("check", name), command(name)) for _ in range(rounds)]

    def median(figure: Callable[[dict[str, float], dict[str, float], float], float]) -> float:
        return statistics.median(figure(*turn) for turn in turns)

    cases = int(turns[0][1]["cases"])
    process = median(lambda loop, check, whole: whole / loop["process"])
    row = [
        TITLES[name],
        f"{process:.2f}",
        f"{median(lambda loop, check, _: check['call'] / loop['call']):.2f}",
        f"{median(lambda loop, check, _: check['call'] / (loop['call'] - loop['making'])):.2f}",
        f"{median(lambda loop, check, _: 1e3 * (loop['call'] - loop['making']) / cases):.1f}",
        f"{median(lambda loop, check, _: check['start']):.2f}",
        f"{median(_a_case):.1f}",
    ]
    return row, process, cases


def _a_case(loop: dict[str, float], check: dict[str, float], _: float) -> float:
    run, own = check["call"] - check["start"], loop["call"] - loop["making"]
    return 1e3 * (run - own) / check["cases"]


def line(sizes: list[float], seconds: list[float]) -> tuple[float, float, float]:
    """Return slope, R² and the largest relative residual of a straight line."""
    slope, offset = np.polyfit(sizes, seconds, 1)
    rest = np.array(seconds) - (slope * np.array(sizes) + offset)
    return float(slope), float(1 - rest.var() / np.var(seconds)), float(np.abs(rest / np.array(seconds)).max())


def growth(rounds: int) -> list[list[str]]:
    """Return how the time of a run grows: with the cases, and with the pixels of the same cases."""
    from clip_conformance.cases import choose, targets
    from clip_conformance.engine import SCOPES, open_runner

    everything = [fixture for fixture in choose(SCOPES, []) if fixture.expect == "image"]
    # Interleaved, so that each part holds large and small ones alike.
    parts = [everything[::8], everything[::4], everything[::2], everything]
    models = targets("all")

    def run(chosen: list[Any], target: Any) -> float:
        with (
            open_runner(candidate("reference"), cases=len(chosen), jobs=1, timeout=60.0) as runner,
            runner.prepared(target),
        ):
            began = time.perf_counter()
            runner.run(chosen, target.n_px, lambda case: None)
            return time.perf_counter() - began

    by_cases: list[list[float]] = [[] for _ in parts]
    by_pixels: list[list[float]] = [[] for _ in models]
    some = everything[::3]
    for _ in range(rounds):
        for index, part in enumerate(parts):
            by_cases[index].append(run(part, next(one for one in models if one.n_px == N_PX)))
        for index, target in enumerate(models):
            by_pixels[index].append(run(some, target))
    counts = [float(len(part)) for part in parts]
    pixels = [
        sum(math.prod(fixture.size_at(target.n_px)) + target.n_px**2 for fixture in some) / 1e6 for target in models
    ]
    rows = []
    for what, unit, sizes, took in (
        ("cases", "ms a case", counts, by_cases),
        ("pixels in and out, M", "ms a Mpx", pixels, by_pixels),
    ):
        slope, fit, most = line(sizes, [min(one) for one in took])
        span = f"{sizes[0]:.0f} to {sizes[-1]:.0f}"
        rows.append([what, span, f"{1e3 * slope:.1f} {unit}", f"{fit:.3f}", f"{100 * most:.0f} %"])
    return rows


def gain(rounds: int) -> float:
    """Return how much faster two jobs are than one, on a candidate that takes 20 ms."""
    turns = [(child("check", "twenty", "1"), child("check", "twenty", "2")) for _ in range(rounds)]
    return statistics.median(one["call"] / two["call"] for one, two in turns)


@click.command()
@click.option("--rounds", default=5, show_default=True, type=click.IntRange(1), help="Rounds a candidate.")
@click.option(
    "--candidate", "names", multiple=True, type=click.Choice([*SUBJECTS, "staged"]), help="This one; repeatable."
)
@click.option("--markdown", type=click.Path(dir_okay=False, path_type=Path), help="Write the figures here.")
def main(rounds: int, names: tuple[str, ...], markdown: Path | None) -> None:
    """Measure check against a bare loop, its growth, and the gain of a second job."""
    out = console()
    noise = Noise()
    rows, reached, cases = [], [], 0
    for name in names or (*SUBJECTS, "staged"):
        row, ratio, cases = compared(name, rounds)
        rows.append(row)
        if ratio <= LIMIT:
            reached.append(TITLES[name])
    out.print(terminal_table(HEADS, rows))
    heads = ("grows with", "from, to", "slope", "line, R²", "most")
    grown = growth(rounds)
    out.print(terminal_table(heads, grown))
    gained = (
        f"`--jobs 2` is {gain(rounds):.2f} times as fast as `--jobs 1` on all cases of a candidate of 20 ms an image."
    )
    out.print(gained, highlight=False)
    out.print(f"{machine()}; {noise}", style="dim", highlight=False)
    if markdown is not None:
        body = [
            "    python benchmarks/check_speed.py --markdown docs/speed.md\n",
            EXPLANATION.format(rounds=rounds, cases=cases, limit=LIMIT, reached=", ".join(reached) or "none of these"),
            f"{machine()}; {noise}.\n",
            markdown_table(HEADS, rows),
            "",
            GROWTH.format(rounds=rounds),
            markdown_table(heads, grown),
            "",
            gained,
        ]
        write_section(markdown, "A check", "\n".join(body))


if __name__ == "__main__":
    if sys.argv[1:2] == ["loop"]:
        loop(sys.argv[2])
    elif sys.argv[1:2] == ["check"]:
        check(sys.argv[2], *map(int, sys.argv[3:]))
    else:
        main()
