"""How good the diagnosis is, on all ports: python tests/ports_figures.py [--write docs/diagnosis.md] [NAME...].

Every port of tests/ports is run as in tests/test_ports.py; what the diagnosis says is compared with the port's labels,
and what it claims to have reproduced with the port itself on images that no fixture has. Rows are appended to --json
as they come, and those that are there already and of the same sources are not measured again.
"""

import contextlib
import hashlib
import os
import platform
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

# Before NumPy is imported: threads that wait would count as work.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import click
import msgspec
import numpy as np
import PIL

import ports
from clip_conformance.errors import UsageError
from ports import Port
from ports_images import SEED, fresh
from ports_measure import HOLDS, HOLDS_SHOWN, MEAN, PEAK, SHARE, SMALLER, TINY, Row, lacks, measure

ROOT = Path(__file__).parents[1]
GROUPS: dict[str, tuple[Port, ...]] = {
    "SINGLES": ports.SINGLES,
    "COMBINATIONS": ports.COMBINATIONS,
    "SOUND": ports.SOUND,
    "UNKNOWN": ports.UNKNOWN,
}
# What decides the figures.
_SOURCES = (
    "conformance/clip_conformance/diagnosis/*.py",
    "conformance/clip_conformance/scoring/*.py",
    "spec/clip_spec/data/*.toml",
    "tests/ports/*.py",
    "tests/ports_images.py",
    "tests/ports_measure.py",
)
Chosen = list[tuple[str, Port]]


def code() -> str:
    """Return what stands for the sources that decide the figures."""
    whole = hashlib.sha256()
    for pattern in _SOURCES:
        for path in sorted(ROOT.glob(pattern)):
            whole.update(path.name.encode() + path.read_bytes())
    return whole.hexdigest()[:12]


def choose(names: Iterable[str], every: int) -> Chosen:
    """Return every n-th port with its group, of all or of those that are named.

    Raises:
        UsageError: no such port.
    """
    everyone = [(group, port) for group, members in GROUPS.items() for port in members]
    wanted = set(names)
    if unknown := wanted - {port.name for _, port in everyone}:
        raise UsageError(f"no port {', '.join(sorted(unknown))}; they are in tests/ports")
    return [(group, port) for group, port in everyone if not wanted or port.name in wanted][::every]


def rows_of(chosen: Chosen, path: Path | None, told: Callable[[str], None]) -> tuple[list[Row], Chosen]:
    """Return the rows of ports and which could not run; what `path` holds is taken from there, the rest appended."""
    now, found = code(), {}
    if path is not None and path.is_file():
        for text in path.read_bytes().splitlines():
            # What was cut off, or of another form, is of another time.
            with contextlib.suppress(msgspec.DecodeError):
                row = msgspec.json.decode(text, type=Row)
                if row.code == now:
                    found[row.name] = row
    missing: Chosen = []
    with tempfile.TemporaryDirectory(prefix="ports-figures-") as folder:
        images = fresh(Path(folder))
        for group, port in chosen:
            if port.name in found:
                continue
            if lacking := lacks(port):
                missing.append((group, port))
                told(f"{port.name}: not run, needs {', '.join(lacking)}")
                continue
            row = found[port.name] = measure(port, group, images, code=now)
            told(f"{port.name}: {'; '.join(wrongs(row)) or 'right'} ({row.cpu:.1f} s)")
            if path is not None:
                with path.open("ab") as file:
                    file.write(msgspec.json.encode(row) + b"\n")
    return [found[port.name] for _, port in chosen if port.name in found], missing


def wrongs(row: Row) -> list[str]:
    """Return what is not right about a port's diagnosis, a fact each."""
    if row.group == "SOUND":
        said = ", ".join([*row.blame, *row.found, row.verdict]).strip(", ")
        return [] if row.quiet else [f"{'passes' if row.passed else 'fails'}; said: {said or 'nothing'}"]
    found = ["passes"] if row.passed else []
    if row.group == "UNKNOWN":
        claimed = row.verdict == "reproduced"
        return found + ([f"claimed to be {', '.join(row.found)} ({_cases(row)})"] if claimed else [])
    if not row.blamed:
        found.append(f"blamed first: {', '.join(row.blame[:1]) or 'nothing'}")
    if row.missing:
        found.append(f"not named: {', '.join(row.missing)}")
    if row.extra:
        found.append(f"named besides: {', '.join(row.extra)}")
    if row.verdict != "reproduced":
        found.append(f"{row.verdict or 'no verdict'} ({_cases(row)})")
    if row.claim is not None and not row.claim.holds:
        found.append(f"right on {row.claim.agreed} of {row.claim.accepted} new images: {', '.join(row.claim.wrong)}")
    elif row.claim is not None and row.claim.shown and not row.claim.holds_where_shown:
        found.append(f"right on {row.claim.told} of {row.claim.shown} new images that show a mistake")
    return found


def _cases(row: Row) -> str:
    return f"{row.reproduced} of {row.compared} cases"


# --- the document


def page(rows: list[Row], missing: Chosen) -> str:
    """Return the document."""
    return "\n".join(_lines(rows, missing)) + "\n"


def _lines(rows: list[Row], missing: Chosen) -> Iterator[str]:
    everyone = sum(map(len, GROUPS.values()))
    part = "" if len(rows) == everyone else f" on {len(rows)} of {everyone} ports"
    yield "# How good the diagnosis is"
    yield ""
    yield f"Made by `python tests/ports_figures.py --write docs/diagnosis.md`{part}; do not edit."
    yield ""
    yield (
        "`tests/ports` holds preprocessors that were written apart from the diagnosis, with labels of what is wrong "
        "with each. Each was run on every fixture (those of SOUND on the scope `arrays`) at n_px = 224 as a black box, "
        "and what the diagnosis said compared with its labels. Where it said "
        '"reproduced", the recovered pipeline was simulated on '
        f"images that no fixture has (`tests/ports_images.py`, seed {SEED}: RGB, ten other modes, and files with what "
        "lies in files), and held against the port's own tensors. An image is right where the mean error is at most "
        f"{MEAN} LSB and at most {SHARE:.0%} of the samples are off by more than {PEAK:g} LSB; a claim holds where at "
        f"least {HOLDS:.0%} of the images that the port accepts are right. A mistake in one mode or kind of file "
        "shows on few of them; so the last columns count the claims whose mistake shows at all (the port is more than "
        f"{TINY} LSB from the canon on some image), and those that hold there too: at least {HOLDS_SHOWN:.0%} of these "
        f"images are right, and within {TINY} LSB or {SMALLER:.0%} of what the port is off from the canon."
    )
    yield ""
    yield (
        "| Ports | Number | Not run | Fail | First blame right | All named | With an extra name | Reproduced "
        "| Hold on new images | Show there | Hold where they show |"
    )
    yield "|---|" + "--:|" * 10
    for group in ("SINGLES", "COMBINATIONS"):
        yield _faulty(group, [row for row in rows if row.group == group], _of(group, missing))
    yield ""
    yield "| Ports | Number | Not run | Fail | False alarms | Claimed to be known |"
    yield "|---|" + "--:|" * 5
    for group in ("SOUND", "UNKNOWN"):
        yield _others(group, [row for row in rows if row.group == group], _of(group, missing))
    yield ""
    yield (
        "An extra name is one that is neither in the labels nor among what hardly shows beside them (`Port.minor`). A "
        "false alarm is any blame, name or verdict. What UNKNOWN does has no id; it may be placed, not claimed."
    )
    yield ""
    yield "## What is not right"
    yield ""
    yield from [f"- `{row.name}`: {'; '.join(found)}." for row in rows if (found := wrongs(row))] or ["Nothing."]
    yield ""
    if missing:
        yield f"Not run, for a package is missing: {', '.join(f'`{port.name}`' for _, port in missing)}."
        yield ""
    yield from _notes(rows)


def _of(group: str, missing: Chosen) -> int:
    return sum(where == group for where, _ in missing)


def _faulty(group: str, rows: list[Row], missing: int) -> str:
    claims = [row.claim for row in rows if row.claim is not None]
    return _row(
        group,
        len(rows) + missing,
        missing,
        sum(not row.passed for row in rows),
        sum(row.blamed for row in rows),
        sum(not row.missing for row in rows),
        sum(bool(row.extra) for row in rows),
        sum(row.verdict == "reproduced" for row in rows),
        sum(claim.holds for claim in claims),
        sum(claim.shown > 0 for claim in claims),
        sum(claim.holds_where_shown for claim in claims),
    )


def _others(group: str, rows: list[Row], missing: int) -> str:
    return _row(
        group,
        len(rows) + missing,
        missing,
        sum(not row.passed for row in rows),
        sum(not row.quiet for row in rows) if group == "SOUND" else "",
        sum(row.verdict == "reproduced" for row in rows) if group == "UNKNOWN" else "",
    )


def _row(*items: Any) -> str:
    return "| " + " | ".join(map(str, items)) + " |"


def _notes(rows: list[Row]) -> Iterator[str]:
    versions = f"Python {platform.python_version()}, Pillow {PIL.__version__}, NumPy {np.__version__}"
    yield f"Measured with {versions}."
    yield ""
    timed = sorted((row for row in rows if row.wall), key=lambda row: row.cpu)
    if timed:
        last, middle = timed[-1], timed[len(timed) // 2]
        yield (
            f"A note and no claim, for it depends on the machine and nothing asserts it: on {os.cpu_count()} cores "
            f"({platform.machine()}) the longest diagnosis, that of `{last.name}`, took "
            f"{last.cpu:.1f} s of CPU and {last.wall:.1f} s by the clock; the middle one "
            f"{middle.cpu:.1f} s and {middle.wall:.1f} s."
        )


@click.command()
@click.option("--write", type=click.Path(path_type=Path), metavar="FILE", help="Write the document.")
@click.option("--every", type=click.IntRange(1), default=1, metavar="N", help="Take every N-th port alone.")
@click.option("--json", "data", type=click.Path(path_type=Path), metavar="PATH", help="Keep the rows, one a line.")
@click.argument("names", nargs=-1, metavar="[NAME]...")
def main(write: Path | None, every: int, data: Path | None, names: tuple[str, ...]) -> None:
    """Measure the diagnosis on all ports, or on those that are named."""
    if tuple(map(int, PIL.__version__.split(".")[:2])) > (12, 1):
        raise UsageError("Pillow 12.2 and later change the order of the passes, a mistake of every port; take 12.1")
    text = page(*rows_of(choose(names, every), data, click.echo))
    if write is not None:
        write.write_text(text, encoding="utf-8")
    else:
        click.echo(f"\n{text}", nl=False)


if __name__ == "__main__":
    try:
        main()
    except UsageError as error:
        sys.exit(f"ports_figures: {error}")
