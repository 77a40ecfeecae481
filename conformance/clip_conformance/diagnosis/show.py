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
    if summary.level == "exact" and summary.end_to_end is not None:
        which = f"Every tensor of these {summary.cases} cases"
        text = f"{which} is the canon's, bit for bit: your preprocessing is not the cause."
        console.print(Text(text), soft_wrap=True)
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


def _pipeline(summary: Summary) -> Table:
    assert summary.recovered is not None
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for heading in ("stage", "choice", "canon", "candidate"):
        table.add_column(heading)
    for choice in summary.recovered.pipeline:
        table.add_row(choice.stage, choice.what, Text(choice.canon, style="green"), Text(choice.candidate, style="red"))
    return table


def _code(summary: Summary, console: Console) -> None:
    """Print the fix of the first findings as code of the candidate's platform, where the data have it."""
    platforms = _PLATFORMS.get(summary.candidate.get("language", "python").lower(), ())
    known = {fault.id: fault for fault in clip_spec.faults()}
    shown: set[str] = set()
    for finding in summary.diagnosis:
        code = known[finding.fault].code if finding.fault in known else {}
        platform = next((name for name in platforms if name in code), None)
        if platform is None or len(shown) == _MOST or code[platform] in shown:
            continue
        shown.add(code[platform])
        console.print()
        console.print(Text(f"  {finding.fault}, in {platform}:", style="dim"))
        console.print(Padding(Text(code[platform].strip("\n")), (0, 0, 0, 4)))
    if summary.diagnosis:
        rest = "other platforms: " if shown else ""
        console.print(Text(f"  {rest}clip-conformance show {summary.diagnosis[0].fault}", style="dim"))
