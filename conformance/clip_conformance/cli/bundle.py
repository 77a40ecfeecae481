"""clip-conformance export and verify."""

from pathlib import Path
from typing import Any

import click

from clip_conformance.cli import options


@click.command(short_help="Write the cases as plain files, for any language, here or elsewhere.")
@click.argument("folder", type=click.Path(path_type=Path))
@options.model
@options.scopes
@options.select
@click.option(
    "--expected",
    default="all",
    show_default=True,
    type=click.Choice(["all", "final", "none"]),
    help="Whose outputs come along: of all stages, of normalize alone, or digests only.",
)
def export(**given: Any) -> None:
    """Write inputs, cases, expected outputs and digests to FOLDER, for any language, here or elsewhere.

    What is made from them is scored with `check dir:OUTPUTS`. All of ViT-B/32 is about 1 GB; `--expected none`
    leaves 0.1 GB.
    """
    from rich.console import Console
    from rich.text import Text

    from clip_conformance.bundle import export as write
    from clip_conformance.cases import choose, targets
    from clip_conformance.engine import SCOPES
    from clip_conformance.render import Bar, output

    folder = given["folder"]
    models = targets(given["model"])
    chosen = choose([scope for scope in SCOPES if scope in (given["scopes"] or SCOPES)], given["globs"])
    with Bar(Console(stderr=True)) as bar:
        bar.count("writing", len(models) * len(chosen))
        bundle = write(folder, models, chosen, given["expected"], given["globs"], bar.step)
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    text = f"{bundle.cases} cases, {size / 1e6:.0f} MB in {folder}; {folder / 'README.md'} says what to do with them"
    output().print(Text(text), soft_wrap=True)


@click.command(short_help="Check that what export wrote is whole and genuine.")
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
def verify(folder: Path) -> int:
    """Check that a bundle is whole and is what this version of the suite exports."""
    from rich.text import Text

    from clip_conformance.bundle import verify as check
    from clip_conformance.render import output

    console = output()
    problems = check(folder)
    for problem in problems[:20]:
        console.print(Text(problem), soft_wrap=True)
    if len(problems) > 20:
        console.print(f"... and {len(problems) - 20} more")
    verdict = f"{folder} is not as it was exported" if problems else f"{folder} is whole and genuine"
    console.print(Text(verdict, style="bold red" if problems else "bold green"), soft_wrap=True)
    return 1 if problems else 0
