"""The ways in which the data are broken: a bound moved, an order swapped, a constant off by its last digit."""

import itertools
import random
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

import msgspec
from mutate_code import Mutant

_FACTOR = 1.5
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e-?\d+)?")
# Figures beside a bound that decide nothing; tests/test_separation.py measures them again.
_MEASURED = ("legitimate", "fault")
_OPTIONAL = ("modes", "peak_share", "floor", "peak_absolute")
# A value of the same type that the schema admits as well.
_OTHER = {
    "samples": {"uint8": "float32", "float32": "uint8"},
    "dtype": {"uint8": "uint16", "uint16": "int32", "int32": "float32", "float32": "uint8"},
    "route": {
        "nearest": "bands",
        "bands": "premultiplied",
        "premultiplied": "bands",
        "deep": "deep-swapped",
        "deep-swapped": "deep",
    },
    "stage": {"resize": "center_crop", "center_crop": "resize"},
    "pass_order": {
        "height-over-100-widths": "shrink-over-2-widths",
        "shrink-over-2-widths": "height-over-100-widths",
        "horizontal-first": "shrink-over-2-widths",
    },
    "crop_rounding": {"half-even": "half-up", "half-up": "half-even"},
}


@dataclass(frozen=True)
class _Block:
    """A table of an array of tables: its lines in the file, from its head to before the next's."""

    kind: str
    name: str
    start: int
    end: int


def levels(text: str) -> list[Mutant]:
    """Return every mutant of levels.toml: bounds looser and tighter, narrower, missing; levels in another order."""
    lines = text.splitlines(keepends=True)
    blocks = _blocks(lines)
    found = []
    for block in blocks:
        for at in range(block.start, block.end):
            key, _, value = lines[at].strip().partition(" = ")
            if block.kind == "bounds" and key not in _MEASURED and _NUMBER.fullmatch(value):
                for operator, factor in (("Loosen", _FACTOR), ("Tighten", 1 / _FACTOR)):
                    moved = f"{float(value) * factor:.6g}"
                    found.append(_changed(operator, lines, at, f"{key} = {moved}\n", block.name))
            if key in ("stages", "views", "modes"):
                entries = re.findall(r'"[^"]+"', value)
                for entry in entries:
                    rest = ", ".join(other for other in entries if other != entry)
                    found.append(_changed("DropEntry", lines, at, f"{key} = [{rest}]\n", block.name))
            if key in _OPTIONAL:
                found.append(_changed("DropKey", lines, at, "", block.name))
        if block.kind == "bounds":
            found.append(_without(lines, block))
    return [*found, *_swaps(lines, [block for block in blocks if block.kind == "levels"])]


def canon(text: str) -> list[Mutant]:
    """Return every mutant of canon.toml: its numbers off by one in the last digit, its tables swapped or missing."""
    lines = text.splitlines(keepends=True)
    blocks = _blocks(lines)
    found = []
    for at in range(blocks[0].start):
        key, _, value = lines[at].strip().partition(" = ")
        if not value or lines[at].startswith("#"):
            continue
        for number in [] if value.startswith('"') else _NUMBER.finditer(value):
            for step in (1, -1):
                moved = value[: number.start()] + _nudged(number.group(), step) + value[number.end() :]
                found.append(_changed("LastDigit", lines, at, f"{key} = {moved}\n", ""))
        if value.startswith('"'):
            found.append(_changed("LastDigit", lines, at, f'{key} = "{_flipped(value[1:-1])}"\n', ""))
    for block in blocks:
        for at in range(block.start, block.end):
            key, _, value = lines[at].strip().partition(" = ")
            if key in _OTHER:
                other = _OTHER[key][value.strip('"')]
                found.append(_changed("OtherChoice", lines, at, f'{key} = "{other}"\n', block.name))
            if key == "bands":
                found += [
                    _changed("LastDigit", lines, at, f"{key} = {int(value) + step}\n", block.name) for step in (1, -1)
                ]
        found.append(_without(lines, block))
    return [*found, *_swaps(lines, [block for block in blocks if block.kind == "stages"])]


def goldens(text: str, seed: str) -> list[Mutant]:
    """Return one mutant a stage: one digit of one digest, of a fixture drawn by the seed, is another."""
    digests = msgspec.json.decode(text, type=dict[str, dict[str, str]])
    draw = random.Random(seed)
    found = []
    for stage in next(iter(digests.values())):
        slug = draw.choice(sorted(digests))
        digest, place = digests[slug][stage], draw.randrange(64)
        flipped = digest[:place] + f"{int(digest[place], 16) ^ 1:x}" + digest[place + 1 :]
        # Stages that change nothing share a digest: the one that belongs to this fixture and stage is changed.
        start = text.index(f'"{stage}"', text.index(f'"{slug}"'))
        changed = text[:start] + text[start:].replace(digest, flipped, 1)
        line = text.count("\n", 0, start) + 1
        found.append(Mutant("FlipDigit", line, f"{slug} {stage}: {digest}", f"{slug} {stage}: {flipped}", changed))
    return found


def _blocks(lines: list[str]) -> list[_Block]:
    heads = [at for at, line in enumerate(lines) if line.startswith("[[")]
    found, counts = [], dict[str, int]()
    for at, end in zip(heads, [*heads[1:], len(lines)], strict=True):
        kind = lines[at].strip().strip("[]")
        table = tomllib.loads("".join(lines[at:end]))[kind][0]
        counts[kind] = counts.get(kind, 0) + 1
        words = [table["level"], table["stages"][0], "+".join(table["views"])] if kind == "bounds" else [table["id"]]
        # Of two bounds for the same target one is for some modes alone.
        words += ["some modes"] if "modes" in table else []
        found.append(_Block(kind, " ".join(words), at, end))
    return found


def _changed(operator: str, lines: list[str], at: int, new: str, name: str) -> Mutant:
    label = f"{name}: " if name else ""
    text = "".join([*lines[:at], new, *lines[at + 1 :]])
    return Mutant(operator, at + 1, label + lines[at].strip(), label + new.strip(), text)


def _without(lines: list[str], block: _Block) -> Mutant:
    text = "".join(lines[: block.start] + lines[block.end :])
    return Mutant("DropTable", block.start + 1, f"{block.kind} {block.name}", "", text)


def _swaps(lines: list[str], blocks: list[_Block]) -> Iterator[Mutant]:
    for first, second in itertools.pairwise(blocks):
        # The last of a file's tables has no blank line after it.
        one, two = (["".join(lines[block.start : block.end]).rstrip() + "\n\n"] for block in (first, second))
        text = "".join(lines[: first.start] + two + one + lines[second.end :])
        was, now = (f"{first.kind} {a.name}, {b.name}" for a, b in ((first, second), (second, first)))
        yield Mutant("SwapTables", first.start + 1, was, now, text)


def _nudged(number: str, step: int) -> str:
    value = Decimal(number)
    exponent = value.as_tuple().exponent
    assert isinstance(exponent, int)
    return str(value + step * Decimal(1).scaleb(exponent))


def _flipped(text: str) -> str:
    return text[:-1] + f"{int(text[-1], 16) ^ 1:x}"
