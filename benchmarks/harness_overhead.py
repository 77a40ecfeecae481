"""What does the harness cost: python benchmarks/harness_overhead.py [--markdown docs/speed.md].

The time of a run for one case, less what the candidate itself took to answer, with candidates that do next to
nothing: an adapter for cmd: that links outputs made beforehand, and Python functions. One lane, one thread.
"""

import os

# Read when NumPy is loaded; workers inherit it.
os.environ.update(OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1", MKL_NUM_THREADS="1")

import shlex
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import click
import numpy as np
from common import Noise, console, machine, markdown_table, terminal_table, write_section
from PIL import Image

import clip_reference
from clip_conformance.cases import case_id, choose, source_of, targets
from clip_conformance.engine import open_runner, workdir
from clip_fixtures import Fixture
from clip_spec import ScopeId

TARGET = targets("ViT-B/32")[0]
N_PX = TARGET.n_px
HEADS = ("candidate, scope", "cases", "image", "run", "candidate", "overhead", "start", "run / bare loop")
EXPLANATION = """\
Every fixture of a scope at 224 px, scored on one lane. *linked* is an adapter for `cmd:` whose outputs were made
beforehand and only have to be linked: its answers cost it nothing, so what is left is the harness. *reference* is
`clip_reference.preprocess` in a Python worker. Both are exact, so that a digest is all that is compared. *wrong* and
*zeros* return one array for all: every case diverges, and is measured against the reference, which is computed for it.
Inputs are made and outputs are scored while the candidate works on the next case: *10 ms* is how long these take for an
answer, as a real one would.

In ms a case: *image* is what it takes to make an image; *run*
is what a case takes in all; *candidate* is the part of that from the message to its answer; *overhead* is the rest. In
ms: *start* is what it takes until the candidate is ready. For Python functions, a bare loop in this process makes the
same images and calls the same function.

One thread, {rounds} rounds; a figure is the median of the rounds, for the mean of the cases.
"""


def zeros(image: Image.Image) -> "np.ndarray[Any, np.dtype[np.float32]]":
    """Do nothing, and so diverge everywhere."""
    return NOTHING


NOTHING = np.zeros((3, N_PX, N_PX), dtype=np.float32)
FUNCTIONS: dict[str, Callable[[Image.Image], Any]] = {"reference": clip_reference.preprocess, "zeros": zeros}


@dataclass(frozen=True)
class Round:
    """Seconds: to make the `images`, for all cases in a `run`, in the `candidate`, to `start`, for a bare `loop`."""

    images: float
    run: float
    candidate: float
    start: float
    loop: float | None


def measure(candidate: Any, chosen: list[Fixture], function: Callable[[Image.Image], Any] | None) -> Round:
    """Run the bare loop and then the cases of the same fixtures."""
    images, loop = 0.0, None
    began = time.perf_counter()
    for fixture in chosen:
        made = time.perf_counter()
        source = source_of(fixture, N_PX)
        image = Image.open(source) if isinstance(source, Path) else source
        images += time.perf_counter() - made
        if function is not None:
            function(image)
        image.close()
    if function is not None:
        loop = time.perf_counter() - began
    began = time.perf_counter()
    with open_runner(candidate, cases=len(chosen), jobs=1, timeout=20.0) as runner, runner.prepared(TARGET):
        start = time.perf_counter() - began
        began = time.perf_counter()
        cases = runner.run(chosen, N_PX, lambda case: None)
        run = time.perf_counter() - began
    failed = [case.id for case in cases if case.status != "ok"]
    assert not failed, failed
    return Round(images, run, sum(case.seconds for case in cases), start, loop)


def row(name: str, scope: ScopeId, rounds: list[Round], count: int) -> list[str]:
    def median(figure: Callable[[Round], float]) -> float:
        return statistics.median(figure(found) for found in rounds)

    def ms(figure: Callable[[Round], float]) -> str:
        return f"{1e3 * median(figure) / count:.2f}"

    bare = all(found.loop for found in rounds)
    return [
        f"{name}, {scope}",
        str(count),
        ms(lambda found: found.images),
        ms(lambda found: found.run),
        ms(lambda found: found.candidate),
        ms(lambda found: found.run - found.candidate),
        f"{1e3 * median(lambda found: found.start):.0f}",
        f"{median(lambda found: found.run / (found.loop or 1)):.2f}" if bare else "",
    ]


def linked(folder: Path, chosen: list[Fixture], *, wrong: bool, milliseconds: int = 0) -> str:
    """Make the outputs of an adapter for cmd: that takes so long for an answer, and return it."""
    folder.mkdir(exist_ok=True)
    for fixture in chosen:
        output = NOTHING if wrong else clip_reference.preprocess(source_of(fixture, N_PX))
        output.tofile(folder / case_id(fixture, N_PX))
    script = Path(__file__).with_name("instant.py")
    return "cmd:" + shlex.join([sys.executable, "-S", str(script), str(folder), str(milliseconds)])


@click.command()
@click.option("--rounds", default=5, show_default=True, type=click.IntRange(3), help="Rounds a scope.")
@click.option("--markdown", type=click.Path(dir_okay=False, path_type=Path), help="Write the figures here.")
def main(rounds: int, markdown: Path | None) -> None:
    """Measure what the harness takes for a case beyond the candidate's own time."""
    out = console()
    noise = Noise()
    rows = []
    for scope in get_args(ScopeId):
        # What must be rejected has no output to score.
        chosen = [fixture for fixture in choose([scope], []) if fixture.expect == "image"]
        with workdir() as folder:
            candidates: list[tuple[str, Any, Callable[[Image.Image], Any] | None]] = [
                ("cmd: linked", linked(Path(folder, "right"), chosen, wrong=False), None),
                ("cmd: wrong", linked(Path(folder, "wrong"), chosen, wrong=True), None),
                ("cmd: linked, 10 ms", linked(Path(folder, "right"), chosen, wrong=False, milliseconds=10), None),
                ("cmd: wrong, 10 ms", linked(Path(folder, "wrong"), chosen, wrong=True, milliseconds=10), None),
                *((f"Python: {name}", function, function) for name, function in FUNCTIONS.items()),
            ]
            for name, candidate, function in candidates:
                found = [measure(candidate, chosen, function) for _ in range(rounds)]
                rows.append(row(name, scope, found, len(chosen)))
    out.print(terminal_table(HEADS, rows))
    out.print(f"{machine()}; {noise}", style="dim", highlight=False)
    if markdown is not None:
        body = [
            "    python benchmarks/harness_overhead.py --markdown docs/speed.md\n",
            EXPLANATION.format(rounds=rounds),
            f"{machine()}; {noise}.\n",
            markdown_table(HEADS, rows),
        ]
        write_section(markdown, "The harness", "\n".join(body))


if __name__ == "__main__":
    main()
