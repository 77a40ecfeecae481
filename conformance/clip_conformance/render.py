"""The verdict in a terminal: a progress bar while it runs, one table, one last line."""

from types import TracebackType

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

import clip_spec
from clip_conformance.diagnosis.show import show_diagnosis
from clip_conformance.engine import Listener
from clip_conformance.records import Case, Header
from clip_conformance.report import Report
from clip_conformance.scoring.levels import reaches
from clip_conformance.summary import StageSummary, Summary, troubles

# Columns that the table needs before the worst fixture.
_FIGURES = 66
# Checks of each kind that are listed of a file of known divergences.
_CHECKS = 5
_COLOURS = {"exact": "green", "equivalent": "green", "close": "yellow", "divergent": "red"}


class Bar(Listener):
    """A progress bar with the case at hand, on a terminal only."""

    def __init__(self, console: Console) -> None:
        self._progress = Progress(
            TextColumn("{task.description}", style="dim"),
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[case]}", style="dim"),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._progress.add_task("starting", total=None, case="")

    def __enter__(self) -> "Bar":
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def count(self, what: str, total: int) -> None:
        """Show what is done and how often it will be."""
        self._progress.update(self._task, description=what, total=total)

    def step(self, case: str) -> None:
        """Advance by a case and show its id."""
        self._progress.update(self._task, advance=1, case=escape(case))

    def begin(self, header: Header) -> None:
        """Show the number of cases."""
        self.count("scoring", header.expected)

    def done(self, case: Case) -> None:
        """Advance by a case."""
        self.step(case.id)


def show(report: Report, console: Console) -> None:
    """Print a report: what was scored, the table, what failed, the verdict as the last line."""
    summary = report.summary
    console.print(_title(summary), highlight=False)
    for note in report.header.notes:
        console.print(Text(f"note: {note}", style="yellow"), soft_wrap=True)
    console.print()
    console.print(_table(report, console.width))
    console.print(_scopes(summary), highlight=False)
    trouble = troubles(report.cases)
    for case, *others in trouble[:3]:
        more = f" ({len(others)} more like it)" if others else ""
        console.print(f"[red]{case.status}[/] {escape(case.id)}: {escape(case.message)}{more}", highlight=False)
    if len(trouble) > 3:
        console.print(f"... and {sum(map(len, trouble[3:]))} more without an output", highlight=False)
    for note in _long_notes(summary, console.width - _FIGURES):
        console.print(Text(note), soft_wrap=True)
    if any(alike[0].status in ("crash", "timeout", "error") for alike in trouble) and report.worker_log.strip():
        console.print(Text(f"The candidate's stderr ends with\n{_last_words(report.worker_log)}", style="dim"))
    show_diagnosis(summary, console)
    _show_known(summary, console)
    console.print(verdict(summary), highlight=False, soft_wrap=True)


def _show_known(summary: Summary, console: Console) -> None:
    """Say what a file of known divergences is wrong about."""
    known = summary.known
    if known is None:
        return
    for checks, what in (
        (known.unexpected, "fails and is not in it"),
        (known.worse, "is worse than it says"),
        (known.stale, "no longer fails; take it out"),
        (known.expired, "fails though its day is over; mend it, or give it another"),
    ):
        for check in checks[:_CHECKS]:
            console.print(Text(f"{known.file}: {check} {what}", style="red"), soft_wrap=True)
        if len(checks) > _CHECKS:
            console.print(Text(f"{known.file}: {len(checks) - _CHECKS} more such", style="red"))
    if known.idle:
        console.print(Text(f"{known.file}: {known.idle} entries are of cases that were not run", style="dim"))


def _long_notes(summary: Summary, room: int) -> list[str]:
    """Return what the table has no room for: why the worst cases have no figures."""
    rows = [row for row in (*summary.stages.values(), summary.end_to_end) if row is not None and row.note]
    return list(dict.fromkeys(f"{row.worst}: {row.note}" for row in rows if len(f"{row.worst}: {row.note}") > room))


def _last_words(log: str, lines: int = 8) -> str:
    """Return what matters of a worker's stderr: the innermost frames of a crash, or else the end."""
    _, fatal, trace = log.rpartition("Fatal Python error")
    if fatal:
        return "\n".join((fatal + trace).splitlines()[:lines])
    last = log.strip().splitlines()[-lines:]
    return "\n".join(
        "".join(char if char.isprintable() or char == "\t" else "?" for char in line[:400]) for line in last
    )


def _title(summary: Summary) -> Text:
    sizes = ", ".join(str(n) for n in summary.n_px)
    about, environment = summary.candidate, summary.environment
    text = Text(about.get("name", "?"), style="bold")
    text.append(f"  {summary.model} ({sizes} px)  spec {summary.spec}", style="")
    itself = " ".join(about[key] for key in ("implementation", "version") if about.get(key))
    if itself and about.get("language"):
        itself += f" ({about['language']})"
    known = [name for name in _PACKAGES if name in environment] if "Pillow" in environment else list(environment)[:8]
    line = " · ".join([*filter(None, [itself]), *(f"{name} {environment[name]}" for name in known)])
    return text.append(f"\n{line}", style="dim") if line else text


_PACKAGES = (
    "python",
    "Pillow",
    "torch",
    "torchvision",
    "transformers",
    "open_clip_torch",
    "timm",
    "opencv-python-headless",
    "scikit-image",
    "onnxruntime",
    "numpy",
)


def _table(report: Report, width: int) -> Table:
    summary = report.summary
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    table.add_column("stage", no_wrap=True, min_width=11)
    table.add_column("level", no_wrap=True, min_width=14)
    for name in ("cases", "passed", "peak", "mean", "bias"):
        table.add_column(name, justify="right", no_wrap=True, min_width=6 if name in ("mean", "passed") else 5)
    table.add_column("worst fixture", overflow="ellipsis", no_wrap=True)
    for stage in clip_spec.stage_ids():
        row = summary.stages.get(stage)
        if row is not None:
            blamed = stage in summary.blame
            inherits = bool(summary.blame) and not blamed and not reaches(row.level, summary.required)
            table.add_row(*_row(stage, row, width, blamed=blamed, inherits=inherits))
        elif stage == "to_tensor" and list(report.header.stages) == ["normalize"]:
            blamed = stage in summary.blame
            table.add_row(Text(stage, style="red bold" if blamed else "dim"), Text("with normalize", style="dim"))
    if summary.end_to_end is not None:
        table.add_row(*_row("end to end", summary.end_to_end, width))
    return table


def _row(name: str, row: StageSummary, width: int, *, blamed: bool = False, inherits: bool = False) -> list[Text | str]:
    remarks = [row.worst, row.note, "inherited" if inherits else ""]
    return [
        Text(name, style="red bold" if blamed else ""),
        Text(row.level, style=_COLOURS[row.level]),
        str(row.cases),
        str(row.passed),
        figure(row.peak),
        figure(row.mean),
        figure(row.bias),
        _cut(": ".join(remark for remark in remarks if remark), width - _FIGURES),
    ]


def _cut(remark: str, room: int) -> Text:
    """Return a remark that leaves the figures beside it their room."""
    text = Text(remark, style="dim")
    text.truncate(max(room, 12), overflow="ellipsis")
    return text


def figure(value: float | None) -> str:
    """Return a figure in LSB, short: whole numbers bare, small ones in powers of ten, a dash where there is none."""
    if value is None:
        return "-"
    if value == 0:
        return "0"
    if abs(value) >= 1e6:
        return f"{value:.0e}"
    if abs(value) >= 100 or (abs(value) >= 1 and abs(value - round(value)) < 0.005):
        return f"{value:.0f}"
    return f"{value:.2f}" if abs(value) >= 0.01 else f"{value:.0e}"


def _scopes(summary: Summary) -> Text:
    text = Text("scopes  ", style="dim")
    for scope, level in summary.scopes.items():
        text.append(f"{scope} ").append(level, style=_COLOURS[level]).append("   ")
    return text.append("peak, mean, bias in LSB, the worst case's", style="dim")


def verdict(summary: Summary) -> Text:
    """Return the verdict in one line."""
    name = summary.candidate.get("name", "?")
    if summary.cases < summary.expected:  # a partial report
        done = f"{summary.cases} of {summary.expected} cases were run, {summary.reached} reach {summary.required}"
        return Text(f"PARTIAL: {name}: the run was ended before its end; {done}. No verdict.", style="bold red")
    share = f"{summary.reached} of {summary.cases} cases reach {summary.required}"
    if summary.passed and summary.accepted:
        done = "conforms" if reaches(summary.level, "equivalent") else "is accepted"
        if summary.stages and "normalize" not in summary.stages and summary.end_to_end is None:
            done += f" at {', '.join(summary.stages)} alone"
        return Text(f"{summary.level.upper()}: {name} {done}; {share}.", style=f"bold {_COLOURS[summary.level]}")
    where = f" leaves the canon at {', '.join(summary.blame)}" if summary.blame else ""
    if summary.accepted and summary.known is not None:
        as_known = (
            f"{summary.level.upper()}, AS KNOWN: {name}{where}; {share}, the others fail as {summary.known.file} says."
        )
        return Text(as_known, style="bold yellow")
    rest = f"; {summary.known.file} does not hold" if summary.known is not None else ""
    return Text(f"{summary.level.upper()}: {name}{where}; {share}{rest}.", style="bold red")
