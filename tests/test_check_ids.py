"""What a check is called, which check stands for a case, and which checks miss a level."""

import pytest

from clip_conformance.check_ids import END_TO_END, check_id, checks_of, failing, place, what_of, worst_check
from clip_conformance.records import Case, Check
from clip_spec import stage_ids


def seen(stage, view="isolated", level="exact", mean=0.0, peak=0.0):
    return Check(stage=stage, view=view, level=level, peak=peak, mean=mean)


def case(*checks, status="ok", level="divergent"):
    given = {"fixture": "pin-values", "scope": "arrays", "mode": "RGB", "n_px": 224, "pins": "", "seconds": 0.0}
    return Case(id="pin-values@224", status=status, level=level, checks=list(checks), **given)


END = seen("normalize", "cumulative", "close")


# Ids.


def test_a_check_is_called_by_its_case_and_what_it_speaks_of():
    assert END_TO_END == "end_to_end"
    assert check_id(case(), "resize") == "pin-values@224/resize"


def test_the_end_comes_after_all_stages():
    given = [END_TO_END, *reversed(stage_ids())]
    assert sorted(given, key=place) == [*stage_ids(), END_TO_END]
    assert [place(what) for what in [*stage_ids(), END_TO_END]] == list(range(len(stage_ids()) + 1))


# What a case's checks speak of.


@pytest.mark.parametrize("view", ["isolated", "pinned"])
def test_a_stage_is_what_was_seen_alone(view):
    alone = seen("resize", view, "close")
    assert checks_of(case(seen("resize", "cumulative"), alone, seen("to_tensor", "cumulative"), END)) == {
        "resize": alone,
        END_TO_END: END,
    }


def test_the_first_final_tensor_is_the_end():
    # In the order of the checks, whatever came of them.
    other = seen("normalize", "cumulative", "exact")
    assert checks_of(case(seen("normalize"), other, END))[END_TO_END] is other


def test_a_case_that_shows_no_end_has_none():
    alone = seen("resize")
    assert checks_of(case(alone)) == {"resize": alone}


@pytest.mark.parametrize("checks", [[], [END], [seen("resize")]])
def test_without_an_output_there_is_an_end_without_figures(checks):
    assert checks_of(case(*checks, status="crash"))[END_TO_END] is None


def test_an_image_that_was_rejected_as_it_must_be_has_an_end_without_figures():
    assert checks_of(case(level="exact")) == {END_TO_END: None}


# The check that stands for a case.


def test_the_worst_level_stands_for_the_case():
    close = seen("normalize", "cumulative", "close", mean=5.0)
    assert worst_check(case(seen("decode"), seen("resize", level="divergent"), close)).stage == "resize"


@pytest.mark.parametrize(
    "better",
    [
        seen("normalize", "cumulative", "divergent", mean=9.0),
        seen("center_crop", level="divergent", mean=0.5),
        seen("center_crop", level="divergent", mean=0.75),
        seen("center_crop", level="divergent", mean=None),
        seen("decode", level="close", mean=9.0),
    ],
    ids=["seen at the end", "smaller", "as large but later", "a mean that is none", "of a better level"],
)
def test_of_one_level_it_is_a_stage_alone_the_largest_the_earliest(better):
    listed = seen("resize", level="divergent", mean=0.75)
    assert worst_check(case(better, listed)) is listed
    assert worst_check(case(listed, better)) is listed


def test_a_check_without_figures_is_worse_than_any_figure():
    shapeless = seen("center_crop", level="divergent", peak=None, mean=None)
    assert worst_check(case(seen("resize", level="divergent", mean=9.0), shapeless)) is shapeless


def test_a_case_without_checks_has_no_worst():
    assert worst_check(case()) is None


def test_what_a_check_is_called_for_a_person():
    assert what_of(seen("resize")) == "resize"
    assert what_of(seen("normalize", "pinned")) == "normalize"
    assert what_of(seen("resize", "cumulative")) == "up to resize"
    assert what_of(END) == "end to end"


# What misses a level.


def test_checks_that_miss_the_level_are_listed_with_theirs():
    checks = seen("decode"), seen("resize", level="equivalent"), seen("center_crop", level="close"), END
    assert failing(case(*checks), "equivalent") == {"center_crop": "close", END_TO_END: "close"}
    assert failing(case(*checks), "exact") == {"resize": "equivalent", "center_crop": "close", END_TO_END: "close"}
    assert failing(case(*checks, level="close"), "close") == {}


def test_an_end_without_figures_has_the_level_of_the_case():
    assert failing(case(seen("resize"), status="timeout"), "close") == {END_TO_END: "divergent"}
    assert failing(case(level="exact"), "exact") == {}


def test_where_stages_are_seen_on_the_candidates_own_outputs_alone_they_are_what_misses():
    checks = [
        seen("resize", "cumulative", "exact"),
        seen("center_crop", "cumulative", "close"),
        seen("center_crop", "cumulative", "divergent"),
        seen("convert_rgb", "cumulative", "divergent"),
    ]
    assert failing(case(*checks), "equivalent") == {"center_crop": "divergent", "convert_rgb": "divergent"}
    assert failing(case(*checks[:1], level="exact"), "equivalent") == {}
    # The case reaches the level, whatever else is listed.
    assert failing(case(*checks, level="exact"), "equivalent") == {}
