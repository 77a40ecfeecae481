"""clip-conformance report."""

from pathlib import Path

import click


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
def report(folder: Path) -> int:
    """Make the files of a report again from DIR/report.jsonl alone.

    A report.jsonl that is cut off, or was changed after the run, is refused with the line at fault.
    """
    from clip_conformance.render import verdict
    from clip_conformance.reports import files, lines
    from clip_conformance.terminal import output

    found = lines.read(folder)
    made = files.remake(found, folder if folder.is_dir() else folder.parent)
    console = output()
    console.print(f"Made {', '.join(path.name for path in made)} in {made[0].parent}.", highlight=False, soft_wrap=True)
    console.print(verdict(found.summary), highlight=False, soft_wrap=True)
    return 0
