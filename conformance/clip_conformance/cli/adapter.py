"""clip-conformance smoke and replay: for those who write an adapter."""

import tempfile
from pathlib import Path

import click

from clip_conformance.cli import options


@click.command()
@click.argument("candidate")
@options.model
@options.strict
@options.timeout
def smoke(candidate: str, model: str, strict: bool, timeout: float) -> int:
    """Try CANDIDATE on five cases, with an explanation after each.

    For the first ten minutes of an adapter's life; `check` then scores it on all.
    """
    from rich.text import Text

    from clip_conformance.cases import targets
    from clip_conformance.engine import open_runner
    from clip_conformance.errors import UsageError
    from clip_conformance.smoke import STEPS, walk
    from clip_conformance.terminal import output

    console = output()
    found = targets(model)
    if len(found) != 1:
        raise UsageError("smoke takes one model")
    passed = 0
    with open_runner(candidate, cases=1, jobs=1, timeout=timeout, strict=strict) as runner:
        for number, outcome in enumerate(walk(runner, found[0]), start=1):
            mark, style = ("ok", "bold green") if outcome.passed else (outcome.case.level, "bold red")
            passed += outcome.passed
            heading = Text(f"{number}  {outcome.case.id}  ", style="bold").append(mark, style=style)
            console.print(heading.append(f"  {outcome.what}", style=""), soft_wrap=True)
            console.print(Text(outcome.step.shows, style="dim"))
            if not outcome.passed:
                for hint in outcome.hints:
                    console.print(Text(f"Seen: {hint}."), soft_wrap=True)
                if outcome.case.checks:
                    console.print(Text(f"Look at: {outcome.step.look}"))
            console.print()
        log = runner.log().strip()
    if passed < len(STEPS) and log:
        console.print(Text("stderr of the candidate ends with\n" + "\n".join(log.splitlines()[-5:]), style="dim"))
    text = f"{passed} of {len(STEPS)} pass. "
    if passed == len(STEPS):
        text += f"Now: clip-conformance check '{candidate}' --scope arrays"
    else:
        text += "Begin with the first that fails; the later ones build on it."
    console.print(Text(text, style="bold green" if passed == len(STEPS) else "bold red"), soft_wrap=True)
    return 0 if passed == len(STEPS) else 1


@click.command(short_help="Hold a recorded conversation once more and compare the answers.")
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("candidate", default="")
@options.timeout
def replay(folder: Path, candidate: str, timeout: float) -> int:
    """Send the messages of a transcript to an adapter once more and compare its answers.

    FOLDER was written by `check cmd:... --transcript FOLDER`. Without CANDIDATE the adapter is the one that was
    recorded: use that with transcripts that you trust. Exit status 0 where every answer and every output is the same
    to the byte, else 1.
    """
    from rich.text import Text

    from clip_conformance.replay import replay as turns
    from clip_conformance.terminal import output

    console = output()
    with tempfile.TemporaryDirectory() as work:
        found = list(turns(folder, candidate, Path(work), timeout))
    changed = [turn for turn in found if not turn.same]
    for turn in changed[:20]:
        console.print(Text(f"{turn.case}: then {turn.then}; now {turn.now}"), soft_wrap=True)
    if len(changed) > 20:
        console.print(f"... and {len(changed) - 20} more")
    text = f"{len(found) - len(changed)} of {len(found)} runs are answered as they were"
    console.print(Text(text, style="bold red" if changed else "bold green"))
    return 1 if changed or not found else 0
