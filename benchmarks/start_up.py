"""How long until something is printed: python benchmarks/start_up.py [--markdown docs/speed.md].

The processor's time of whole commands, all their processes together, and the time on the clock, which on a machine
that is not idle says more of the machine. Commands take turns.
"""

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import click
from common import Noise, console, machine, markdown_table, terminal_table, write_section

SUITE = [sys.executable, "-m", "clip_conformance"]
FLOOR = "python -c 'import numpy, PIL.Image'"
# What is run, its words, and the seconds that it may take.
COMMANDS: dict[str, tuple[list[str], float | None]] = {
    "python -c pass": ([sys.executable, "-c", "pass"], None),
    FLOOR: ([sys.executable, "-c", "import numpy, PIL.Image"], None),
    "--help": ([*SUITE, "--help"], 0.3),
    "list models": ([*SUITE, "list", "models"], 0.3),
    "list fixtures": ([*SUITE, "list", "fixtures"], 0.3),
    "check pillow --select pin-noise": ([*SUITE, "check", "pillow", "--select", "pin-noise"], 1.0),
}
HEADS = ("command", "processor, s", "clock, s", f"processor / {FLOOR}", "limit, s")
EXPLANATION = """\
*processor* is the time that all processes of a command used, *clock* the fastest of the rounds; two processes start for
a check, one after the other. `{floor}` is what nothing that scores images can go below, and a check pays it twice, in
the suite and in the candidate's process. `tests/test_imports.py` holds what each command loads.

{rounds} rounds, commands in turn; *processor* is the median.
"""


def took(words: Sequence[str]) -> tuple[float, float]:
    """Run a command, and return the seconds of the processor and of the clock."""
    began = time.perf_counter()
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    clock = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, words
    return used.ru_utime + used.ru_stime, clock


@click.command()
@click.option("--rounds", default=9, show_default=True, type=click.IntRange(3), help="Rounds a command.")
@click.option("--markdown", type=click.Path(dir_okay=False, path_type=Path), help="Write the figures here.")
def main(rounds: int, markdown: Path | None) -> None:
    """Measure how long commands take that compute next to nothing."""
    out = console()
    noise = Noise()
    figures: dict[str, list[tuple[float, float]]] = {name: [] for name in COMMANDS}
    for turn in range(rounds + 1):
        for name, (words, _) in COMMANDS.items():
            found = took(words)
            if turn:  # the first one reads the files
                figures[name].append(found)
    processor = {name: statistics.median(used for used, _ in found) for name, found in figures.items()}
    rows = [
        [
            f"`{name}`",
            f"{processor[name]:.2f}",
            f"{min(clock for _, clock in figures[name]):.2f}",
            f"{processor[name] / processor[FLOOR]:.2f}",
            "" if limit is None else f"{limit:.1f}",
        ]
        for name, (_, limit) in COMMANDS.items()
    ]
    out.print(terminal_table(HEADS, rows))
    out.print(f"{machine()}; {noise}", style="dim", highlight=False)
    if markdown is not None:
        body = [
            "    python benchmarks/start_up.py --markdown docs/speed.md\n",
            EXPLANATION.format(rounds=rounds, floor=FLOOR),
            f"{machine()}; {noise}.\n",
            markdown_table(HEADS, rows),
        ]
        write_section(markdown, "Start-up", "\n".join(body))


if __name__ == "__main__":
    main()
