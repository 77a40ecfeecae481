"""Two reports held against each other: what regressed, was fixed, drifted, came and went."""

from collections import Counter
from collections.abc import Iterator
from typing import Literal, get_args

import msgspec

from clip_conformance.check_ids import END_TO_END, check_id, checks_of, place
from clip_conformance.errors import UsageError
from clip_conformance.records import Case, Check, Finding
from clip_conformance.report import Report
from clip_conformance.scoring.excess import applying
from clip_conformance.scoring.levels import LEVELS, reaches
from clip_spec import LevelId, ScopeId, StageId

DIFF_SCHEMA = "clip-conformance/diff/1"
Kind = Literal["regressed", "fixed", "drifted", "added", "removed"]
KINDS: tuple[Kind, ...] = get_args(Kind)
# LSB: below it a mean that moves is another order of float operations.
_FLOAT = 1e-3


class Side(msgspec.Struct, frozen=True, kw_only=True):
    """What one report says of a check; figures in LSB, None where there are none."""

    level: LevelId
    status: str
    peak: float | None
    mean: float | None
    note: str


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One check that is not what it was; `old` or `new` is None where the other report alone has the case.

    `check` is its permanent id: the case, then the stage (seen alone or pinned) or end_to_end. `moved` is how far the
    error moved, in units of the bound of the required level; None where there is none to compare with.
    """

    check: str
    case: str
    fixture: str
    scope: ScopeId
    what: str
    kind: Kind
    old: Side | None
    new: Side | None
    moved: float | None


class Diff(msgspec.Struct, frozen=True, kw_only=True):
    """What changed from one report to another.

    `about` and `environment` hold old and new of what differs, "" where one has none. `counts` counts cases by the
    weightiest of their changes, `stages` checks by stage and kind. `failing` cases miss the level in both.
    `regressed` says whether anything did; then `diagnosis` holds the findings that the old report has not.
    """

    schema: str
    regressed: bool
    required: LevelId
    drift: float
    about: dict[str, tuple[str, str]]
    environment: dict[str, tuple[str, str]]
    levels: tuple[LevelId, LevelId]
    blame: tuple[list[StageId], list[StageId]]
    diagnosis: list[Finding]
    compared: int
    failing: int
    counts: dict[Kind, int]
    stages: dict[str, dict[Kind, int]]
    changes: list[Change]


def compare(
    old: Report, new: Report, *, required: LevelId | None = None, drift: float = 0.1, across: bool = False
) -> Diff:
    """Return what changed from one report to another.

    Args:
        old: the report that was.
        new: the report that is.
        required: the level that counts as reached; the new report's own without.
        drift: how far an error may move unnoticed, in parts of its bound.
        across: compare reports of different spec revisions all the same.

    Raises:
        UsageError: the revisions differ, or no case is in both.
    """
    for which, report in (("old", old), ("new", new)):
        if report.partial:
            done = f"{report.footer.cases} of {report.footer.expected} cases"
            raise UsageError(f"the {which} report is partial ({done}, the run was ended); run the check again")
    if old.header.spec != new.header.spec and not across:
        raise UsageError(
            f"the reports were scored against revisions {old.header.spec} and {new.header.spec} of the standard; "
            "--across-revisions compares them all the same"
        )
    required = required or new.header.required
    before, after = ({case.id: case for case in report.cases} for report in (old, new))
    both = before.keys() & after.keys()
    if not both:
        raise UsageError("the reports have no case in common: other models, or other fixtures")
    changes = [*_gone(before, after, "removed"), *_gone(after, before, "added")]
    for case in new.cases:
        if case.id in both:
            changes += _changes(before[case.id], case, required, drift)
    order = {case: at for at, case in enumerate(dict.fromkeys([*after, *before]))}
    changes.sort(key=lambda change: (KINDS.index(change.kind), order[change.case], place(change.what)))
    worst: dict[str, Kind] = {}
    for change in changes:
        worst.setdefault(change.case, change.kind)
    counts = Counter(worst.values())
    failing = sum(not _reached(before[case], required) and not _reached(after[case], required) for case in both)
    known = {finding.fault for finding in old.footer.diagnosis}
    return Diff(
        schema=DIFF_SCHEMA,
        regressed=bool(counts["regressed"]),
        required=required,
        drift=drift,
        about=_differing(_about(old), _about(new)),
        environment=_differing(old.header.environment, new.header.environment),
        levels=(old.level, new.level),
        blame=(old.footer.blame, new.footer.blame),
        diagnosis=[f for f in new.footer.diagnosis if f.fault not in known] if counts["regressed"] else [],
        compared=len(both),
        failing=failing,
        counts={kind: counts[kind] for kind in KINDS},
        stages=_by_stage(changes),
        changes=changes,
    )


def _about(report: Report) -> dict[str, str]:
    header = report.header
    return {
        **{f"candidate {key}": value for key, value in header.candidate.items()},
        "suite": header.suite,
        "spec": header.spec,
        "fixtures": header.fixtures,
        "model": header.model,
        "required": header.required,
        "selected": " ".join(header.select) or "all",
    }


def _differing(old: dict[str, str], new: dict[str, str]) -> dict[str, tuple[str, str]]:
    return {key: (old.get(key, ""), new.get(key, "")) for key in [*old, *new] if old.get(key) != new.get(key)}


def _by_stage(changes: list[Change]) -> dict[str, dict[Kind, int]]:
    found = Counter((change.what, change.kind) for change in changes)
    whats = sorted({what for what, _ in found}, key=place)
    return {what: {kind: found[what, kind] for kind in KINDS} for what in whats}


def _reached(case: Case, required: LevelId) -> bool:
    return case.status == "ok" and reaches(case.level, required)


def _gone(cases: dict[str, Case], others: dict[str, Case], kind: Kind) -> Iterator[Change]:
    for case in cases.values():
        if case.id not in others:
            side = _side(case, None)
            old, new = (side, None) if kind == "removed" else (None, side)
            yield _change(case, END_TO_END, kind, old, new, None)


def _change(case: Case, what: str, kind: Kind, old: Side | None, new: Side | None, moved: float | None) -> Change:
    return Change(
        check=check_id(case, what),
        case=case.id,
        fixture=case.fixture,
        scope=case.scope,
        what=what,
        kind=kind,
        old=old,
        new=new,
        moved=moved,
    )


def _side(case: Case, check: Check | None) -> Side:
    if check is None:
        return Side(level=case.level, status=case.status, peak=None, mean=None, note=case.message)
    return Side(level=check.level, status=case.status, peak=check.peak, mean=check.mean, note=check.note)


def _changes(old: Case, new: Case, required: LevelId, drift: float) -> Iterator[Change]:
    before, after = checks_of(old), checks_of(new)
    for what in before.keys() | after.keys():
        if what != END_TO_END and not (what in before and what in after):
            # Without an output no stage was seen; that the end says so is enough.
            continue
        was, now = _side(old, before.get(what)), _side(new, after.get(what))
        moved = _moved(before.get(what), after.get(what), required, new.mode)
        kind = _kind(was, now, moved, required, drift)
        if kind is not None:
            yield _change(new, what, kind, was, now, moved)


def _kind(was: Side, now: Side, moved: float | None, required: LevelId, drift: float) -> Kind | None:
    reached, reaching = (side.status == "ok" and reaches(side.level, required) for side in (was, now))
    if reaching:
        if not reached:
            return "fixed"
    elif reached or LEVELS.index(now.level) > LEVELS.index(was.level) or (was.status == "ok" and now.status != "ok"):
        return "regressed"
    if now.level != was.level or now.status != was.status or (moved is not None and not moved < drift):
        return "drifted"
    return None


def _moved(old: Check | None, new: Check | None, required: LevelId, mode: str) -> float | None:
    """Return how far an error moved: the largest move of a figure, in units of its bound."""
    if old is None or new is None:
        return None
    stage, view = new.stage, new.view
    if view == "pinned":
        # Seen end to end, so that its figures are those of the float end.
        stage, view = "normalize", "isolated" if stage == "normalize" else "cumulative"
    bounds = applying(required, stage, view, mode)
    if not bounds or not reaches(new.level, required):
        # Without a bound, or beyond it, an error is measured by itself.
        if old.mean is None or new.mean is None:
            return None
        return abs(new.mean - old.mean) / max(old.mean, new.mean, _FLOAT)
    bound = bounds[-1]
    figures = [(old.mean, new.mean, bound.mean), (old.bias, new.bias, bound.bias)]
    if not bound.peak_share:
        figures.append((old.peak, new.peak, bound.peak))
    moves = [abs(now - was) / most for was, now, most in figures if was is not None and now is not None]
    return max(moves, default=None)
