"""Candidates that do harm get the verdict that they must get, cost their own case, and leave nothing behind."""

import importlib.util
import sys

import pytest

import hostile
import reliability

TRIED = hostile.tried()


@pytest.mark.parametrize(("kind", "way"), TRIED, ids=[f"{kind.name}-{way}" for kind, way in TRIED])
def test_a_hostile_candidate_costs_its_own_case(kind, way, tmp_path):
    if kind.needs and importlib.util.find_spec(kind.needs) is None:
        pytest.skip(f"needs {kind.needs}")
    if kind.linux and sys.platform != "linux":
        pytest.skip("only Linux can adopt orphans and limit the memory of a family")
    assert hostile.judged(kind, way, hostile.run(kind.name, way, tmp_path, *kind.options)) == ""


def test_a_judge_who_wants_something_else_is_not_content(tmp_path):
    outcome = hostile.run("returns_nan", "python", tmp_path)
    assert hostile.judged(hostile.Kind("other", hostile.EXACT, None), "python", outcome).startswith("ok, divergent")


def test_a_candidate_that_answers_nothing_is_given_up(tmp_path):
    pins = ("pin-*", "sides-*")
    outcome = hostile.run("always_exits", "python", tmp_path, select=pins)
    cases = outcome.report.cases
    assert outcome.exit == 1
    assert {case.status for case in cases} == {"crash"}
    assert len(cases) > 25
    assert cases[0].message.startswith("it exited with 5")
    assert cases[21].message == "not run, after 20 cases in a row that crashed"
    # One in ten is tried all the same.
    assert cases[29].message.startswith("it exited with 5")


def test_the_page_has_every_kind_and_nothing_was_lost():
    rows = reliability.rows_of(reliability.PAGE.read_text())
    assert [row[:3] for row in rows] == [reliability.named(kind, way) for kind, way in TRIED]
    assert {row[3] for row in rows} == {"as wanted"}
    assert reliability.totals(rows) in reliability.PAGE.read_text()
