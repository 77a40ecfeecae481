"""How fast is the reference: python benchmarks/reference_speed.py [--gate] [--markdown docs/speed.md].

clip_reference.preprocess, with its weights cached (warm) and not (cold), against the literal torchvision
pipeline of openai/CLIP and against Pillow's resize alone. All take turns in one process on one thread, so
that whatever else the machine does hits them alike; a ratio is the median of those within the rounds.
"""

import os

# Read when NumPy and torch are loaded.
os.environ.update(OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1", MKL_NUM_THREADS="1")

import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import click
import PIL
import torch
from common import Noise, console, machine, markdown_table, terminal_table, write_section
from PIL import Image

import clip_reference
from clip_conformance.witnesses import openai
from clip_fixtures.patterns import weave
from clip_reference.geometry import resized_size
from clip_reference.kernel import bands, taps

Place = tuple[int, int, int]
PLACES: tuple[Place, ...] = (
    (224, 224, 224),
    (100, 80, 224),
    (640, 480, 224),
    (1024, 768, 224),
    (1920, 1080, 224),
    (1080, 2400, 224),
    (4000, 3000, 224),
    (8000, 400, 224),
    (640, 480, 288),
    (640, 480, 336),
    (640, 480, 384),
    (640, 480, 448),
)
# The largest ratio, weights cached, to the torchvision pipeline.
TARGETS = {(640, 480, 224): 0.90, (1024, 768, 224): 0.90, (4000, 3000, 224): 0.90, (8000, 400, 224): 0.15}
# Pillow keeps the canon's pass order up to 12.1; later it computes something else for some sizes (RSZ-9).
COMPARABLE = tuple(int(part) for part in PIL.__version__.split(".")[:2]) < (12, 2)

HEADS = ("image to n_px", "warm", "cold", "middle half of warm", "warm / resize alone", "target for warm")
EXPLANATION = """\
The time of `clip_reference.preprocess`, PIL image to float32 tensor, divided by that of the literal
torchvision pipeline of openai/CLIP (Resize, CenterCrop, RGB, ToTensor, Normalize) on the same image: below 1
the reference is faster. *warm*: the weights for the size are cached, as for every image but the first of its
size; *cold*: they are computed in the call. *resize alone* is Pillow's `Image.resize` and nothing else. Part
of the gain is that the reference does not compute what the crop discards. At 224x224 to 224 there is nothing
to resize. {bits}

One process, one thread, the contestants in turn, {rounds} rounds a size; a figure is the median of the ratios
within the rounds. Decoding is not in it: both leave it to Pillow.
"""


@dataclass(frozen=True)
class Row:
    """The ratios at one size and one n_px; `low` and `high` are the quartiles of `warm`."""

    place: Place
    warm: float
    low: float
    high: float
    cold: float
    to_resize: float

    @property
    def missed(self) -> bool:
        """Whether a target is missed; by a NaN as well."""
        return self.place in TARGETS and not (self.warm <= TARGETS[self.place])

    def cells(self) -> list[str]:
        """The row as text, one cell a head."""
        target = f"{TARGETS[self.place]:.2f}" if self.place in TARGETS else ""
        return [
            name(self.place),
            f"{self.warm:.2f}",
            f"{self.cold:.2f}",
            f"{self.low:.2f} to {self.high:.2f}",
            # A resize to the same size is a copy of microseconds: no yardstick.
            "" if self.place[:2] == (self.place[2],) * 2 else f"{self.to_resize:.2f}",
            f"{target} missed" if self.missed else target,
        ]


def measure(place: Place, rounds: int) -> Row:
    """Check that the outputs are the same bits, then time the contestants in turn.

    Raises:
        SystemExit: the outputs differ, so that the times mean nothing.
    """
    width, height, n_px = place
    # No contestant is faster on one content than on another.
    image = Image.fromarray(weave(width, height, 3))
    pipeline = openai.make(n_px)
    size = resized_size(width, height, n_px)
    theirs, ours = pipeline(image).numpy(), clip_reference.preprocess(image, n_px)
    same = (theirs.dtype, theirs.shape) == (ours.dtype, ours.shape) and theirs.tobytes() == ours.tobytes()
    if COMPARABLE and not same:
        sys.exit(f"{name(place)}: the reference and the torchvision pipeline differ; nothing was measured")
    torchvision, resize, cold, warm = [], [], [], []
    for _ in range(rounds):
        torchvision.append(seconds(lambda: pipeline(image)))
        resize.append(seconds(lambda: image.resize(size, Image.Resampling.BICUBIC)))
        bands.cache_clear()
        taps.cache_clear()
        cold.append(seconds(lambda: clip_reference.preprocess(image, n_px)))
        warm.append(seconds(lambda: clip_reference.preprocess(image, n_px)))
    low, median, high = statistics.quantiles(ratios(warm, torchvision), n=4)
    return Row(
        place,
        median,
        low,
        high,
        statistics.median(ratios(cold, torchvision)),
        statistics.median(ratios(warm, resize)),
    )


def seconds(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def ratios(ours: list[float], theirs: list[float]) -> list[float]:
    return [a / b for a, b in zip(ours, theirs, strict=True)]


def name(place: Place) -> str:
    return f"{place[0]}x{place[1]} to {place[2]}"


def page(rows: list[Row], rounds: int, noise: Noise) -> str:
    bits = (
        "Before anything is timed, the two outputs are checked to be the same bits."
        if COMPARABLE
        else f"Pillow {PIL.__version__} has another pass order than the canon, so the bits were not compared."
    )
    return "\n".join(
        [
            "    python benchmarks/reference_speed.py --markdown docs/speed.md\n",
            EXPLANATION.format(bits=bits, rounds=rounds),
            f"{machine()}; {noise}.\n",
            markdown_table(HEADS, [row.cells() for row in rows]),
        ]
    )


@click.command()
@click.option("--rounds", default=25, show_default=True, type=click.IntRange(15), help="Rounds a size.")
@click.option("--markdown", type=click.Path(dir_okay=False, path_type=Path), help="Write the figures here.")
@click.option("--gate", is_flag=True, help="Exit with 1 where a target is missed.")
def main(rounds: int, markdown: Path | None, gate: bool) -> None:
    """Measure the reference against torchvision's pipeline and Pillow's resize."""
    torch.set_num_threads(1)
    out = console()
    noise = Noise()
    rows = [measure(place, rounds) for place in PLACES]
    out.print(terminal_table(HEADS, [row.cells() for row in rows]))
    out.print(f"{machine()}; {noise}", style="dim", highlight=False)
    if not COMPARABLE:
        out.print(f"Pillow {PIL.__version__} has another pass order than the canon: bits were not compared.")
    if markdown is not None:
        write_section(markdown, "The reference", page(rows, rounds, noise))
    missed = [name(row.place) for row in rows if row.missed]
    if missed:
        out.print(f"target missed: {', '.join(missed)}", style="red", highlight=False)
    sys.exit(1 if gate and missed else 0)


if __name__ == "__main__":
    main()
