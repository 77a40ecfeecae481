"""The diagnosis in a terminal: what was found, the recovered pipeline beside the canon, the fix as code."""

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

import clip_spec
from clip_conformance.summary import Summary

# Platforms whose fix suits a candidate, by the language that it says it is written in; first what it is most like.
_PLATFORMS = {
    "python": ("pillow", "torchvision", "numpy"),
    "c++": ("cpp",),
    "c": ("cpp",),
    "rust": ("rust",),
    "go": ("go",),
    "javascript": ("javascript",),
    "typescript": ("javascript",),
    "java": ("java",),
    "kotlin": ("java",),
    "swift": ("swift",),
    "shell": ("shell",),
    "onnx": ("onnx",),
}
# Fixes that are printed as code; `show FAULT` has the others.
_MOST = 3


def show_diagnosis(summary: Summary, console: Console) -> None:
    """Print the diagnosis of a run; nothing where a candidate passes with rounding only."""
    if nothing_found(summary):
        console.print(Text(nothing_found(summary)), soft_wrap=True)
    recovered = summary.recovered
    if recovered is None and not summary.diagnosis:
        return
    console.print()
    title = "diagnosis" if recovered is None else f"diagnosis: {recovered.verdict}"
    console.print(Text(title, style="bold"))
    for finding in summary.diagnosis:
        line = Text("  ").append(f"{finding.stage}: ", style="red bold").append(finding.title)
        console.print(line.append(f"  ({finding.fault})", style="dim"), soft_wrap=True)
        console.print(Text(f"    Fix: {finding.fix}"), soft_wrap=True)
    if recovered is not None:
        console.print(Text(f"  {recovered.text}"), soft_wrap=True)
        if recovered.verdict == "reproduced" and recovered.unexplained:
            console.print(Text(f"  Not explained: {', '.join(recovered.unexplained)}.", style="dim"), soft_wrap=True)
        if recovered.pipeline and recovered.verdict != "unknown":
            console.print(Padding(_pipeline(summary), (1, 0, 0, 2)))
    _code(summary, console)
    console.print()


def nothing_found(summary: Summary) -> str:
    """Return what an exact run says of the preprocessing; "" of any other."""
    if summary.level != "exact" or summary.end_to_end is None or summary.cases < summary.expected:
        return ""
    which = f"Every tensor of these {summary.cases} cases"
    return f"{which} is the canon's, bit for bit: your preprocessing is not the cause."


def _pipeline(summary: Summary) -> Table:
    assert summary.recovered is not None
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for heading in ("stage", "choice", "canon", "candidate"):
        table.add_column(heading)
    for choice in summary.recovered.pipeline:
        table.add_row(choice.stage, choice.what, Text(choice.canon, style="green"), Text(choice.candidate, style="red"))
    return table


def fixes(summary: Summary) -> list[tuple[str, str, str]]:
    """Return the fix of the first findings as code of the candidate's platform: (fault, platform, code), no code twice.

    Findings whose fix the data have no such code of are left out.
    """
    platforms = _PLATFORMS.get(summary.candidate.get("language", "python").lower(), ())
    known = {fault.id: fault for fault in clip_spec.faults()}
    found: dict[str, tuple[str, str, str]] = {}
    for finding in summary.diagnosis:
        code = known[finding.fault].code if finding.fault in known else {}
        platform = next((name for name in platforms if name in code), None)
        if platform is not None and len(found) < _MOST:
            found.setdefault(code[platform], (finding.fault, platform, code[platform].strip("\n")))
    return list(found.values())


def _code(summary: Summary, console: Console) -> None:
    shown = fixes(summary)
    for fault, platform, code in shown:
        console.print()
        console.print(Text(f"  {fault}, in {platform}:", style="dim"))
        console.print(Padding(Text(code), (0, 0, 0, 4)))
    if summary.diagnosis:
        rest = "other platforms: " if shown else ""
        console.print(Text(f"  {rest}clip-conformance show {summary.diagnosis[0].fault}", style="dim"))
