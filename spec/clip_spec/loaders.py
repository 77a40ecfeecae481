"""Load the spec's data files into typed, frozen objects; each file is read once."""

import functools
import re
from importlib import resources
from pathlib import Path
from typing import TypeVar

import msgspec

from clip_spec.types import Canon, Clause, Fault, Faults, LevelId, Levels, Model, Models, StageId

T = TypeVar("T")

CLAUSE_ID = re.compile(r"\b(?:INP|DEC|SIZ|RSZ|NEA|ALP|DEP|CRP|RGB|TEN|NRM|MOD|CNF)-[1-9]\d*\b")
_HEADING = re.compile(r"^### ([A-Z]{3}-[1-9]\d*) (.+)$")
_PARTS = {"**Rationale.**": "rationale", "**Source.**": "source", "**Fixtures.**": "no_fixture"}


def _load(name: str, kind: type[T]) -> T:
    text = resources.files("clip_spec").joinpath("data", name).read_text(encoding="utf-8")
    return msgspec.toml.decode(text, type=kind)


@functools.cache
def canon() -> Canon:
    """Return the constants, stages, modes and dialects of the canon."""
    return _load("canon.toml", Canon)


@functools.cache
def models() -> tuple[Model, ...]:
    """Return the table of OpenAI's models (MOD-1)."""
    return _load("models.toml", Models).models


@functools.cache
def levels() -> Levels:
    """Return the levels, strictest first, and their bounds (CNF-3)."""
    return _load("levels.toml", Levels)


@functools.cache
def faults() -> tuple[Fault, ...]:
    """Return the known mistakes."""
    return _load("faults.toml", Faults).faults


def stage_ids() -> tuple[StageId, ...]:
    """Return the stage ids in pipeline order."""
    return tuple(stage.id for stage in canon().stages)


def level_ids() -> tuple[LevelId, ...]:
    """Return the level ids, strictest first."""
    return tuple(level.id for level in levels().levels)


def sizes() -> tuple[int, ...]:
    """Return the distinct n_px of the models, ascending."""
    return tuple(sorted({model.n_px for model in models()}))


def schema(name: str) -> dict[str, object]:
    """Return the JSON Schema `name` (for example "summary") that is shipped beside the data."""
    text = resources.files("clip_spec").joinpath("schemas", f"{name}.schema.json").read_bytes()
    return msgspec.json.decode(text, type=dict[str, object])


def document(name: str = "CLIP-PREPROCESSING.md") -> str:
    """Return the text of the standard, or of PROTOCOL.md.

    A wheel carries it inside the package; in a checkout it lies beside the package.
    """
    package = Path(str(resources.files("clip_spec")))
    for folder in (package, package.parent):
        path = folder / name
        if path.is_file():
            return path.read_text(encoding="utf-8")
    raise FileNotFoundError(f"{name} is neither in {package} nor beside it; reinstall clip-conformance")


@functools.cache
def clauses() -> dict[str, Clause]:
    """Return every clause of the standard by id, in the order of the text."""
    found: dict[str, Clause] = {}
    head: tuple[str, str] | None = None
    body: list[str] = []
    fenced = False
    for line in [*document().splitlines(), "# end"]:
        fenced ^= line.startswith("```")
        if line.startswith("#") and not fenced:
            if head is not None:
                found[head[0]] = _clause(*head, body)
            match = _HEADING.match(line)
            head, body = (match.groups() if match else None), []  # type: ignore[assignment]
        else:
            body.append(line)
    return found


def _clause(clause: str, title: str, body: list[str]) -> Clause:
    parts: dict[str, list[str]] = {"text": []}
    part = "text"
    for line in body:
        for marker, name in _PARTS.items():
            if line.startswith(marker):
                part, line = name, line[len(marker) :].strip()
        parts.setdefault(part, []).append(line)
    joined = {name: "\n".join(lines).strip() for name, lines in parts.items()}
    return Clause(
        id=clause,
        title=title,
        text=joined["text"],
        rationale=joined.get("rationale", ""),
        source=joined.get("source", ""),
        no_fixture=joined.get("no_fixture", ""),
    )
