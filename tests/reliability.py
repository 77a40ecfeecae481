"""docs/reliability.md: every hostile candidate tried, and what came of it: `python tests/reliability.py --write`."""

import argparse
import sys
import tempfile
from pathlib import Path

import hostile

PAGE = Path(__file__).parents[1] / "docs" / "reliability.md"
_INTRO = """# What a bad candidate can do to a run

Made by `python tests/reliability.py --write` on Linux with torch installed; tests/test_hostile.py holds the table in
each run of the tests. Every kind misbehaves at one of three cases. It counts as contained where that case has the
verdict that it must have, the report is whole, the exit status is right, the other cases have the verdict that they
must have, and no process and no file of the work folder is left.

"""
_HEAD = "| kind | way | verdict wanted | got |\n|---|---|---|---|\n"


def named(kind, way):
    """The first cells of a row: the kind, the way, the verdict wanted."""
    wanted = getattr(kind, way)
    verdict = wanted.level if wanted.status == "ok" else wanted.status
    words = wanted.words or wanted.note
    text = f"{verdict or 'as it comes'}: {words}" if words else verdict or "as it comes"
    return [kind.name.replace("_", " "), way, text.replace("|", "/")]


def rows_of(page):
    """The cells of the table of a page."""
    lines = page.split(_HEAD)[1].split("\n\n")[0].splitlines()
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


def totals(rows):
    """The line of totals."""
    kinds = {row[0] for row in rows}
    good = [row for row in rows if row[3] == "as wanted"]
    return f"{len(kinds)} kinds, {len(rows)} runs: {len(good)} contained, {len(rows) - len(good)} not."


def measured():
    """Try every kind, and return the rows."""
    rows = []
    for kind, way in hostile.tried():
        with tempfile.TemporaryDirectory() as place:
            wrong = hostile.judged(kind, way, hostile.run(kind.name, way, Path(place), *kind.options))
        rows.append([*named(kind, way), " ".join(wrong.split()).replace("|", "/") or "as wanted"])
        print(rows[-1], file=sys.stderr, flush=True)
    return rows


def page(rows):
    """The text of the page."""
    body = "".join(f"| {' | '.join(row)} |\n" for row in rows)
    return f"{_INTRO}{totals(rows)}\n\n{_HEAD}{body}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--write", action="store_true", help="write the page; else it is printed")
    write = parser.parse_args().write
    text = page(measured())
    if write:
        PAGE.write_text(text)
    else:
        print(text, end="")
