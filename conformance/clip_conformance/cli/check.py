"""clip-conformance check."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from clip_conformance.cli import options
from clip_conformance.errors import UsageError

if TYPE_CHECKING:
    from rich.console import Console

    from clip_conformance.report import Report

_LEVELS = ["exact", "equivalent", "close", "divergent"]
_STAGES = ["decode", "resize", "center_crop", "convert_rgb", "to_tensor", "normalize"]


@click.command()
@click.argument("candidate")
@options.model
@options.scopes
@click.option(
    "--require",
    default="equivalent",
    show_default=True,
    type=click.Choice(_LEVELS),
    help="The level to reach.",
)
@click.option(
    "--report",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write report.jsonl, all that is made from it, and the candidate's stderr.log here.",
)
@click.option(
    "--baseline",
    type=click.Path(exists=True, path_type=Path),
    metavar="REPORT",
    help="Compare with this report as well, and fail where something regressed.",
)
@click.option(
    "--known",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Known divergences (TOML): fail where anything else fails, and where one of them no longer does.",
)
@click.option(
    "--write-known",
    "proposal",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Propose a file for --known: what fails in this run. Keeps what the file says of them.",
)
@options.select
@click.option(
    "--stage", "stages", multiple=True, type=click.Choice(_STAGES), help="Score this stage alone; repeatable."
)
@click.option(
    "--input",
    "kind",
    default="pil",
    show_default=True,
    type=click.Choice(["pil", "array"]),
    help="What a callable takes: a PIL image, or an RGB uint8 array.",
)
@click.option(
    "--jobs",
    default=0,
    type=click.IntRange(0, 64),
    help="Processes at a time. [default: one a core, at most 2 but for exec:]",
)
@options.timeout
@options.memory
@options.strict
@click.option("--no-diagnosis", "silent", is_flag=True, help="Do not look for the mistakes behind a failure.")
@click.option(
    "--transcript",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Keep the conversation with a cmd: candidate here, for replay.",
)
def check(**given: Any) -> int:
    """Score CANDIDATE and print a verdict per stage.

    \b
    CANDIDATE is one of
      pkg.mod:attr, path/file.py:attr   Python: a callable on a PIL image, a torchvision Compose, a Hugging Face
                                        image processor, an object with stage methods, a function of n_px
      cmd:./adapter --flag              any language: one process, JSON lines on stdin and stdout
      exec:./run.sh {input} {n_px} {output}   any language: one process an image
      dir:OUTPUTS                       outputs made elsewhere from an exported bundle
      onnx:model.onnx                   an ONNX graph with the preprocessing inside
      pillow, openai, hf-clip, ...      a built-in witness

    Ctrl-C and SIGTERM end the run: what was scored until then is shown and written, marked as partial, and the exit
    status is 130 or 143.

    `show protocol` says how to write an adapter; `smoke CANDIDATE` is the first thing to try with one.
    """
    from rich.console import Console

    from clip_conformance.cli.signals import Signals
    from clip_conformance.engine import SCOPES, Interrupted
    from clip_conformance.engine import check as run
    from clip_conformance.render import Bar
    from clip_conformance.reports import lines
    from clip_conformance.terminal import output

    console = output()
    baseline = None if given["baseline"] is None else lines.read(given["baseline"])
    folder = given["folder"]
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    with Signals() as signals:
        try:
            with Bar(Console(stderr=True)) as bar, signals.heard():
                report = run(
                    given["candidate"],
                    given["model"],
                    scopes=given["scopes"] or SCOPES,
                    require=given["require"],
                    select=given["globs"],
                    stages=given["stages"],
                    jobs=given["jobs"],
                    timeout=given["timeout"],
                    memory=given["memory"],
                    input=given["kind"],
                    strict=given["strict"],
                    transcript=given["transcript"],
                    diagnose=not given["silent"],
                    pictures=folder is not None,
                    known=given["known"],
                    listener=bar,
                )
        except Interrupted as interrupt:
            report = interrupt.report
        status = _tell(report, given, baseline, console)
    return signals.status or status


def _tell(report: "Report", given: dict[str, Any], baseline: "Report | None", console: "Console") -> int:
    """Print and write what came of a run, and return the exit status."""
    from rich.text import Text

    from clip_conformance.render import show
    from clip_conformance.reports.annotations import annotations

    folder = given["folder"]
    accepted = report.summary.accepted
    if given["proposal"] is not None and not report.partial:
        console.print(Text(propose(report, given["proposal"])), soft_wrap=True)
    if baseline is not None and not report.partial:
        from clip_conformance.reports import diff_show
        from clip_conformance.reports.diff import compare

        diff = compare(baseline, report)
        accepted &= not diff.regressed
        console.print(f"Compared with {given['baseline']}:", highlight=False, soft_wrap=True)
        diff_show.show(diff, console)
        console.print()
    show(report, console)
    if folder is not None:
        try:
            report.write(folder)
        except OSError as error:
            # The verdict is told; a gate must not take the folder for the report of this run.
            raise UsageError(f"the report cannot be written to {folder}: {error.strerror or error}") from error
    for command in annotations(report):
        click.echo(command)
    return 0 if accepted else 1


def propose(report: "Report", path: Path) -> str:
    """Write a proposal for --known, and return what was done in a line."""
    from datetime import UTC, datetime

    from clip_conformance import known
    from clip_conformance.reports.files import replace

    old = known.read(path, whole=False) if path.exists() else None
    today = datetime.now(UTC).date()
    file = known.propose(report.cases, report.footer, report.header.required, today, old)
    replace(path, known.encode(file))
    blank = [name for name in ("reason", "url", "owner") if not getattr(file.defaults, name)]
    rest = f"; fill in {', '.join(blank)} under [defaults], or for each" if blank and file.known else ""
    return f"Wrote {len(file.known)} known divergences to {path}{rest}."
