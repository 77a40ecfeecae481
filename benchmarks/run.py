"""All figures of docs/speed.md, one command: python benchmarks/run.py [--markdown docs/speed.md].

Its parts are commands of their own, and take options.
"""

import subprocess
import sys
from pathlib import Path

import click

PARTS = ("check_speed.py", "start_up.py", "reference_speed.py", "harness_overhead.py")


@click.command()
@click.option("--markdown", type=click.Path(dir_okay=False, path_type=Path), help="Write the figures here.")
def main(markdown: Path | None) -> None:
    """Measure everything, as ratios, side by side."""
    words = [] if markdown is None else ["--markdown", str(markdown.resolve())]
    for part in PARTS:
        subprocess.run([sys.executable, Path(__file__).with_name(part), *words], check=True)


if __name__ == "__main__":
    main()
