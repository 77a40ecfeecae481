"""Which fixture catches which known mistake: python -m clip_conformance.kill_matrix [--write].

Every simulated mistake is made on every fixture, end to end; a fixture kills a mistake that does not reach `equivalent`
on it. Without --write the committed documents are compared with what is found; with it they are made anew.
"""

import difflib
import math
import os
import sys
import warnings
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import click
import msgspec

import clip_spec
from clip_conformance.diagnosis.picture import Pictures
from clip_conformance.diagnosis.variant import Variant, changes
from clip_conformance.errors import UsageError
from clip_conformance.scoring.excess import level_excess
from clip_conformance.scoring.levels import level_of, reaches
from clip_conformance.subjects import N_PX, Subject, images, not_simulated, simulated
from clip_fixtures import Fixture, fixtures
from clip_spec import LevelId, ScopeId

# The mistake of giving an image where there should be none: it shows on what must be refused.
ACCEPTING = "truncated-accepted"
# "x" for exact, so that "e" is equivalent.
LETTERS: dict[LevelId, str] = {"exact": "x", "equivalent": "e", "close": "c", "divergent": "d"}
# Mistakes that more than this share of the images kill say nothing about any of them.
_COMMON = 0.9
_SCOPES: tuple[ScopeId, ...] = get_args(ScopeId)


@dataclass(frozen=True)
class Cell:
    """A mistake on a fixture: the level that it reaches, and how far it is from `equivalent` (1 is at its bound)."""

    level: LevelId
    excess: float

    @property
    def killed(self) -> bool:
        """Return whether the fixture catches the mistake."""
        return not reaches(self.level, "equivalent")


# By fault and slug.
Matrix = dict[str, dict[str, Cell]]


def measure(variants: dict[str, Variant], chosen: Iterable[Fixture]) -> Matrix:
    """Return the cells of some mistakes on some fixtures; on those that must be refused, those of `ACCEPTING` alone."""
    found: Matrix = {fault: {} for fault in variants}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for fixture in chosen:
            if fixture.expect == "reject":
                if ACCEPTING in variants:
                    found[ACCEPTING][fixture.slug] = _accepted(fixture, variants[ACCEPTING])
                continue
            subject = Subject(fixture)
            for fault, variant in variants.items():
                found[fault][fixture.slug] = _cell(subject, fixture, variant)
    return found


def measure_on_all_cores(variants: dict[str, Variant], chosen: Iterable[Fixture]) -> Matrix:
    """Return what `measure` returns, each core with a part of the fixtures."""
    every, cores = list(chosen), os.cpu_count() or 1
    with ProcessPoolExecutor(cores) as pool:
        parts = list(pool.map(measure, [variants] * cores, [every[core::cores] for core in range(cores)]))
    found: Matrix = {}
    for fault in variants:
        cells = {slug: cell for part in parts for slug, cell in part[fault].items()}
        found[fault] = {fixture.slug: cells[fixture.slug] for fixture in every if fixture.slug in cells}
    return found


def _accepted(fixture: Fixture, variant: Variant) -> Cell:
    """Return the cell of a fixture that must be refused: any output at all is wrong."""
    refused = Pictures(N_PX).get(fixture, variant) is None
    return Cell("exact", 0.0) if refused else Cell("divergent", math.inf)


def _cell(subject: Subject, fixture: Fixture, variant: Variant) -> Cell:
    deviation = subject.tensor_deviation(variant)
    level = level_of("normalize", "cumulative", deviation, fixture.mode)
    return Cell(level, level_excess("equivalent", "normalize", "cumulative", deviation, fixture.mode))


def killers(matrix: Matrix, fault: str) -> dict[str, Cell]:
    """Return the fixtures that kill a mistake, the one that shows it best first."""
    cells = {slug: cell for slug, cell in matrix[fault].items() if cell.killed}
    return dict(sorted(cells.items(), key=lambda item: -item[1].excess))


def surviving_ways(matrix: Matrix) -> list[str]:
    """Return the ways of making a mistake that no image kills, as "fault (choices)"; the first is in the matrix."""
    alive = []
    for fault in clip_spec.faults():
        if fault.id not in matrix:
            continue
        likely = list(killers(matrix, fault.id))
        rest = [image.slug for image in images() if image.slug not in likely]
        for way in changes(fault)[1:]:
            tried = (
                measure({fault.id: Variant(**way)}, [fixtures()[slug]])[fault.id][slug] for slug in [*likely, *rest]
            )
            if not any(cell.killed for cell in tried):
                alive.append(f"{fault.id} ({', '.join(f'{name} {value}' for name, value in way.items())})")
    return alive


# --- the documents


def folder() -> Path:
    """Return the checkout's folder of documents; the package itself may be installed elsewhere.

    Raises:
        UsageError: this is no checkout.
    """
    path = Path.cwd() / "docs"
    if not path.is_dir():
        raise UsageError(f"{path} is missing; run this in a checkout")
    return path


def documents(matrix: Matrix, alive: list[str]) -> dict[str, str]:
    """Return the text of every document, by its name; `alive` are the ways that survive."""
    return {"kill-matrix.md": "\n".join(_page(matrix, alive)) + "\n", "kill-matrix.json": data(matrix)}


def data(matrix: Matrix) -> str:
    """Return the matrix for machines: a mistake a line, a letter a fixture."""
    slugs = [fixture.slug for fixture in images()]
    rows = {fault: "".join(LETTERS[cells[slug].level] for slug in slugs) for fault, cells in matrix.items()}
    whole: dict[str, Any] = {
        "n_px": N_PX,
        "letters": {letter: level for level, letter in LETTERS.items()},
        "fixtures": slugs,
        "faults": rows,
        "opened": [slug for slug in killers(matrix, ACCEPTING) if slug not in slugs],
        "not_simulated": not_simulated(),
    }
    return msgspec.json.format(msgspec.json.encode(whole), indent=1).decode() + "\n"


def excess_text(value: float) -> str:
    """Return a multiple of a bound as two digits, or what has no number."""
    return "no number" if math.isinf(value) else f"{value:.2g}" if value < 100 else f"{float(f'{value:.2g}'):.0f}"


def _page(matrix: Matrix, alive: list[str]) -> Iterator[str]:
    dead = [fault for fault in matrix if killers(matrix, fault)]
    yield "# Which fixture catches which mistake"
    yield ""
    yield "Made by `python -m clip_conformance.kill_matrix --write`; do not edit."
    yield ""
    yield (
        f"Each of the {len(matrix)} known mistakes that can be simulated was made on each of the {len(images())} "
        f"images at n_px = {N_PX}, in the first of its ways, end to end. A fixture kills a mistake whose tensor does "
        f"not reach `equivalent`; {len(dead)} of {len(matrix)} are killed. The number behind a fixture is its excess: "
        "the largest of the deviation's figures, in units of the bound of `equivalent` that it breaks; more than 1 "
        "kills, and an output without numbers (another shape, an image where there should be an error) has none. "
        "[kill-matrix.json](kill-matrix.json) has the level of every pair."
    )
    yield ""
    yield (
        f"Not simulated: {', '.join(f'`{fault}`' for fault in not_simulated())}. They happen inside the JPEG decoder, "
        "where Pillow has no switch for them; `fixtures/tools` proves them when the files are made."
    )
    yield ""
    yield "## By mistake"
    yield ""
    yield f"Ways: in how many the mistake is made. Ways that no image kills: {', '.join(alive) or 'none'}."
    yield ""
    yield "| Mistake | Ways | Killed by | " + " | ".join(_SCOPES) + " | Shown best by | Narrowest kill |"
    yield "|---|--:|--:|" + "--:|" * len(_SCOPES) + "---|---|"
    yield from (fault_row(matrix, fault) for fault in matrix)
    yield ""
    yield from _by_fixture(matrix)


def fault_row(matrix: Matrix, fault: str) -> str:
    """Return a mistake's row of the first table."""
    ways = next(len(changes(known)) for known in clip_spec.faults() if known.id == fault)
    kills = killers(matrix, fault)
    counts = [sum(fixtures()[slug].scope == scope for slug in kills) for scope in _SCOPES]
    named = [f"{slug} ({excess_text(cell.excess)})" for slug, cell in kills.items()]
    return _row([fault, ways, len(kills), *counts, ", ".join(named[:3]) or "nothing", named[-1] if named else ""])


def _row(items: list[Any]) -> str:
    return "| " + " | ".join(str(item).replace("|", "\\|") for item in items) + " |"


def _by_fixture(matrix: Matrix) -> Iterator[str]:
    by_fault = {fault: list(killers(matrix, fault)) for fault in matrix}
    common = {fault for fault, slugs in by_fault.items() if len(slugs) > _COMMON * len(images())}
    yield "## By fixture"
    yield ""
    yield (
        f"Kills: without the {len(common)} mistakes that more than {_COMMON:.0%} of the images kill "
        f"({', '.join(fault for fault in matrix if fault in common)}). Alone: the mistakes that no other fixture "
        "kills. With one other: how many it kills that only one other does. Rarest: of its kills the one that the "
        "fewest fixtures make, and how many do. A fixture that kills nothing alone stays for its last columns: the "
        "clauses that it holds, and what it is there for."
    )
    for scope in _SCOPES:
        yield ""
        yield f"### {scope}"
        yield ""
        yield "| Fixture | Kills | Alone | With one other | Rarest | Clauses | Why it stays |"
        yield "|---|--:|---|--:|---|---|---|"
        for fixture in fixtures().values():
            if fixture.scope == scope:
                yield _fixture_row(fixture, by_fault, common)


def _fixture_row(fixture: Fixture, by_fault: dict[str, list[str]], common: set[str]) -> str:
    killed = [fault for fault, slugs in by_fault.items() if fixture.slug in slugs]
    mine = [fault for fault in killed if fault not in common]
    alone = [fault for fault in mine if len(by_fault[fault]) == 1]
    pairs = sum(len(by_fault[fault]) == 2 for fault in mine)
    rarest = min(mine, key=lambda fault: len(by_fault[fault]), default="")
    why = fixture.why
    if fixture.expect == "reject":
        why = f"must be refused: {why}"
    elif not mine:
        why = f"kills {'what nearly every image kills' if killed else 'no mistake of the bank'}: {why}"
    return _row(
        [
            fixture.slug,
            len(mine),
            ", ".join(alone),
            pairs or "",
            f"{rarest} ({len(by_fault[rarest])})" if rarest else "",
            ", ".join(fixture.clauses),
            why,
        ]
    )


def settle(name: str, found: dict[str, str], *, write: bool) -> int:
    """Write the documents, or compare them with the committed ones; return the exit status.

    Args:
        name: the module's, for the advice.
        found: the text of every document by its name.
        write: whether to write.
    """
    stale = 0
    for file, text in found.items():
        path = folder() / file
        if write:
            path.write_text(text, encoding="utf-8")
            continue
        before = path.read_text(encoding="utf-8") if path.is_file() else ""
        if before != text:
            stale = 1
            lines = difflib.unified_diff(before.splitlines(), text.splitlines(), "committed", "found", lineterm="", n=0)
            click.echo(f"docs/{file} is out of date; run python -m clip_conformance.{name} --write")
            click.echo("\n".join(line[:200] for line, _ in zip(lines, range(12), strict=False)))
    return stale


@click.command()
@click.option("--write", is_flag=True, help="Write the documents.")
def main(write: bool) -> None:
    """Check the kill matrix against the simulated mistakes, or write it."""
    matrix = measure_on_all_cores(simulated(), fixtures().values())
    alive = [fault for fault in matrix if not killers(matrix, fault)]
    click.echo(f"{len(matrix) - len(alive)} of {len(matrix)} simulated mistakes are killed")
    if alive:
        click.echo(f"alive: {', '.join(alive)}")
    ways = surviving_ways(matrix)
    click.echo(f"ways that no image kills: {', '.join(ways) or 'none'}")
    stale = settle("kill_matrix", documents(matrix, ways), write=write)
    sys.exit(1 if alive or stale else 0)


if __name__ == "__main__":
    try:
        main()
    except UsageError as error:
        sys.exit(f"kill_matrix: {error}")
