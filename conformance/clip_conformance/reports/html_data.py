"""What report.html embeds for its scripts: the cases, what the catalogue says of them, the pictures."""

import math
from collections.abc import Iterable, Sequence
from typing import Any, get_args

import clip_spec
from clip_conformance.check_ids import worst_check
from clip_conformance.plain import plain, plain_all
from clip_conformance.records import Case, Check, CheckView, Picture, Status
from clip_conformance.report import Report
from clip_conformance.scoring.levels import LEVELS, reaches
from clip_fixtures import Fixture, fixtures

STATUSES = get_args(Status)
VIEWS = get_args(CheckView)
# What a check has where it says nothing: trailing members are left out where they are these.
_NOTHING = (0, 0, 0, 0, 0, 0, 0)


class _Texts:
    """Texts by number; each is kept once. Number 0 is the empty one."""

    def __init__(self, most: int) -> None:
        self.known: dict[str, int] = {"": 0}
        self._most = most

    def number(self, text: str) -> int:
        return self.known.setdefault(plain(text, self._most), len(self.known))


def case_data(report: Report, cases: Sequence[Case], most: int) -> dict[str, Any]:
    """Return the cases as the page's scripts read them, with texts of at most `most` characters."""
    texts = _Texts(most)
    rows = [_row(case, texts) for case in cases]
    known = fixtures()
    used = {slug: known[slug] for slug in dict.fromkeys(case.fixture for case in cases) if slug in known}
    clauses = clip_spec.clauses()
    faults = {fault.id: fault for fault in clip_spec.faults()}
    return {
        "required": LEVELS.index(report.header.required),
        "levels": LEVELS,
        "stages": clip_spec.stage_ids(),
        "statuses": STATUSES,
        "views": VIEWS,
        "texts": list(texts.known),
        "cases": rows,
        "fixtures": {slug: _fixture(fixture) for slug, fixture in used.items()},
        "clauses": {
            name: clauses[name].title for name in _distinct(f.clauses for f in used.values()) if name in clauses
        },
        "faults": {
            name: [faults[name].stage, faults[name].title]
            for name in _distinct(f.catches for f in used.values())
            if name in faults
        },
        "findings": plain_all(
            [[found.fault, found.stage, found.title, found.fix] for found in report.footer.diagnosis], most
        ),
    }


def _distinct(lists: Iterable[Sequence[str]]) -> list[str]:
    return list(dict.fromkeys(name for names in lists for name in names))


def _fixture(fixture: Fixture) -> list[Any]:
    return [fixture.why, fixture.clauses, fixture.catches, fixture.expect == "reject"]


def _row(case: Case, texts: _Texts) -> list[Any]:
    worst = worst_check(case)
    known = fixtures().get(case.fixture)
    return [
        texts.number(case.id),
        texts.number(case.fixture),
        case.scope,
        texts.number(case.mode),
        case.n_px,
        known.size_at(case.n_px) if known is not None else None,
        STATUSES.index(case.status),
        LEVELS.index(case.level),
        round(case.seconds, 3),
        texts.number(case.message),
        -1 if worst is None else case.checks.index(worst),
        [_check(check, texts) for check in case.checks],
    ]


def _check(check: Check, texts: _Texts) -> list[Any]:
    figures = (check.peak, check.mean, check.bias, check.share, check.peak_absolute, check.ulp)
    tail = [*map(_short, figures), texts.number(check.note)]
    while tail and tail[-1] == _NOTHING[len(tail) - 1]:
        tail.pop()
    return [clip_spec.stage_ids().index(check.stage), VIEWS.index(check.view), LEVELS.index(check.level), *tail]


def _short(figure: float | None) -> float | None:
    """Return a figure in five digits, None where it is no number; a whole one as an int."""
    if figure is None or not math.isfinite(figure):
        return None
    short = float(f"{figure:.5g}")
    return int(short) if short == int(short) else short


def picture_data(picture: Picture) -> dict[str, Any]:
    """Return one picture as the page's scripts read it."""
    return {
        "case": plain(picture.case, 200),
        "size": picture.size,
        "window": picture.window,
        "shape": picture.shape[:8],
        "unit": picture.unit,
        "given": picture.given,
        "expected": picture.expected,
        "error": picture.error,
        "got": picture.got,
    }


def failing(report: Report) -> list[Case]:
    """Return the cases that do not reach what is required."""
    return [case for case in report.cases if case.status != "ok" or not reaches(case.level, report.header.required)]
