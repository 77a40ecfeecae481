"""What the benchmarks share: the machine's identity, its noise, and the page of figures."""

import platform
import resource
import sys
import time
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

_TITLE = "# Speed"
_PACKAGES = ("numpy", "Pillow", "torch", "torchvision", "msgspec")


def machine() -> str:
    """Return what the figures depend on: processor, versions."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        fields = (line.partition(":") for line in cpuinfo.read_text(encoding="utf-8").splitlines())
        known = {key.strip(): value.strip() for key, _, value in fields}
        # Guests often see no name; the numbers still tell the generation.
        numbers = [f"{key} {known[key]}" for key in ("cpu family", "model", "stepping") if key in known]
        model = known.get("model name", model) + (f" ({', '.join(numbers)})" if numbers else "")
    blas = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
    versions = {"Python": platform.python_version()} | {name: metadata.version(name) for name in _PACKAGES}
    versions[blas["name"]] = blas["version"]
    return f"{model}; {', '.join(' '.join(item) for item in versions.items())}"


class Noise:
    """How many cores other processes used since it was made; None where the system does not say."""

    def __init__(self) -> None:
        self._began, self._busy, self._own = time.monotonic(), _busy(), _own()

    def cores(self) -> float | None:
        """Return the foreign load in cores, averaged from the start until now."""
        busy = _busy()
        if busy is None or self._busy is None:
            return None
        foreign = (busy - self._busy) - (_own() - self._own)
        return max(0.0, foreign / (time.monotonic() - self._began))

    def __str__(self) -> str:
        cores = self.cores()
        return "other processes: not known" if cores is None else f"other processes used {cores:.2f} cores"


def _busy() -> float | None:
    """Seconds that all cores together were not idle."""
    stat = Path("/proc/stat")
    if not stat.exists():
        return None
    user, nice, system, _, _, irq, softirq, *_ = map(int, stat.read_text().split("\n", 1)[0].split()[1:])
    return (user + nice + system + irq + softirq) / 100


def _own() -> float:
    """Seconds of this process and its finished children."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def console() -> Console:
    """Return stdout as a console, 120 columns into a file or a pipe."""
    return Console() if sys.stdout.isatty() else Console(width=120)


def terminal_table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    """Return rows as a table whose first column is text and the others are figures."""
    found = Table(box=None, header_style="dim", padding=(0, 2, 0, 0), pad_edge=False)
    for index, head in enumerate(heads):
        found.add_column(head, justify="right" if index else "left")
    for row in rows:
        found.add_row(*row)
    return found


def markdown_table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return rows as a Markdown table whose first column is text and the others are figures."""
    lines = [heads, ["---"] + ["---:"] * (len(heads) - 1), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def write_section(path: Path, heading: str, body: str) -> None:
    """Put a section into the page of figures, in the place of an older one of the same heading."""
    text = path.read_text(encoding="utf-8") if path.exists() else f"{_TITLE}\n"
    first, *sections = text.rstrip().split("\n## ")
    fresh = f"{heading}\n\n{body.rstrip()}"
    names = [section.partition("\n")[0] for section in sections]
    if heading in names:
        sections[names.index(heading)] = fresh
    else:
        sections.append(fresh)
    path.write_text("\n\n## ".join(part.rstrip() for part in (first, *sections)) + "\n", encoding="utf-8")
