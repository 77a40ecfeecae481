"""clip-conformance diff."""

from pathlib import Path
from typing import Any

import click

_LEVELS = ["exact", "equivalent", "close", "divergent"]


@click.command()
@click.argument("old", type=click.Path(path_type=Path))
@click.argument("new", type=click.Path(path_type=Path))
@click.option("--require", type=click.Choice(_LEVELS), help="The level that counts. [default: the new report's]")
@click.option(
    "--drift",
    default=10.0,
    show_default=True,
    type=click.FloatRange(0, 1000),
    help="Tell of errors that moved by this much of their bound, in percent, and still keep it.",
)
@click.option("--across-revisions", "across", is_flag=True, help="Compare reports of different spec revisions.")
@click.option("--json", "as_json", type=click.Path(dir_okay=False, path_type=Path), help="Write the diff here as JSON.")
@click.option("--markdown", type=click.Path(dir_okay=False, path_type=Path), help="Write it here as Markdown.")
@click.option("--html", type=click.Path(dir_okay=False, path_type=Path), help="Write it here as a page.")
def diff(**given: Any) -> int:
    """Compare two reports: what regressed, was fixed, drifted, was added or removed, and in what environment.

    OLD and NEW are folders that `check --report` wrote, or their report.jsonl. Exit status: 0 nothing regressed, 1
    something did, 2 they cannot be compared.
    """
    from clip_conformance.reports import diff_show, lines
    from clip_conformance.reports.diff import compare
    from clip_conformance.terminal import output

    found = compare(
        lines.read(given["old"]),
        lines.read(given["new"]),
        required=given["require"],
        drift=given["drift"] / 100,
        across=given["across"],
    )
    diff_show.write(found, as_json=given["as_json"], markdown=given["markdown"], html=given["html"])
    diff_show.show(found, output())
    return 1 if found.regressed else 0
