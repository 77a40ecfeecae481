"""What a move of one check comes to, by the bound that applies to it: reports of one case, made by hand."""

import msgspec
import pytest

from clip_conformance import UsageError
from clip_conformance.reports.diff import compare
from handmade import case, report, seen

replace = msgspec.structs.replace


def check(stage="normalize", view="cumulative", level="equivalent", *, mean=0.0, bias=0.0, peak=0.0):
    return seen(level, stage, view, mean=mean, bias=bias, peak=peak)


def changes(was, now, *, mode="RGB", required="equivalent", drift=0.1):
    """What changed from a case of one check to the same of another, as (what, kind, moved)."""
    old, new = (report(case("a", each, mode=mode)) for each in (was, now))
    diff = compare(old, new, required=required, drift=drift)
    return [(change.what, change.kind, change.moved) for change in diff.changes]


def kind(was, now, **how):
    """The kind of that change, None where there is none."""
    found = changes(was, now, **how)
    return found[0][1] if found else None


# The bounds of mean, bias and peak: 0.02, 0.015 and 2.001 LSB at equivalent, 0.35, 0.05 and 24 at close.


@pytest.mark.parametrize(
    ("figure", "small", "large"), [("mean", 0.0018, 0.0022), ("bias", 0.0013, 0.0017), ("peak", 0.19, 0.21)]
)
@pytest.mark.parametrize("sign", [1, -1])
def test_each_figure_moves_by_its_own_bound(figure, small, large, sign):
    at = {"mean": 0.01, "bias": 0.005, "peak": 1.0}
    old = check(**at)
    assert kind(old, check(**(at | {figure: at[figure] + sign * small}))) is None
    assert kind(old, check(**(at | {figure: at[figure] + sign * large}))) == "drifted"


def test_the_bound_is_that_of_the_level_that_is_required():
    old, new = check(level="close", mean=0.1), check(level="close", mean=0.13)
    assert kind(old, new, required="close") is None
    assert changes(old, replace(new, mean=0.14), required="close") == [
        ("end_to_end", "drifted", pytest.approx(0.04 / 0.35))
    ]


def test_where_a_share_may_exceed_the_peak_the_peak_says_nothing():
    old, new = check(peak=1.0), check(peak=1.9)
    assert kind(old, new) == "drifted"
    assert kind(old, new, mode="RGBA") is None
    assert kind(old, replace(new, mean=0.01), mode="RGBA") == "drifted"


@pytest.mark.parametrize(
    ("stage", "view", "small", "large"),
    [
        # A black box is seen at its end, whatever stage a fixture exercises; the end alone is one of floats.
        ("resize", "pinned", 0.0018, 0.0022),
        ("normalize", "pinned", 0.000028, 0.000032),
        ("normalize", "isolated", 0.000028, 0.000032),
        ("center_crop", "isolated", 0.0018, 0.0022),
    ],
)
def test_the_bound_is_that_of_the_view(stage, view, small, large):
    old = check(stage, view, mean=1e-4)
    assert kind(old, replace(old, mean=old.mean + small)) is None
    assert kind(old, replace(old, mean=old.mean + large)) == "drifted"


def test_another_level_is_drift_however_little_moved():
    old, new = check(level="exact"), check(mean=1e-6)
    ((_, drifted, moved),) = changes(old, new)
    assert (drifted, moved) == ("drifted", pytest.approx(5e-5))
    assert kind(new, old) == "drifted"


def test_a_move_of_just_the_share_is_drift():
    old, new = check(level="divergent", mean=1.0), check(level="divergent", mean=2.0)
    assert changes(old, new, drift=0.5) == [("end_to_end", "drifted", 0.5)]
    assert changes(old, new, drift=0.51) == []


def test_beyond_its_bound_an_error_is_measured_by_itself_up_and_down():
    old, new = check(level="divergent", mean=12.0), check(level="divergent", mean=10.0)
    for was, now in ((old, new), (new, old)):
        assert changes(was, now) == [("end_to_end", "drifted", pytest.approx(2 / 12))]
    # What else it may be measured by has not moved by a tenth.
    nearer = replace(old, mean=11.0)
    assert kind(old, nearer) is None
    assert kind(nearer, old) is None


def test_where_everything_is_accepted_an_error_is_measured_by_itself():
    old, new = check(level="divergent", mean=12.0), check(level="divergent", mean=10.0)
    assert changes(old, new, required="divergent") == [("end_to_end", "drifted", pytest.approx(2 / 12))]


@pytest.mark.parametrize("level", ["equivalent", "divergent"])
def test_an_output_of_another_shape_has_no_figures_that_move(level):
    whole, none = check(level=level, mean=0.001), check(level=level, mean=None, bias=None, peak=None)
    for was, now in ((whole, none), (none, whole), (none, none)):
        assert changes(was, now) == []


@pytest.mark.parametrize("lacks", ["mean", "bias", "peak"])
def test_a_figure_that_a_report_lacks_does_not_hide_the_others(lacks):
    still, moved = check(), check(mean=0.01, bias=0.005, peak=1.0)
    for was, now in ((replace(still, **{lacks: None}), moved), (still, replace(moved, **{lacks: None}))):
        assert kind(was, now) == "drifted"
        assert kind(was, replace(still, **{lacks: None})) is None


def test_stages_come_in_the_order_of_the_pipeline():
    # Neither the order of the letters nor, in the report, that of the checks.
    stages = ["to_tensor", "convert_rgb", "resize", "center_crop"]
    old, new = (
        report(
            case("a", *(check(stage, "isolated", level, mean=mean) for stage in stages), check(level=level, mean=mean))
        )
        for level, mean in (("exact", 0.0), ("divergent", 9.0))
    )
    diff = compare(old, new)
    ordered = ["resize", "center_crop", "convert_rgb", "to_tensor", "end_to_end"]
    assert [change.what for change in diff.changes] == ordered
    assert list(diff.stages) == ordered


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (("ok", "divergent"), ("crash", "divergent"), "regressed"),
        (("crash", "divergent"), ("ok", "divergent"), "drifted"),
        (("crash", "divergent"), ("timeout", "divergent"), "drifted"),
        (("crash", "divergent"), ("crash", "divergent"), None),
        (("ok", "exact"), ("crash", "divergent"), "regressed"),
        (("crash", "divergent"), ("ok", "exact"), "fixed"),
        # Whatever level a report gives to what has no output.
        (("crash", "exact"), ("crash", "exact"), None),
        (("ok", "exact"), ("crash", "exact"), "regressed"),
    ],
)
def test_a_case_with_and_without_an_output(old, new, expected):
    reports = [
        report(case("a", *([check(level=level)] if status == "ok" else []), status=status, level=level))
        for status, level in (old, new)
    ]
    diff = compare(*reports)
    assert [change.kind for change in diff.changes] == ([expected] if expected else [])
    assert diff.regressed == (expected == "regressed")
    assert diff.failing == ((old != ("ok", "exact")) and (new != ("ok", "exact")))


def test_a_partial_report_is_not_compared():
    whole, partial = report(case("a", check())), report(case("a", check()), expected=7)
    for which, pair in (("old", (partial, whole)), ("new", (whole, partial))):
        with pytest.raises(UsageError) as error:
            compare(*pair)
        assert str(error.value) == (
            f"the {which} report is partial (1 of 7 cases, the run was ended); run the check again"
        )
