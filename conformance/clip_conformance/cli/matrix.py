"""clip-conformance matrix."""

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from clip_conformance.cli import options

if TYPE_CHECKING:
    from clip_conformance.matrix import Line
    from clip_conformance.report import Report

_LEVELS = ["exact", "equivalent", "close", "divergent"]


@click.command()
@click.argument("candidate")
@click.option(
    "--with",
    "texts",
    multiple=True,
    required=True,
    metavar="REQUIREMENTS",
    help="One environment: what to install, as for pip, or `current` for the running one; repeatable.",
)
@click.option(
    "--baseline",
    default=1,
    show_default=True,
    type=click.IntRange(min=1),
    metavar="N",
    help="The --with that the others are compared with.",
)
@click.option(
    "--requirements",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="What the candidate needs, a requirements file; a --with wins over it.",
)
@click.option(
    "--project",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="DIR",
    help="Install the project there into every environment.",
)
@click.option(
    "--python", default="", metavar="VERSION", help="A Python that is installed. [default: that of this command]"
)
@options.model
@options.scopes
@options.select
@click.option(
    "--require", default="equivalent", show_default=True, type=click.Choice(_LEVELS), help="The level to reach."
)
@click.option(
    "--input",
    "kind",
    default="pil",
    show_default=True,
    type=click.Choice(["pil", "array"]),
    help="What a callable takes: a PIL image, or an RGB uint8 array.",
)
@options.timeout
@click.option(
    "--report",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Keep each environment's report here, in a folder named after it.",
)
@click.option("--keep", is_flag=True, help="Keep the environments, and say where.")
@click.option("--markdown", type=click.Path(dir_okay=False, path_type=Path), help="Write all of it here as Markdown.")
def matrix(**given: Any) -> int:
    """Score CANDIDATE in several environments before an upgrade, and tell what each changes.

    \b
      clip-conformance matrix my_port:preprocess --with pillow==12.1.1 --with pillow==13.0.0
      clip-conformance matrix hf-clip --with current --with 'torch==2.12.1 torchvision==0.27.1'

    CANDIDATE is Python, as for `check`. Every --with gets a virtual environment of its own, made with uv and thrown
    away: this suite, --requirements, --project, and what --with names. uv's variables choose another index (UV_INDEX)
    or torch without CUDA (UV_TORCH_BACKEND=cpu). Exit status: 0 nothing regressed and all reach the level, 1
    otherwise, 2 an environment could not be made, or the candidate not be run in it; the others are scored all the
    same.
    """
    from rich.console import Console

    from clip_conformance import matrix_show
    from clip_conformance.matrix import Scorer, run
    from clip_conformance.reports.files import replace
    from clip_conformance.terminal import output

    with ExitStack() as stack:
        folder = given["folder"] or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="clip-matrix-")))
        scorer = stack.enter_context(
            Scorer(
                given["candidate"],
                list(_words(given)),
                python=given["python"],
                requirements=given["requirements"],
                project=given["project"],
                keep=given["keep"],
            )
        )
        status = stack.enter_context(Console(stderr=True).status("making ready"))

        def told(line: "Line", place: Path) -> "tuple[Report, str]":
            status.update(line.text)
            return scorer(line, place)

        found = run(given["texts"], told, folder, given["baseline"])
        status.stop()
        if given["markdown"] is not None:
            replace(given["markdown"], matrix_show.as_markdown(found).encode())
        console = output()
        if given["keep"]:
            console.print(f"The environments are in {scorer.home}.", highlight=False, soft_wrap=True)
        matrix_show.show(found, console)
    return found.status


def _words(given: dict[str, Any]) -> Iterator[str]:
    """Return the options that `check` gets."""
    for option, name in (("model", "model"), ("require", "require"), ("input", "kind"), ("timeout", "timeout")):
        yield from (f"--{option}", str(given[name]))
    for scope in given["scopes"]:
        yield from ("--scope", scope)
    for glob in given["globs"]:
        yield from ("--select", glob)
