"""clip-conformance fuzz."""

from pathlib import Path
from typing import Any

import click

from clip_conformance.cli import options

_LEVELS = ["exact", "equivalent", "close"]
_PROPERTIES = ["constant", "transpose", "permute", "twice", "order", "untouched", "batch", "strided"]


@click.command(short_help="Search for an image beyond the fixtures on which a candidate fails.")
@click.argument("candidate")
@options.model
@click.option(
    "--time",
    "seconds",
    default=30.0,
    show_default=True,
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    help="For the search; shrinking a finding takes up to a third as long again, 15 s at most.",
)
@click.option("--seed", type=click.IntRange(0), help="The same seed draws the same images in the same order.")
@click.option("--images", type=click.IntRange(1), help="So many images a search at most, whatever the time.")
@click.option(
    "--require", default="equivalent", show_default=True, type=click.Choice(_LEVELS), help="The level to reach."
)
@options.timeout
@options.memory
@click.option(
    "--input",
    "kind",
    default="pil",
    show_default=True,
    type=click.Choice(["pil", "array"]),
    help="What a callable takes: a PIL image, or an RGB uint8 array.",
)
@click.option(
    "--out",
    default="fuzz-findings",
    show_default=True,
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Where findings are saved; made when there is one.",
)
@click.option(
    "--repeat",
    "file",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Judge this saved image, or any other, instead of searching.",
)
@click.option("--property", "property_", type=click.Choice(_PROPERTIES), help="With --repeat: the property to look at.")
def fuzz(**given: Any) -> int:
    """Search images of all sizes, modes and contents for one on which CANDIDATE leaves the canon.

    CANDIDATE is as for `check`, but for dir:. What is found is shrunk to a small image, saved, shown, and repeated by
    the one command that is printed with it. Hypothesis draws the images; `pip install 'clip-conformance[fuzz]'` brings
    it.

    Beside the canon, properties are looked at that hold of any sound preprocessor: one colour stays one colour, rows
    and columns, and channels, are treated alike, the same image gives the same bits whatever came before, in a batch
    or alone, and is not changed.

    An image that is refused is counted apart, an error on an image of a mode that is otherwise answered is a finding,
    and so are a crash and a timeout. On images of few values the bounds on mean, bias and share say nothing, and the
    peak decides.

    Exit status: 0 nothing was found, 1 something was, 2 the run could not be made.
    """
    from clip_conformance.errors import UsageError
    from clip_conformance.fuzzing.finding import Settings

    if given["property_"] and given["file"] is None:
        raise UsageError("--property goes with --repeat; a search looks at all of them")
    defaults: dict[str, Any] = {
        "model": "ViT-B/32",
        "require": "equivalent",
        "timeout": 20.0,
        "memory": 8.0,
        "kind": "pil",
    }
    words: list[str] = []
    for name, default in defaults.items():
        if given[name] != default:
            value = given[name]
            words += [
                f"--{'input' if name == 'kind' else name}",
                f"{value:g}" if name in ("timeout", "memory") else value,
            ]
    settings = Settings(given["candidate"], tuple(words))
    fixed = {name: given[name] for name in ("require", "timeout", "memory", "kind")}
    if given["file"] is not None:
        return _repeat(given, settings, fixed)
    return _search(given, settings, fixed)


def _repeat(given: dict[str, Any], settings: Any, fixed: dict[str, Any]) -> int:
    from rich.text import Text

    from clip_conformance.fuzzing.repeat import repeat
    from clip_conformance.fuzzing.show import show_finding
    from clip_conformance.terminal import output

    console = output()
    found = repeat(settings.candidate, given["file"], given["property_"] or "", given["model"], **fixed)
    if found.verdict.failed:
        show_finding(found, console)
        console.print(Text(f"FAILS: {settings.candidate} on {given['file']}.", style="bold red"), soft_wrap=True)
        return 1
    what = f"the property {found.property} holds" if found.property else f"it is {found.verdict.level}"
    text = f"PASSES: {settings.candidate} on {given['file']}; {what}."
    console.print(Text(text, style="bold green"), soft_wrap=True)
    return 0


def _search(given: dict[str, Any], settings: Any, fixed: dict[str, Any]) -> int:
    from rich.console import Console

    from clip_conformance.errors import UsageError
    from clip_conformance.terminal import output

    try:
        from clip_conformance.fuzzing.session import fuzz as search
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] != "hypothesis":
            raise
        raise UsageError("fuzz needs Hypothesis; pip install 'clip-conformance[fuzz]'") from error
    from clip_conformance.fuzzing.show import show_session

    console, errors = output(), Console(stderr=True)
    with errors.status("starting the candidate") as status:
        session = search(
            settings.candidate,
            given["model"],
            seconds=given["seconds"],
            seed=given["seed"],
            images=given["images"],
            progress=lambda title, count: status.update(f"{title}: {count} images"),
            **fixed,
        )
    session.keep(given["out"], settings)
    show_session(session, settings.candidate, console)
    if session.findings:
        return 1
    return 130 if session.interrupted else 0
