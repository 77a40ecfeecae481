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
    from clip_conformance.render import Bar
    from clip_conformance.terminal import output

    folder = given["folder"]
    models = targets(given["model"])
    chosen = choose([scope for scope in SCOPES if scope in (given["scopes"] or SCOPES)], given["globs"])
    with Bar(Console(stderr=True)) as bar:
        bar.count("writing", len(models) * len(chosen))
        bundle = write(folder, models, chosen, given["expected"], given["globs"], bar.step)
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    text = f"{bundle.cases} cases, {size / 1e6:.0f} MB in {folder}; {folder / 'README.md'} says what to do with them"
    output().print(Text(text), soft_wrap=True)


@click.command(short_help="Check a bundle that export wrote, or the statement of a run.")
@click.argument("path", type=click.Path(exists=True, path_type=Path))
@click.option(
    "--report",
    type=click.Path(exists=True, path_type=Path),
    metavar="DIR",
    help="The report that the statement was made from. [default: the one beside it]",
)
@click.option("--candidate", metavar="CANDIDATE", help="Run the suite on this and compare every case.")
@click.option("--again", is_flag=True, help="The same with the candidate that the statement names.")
@click.option(
    "--input", "kind", default="pil", type=click.Choice(["pil", "array"]), help="As the statement's run was given."
)
@options.timeout
def verify(path: Path, **given: Any) -> int:
    """Check that a bundle is whole and genuine, or that a statement holds.

    PATH is a folder that `export` wrote: it must be whole, and what this version of the suite exports.

    Or it is a statement.json of `check --report`, or its folder: it must be of this standard and these fixtures,
    agree with itself, name every case, and belong to its report where there is one. With --candidate or --again the
    suite is run again, and every case must come out as stated. --again runs what the statement names: use it with
    statements that you trust.

    Exit status: 0 it holds, 1 it does not, 2 it could not be checked.
    """
    from clip_conformance import arrays, untrusted
    from clip_conformance.errors import UsageError
    from clip_conformance.reports import lines
    from clip_conformance.reports.statement import NAME

    if path.is_dir() and (path / lines.NAME).exists() and not (path / NAME).exists():
        raise UsageError(f"{path} has no {NAME}; `clip-conformance report {path}` makes it")
    if path.is_dir() and ((path / "bundle.json").exists() or not (path / NAME).exists()):
        if given["report"] or given["candidate"] or given["again"]:
            raise UsageError("--report, --candidate and --again go with a statement")
        return _bundle(path)
    try:
        return _statement(untrusted.file_of(path, NAME), given)
    except arrays.Unreadable as problem:
        raise UsageError(str(problem)) from None


def _bundle(folder: Path) -> int:
    from clip_conformance.bundle import verify as check

    problems = check(folder)
    return _tell(problems, f"{folder} is not as it was exported" if problems else f"{folder} is whole and genuine")


def _statement(path: Path, given: dict[str, Any]) -> int:
    from rich.console import Console
    from rich.text import Text

    from clip_conformance.errors import UsageError
    from clip_conformance.plain import plain
    from clip_conformance.render import Bar
    from clip_conformance.reports import lines, statement, verify
    from clip_conformance.terminal import output

    found = statement.read(path)
    verify.refuse_others(found)
    problems = list(verify.inconsistencies(found))
    report = given["report"] or path.parent
    belongs = given["report"] is not None or (path.parent / lines.NAME).is_file()
    if belongs:
        problems += verify.differences_from_report(found, report)
    if problems:
        return _tell(problems, f"{path} does not hold")
    said = f"{path} holds: {found.level}, {found.reached} of {len(found.cases)} cases reach {found.required}"
    said += "; its report is the same" if belongs else ""
    candidate = given["candidate"] or (found.candidate.get("name", "") if given["again"] else "")
    if not candidate:
        if given["again"]:
            raise UsageError("the statement names no candidate; name one with --candidate")
        return _tell([], said)
    with Bar(Console(stderr=True)) as bar:
        run = verify.again(found, candidate, bar, input=given["kind"], timeout=given["timeout"])
    differing = list(verify.differences_from_run(found, run))
    if differing:
        for change in verify.environment_changes(found, run):
            output().print(Text(plain(change), style="dim"), soft_wrap=True)
        total = len({*found.cases, *(case.id for case in run.cases)})
        return _tell(differing, f"{path} does not hold of {plain(candidate)}: {len(differing)} of {total} cases differ")
    return _tell([], f"{said}; run again, every case is as stated")


def _tell(problems: list[str], verdict: str) -> int:
    """Print what is wrong and the verdict, and return the exit status."""
    from rich.text import Text

    from clip_conformance.plain import one_line
    from clip_conformance.terminal import output

    console = output()
    for problem in problems[:20]:
        console.print(Text(one_line(problem, 500)), soft_wrap=True)
    if len(problems) > 20:
        console.print(f"... and {len(problems) - 20} more")
    console.print(Text(verdict, style="bold red" if problems else "bold green"), soft_wrap=True)
    return 1 if problems else 0
