"""How fast is the reference: python benchmarks/reference_speed.py [--gate] [--markdown docs/speed.md].

clip_reference.preprocess, with its weights cached (warm) and not (cold), against the literal torchvision pipeline of
openai/CLIP, the same on Pillow and NumPy, torchvision's kernel for uint8 tensors, and OpenCV's INTER_AREA. All take
turns in one process on one thread, so that whatever else the machine does hits them alike; a ratio is the median of
those within the rounds. What memory they take is seen in a process each.
"""

import os

# Read when NumPy and torch are loaded.
os.environ.update(OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1", MKL_NUM_THREADS="1")

import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
import PIL
from common import Noise, console, machine, markdown_table, terminal_table, write_section
from contestants import CONTESTANTS, LITERAL, REFERENCE, SIZES
from PIL import Image

import clip_spec
from clip_fixtures.patterns import weave
from clip_reference.kernel import bands, taps

Place = tuple[int, int, int]
PLACES: tuple[Place, ...] = tuple((*size, n_px) for n_px in clip_spec.sizes() for size in SIZES)
# The largest ratio to the literal pipeline, weights cached: faster everywhere, and much where much is thrown away.
TARGET = 1.0
TARGETS = {(640, 480, 224): 0.90, (4000, 3000, 224): 0.90, (8000, 400, 224): 0.15}
# Pillow keeps the canon's pass order up to 12.1; later it computes something else for some sizes (RSZ-9).
COMPARABLE = tuple(int(part) for part in PIL.__version__.split(".")[:2]) < (12, 2)

OTHERS = [name for name in CONTESTANTS if name != REFERENCE]
HEADS = ("image to n_px", *OTHERS, "cold", "middle half", "target", "the same bits as the reference")
EXPLANATION = """\
The time of `clip_reference.preprocess`, PIL image to float32 tensor, divided by that of another on the same image:
below 1 the reference is faster. *torchvision* is the literal pipeline of openai/CLIP (Resize, CenterCrop, RGB,
ToTensor, Normalize) and *middle half* the quartiles of its ratios, *Pillow* the same in Pillow and NumPy,
*uint8 kernel* its transforms on uint8 tensors, *INTER_AREA* OpenCV, another filter. The weights for a size are
cached, as for every image but the first of its size; *cold* is the ratio to torchvision where they are not. Part of
the gain is that the reference does not compute what the crop discards. {bits}

One process, one thread, the contestants in turn, {rounds} rounds a size, the processor's time; a figure is the median
of the ratios within the rounds. Decoding is not in it: all leave it to Pillow.
"""
MEMORY = """\
Memory beside the image and what is loaded, in MiB, to 224: how far the process's peak rises above what it held before
the call. A process for each contestant.
"""


@dataclass(frozen=True)
class Row:
    """The ratios at one size and one n_px; `low` and `high` are the quartiles of that to the literal pipeline."""

    place: Place
    ratios: dict[str, float]
    low: float
    high: float
    cold: float
    same: list[str]

    @property
    def target(self) -> float:
        return TARGETS.get(self.place, TARGET)

    @property
    def missed(self) -> bool:
        """Whether the target is missed; by a NaN as well."""
        return not (self.ratios[LITERAL] <= self.target)

    def cells(self) -> list[str]:
        """The row as text, one cell a head."""
        return [
            name(self.place),
            *(f"{self.ratios[other]:.2f}" for other in OTHERS),
            f"{self.cold:.2f}",
            f"{self.low:.2f} to {self.high:.2f}",
            f"{self.target:.2f}{' missed' if self.missed else ''}",
            ", ".join(self.same) or "none",
        ]


def measure(place: Place, rounds: int) -> Row:
    """Check that the outputs are the same bits, then time the contestants in turn.

    Raises:
        SystemExit: those of the literal pipeline differ, so that the times mean nothing.
    """
    width, height, n_px = place
    # No contestant is faster on one content than on another.
    image = Image.fromarray(weave(width, height, 3))
    calls = {key: make(n_px) for key, make in CONTESTANTS.items()}
    outputs = {key: np.asarray(call(image)) for key, call in calls.items()}
    ours = outputs.pop(REFERENCE)
    same = [key for key, its in outputs.items() if (its.dtype, its.tobytes()) == (ours.dtype, ours.tobytes())]
    if COMPARABLE and LITERAL not in same:
        sys.exit(f"{name(place)}: the reference and the torchvision pipeline differ; nothing was measured")
    took: dict[str, list[float]] = {key: [] for key in (*calls, "cold")}
    for turn in range(rounds):
        # No contestant always comes after the same other one.
        order = list(calls)
        for key in order[turn % len(order) :] + order[: turn % len(order)]:
            took[key].append(seconds(calls[key], image))
        bands.cache_clear()
        taps.cache_clear()
        took["cold"].append(seconds(calls[REFERENCE], image))
    low, _, high = statistics.quantiles(ratios(took[REFERENCE], took[LITERAL]), n=4)
    return Row(
        place,
        {key: statistics.median(ratios(took[REFERENCE], took[key])) for key in OTHERS},
        low,
        high,
        statistics.median(ratios(took["cold"], took[LITERAL])),
        same,
    )


def seconds(call: Callable[[Image.Image], object], image: Image.Image) -> float:
    """Return the processor's time for a call: with one thread, what it takes on an idle machine."""
    began = time.process_time()
    call(image)
    return time.process_time() - began


def ratios(ours: list[float], theirs: list[float]) -> list[float]:
    return [a / b for a, b in zip(ours, theirs, strict=True)]


def name(place: Place) -> str:
    return f"{place[0]}x{place[1]} to {place[2]}"


def memory() -> list[list[str]] | None:
    """Return the rows of the table of memory, None where the system does not tell a peak."""
    if not Path("/proc/self/clear_refs").exists():
        return None
    script = Path(__file__).with_name("memory.py")
    columns = []
    for contestant in CONTESTANTS:
        done = subprocess.run([sys.executable, script, contestant], check=True, capture_output=True, text=True)
        columns.append(done.stdout.split())
    return [[f"{width}x{height}", *row] for (width, height), row in zip(SIZES, zip(*columns, strict=True), strict=True)]


@click.command()
@click.option("--rounds", default=15, show_default=True, type=click.IntRange(5), help="Rounds a size.")
@click.option("--markdown", type=click.Path(dir_okay=False, path_type=Path), help="Write the figures here.")
@click.option("--gate", is_flag=True, help="Exit with 1 where a target is missed.")
def main(rounds: int, markdown: Path | None, gate: bool) -> None:
    """Measure the reference against torchvision's pipelines, Pillow and OpenCV."""
    out = console()
    noise = Noise()
    rows = [measure(place, rounds) for place in PLACES]
    cells = [row.cells() for row in rows]
    taken = memory()
    out.print(terminal_table(HEADS, cells))
    if taken is not None:
        out.print(terminal_table(("MiB", *CONTESTANTS), taken))
    out.print(f"{machine()}; {noise}", style="dim", highlight=False)
    bits = "Before anything is timed, its output and torchvision's are checked to be the same bits."
    if not COMPARABLE:
        bits = f"Pillow {PIL.__version__} has another pass order than the canon, so that bits may differ."
        out.print(bits)
    if markdown is not None:
        body = [
            "    python benchmarks/reference_speed.py --markdown docs/speed.md\n",
            EXPLANATION.format(bits=bits, rounds=rounds),
            f"{machine()}; {noise}.\n",
            markdown_table(HEADS, cells),
        ]
        if taken is not None:
            body += ["", MEMORY, markdown_table(("image", *CONTESTANTS), taken)]
        write_section(markdown, "The reference", "\n".join(body))
    missed = [name(row.place) for row in rows if row.missed]
    if missed:
        out.print(f"target missed: {', '.join(missed)}", style="red", highlight=False)
    sys.exit(1 if gate and missed else 0)


if __name__ == "__main__":
    main()
