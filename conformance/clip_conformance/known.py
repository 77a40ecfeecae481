"""Known divergences: a file that says which checks may fail, why, whose they are and until when.

A known failure stays a failure, in the level and in every count. The file says only that nobody needs to be told.
"""

import datetime
import fnmatch
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import msgspec

import clip_spec
from clip_conformance import arrays, untrusted
from clip_conformance.check_ids import check_id, failing
from clip_conformance.errors import UsageError
from clip_conformance.plain import one_line
from clip_conformance.records import Case, Footer, Known
from clip_conformance.scoring.levels import LEVELS, reaches
from clip_spec import LevelId

KNOWN_SCHEMA = "clip-conformance/known/1"
_FILE = 4 << 20
# The time that tomllib takes for a key grows with the square of its dots.
_DOTS = 60
_DAYS = 180
_WILD = frozenset("*?[")


class Defaults(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What the entries do not say themselves."""

    reason: str = ""
    url: str = ""
    owner: str = ""
    expires: datetime.date | None = None


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One check that may fail: no worse than `level`, until the end of the day `expires`."""

    # Longer than any there is: what a long pattern takes grows with the square of its length.
    check: Annotated[str, msgspec.Meta(max_length=200)]
    level: LevelId = "divergent"
    reason: str = ""
    url: str = ""
    owner: str = ""
    expires: datetime.date | None = None


class KnownFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A file of known divergences; with `wildcards` a check may be a pattern of shells."""

    schema: str
    wildcards: bool = False
    defaults: Defaults = Defaults()
    known: list[Entry] = []


def read(path: Path, *, whole: bool = True) -> KnownFile:
    """Return a file of known divergences, every entry with what it has to say; of a proposal not `whole`.

    Raises:
        UsageError: it cannot be read, or an entry lacks something; names the entry.
    """
    try:
        content = untrusted.content(path, _FILE)
    except arrays.Unreadable as problem:
        raise UsageError(f"{problem}; `check --write-known FILE` proposes one") from None
    for number, line in enumerate(io.BytesIO(content), start=1):
        if line.count(b".") > _DOTS:
            raise UsageError(f"{path}, line {number}: more than {_DOTS} dots in a line; break it, or leave some out")
    try:
        file = msgspec.toml.decode(content, type=KnownFile)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path}: {one_line(str(error))}") from None
    if file.schema != KNOWN_SCHEMA:
        raise UsageError(f"{path}: schema is {one_line(file.schema, 80)!r}, this version reads {KNOWN_SCHEMA}")
    if not whole:
        return file
    entries = [_whole(entry, file.defaults) for entry in file.known]
    seen: set[str] = set()
    for number, entry in enumerate(entries, start=1):
        if lack := _problem(entry, file.wildcards, seen):
            raise UsageError(f"{path}, entry {number} ({one_line(entry.check, 100)}): {lack}")
        seen.add(entry.check)
    return msgspec.structs.replace(file, known=entries)


def _whole(entry: Entry, defaults: Defaults) -> Entry:
    told = {name: getattr(entry, name) or getattr(defaults, name) for name in ("reason", "url", "owner", "expires")}
    return msgspec.structs.replace(entry, **told)


def _problem(entry: Entry, wildcards: bool, seen: set[str]) -> str | None:
    if entry.check in seen:
        return "a second time"
    if _WILD & set(entry.check) and not wildcards:
        return "a pattern; name every check, or set wildcards = true"
    if "/" not in entry.check:
        return "no check; one is named as in crop-right-3@224/center_crop"
    for name in ("reason", "owner"):
        if not getattr(entry, name).strip():
            return f"no {name}; say {'why it may fail' if name == 'reason' else 'whose it is'}, here or in [defaults]"
    if not entry.url.startswith(("https://", "http://")):
        return "no url; where is it tracked? Say so here or in [defaults]"
    if entry.expires is None:
        return "no expires; give a date such as 2030-12-31, here or in [defaults]"
    return None


def judge(file: KnownFile, name: str, cases: list[Case], required: LevelId, today: datetime.date) -> Known:
    """Return what a file says of a run.

    Args:
        file: the known divergences.
        name: what the file is called.
        cases: of the run; entries of other cases are left alone.
        required: the level that counts as passed.
        today: the day of the run.
    """
    ran = {case.id for case in cases}
    missed = {check_id(case, what): level for case in cases for what, level in failing(case, required).items()}
    matched: dict[str, LevelId] = {}
    stale, expired, idle = [], [], 0
    for entry in file.known:
        found = fnmatch.filter(missed, entry.check)
        for check in found:
            known = matched.get(check, entry.level)
            matched[check] = max(known, entry.level, key=LEVELS.index)
        if not found and not fnmatch.filter(ran, _case_of(entry)):
            idle += 1
        elif not found:
            stale.append(entry.check)
        elif entry.expires is not None and entry.expires < today:
            expired.append(entry.check)
    return Known(
        file=name,
        entries=len(file.known),
        idle=idle,
        matched=len(matched),
        unexpected=[check for check in missed if check not in matched],
        worse=[check for check, level in matched.items() if not reaches(missed[check], level)],
        stale=stale,
        expired=expired,
    )


def _case_of(entry: Entry) -> str:
    return entry.check.partition("/")[0]


def propose(
    cases: list[Case], footer: Footer, required: LevelId, today: datetime.date, old: KnownFile | None = None
) -> KnownFile:
    """Return a file with an entry for every check that fails.

    What `old` says of one is kept, and so are its entries of cases that were not run, and its patterns. Whose they are
    a person has to fill in.
    """
    ran = {case.id for case in cases}
    missed = {check_id(case, what): (what, at) for case in cases for what, at in failing(case, required).items()}
    # What has something to say still: a check that fails, or a case that was not run.
    entries = [
        entry
        for entry in (old.known if old is not None else [])
        if fnmatch.filter(missed, entry.check) or not fnmatch.filter(ran, _case_of(entry))
    ]
    evidence = {fault.id: fault.evidence for fault in clip_spec.faults()}
    reasons: dict[str, tuple[str, str]] = {
        finding.stage: (f"{finding.fault}: {finding.title}", evidence.get(finding.fault, ""))
        for finding in footer.diagnosis
    }
    said = {check for entry in entries for check in fnmatch.filter(missed, entry.check)}
    for check, (what, level) in missed.items():
        if check not in said:
            reason, url = reasons.get(what, ("", ""))
            entries.append(Entry(check=check, level=level, reason=reason, url=url))
    every = [f"{finding.fault}: {finding.title}" for finding in footer.diagnosis]
    defaults = Defaults(reason="; ".join(every), expires=today + datetime.timedelta(days=_DAYS))
    if old is not None:
        defaults = old.defaults
    wildcards = old is not None and old.wildcards
    return KnownFile(schema=KNOWN_SCHEMA, wildcards=wildcards, defaults=defaults, known=entries)


def encode(file: KnownFile) -> bytes:
    """Return a file of known divergences as TOML."""
    return "\n".join(_lines(file)).encode() + b"\n"


def _lines(file: KnownFile) -> Iterator[str]:
    yield "# Checks that may fail. One that no longer fails, and one whose day is over, fails the run."
    yield f"schema = {_quoted(file.schema)}"
    if file.wildcards:
        yield "wildcards = true"
    yield ""
    yield "# For every entry that does not say so itself; all four have to be there."
    yield "[defaults]"
    for name in ("reason", "url", "owner"):
        yield f"{name} = {_quoted(getattr(file.defaults, name))}"
    if file.defaults.expires is not None:
        yield f"expires = {file.defaults.expires.isoformat()}"
    for entry in file.known:
        yield ""
        yield "[[known]]"
        yield f"check = {_quoted(entry.check)}"
        yield f"level = {_quoted(entry.level)}"
        for name in ("reason", "url", "owner"):
            value = getattr(entry, name)
            if value and value != getattr(file.defaults, name):
                yield f"{name} = {_quoted(value)}"
        if entry.expires is not None and entry.expires != file.defaults.expires:
            yield f"expires = {entry.expires.isoformat()}"


def _quoted(text: str) -> str:
    """Return a basic string of TOML, whose escapes are those of JSON."""
    return msgspec.json.encode(text).decode().replace("\x7f", "\\u007f")
