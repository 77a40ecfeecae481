"""What `list` and `show` print: tables and pages of the spec's and the catalogue's entries."""

import difflib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

import clip_spec
from clip_conformance.errors import UsageError
from clip_fixtures import Fixture, fixtures

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


# Characters; a wider column is folded where the terminal needs it.
_NARROW = 40


def table(kind: str) -> Table:
    """Return the table of "models", "stages", "clauses", "fixtures" or "faults"."""
    heads, rows = _TABLES[kind]
    found = Table(box=None, pad_edge=False, header_style="dim", padding=0)
    # Blanks in the cells, and widths that are told: to pad and to measure some thousand takes half of the time.
    columns = [[cell + "  " for cell in column] for column in zip(heads, *rows(), strict=True)]
    columns[-1] = [cell[:-2] for cell in columns[-1]]
    for index, (head, *cells) in enumerate(columns):
        width = max(map(cell_len, (head, *cells)))
        found.add_column(head, no_wrap=index == 0, overflow="fold", width=width if width <= _NARROW else None)
    for row in list(zip(*columns, strict=True))[1:]:
        found.add_row(*map(Text, row))
    return found


def _models() -> Iterator[tuple[str, ...]]:
    for model in clip_spec.models():
        yield model.name, str(model.n_px), model.released.isoformat(), model.open_clip


def _stages() -> Iterator[tuple[str, ...]]:
    for stage in clip_spec.canon().stages:
        yield stage.id, stage.title, stage.output


def _clauses() -> Iterator[tuple[str, ...]]:
    for clause in clip_spec.clauses().values():
        yield clause.id, clause.title


def _fixtures() -> Iterator[tuple[str, ...]]:
    for fixture in fixtures().values():
        yield fixture.slug, fixture.scope, fixture.mode, _size(fixture), fixture.why


def _faults() -> Iterator[tuple[str, ...]]:
    for fault in clip_spec.faults():
        yield fault.id, fault.stage, fault.title
    for dialect in clip_spec.canon().dialects:
        yield dialect.id, dialect.stage, dialect.title


_TABLES = {
    "models": (("model", "n_px", "released", "open_clip"), _models),
    "stages": (("stage", "what", "output"), _stages),
    "clauses": (("clause", "title"), _clauses),
    "fixtures": (("fixture", "scope", "mode", "size", "why"), _fixtures),
    "faults": (("fault", "stage", "title"), _faults),
}


def _size(fixture: Fixture) -> str:
    return " x ".join(str(side) for side in fixture.size)


def page(name: str, n_px: int, *, pictures: bool) -> RenderableType:
    """Return the page of an entry; of a fixture with a picture, if wanted. "protocol" is that of the protocol.

    Raises:
        UsageError: there is none of that id; names the nearest.
    """
    if name == "protocol":
        return _markdown(clip_spec.document("PROTOCOL.md"))
    for known in clip_spec.faults():
        if known.id == name:
            return _fault(known)
    for dialect in clip_spec.canon().dialects:
        if dialect.id == name:
            return _rows(name, title=dialect.title, stage=dialect.stage, clause=dialect.clause, fix=dialect.fix)
    for model in clip_spec.models():
        if model.name == name:
            return _rows(name, n_px=str(model.n_px), released=model.released.isoformat(), open_clip=model.open_clip)
    for stage in clip_spec.canon().stages:
        if stage.id == name:
            return _rows(name, what=stage.title, output=stage.output)
    if name in clip_spec.clauses():
        return _clause(clip_spec.clauses()[name])
    if name in fixtures():
        return _fixture(fixtures()[name], n_px, pictures=pictures)
    ids = [
        *clip_spec.clauses(),
        *fixtures(),
        *(fault.id for fault in clip_spec.faults()),
        *(dialect.id for dialect in clip_spec.canon().dialects),
        *clip_spec.stage_ids(),
    ]
    near = difflib.get_close_matches(name, ids, n=3)
    raise UsageError(f"nothing has the id {name!r}" + (f"; near it: {', '.join(near)}" if near else ""))


def _clause(clause: clip_spec.Clause) -> RenderableType:
    tests = [fixture.slug for fixture in fixtures().values() if clause.id in fixture.clauses]
    listed = ", ".join(tests[:12]) + (f" and {len(tests) - 12} more" if len(tests) > 12 else "")
    parts = [
        f"## {clause.id} {clause.title}",
        clause.text,
        f"**Rationale.** {clause.rationale}",
        f"**Source.** {clause.source}",
        f"**Fixtures.** {listed or clause.no_fixture}",
    ]
    return _markdown("\n\n".join(parts))


def _markdown(text: str) -> RenderableType:
    from rich.markdown import Markdown

    return Markdown(text)


def _fixture(fixture: Fixture, n_px: int, *, pictures: bool) -> RenderableType:
    width, height = fixture.size_at(n_px)
    at = f"{width} x {height}"
    rows = _rows(
        fixture.slug,
        scope=fixture.scope,
        mode=fixture.mode,
        size=_size(fixture) if _size(fixture) == at else f"{_size(fixture)}, that is {at} at {n_px} px",
        why=fixture.why,
        clauses=", ".join(fixture.clauses),
        catches=", ".join(fixture.catches),
        expect="must be rejected" if fixture.expect == "reject" else "",
        file=fixture.file,
        provenance=fixture.provenance,
    )
    if fixture.expect == "reject":
        return rows
    return Group(rows, Text(), picture(fixture, n_px)) if pictures else rows


def _fault(fault: clip_spec.Fault) -> RenderableType:
    parts: list[RenderableType] = [
        _rows(fault.id, title=fault.title, stage=fault.stage, look=fault.look, fix=fault.fix),
        Text(),
    ]
    for platform, code in fault.code.items():
        lines = (f"    {line}".rstrip().expandtabs(4) for line in code.splitlines())
        parts += [
            Text(_PLATFORMS.get(platform, platform), style="bold"),
            Text("\n".join(lines), overflow="fold"),
            Text(),
        ]
    parts.append(_rows("", evidence=fault.evidence, fixtures=_catchers(fault.id)))
    return Group(*parts)


_PLATFORMS = {
    "pillow": "Pillow",
    "torch": "PyTorch",
    "numpy": "NumPy",
    "opencv": "OpenCV",
    "transformers": "Transformers",
    "onnx": "ONNX",
    "cpp": "C++",
    "rust": "Rust",
    "go": "Go",
    "javascript": "JavaScript",
    "java": "Java",
    "swift": "Swift",
    "shell": "Shell",
}


def _catchers(fault: str) -> str:
    found = [fixture.slug for fixture in fixtures().values() if fault in fixture.catches]
    return ", ".join(found[:12]) + (f" and {len(found) - 12} more" if len(found) > 12 else "")


def _rows(heading: str, **fields: str) -> Table:
    found = Table(
        box=None,
        show_header=False,
        pad_edge=False,
        padding=(0, 2, 0, 0),
        title=heading or None,
        title_justify="left",
    )
    for name, value in fields.items():
        if value:
            found.add_row(Text(name, style="dim"), Text(value))
    return found


def picture(fixture: Fixture, n_px: int, columns: int = 48) -> Text:
    """Return a fixture as half blocks, two pixels a character."""
    from clip_fixtures.thumbnails import thumbnail

    return half_blocks(thumbnail(fixture, n_px, columns))


def half_blocks(pixels: "NDArray[np.uint8]") -> Text:
    """Return RGB pixels, uint8 [h, w, 3], as half blocks, two pixels a character."""
    rows = pixels.tolist()
    text = Text()
    for top in range(0, len(rows), 2):
        for upper, lower in zip(rows[top], rows[min(top + 1, len(rows) - 1)], strict=True):
            text.append("▀", style=f"#{bytes(upper).hex()} on #{bytes(lower).hex()}")
        text.append("\n")
    return text
