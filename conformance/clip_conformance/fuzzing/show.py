"""What fuzz prints: each finding with its picture, the table of properties, one last line."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

from clip_conformance.fuzzing.finding import Finding, pixel_list
from clip_conformance.fuzzing.pictures import MODES, Picture
from clip_conformance.fuzzing.properties import PROPERTIES
from clip_conformance.fuzzing.verdict import Verdict, Worst
from clip_conformance.listing import half_blocks
from clip_conformance.render import figure
from clip_conformance.scoring.compare import FLOAT_STAGES
from clip_fixtures.thumbnails import reduced
from clip_reference.source import Source

if TYPE_CHECKING:
    from clip_conformance.fuzzing.session import Searched, Session

# How wide a picture is shown, in characters, and how wide a small one at least.
_COLUMNS, _ENLARGED = 48, 16
_SHOWN_MODES = 4


def show_session(session: "Session", name: str, console: Console) -> None:
    """Print what a run came to: the findings, the table of properties, the verdict as the last line."""
    _print(console, _title(session, name))
    console.print()
    for number, found in enumerate(session.findings, start=1):
        show_finding(found, console, number=number)
        console.print()
    console.print(_table(session))
    for line in _apart(session):
        _print(console, Text(line))
    if any(found.verdict.status in ("crash", "error") for found in session.findings) and session.log.strip():
        last = "\n".join(session.log.strip().splitlines()[-6:])
        console.print(Text(f"The candidate's stderr ends with\n{last}", style="dim"))
    if session.interrupted:
        _print(console, Text("Interrupted: this is what was found so far.", style="yellow"))
    _print(console, _verdict(session, name))


def _print(console: Console, text: Text) -> None:
    console.print(text, soft_wrap=True, highlight=False)


def _title(session: "Session", name: str) -> Text:
    text = Text(name, style="bold")
    about = f"  {session.target.name} ({session.target.n_px} px)  seed {session.seed}  required {session.required}"
    return text.append(about, style="")


def show_finding(found: Finding, console: Console, *, number: int = 0) -> None:
    """Print one finding: the picture on a terminal, what is wrong, where it was saved and how it is repeated."""
    picture, verdict = found.picture, found.verdict
    heading = Text(f"{number}  " if number else "", style="bold").append(_heading(found), style="bold red")
    heading.append(f"  {picture.mode}, {picture.width} x {picture.height} px", style="bold")
    _print(console, heading.append(f"  {found.what}", style="dim"))
    if console.is_terminal:
        console.print(half_blocks(_preview(picture)), end="")
    for line in _lines(found, verdict):
        _print(console, Text(line))
    if found.path is not None and found.command:
        _print(console, Text("saved   ", style="dim").append(str(found.path), style=""))
        _print(console, Text("repeat  ", style="dim").append(found.command, style="bold"))


def _heading(found: Finding) -> str:
    if found.property:
        return f"property violated: {PROPERTIES[found.property].title}"
    if found.verdict.status != "ok":
        return found.verdict.status
    # Of a candidate that shows its end alone, nothing is known of a stage.
    where = "end to end" if found.stage == "normalize" and len(found.stages) < 2 else f"at {found.stage}"
    return f"{found.verdict.level} {where}"


def _lines(found: Finding, verdict: Verdict) -> Iterator[str]:
    if verdict.text:
        yield verdict.text
    deviation = verdict.deviation
    if deviation is not None and not deviation.problem:
        figures = (figure(value) for value in (deviation.peak, deviation.mean, deviation.bias))
        words = zip(("peak", "mean", "bias"), figures, strict=True)
        note = f"; {deviation.note}" if deviation.note else ""
        yield f"off by {', '.join(f'{word} {value}' for word, value in words)} LSB{note}"
    if verdict.worst is not None:
        yield _worst(verdict.worst, found)
    if len(found.stages) > 1:
        yield "stages: " + ", ".join(f"{stage} {level}" for stage, level in found.stages)
    rows = list(pixel_list(found.picture))
    for label, row in zip(["pixels"] + ["      "] * len(rows), rows, strict=False):
        yield f"{label}  {row}"
    if found.origin:
        yield f"shrunk from {found.origin}"
    if not found.shrunk:
        yield "shrinking ended with its time; a smaller image may show it too"
    if found.alone is False:
        yield "sent first to a fresh process it passes: the answer depends on earlier images, or on chance"


def _worst(worst: Worst, found: Finding) -> str:
    stage = found.stage
    mode = "RGB" if stage in (*FLOAT_STAGES, "convert_rgb") else found.picture.mode
    names = "RGB" if mode == "RGB" else MODES[mode].id
    band = names[worst.band] if len(names) == MODES[mode].bands else f"band {worst.band}"
    place = f"row {worst.row}, column {worst.column}, {band}"
    if stage not in FLOAT_STAGES:
        return f"worst sample at {place}: expected {worst.expected:g}, got {worst.got:g}"
    return (
        f"worst sample at {place}: expected {worst.expected:.6g}, got {worst.got:.6g} "
        f"(in 8 bits {_byte(worst.expected_lsb)} and {_byte(worst.got_lsb)})"
    )


def _byte(value: float) -> str:
    return f"{round(value, 2) + 0.0:g}"


def _preview(picture: Picture) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """Return a picture as RGB, made smaller or larger so that it can be seen."""
    palette = None
    if picture.palette is not None:
        palette = np.zeros((256, 3), np.uint8)
        palette[: len(picture.palette)] = picture.palette
    source = Source(MODES[picture.mode], picture.width, picture.height, picture.samples, palette)
    pixels = reduced(source, _COLUMNS)
    factor = max(1, _ENLARGED // max(pixels.shape[:2]))
    return pixels.repeat(factor, axis=0).repeat(factor, axis=1)


def _table(session: "Session") -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for head in ("looked at", "came to"):
        table.add_column(head, overflow="fold")
    for searched in session.searches:
        table.add_row(Text(searched.title), _result(searched))
    return table


def _result(searched: "Searched") -> Text:
    if searched.hunt is None:
        return Text(searched.offered, style="dim")
    hunt, answered = searched.hunt, sum(searched.hunt.answered.values())
    if searched.finding is not None:
        found = searched.finding
        word = "violated" if found.property else found.worst or found.verdict.status
        return Text(f"{word}, by image {hunt.images}", style="red")
    images = f"{answered} image{'s' * (answered != 1)}"
    if not answered:
        return Text("no image was answered", style="yellow")
    return Text(f"held on {images}" if searched.name in PROPERTIES else f"{images}, all pass", style="green")


def _apart(session: "Session") -> Iterator[str]:
    """Yield what is neither a pass nor a finding, and what passed by its peak alone."""
    answered = session.answered
    for mode, status, count, message in session.unanswered:
        if status in ("skipped", "rejected", "error", "missing"):
            taken = f"{answered[mode]} others of this mode pass" if answered[mode] else "not taken"
            yield f"{mode}: {count} {status}, counted apart ({taken}): {message}"
    if session.lenient:
        yield (
            f"{session.lenient} images of few values miss a bound on mean, bias or share and pass by their peak: there "
            "one rounding of a half repeats everywhere"
        )


def _verdict(session: "Session", name: str) -> Text:
    findings = session.findings
    again = f"--seed {session.seed} draws the same images again"
    if not findings:
        held = sum(found.hunt is not None and found.name in PROPERTIES for found in session.searches)
        text = (
            f"NOTHING FOUND: {name} reaches {session.required} on {sum(session.answered.values())} images, "
            f"{held} properties hold; {session.seconds:.0f} s, {again}."
        )
        return Text(text, style="bold green")
    broken = [found.property for found in findings if found.property]
    parts = [f"{len(findings) - len(broken)} deviating"] if len(findings) > len(broken) else []
    parts += [f"{len(broken)} violated ({', '.join(broken)})"] if broken else []
    return Text(f"FOUND: {name}: {', '.join(parts)}; {session.seconds:.0f} s, {again}.", style="bold red")
