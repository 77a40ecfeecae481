"""What does the harness cost: python benchmarks/harness_overhead.py [--markdown docs/speed.md].

The time of `check` for one case with candidates that do next to nothing, against a bare loop in this process
that makes the same images and calls the same candidate on them. One worker, one thread; they take turns.
"""

import os

# Read when NumPy is loaded; workers inherit it.
os.environ.update(OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1", MKL_NUM_THREADS="1")

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import click
import numpy as np
from common import Noise, console, machine, markdown_table, terminal_table, write_section
from PIL import Image

import clip_conformance
import clip_reference
from clip_conformance.cases import choose, source_of
from clip_fixtures import Fixture
from clip_spec import ScopeId

N_PX = 224
HEADS = ("candidate, scope", "cases", "image", "candidate", "overhead", "rest of a run", "check / bare loop")
EXPLANATION = """\
`check` scores every fixture of a scope at 224 px on one worker. *zeros* returns one array that was made
beforehand: every case diverges and is measured against the reference. *reference* is
`clip_reference.preprocess`: every case is exact, and its digest is all that is compared. A bare loop in
this process makes the same images and calls the candidate on them; *image* and *candidate* are its two
parts, in ms a case. *overhead*, in ms a case, is what a case takes in `check` beyond the loop: to write
the image, to ask the worker, to read the output and to score it. *rest of a run*, in ms, is what `check`
takes beyond its cases: to start the worker and to find the blame. Opening a file is all of *image* for
the files, and the reference decodes them in *candidate*.

One thread, {rounds} rounds of loop and check in turn; a figure is the median of the rounds, for the mean
of the cases.
"""


def zeros(image: Image.Image) -> "np.ndarray[Any, np.dtype[np.float32]]":
    """Do nothing, and so diverge everywhere."""
    return NOTHING


NOTHING = np.zeros((3, N_PX, N_PX), dtype=np.float32)
CANDIDATES: dict[str, Callable[[Image.Image], Any]] = {"zeros": zeros, "reference": clip_reference.preprocess}


@dataclass(frozen=True)
class Round:
    """Seconds: `own` in the candidate, `loop` for the bare loop, `cases` in the cases of `wall` in all."""

    own: float
    loop: float
    cases: float
    wall: float


def measure(candidate: Callable[[Image.Image], Any], chosen: list[Fixture], scope: ScopeId) -> Round:
    """Run the bare loop and then the check over the same fixtures."""
    own = 0.0
    began = time.perf_counter()
    for fixture in chosen:
        source = source_of(fixture, N_PX)
        image = Image.open(source) if isinstance(source, Path) else source
        called = time.perf_counter()
        candidate(image)
        own += time.perf_counter() - called
        image.close()
    loop = time.perf_counter() - began
    began = time.perf_counter()
    report = clip_conformance.check(candidate, scopes=[scope], select=[fixture.slug for fixture in chosen], jobs=1)
    wall = time.perf_counter() - began
    failed = [case.id for case in report.cases if case.status != "ok"]
    assert not failed, failed
    return Round(own, loop, sum(case.seconds for case in report.cases), wall)


def row(name: str, scope: ScopeId, rounds: list[Round], count: int) -> list[str]:
    def median(figure: Callable[[Round], float]) -> float:
        return statistics.median(figure(found) for found in rounds)

    return [
        f"{name}, {scope}",
        str(count),
        f"{1e3 * median(lambda found: found.loop - found.own) / count:.2f}",
        f"{1e3 * median(lambda found: found.own) / count:.2f}",
        f"{1e3 * median(lambda found: found.cases - found.loop) / count:.2f}",
        f"{1e3 * median(lambda found: found.wall - found.cases):.0f}",
        f"{median(lambda found: found.cases / found.loop):.2f}",
    ]


@click.command()
@click.option("--rounds", default=5, show_default=True, type=click.IntRange(3), help="Rounds a scope.")
@click.option("--markdown", type=click.Path(dir_okay=False, path_type=Path), help="Write the figures here.")
def main(rounds: int, markdown: Path | None) -> None:
    """Measure what check takes for a case beyond the candidate's own time."""
    out = console()
    noise = Noise()
    rows = []
    for name, candidate in CANDIDATES.items():
        for scope in get_args(ScopeId):
            # What must be rejected has no output to score.
            chosen = [fixture for fixture in choose([scope], []) if fixture.expect == "image"]
            found = [measure(candidate, chosen, scope) for _ in range(rounds)]
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
