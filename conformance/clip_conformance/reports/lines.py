"""report.jsonl: written so that a missing, added or changed line is found, and read back with limits.

Every line ends with a digest of itself and of the line before. It finds accidents and careless edits; it is no
signature, for whoever writes a file can write its digests.
"""

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from clip_conformance.errors import UsageError
from clip_conformance.records import REPORT_SCHEMA, Case, Footer, Header, Line, Picture
from clip_conformance.report import Report

NAME = "report.jsonl"
# A run of five models that fails everywhere has 4 MiB of cases and 6 of pictures.
_FILE, _LINE = 256 << 20, 16 << 20
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
    file = path / NAME if path.is_dir() else path
    try:
        with file.open("rb") as opened:
            content = opened.read(_FILE + 1)
    except OSError as error:
        why = error.strerror or error
        raise UsageError(f"{file}: {why}; `clip-conformance check --report DIR` makes one") from error
    if len(content) > _FILE:
        raise UsageError(f"{file} has more than {_FILE >> 20} MiB, which no report has")
    return _report(file, list(_lines(file, content)))


def _lines(file: Path, content: bytes) -> Iterator[Line]:
    decode = msgspec.json.Decoder(Line)
    before = b""
    for number, raw in enumerate(content.splitlines(keepends=True), start=1):
        where = f"{file}, line {number}"
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
            yield decode.decode(raw)
        except msgspec.ValidationError as error:
            raise UsageError(f"{where}: {error}") from error
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
            raise UsageError(f"{where}: no JSON ({error})") from error


class _Start(msgspec.Struct):
    type: str = ""
    schema: str = ""


def _check_schema(where: str, raw: bytes) -> None:
    try:
        start = msgspec.json.decode(raw, type=_Start)
    except (msgspec.DecodeError, msgspec.ValidationError, RecursionError, UnicodeDecodeError) as error:
        raise UsageError(f"{where}: no header of a report ({error})") from error
    if (start.type, start.schema) != ("header", REPORT_SCHEMA):
        said = f"a {start.type or 'line'} of {start.schema or 'no schema'}"
        raise UsageError(f"{where}: {said}, where this version reads a header of {REPORT_SCHEMA}")


def _report(file: Path, lines: list[Line]) -> Report:
    if not lines:
        raise UsageError(f"{file} is empty; {_AGAIN}")
    last = len(lines)
    footer = lines[-1]
    if not isinstance(footer, Footer):
        raise UsageError(f"{file}, line {last}: the last line, and no footer: the run was cut off here; {_AGAIN}")
    header = lines[0]
    assert isinstance(header, Header)
    cases: list[Case] = []
    pictures: list[Picture] = []
    ids: set[str] = set()
    for number, line in enumerate(lines[1:-1], start=2):
        if isinstance(line, Case) and not pictures:
            if line.id in ids:
                raise UsageError(f"{file}, line {number}: {line.id} a second time")
            ids.add(line.id)
            cases.append(line)
        elif isinstance(line, Picture):
            pictures.append(line)
        else:
            raise UsageError(f"{file}, line {number}: a {type(line).__name__.lower()} out of its place")
    if not len(cases) == footer.cases == footer.expected == header.expected:
        raise UsageError(
            f"{file}, line {last}: {len(cases)} cases, where the header expects {header.expected} and the footer has "
            f"{footer.cases} of {footer.expected}; {_AGAIN}"
        )
    return Report(header, cases, footer, pictures=pictures)
