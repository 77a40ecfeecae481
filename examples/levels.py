"""Build the examples, score them, and print the table of levels: python examples/levels.py [--write] [ID ...]."""

import glob
import os
import platform
import shlex
import shutil
import subprocess
import sys
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

import click

HERE = Path(__file__).parent
ROOT = HERE.parent
SCOPES = ("arrays", "modes", "files")
# What of an adapter's environment the table shows, and how it is called there.
VERSIONS = {
    "compiler": "g++ ",
    "go": "",
    "java": "Java ",
    "node": "Node ",
    "libvips": "libvips ",
    "image": "image ",
    "Pillow": "Pillow ",
}
BEGIN, END = "<!-- levels -->", "<!-- /levels -->"


@dataclass(frozen=True)
class Example:
    """One adapter: `needs` are programs (or globs of files), `debian` the packages that bring them."""

    id: str
    title: str
    candidate: str
    needs: list[str]
    debian: list[str]
    folder: str = ""
    levels: dict[str, str] = field(default_factory=dict)

    @property
    def home(self) -> Path:
        """The folder of the example."""
        return HERE / (self.folder or self.id)

    @property
    def missing(self) -> list[str]:
        """What the example needs and this machine lacks."""
        return [name for name in self.needs if not (glob.glob(name) if "/" in name else shutil.which(name))]

    @property
    def command(self) -> str:
        """The candidate, with this Python in the place of any."""
        return self.candidate.replace("cmd:python ", f"cmd:{shlex.quote(sys.executable)} ")

    def build(self) -> None:
        """Run build.sh where there is one; its output is shown where it fails."""
        script = self.home / "build.sh"
        if script.exists():
            done = subprocess.run([str(script)], capture_output=True, text=True, check=False)
            if done.returncode:
                raise click.ClickException(f"{script} failed:\n{done.stdout}{done.stderr}")


def examples() -> list[Example]:
    """Return the examples of examples.toml."""
    return [Example(**entry) for entry in tomllib.loads((HERE / "examples.toml").read_text())["example"]]


def row(example: Example) -> str:
    """Score an example in every scope and return its line of the table."""
    from clip_conformance import check

    cells, blame = [], ""
    for scope in SCOPES:
        report = check(example.command, scopes=[scope])
        counts = report.summary.counts
        close = counts["exact"] + counts["equivalent"] + counts["close"]
        cells.append(
            f"{report.level}: {report.summary.reached} + {close - report.summary.reached} of {len(report.cases)}"
        )
        if scope == "arrays":
            blame = ", ".join(f"`{stage}`" for stage in report.summary.blame) or "-"
            about = report.header.candidate | report.header.environment
    versions = ", ".join(f"{label}{about[name]}" for name, label in VERSIONS.items() if name in about)
    title = f"[{example.title}]({example.folder or example.id}/)" + (f" ({versions})" if versions else "")
    return f"| {title} | `{example.candidate.split(':')[0]}:` | {' | '.join(cells)} | {blame} |"


@click.command()
@click.argument("ids", nargs=-1)
@click.option("--write", is_flag=True, help="Put the table into examples/README.md.")
def main(ids: tuple[str, ...], write: bool) -> None:
    """Build and score the examples."""
    os.chdir(ROOT)
    chosen = [example for example in examples() if not ids or example.id in ids]
    if write and (ids or any(example.missing for example in chosen)):
        lacking = ", ".join(name for example in chosen for name in example.missing)
        raise click.ClickException(f"the table needs every example; missing here: {lacking or 'the others'}")
    lines = [
        "| adapter | way in | arrays | modes | files | leaves the canon (arrays) at |",
        "|---|---|---|---|---|---|",
    ]
    for example in chosen:
        if example.missing:
            lines.append(f"| {example.title} | | not run, {', '.join(example.missing)} missing | | | |")
            continue
        example.build()
        lines.append(row(example))
    table = "\n".join(lines)
    print(table)
    if write:
        page = HERE / "README.md"
        text = page.read_text(encoding="utf-8")
        before, _, rest = text.partition(BEGIN)
        after = rest.partition(END)[2]
        machine = f"{platform.system()} {platform.machine()}"
        page.write_text(f"{before}{BEGIN}\n{table}\n\nOn {machine}.\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
