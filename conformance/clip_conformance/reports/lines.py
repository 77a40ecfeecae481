"""report.jsonl: written so that a missing, added or changed line is found, and read back with limits.

Every line ends with a digest of itself and of the line before. It finds accidents and careless edits; it is no
signature, for whoever writes a file can write its digests.
"""

import hashlib
import io
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from clip_conformance import arrays, untrusted
from clip_conformance.errors import UsageError
from clip_conformance.plain import one_line
from clip_conformance.records import REPORT_SCHEMA, Case, Footer, Header, Line, Picture
from clip_conformance.report import Report

NAME = "report.jsonl"
# A run of five models that fails everywhere has 4 MiB of cases and 6 of pictures.
_FILE, _LINE, _LINES = 64 << 20, 8 << 20, 50_000
_KEY = b',"digest":"'
_DIGITS = 16
# What follows the members of a line: the key, the digits, a quote, a brace.
_TAIL = len(_KEY) + _DIGITS + 2
_AGAIN = "make the report again with `clip-conformance check --report`"


def encode(lines: Iterable[Line]) -> bytes:
    """Return lines as report.jsonl."""
    written, before = [], b""
    for line in lines:
        body = msgspec.json.encode(line)[:-1]
        before = _digest(before, body)
        written.append(body + _KEY + before + b'"}\n')
    return b"".join(written)


def _digest(before: bytes, body: bytes) -> bytes:
    return hashlib.sha256(before + body).hexdigest()[:_DIGITS].encode()


def read(path: Path) -> Report:
    """Return the report of a folder or a file.

    Raises:
        UsageError: there is none, it is cut off, or a line is not as it was written; names the line.
    """
    try:
        file = untrusted.file_of(path, NAME)
        content = untrusted.content(file, _FILE)
    except arrays.Unreadable as problem:
        raise UsageError(f"{problem}; `clip-conformance check --report DIR` makes a report") from None
    return _report(file, list(_lines(file, content)))


def _lines(file: Path, content: bytes) -> Iterator[Line]:
    before = b""
    for number, raw in enumerate(io.BytesIO(content), start=1):
        where = f"{file}, line {number}"
        if number > _LINES:
            raise UsageError(f"{where}: more than {_LINES} lines, which no report has")
        if len(raw) > _LINE:
            raise UsageError(f"{where}: longer than {_LINE >> 20} MiB, which no line of a report is")
        if not raw.endswith(b"\n"):
            raise UsageError(f"{where}: the file ends in the middle of it; {_AGAIN}")
        body, tail = raw[: -_TAIL - 1], raw[-_TAIL - 1 : -1]
        if number == 1:
            _check_schema(where, raw)
        before = _digest(before, body)
        if tail != _KEY + before + b'"}':
            raise UsageError(f"{where}: it, or a line before it, was changed, added or removed after the run; {_AGAIN}")
        try:
            yield untrusted.decode(raw, Line)
        except arrays.Unreadable as problem:
            raise UsageError(f"{where}: {problem}") from None


class _Start(msgspec.Struct):
    type: str = ""
    schema: str = ""


def _check_schema(where: str, raw: bytes) -> None:
    try:
        start = untrusted.decode(raw, _Start)
    except arrays.Unreadable as problem:
        raise UsageError(f"{where}: no header of a report ({problem})") from None
    if (start.type, start.schema) != ("header", REPORT_SCHEMA):
        said = f"a {one_line(start.type, 40) or 'line'} of {one_line(start.schema, 80) or 'no schema'}"
        raise UsageError(f"{where}: {said}, where this version reads a header of {REPORT_SCHEMA}")


def _report(file: Path, lines: list[Line]) -> Report:
    if not lines:
        raise UsageError(f"{file} is empty; {_AGAIN}")
    last = len(lines)
    footer = lines[-1]
    if not isinstance(footer, Footer):
        raise UsageError(f"{file}, line {last}: the last line, and no footer: the run was cut off here; {_AGAIN}")
    header = lines[0]
    if not isinstance(header, Header):  # its type is there twice
        raise UsageError(f"{file}, line 1: a {type(header).__name__.lower()}, and no header")
    cases: list[Case] = []
    pictures: list[Picture] = []
    ids: set[str] = set()
    for number, line in enumerate(lines[1:-1], start=2):
        if isinstance(line, Case) and not pictures:
            if line.id in ids:
                raise UsageError(f"{file}, line {number}: {one_line(line.id, 80)} a second time")
            ids.add(line.id)
            cases.append(line)
        elif isinstance(line, Picture):
            pictures.append(line)
        else:
            raise UsageError(f"{file}, line {number}: a {type(line).__name__.lower()} out of its place")
    # Fewer than expected are a partial report, of a run that was ended.
    if not (len(cases) == footer.cases <= footer.expected == header.expected):
        raise UsageError(
            f"{file}, line {last}: {len(cases)} cases, where the header expects {header.expected} and the footer has "
            f"{footer.cases} of {footer.expected}; {_AGAIN}"
        )
    return Report(header, cases, footer, pictures=pictures)
