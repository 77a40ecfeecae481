"""The pages of docs/: every command is run, in the page's order, and prints what the page says.

What a reader sees is what is run:

- A block of code whose first line is a comment with a file's name is that file. All of a page's files, and those of
  docs/README.md, are there before its first command; a second block of the same name replaces the first at its place.
- In a block ```console each line after `$ ` is a command, and what follows is what it prints. `# exit status 1` at its
  end says how it ends, else it ends well. A line `...` stands for any number of lines, `...` in a line for anything.
  Where nothing is shown, nothing is compared.
- A word behind `console` is what the commands need: a package (`torch`, `Pillow<12.2`), a program (`g++`) or the
  package index, through uv (`index`); `not-run` is for what no test can run, and NOT_RUN says why.

Versions of packages, seconds and the digits of tiny figures may differ.
"""

import dataclasses
import itertools
import os
import re
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
from markdown_it import MarkdownIt
from packaging.requirements import Requirement

from clip_conformance import UsageError
from clip_conformance.environments import find_uv, surroundings

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
INDEX = DOCS / "README.md"
PAGES = (
    "score-my-function",
    "port-to-a-new-language",
    "gate-my-ci",
    "gate-an-upgrade",
    "read-a-report",
    "add-a-known-divergence",
    "what-a-pass-does-not-prove",
)
# The first command or line of every block that is not run: why.
NOT_RUN = {
    "gate-my-ci": {
        "- uses: OWNER/clip-conformance@v0.1.0": "runs on GitHub alone; tests/test_action.py runs the action's steps",
        "pip install 'clip-conformance[pytest]' pytest-xdist": "the tests' own environment is what it makes",
    },
    "port-to-a-new-language": {
        "clip-conformance check 'exec:./run.sh {input} {n_px} {output}' --scope arrays": (
            "the reader's program; tests/test_examples.py runs one this way"
        ),
    },
}
FILE = re.compile(r"(?:#|//) ([\w./-]+\.\w+)$")
STATUS = re.compile(r"\s+# exit status (\d+)$")
PROGRAMS = ("g++", "index")
PACKAGES = r"python|Pillow|numpy|torch|torchvision|transformers|open_clip_torch|timm|pytest|clip-conformance"
# What may differ from one machine to the next.
FREE = (
    (re.compile(rf"\b({PACKAGES}) \d+(\.\d+)+[\w.+]*"), r"\1 VERSION"),
    (re.compile(r"\b\d+(\.\d+)? ?s\b"), "SECONDS"),
    (re.compile(r"\b\de-\d\d"), "TINY"),
    (re.compile(r"\s+$"), ""),
)


@dataclasses.dataclass(frozen=True)
class Block:
    """A fenced block: what it is, what its commands need, where it stands, what is in it."""

    kind: str
    needs: tuple[str, ...]
    page: str
    line: int
    lines: tuple[str, ...]

    @property
    def file(self):
        found = FILE.match(self.lines[0]) if self.lines and self.kind != "console" else None
        return found[1] if found else ""


def blocks(page):
    path = DOCS / f"{page}.md"
    return [
        Block(words[0] if words else "", tuple(words[1:]), page, token.map[0] + 1, tuple(token.content.splitlines()))
        for token in MarkdownIt().parse(path.read_text(encoding="utf-8"))
        if token.type in ("fence", "code_block")
        for words in [token.info.split()]
    ]


def commands(block):
    """The commands of a block, each with the lines that it prints."""
    found = []
    for line in block.lines:
        if line.startswith("$ "):
            found.append(([line[2:]], []))
        elif found and not found[-1][1] and found[-1][0][-1].endswith("\\"):
            found[-1][0].append(line)
        else:
            assert found, f"{block.page}.md:{block.line}: no command before {line!r}"
            found[-1][1].append(line)
    return [("\n".join(command), shown) for command, shown in found]


def missing(need):
    """Why commands cannot be run here that need something, "" where they can."""
    if need == "index":
        try:
            find_uv()
        except UsageError as error:
            return f"index: {error}"
        return ""
    if need in PROGRAMS:
        return "" if shutil.which(need) else f"{need}: missing"
    wanted = Requirement(need)
    try:
        version = metadata.version(wanted.name)
    except metadata.PackageNotFoundError:
        return f"{wanted.name} is missing"
    return "" if wanted.specifier.contains(version, prereleases=True) else f"{need} is needed, this is {version}"


def why_not(block):
    return "; ".join(filter(None, map(missing, block.needs)))


SKIPPED = [
    pytest.param(why, id=f"{page}:{block.line}")
    for page in PAGES
    for block in blocks(page)
    if block.kind == "console" and "not-run" not in block.needs
    for why in [why_not(block)]
    if why
]


def plain(line):
    for pattern, instead in FREE:
        line = pattern.sub(instead, line)
    return line


def matches(shown, printed):
    """Whether lines are what a page shows: all of them, in order, but for what `...` stands for."""
    patterns = [
        "(?:.*\n)*" if line.strip() == "..." else ".*".join(map(re.escape, plain(line).split("..."))) + "\n"
        for line in shown
    ]
    return re.fullmatch("".join(patterns), "".join(f"{plain(line)}\n" for line in printed)) is not None


def write(block, folder):
    path = folder / block.file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(block.lines) + "\n", encoding="utf-8")


def variables(home):
    """A terminal's environment: the tests' Python first on PATH, and nothing of the tests' own."""
    foreign = ("TOX_", "PYTEST_", "GITHUB_", "CI", "COV_", "PYTHONPATH", "COLUMNS", "FORCE_COLOR", "NO_COLOR")
    kept = {name: value for name, value in surroundings().items() if not name.startswith(foreign)}
    path = os.pathsep.join([str(Path(sys.executable).parent), kept["PATH"]])
    return kept | {"PATH": path, "TMPDIR": str(home), "PYTHONDONTWRITEBYTECODE": "1"}


def run(command, shown, folder, environment):
    """Run a command as a terminal would; return what is wrong with what it did, "" for nothing."""
    status = STATUS.search(command)
    expected = int(status[1]) if status else 0
    done = subprocess.run(
        ["bash", "-c", STATUS.sub("", command)],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
    )
    problems = [] if done.returncode == expected else [f"exit status {done.returncode}, the page says {expected}"]
    while shown and not shown[-1]:
        shown = shown[:-1]
    printed = done.stdout.rstrip().splitlines()
    if shown and not matches(shown, printed):
        problems.append("the page shows something else")
    return "\n".join([f"$ {command}", *problems, *printed]) if problems else ""


@pytest.mark.parametrize("page", PAGES)
def test_the_commands_of_a_page_print_what_it_says(page, tmp_path):
    folder, home = tmp_path / "work", tmp_path / "tmp"
    folder.mkdir()
    home.mkdir()
    environment = variables(home)
    there = set()
    for block in [*blocks("README"), *blocks(page)]:
        if block.file and block.file not in there:
            there.add(block.file)
            write(block, folder)
    wrong = []
    for block in blocks(page):
        if block.file:
            write(block, folder)
        if block.kind == "console" and "not-run" not in block.needs and not why_not(block):
            for command, shown in commands(block):
                problem = run(command, shown, folder, environment)
                if problem:
                    wrong.append(f"docs/{page}.md:{block.line}: {problem}")
    assert not wrong, "\n\n".join(wrong)


@pytest.mark.parametrize("why", SKIPPED)
def test_what_is_not_run_here(why):
    if os.environ.get("CLIP_EXAMPLES") == "all" and any(f"{name}: " in why for name in PROGRAMS):
        pytest.fail(why)
    pytest.skip(why)


# The pages as they are written.


@pytest.mark.parametrize("page", PAGES)
def test_a_page_begins_with_the_command_that_does_the_job(page):
    first = blocks(page)[0]
    assert first.kind == "console"
    assert any(line.startswith("$ clip-conformance ") for line in first.lines)


@pytest.mark.parametrize("page", PAGES)
def test_every_block_is_run_or_a_file_or_listed(page):
    listed = {}
    for block in blocks(page):
        if "not-run" in block.needs:
            listed[block.lines[0].removeprefix("$ ").strip()] = True
        elif block.kind == "console":
            assert commands(block)
        else:
            assert block.file, f"docs/{page}.md:{block.line} is neither run nor a file"
            assert not block.needs
    assert set(listed) == set(NOT_RUN.get(page, {}))


def anchors(path):
    """The anchors of a page's headings, as GitHub makes them."""
    tokens = MarkdownIt().parse(path.read_text(encoding="utf-8"))
    titles = [after.content for token, after in itertools.pairwise(tokens) if token.type == "heading_open"]
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", ["README", *PAGES])
def test_every_link_leads_somewhere(page):
    path = DOCS / f"{page}.md"
    tokens = MarkdownIt("commonmark").enable("table").parse(path.read_text(encoding="utf-8"))
    inline = [child for token in tokens for child in token.children or []]
    targets = [
        child.attrGet("href") or child.attrGet("src") for child in inline if child.type in ("link_open", "image")
    ]
    targets += re.findall(r'(?:src|srcset)="([^"]+)"', path.read_text(encoding="utf-8"))
    for target in targets:
        if not re.match(r"https?://", target):
            name, _, anchor = target.partition("#")
            found = (path.parent / name).resolve() if name else path
            assert found.exists(), target
            assert not anchor or anchor in anchors(found), target


def test_every_page_is_in_the_index_and_in_the_readme():
    for index, start in ((INDEX, ""), (ROOT / "README.md", "docs/")):
        text = index.read_text(encoding="utf-8")
        assert [page for page in PAGES if f"({start}{page}.md)" not in text] == []


def test_every_picture_is_shown_and_small():
    text = "".join((DOCS / f"{page}.md").read_text(encoding="utf-8") for page in PAGES)
    for picture in (DOCS / "images").iterdir():
        assert f"images/{picture.name}" in text
        assert picture.stat().st_size < 400_000


def test_the_comparison_is_strict():
    """What it is that a page may leave out."""
    printed = ["python 3.11.7 · Pillow 13.0.0", "", "resize   exact  55", "normalize  exact  14   ", "to 3e-06 LSB"]
    for shown in (
        ["python 3.12.1 · Pillow 12.1.1", "", "resize   exact  55", "normalize  exact  14", "to 4e-06 LSB"],
        ["...", "resize   exact  55", "...", "to 3e-06 LSB"],
        ["python 3.11.7 ...", "...", "normalize  exact  14", "..."],
    ):
        assert matches(shown, printed)
    for shown in (
        ["resize   exact  55"],
        ["...", "resize   exact  56", "..."],
        ["...", "resize exact 55", "..."],
        ["...", "normalize  exact  14", "resize   exact  55", "..."],
        ["...", "normalize  exact", "..."],
        ["...", "to 3e-06"],
    ):
        assert not matches(shown, printed)
