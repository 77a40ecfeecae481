"""The verdict and the counts, on reports made by hand: every figure of a summary, and what require() says."""

import json
import os
import stat

import msgspec
import pytest

import clip_spec
from clip_conformance import NotConforming
from clip_conformance.records import Finding, Footer, Known
from clip_conformance.report import Report
from clip_conformance.summary import StageSummary, Summary, summarise, troubles
from handmade import HEADER, case, seen

STATUSES = ("skipped", "rejected", "error", "crash", "timeout", "missing")
FINDING = Finding(fault="pillow-13", stage="resize", title="t", fix="f", residual=0.0, explained=1.0)


def summary(*cases, blame=(), **header):
    footer = Footer(cases=len(cases), expected=len(cases), blame=list(blame), diagnosis=[FINDING])
    return summarise(msgspec.structs.replace(HEADER, **header), list(cases), footer)


def test_what_the_header_and_the_footer_say_is_handed_on():
    found = summary(case("a", seen()), blame=["resize"])
    assert found.schema == "clip-conformance/summary/1"
    for name in ("candidate", "suite", "spec", "environment", "model", "n_px", "required"):
        assert getattr(found, name) == getattr(HEADER, name)
    assert (found.blame, found.diagnosis) == (["resize"], [FINDING])


def test_the_records_do_not_change_and_are_made_by_name():
    for kind in (Summary, StageSummary):
        assert kind.__struct_config__.frozen
        with pytest.raises(TypeError, match="positional"):
            kind("exact")


@pytest.mark.clause("CNF-3")
@pytest.mark.parametrize("required", clip_spec.level_ids())
@pytest.mark.parametrize("level", clip_spec.level_ids())
def test_the_worst_case_decides(level, required):
    found = summary(case("a", seen()), case("b", seen(level)), case("c", seen()), required=required)
    ranks = clip_spec.level_ids()
    assert found.level == level
    assert found.passed == (ranks.index(level) <= ranks.index(required))
    assert found.cases == 3
    assert found.reached == (3 if found.passed else 2)
    assert sum(found.counts.values()) == 3
    assert found.counts[level] == (3 if level == "exact" else 1)


@pytest.mark.clause("CNF-5")
@pytest.mark.parametrize("status", STATUSES)
def test_an_opt_out_is_counted_and_is_no_pass(status):
    found = summary(case("a", seen()), case("b", status=status, message="why"))
    assert found.counts == dict.fromkeys((*clip_spec.level_ids(), *STATUSES), 0) | {"exact": 1, status: 1}
    assert (found.passed, found.level, found.cases, found.reached) == (False, "divergent", 2, 1)
    # It stays in the denominator of the whole, as its worst case.
    whole = found.end_to_end
    assert (whole.level, whole.cases, whole.passed, whole.worst, whole.note) == ("divergent", 2, 1, "b@224", "why")
    # Not even of a run that asks for nothing.
    assert summary(case("b", status=status), required="divergent").reached == 0
    # An opt-out that claims a level is one all the same.
    assert summary(case("b", status=status, level="exact")).reached == 0


@pytest.mark.clause("CNF-5")
def test_no_case_is_no_success():
    found = summary()
    assert (found.level, found.passed, found.cases, found.reached) == ("divergent", False, 0, 0)
    assert (found.stages, found.end_to_end) == ({}, None)


def test_scopes_are_scored_apart():
    cases = [case("a", seen("close")), case("b", seen(), scope="files"), case("c", seen("equivalent"), scope="modes")]
    found = summary(*cases, scopes=["arrays", "modes", "files"])
    assert found.scopes == {"arrays": "close", "modes": "equivalent", "files": "exact"}


@pytest.mark.clause("CNF-4")
def test_stages_are_told_from_the_views_that_show_them_alone():
    found = summary(
        case(
            "a",
            seen("divergent"),
            seen("divergent", "center_crop"),
            seen("exact", "normalize", "isolated"),
            seen("close", "center_crop", "isolated"),
            seen("equivalent", "resize", "pinned"),
        ),
    )
    assert {stage: row.level for stage, row in found.stages.items()} == {
        "resize": "equivalent",
        "center_crop": "close",
        "normalize": "exact",
    }
    assert list(found.stages) == ["resize", "center_crop", "normalize"]
    assert (found.end_to_end.level, found.end_to_end.cases) == ("divergent", 1)
    assert [row.passed for row in found.stages.values()] == [1, 0, 1]


@pytest.mark.clause("CNF-4")
def test_end_to_end_is_the_final_tensor_and_what_gave_none():
    assert summary(case("a", seen("exact", "resize", "isolated"))).end_to_end is None
    assert summary(case("a", seen("exact", "resize"))).end_to_end is None
    assert summary(case("a", status="crash", message="died")).end_to_end.note == "died"
    both = summary(case("a", seen("close", peak=9.0)), case("b", seen("close", peak=3.0))).end_to_end
    assert (both.cases, both.passed, both.worst, both.peak) == (2, 0, "a@224", 9.0)


@pytest.mark.parametrize("holds", [None, True, False])
@pytest.mark.parametrize("expected", [1, 2])
def test_a_run_that_was_cut_off_passes_nothing(expected, holds):
    """None: without a file of known divergences, where what passes is what is accepted."""
    lists = {"worse": [], "stale": [], "expired": []}
    known = (
        None
        if holds is None
        else Known(file="k", entries=0, idle=0, matched=0, unexpected=[] if holds else ["a"], **lists)
    )
    for level, passes in (("exact", True), ("divergent", False)):
        footer = Footer(cases=1, expected=expected, blame=[], known=known)
        found = summarise(HEADER, [case("a", seen(level))], footer)
        whole = expected == 1
        assert found.passed == (passes and whole)
        assert found.accepted == (whole and (passes if holds is None else holds))


def test_cases_without_an_output_are_told_together_where_they_say_the_same():
    cases = [
        case("fine", seen()),
        case("a", status="error", message="a@224: 3 of 4"),
        case("b", status="crash", message="b@224: 5 of 66"),
        case("c", status="error", message="c@224: 17 of 4"),
        case("d", status="error", message="d@224: 1 of many"),
        case("e", status="crash", message="signal 9"),
        case("f", status="crash", message="signal 11"),
        case("g", status="crash", message="signal 6"),
        case("h", status="crash", message="signal "),
        case("i", status="error", message=": 8 of 9"),
    ]
    names = [[one.fixture for one in group] for group in troubles(cases)]
    assert names == [["a", "c", "i"], ["e", "f", "g"], ["b"], ["d"], ["h"]]
    assert troubles(cases[:1]) == []


@pytest.mark.clause("CNF-4")
def test_a_blamed_stage_that_its_pins_do_not_show_has_the_cases_that_do():
    cases = [
        case("pin", seen("exact", "resize", "pinned")),
        case("good", seen("equivalent")),
        case("bad", seen("divergent", peak=40.0)),
    ]
    blamed = summary(*cases, blame=["resize"]).stages["resize"]
    assert (blamed.level, blamed.cases, blamed.passed, blamed.worst) == ("divergent", 2, 1, "bad@224")
    assert summary(*cases, blame=["center_crop"]).stages["resize"].level == "exact"
    # It is in the summary too where no fixture pins it.
    assert summary(*cases[1:], blame=["resize"]).stages["resize"].cases == 1
    # Cases that it does nothing to are not its own.
    cropped, resized = case("crop-right-3", seen("divergent")), case("photo-coffee", seen("divergent", peak=40.0))
    blamed = summary(cropped, resized, blame=["resize"]).stages["resize"]
    assert (blamed.cases, blamed.worst) == (1, "photo-coffee@224")
    # Where one of its own cases fails, that says enough.
    failing = case("pin", seen("exact", "resize", "pinned"), seen("close", "resize", "pinned"))
    assert summary(failing, *cases[1:], blame=["resize"]).stages["resize"].level == "close"


def test_each_figure_is_the_worst_cases():
    found = summary(
        case("a", seen("equivalent", peak=2.0, mean=0.01, bias=-0.012)),
        case("b", seen("equivalent", peak=1.0, mean=0.02, bias=0.01, note="dtype")),
        case("c", seen()),
    ).end_to_end
    assert (found.peak, found.mean, found.bias, found.unit) == (2.0, 0.02, -0.012, "LSB")
    assert (found.worst, found.note) == ("a@224", "")
    nothing = summary(case("a", seen())).end_to_end
    assert (nothing.peak, nothing.mean, nothing.bias, nothing.worst) == (None, None, None, "")


# Each is worse than the one before: by its level, then for want of any figures, then by peak, then by mean.
WORSE = [
    seen("exact"),
    seen("equivalent", peak=0.0, mean=0.0),
    seen("equivalent", peak=0.5, mean=0.0),
    seen("equivalent", peak=0.5, mean=0.01),
    seen("equivalent", peak=0.5, mean=0.6),
    seen("equivalent", peak=3.0, mean=0.001),
    seen("equivalent"),
    seen("close", peak=0.1, mean=0.1),
    seen("divergent", peak=0.01, mean=0.01),
    seen("divergent"),
]


@pytest.mark.parametrize("at", range(1, len(WORSE)))
def test_the_worst_case_is_named(at):
    better, worse = case("better", WORSE[at - 1]), case("worse", WORSE[at])
    for cases in ((better, worse), (worse, better)):
        assert summary(*cases).end_to_end.worst == "worse@224"


def test_of_two_that_are_alike_the_first_is_named():
    for check in (
        seen("divergent"),
        seen("divergent", mean=0.5),
        seen("equivalent", peak=0.5),
        seen("equivalent", peak=0.5, mean=0.5),
    ):
        assert summary(case("first", check), case("second", check)).end_to_end.worst == "first@224"


# The report around it.


def report(*cases, blame=(), log=""):
    footer = Footer(cases=len(cases), expected=len(cases), blame=list(blame))
    return Report(HEADER, list(cases), footer, worker_log=log)


def test_a_report_is_its_lines_and_its_verdict():
    cases = [case("a", seen()), case("b", seen("close"))]
    found = report(*cases)
    assert found.summary == summarise(HEADER, cases, found.footer)
    assert (found.level, found.passed) == ("close", False)
    assert report(cases[0]).passed is True


@pytest.mark.parametrize("level", clip_spec.level_ids())
@pytest.mark.parametrize("required", clip_spec.level_ids())
def test_require_raises_below_the_level(level, required):
    found = report(case("a", seen(level)))
    if clip_spec.level_ids().index(level) <= clip_spec.level_ids().index(required):
        assert found.require(required) is found
    else:
        with pytest.raises(NotConforming):
            found.require(required)


def test_a_partial_report_is_no_success():
    cases = [case("a", seen()), case("b", seen())]
    whole, part = (Report(HEADER, cases, Footer(cases=2, expected=expected, blame=[])) for expected in (2, 3))
    assert (whole.partial, part.partial) == (False, True)
    assert whole.pictures == []
    assert whole.require("exact") is whole
    with pytest.raises(NotConforming, match=r"^partial: 2 of 3 cases, the run was ended$"):
        part.require("divergent")


def test_require_names_the_cases_and_the_blame():
    bad = [case(f"bad-{index}", seen("divergent")) for index in range(6)]
    with pytest.raises(NotConforming) as failed:
        report(case("good", seen()), *bad, blame=["resize", "normalize"]).require("close")
    names = "bad-0@224, bad-1@224, bad-2@224, bad-3@224, bad-4@224"
    blame = "blame: resize, normalize"
    assert str(failed.value) == f"divergent, required close: 6 of 7 cases fail ({names} ...); {blame}"
    with pytest.raises(NotConforming) as failed:
        report(*bad[:5]).require("close")
    assert str(failed.value).endswith(f"5 of 5 cases fail ({names}); blame: no single stage")
    with pytest.raises(NotConforming, match=r"1 of 2 cases fail \(bad-0@224\);"):
        report(bad[0], case("good", seen())).require("close")
    named = Report(HEADER, bad[:1], Footer(cases=1, expected=1, blame=["resize"], diagnosis=[FINDING]))
    with pytest.raises(NotConforming) as failed:
        named.require("close")
    assert str(failed.value).splitlines()[1:] == ["resize: t (pillow-13). f"]
    with pytest.raises(ValueError, match=r"^'perfect' is not one of exact, equivalent, close, divergent$"):
        report(*bad).require("perfect")


def test_files_are_written_whole_or_not_at_all(tmp_path, monkeypatch):
    folder = tmp_path / "new" / "folder"
    found = report(case("a", seen()), log="its last words")
    found.write(folder)
    found.write(folder)
    assert {path.name for path in folder.iterdir()} >= {"report.jsonl", "stderr.log", "summary.json"}
    assert not [path for path in folder.iterdir() if path.name.startswith(".")]
    assert (folder / "stderr.log").read_text() == "its last words"
    written = (folder / "summary.json").read_text()
    assert written == json.dumps(msgspec.to_builtins(found.summary), indent=2) + "\n"
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o644}

    report(case("a", seen("close"))).write(folder)
    assert not (folder / "stderr.log").exists()

    before = (folder / "report.jsonl").read_bytes()
    beside = []

    def fails(source, target):
        beside.append(os.path.relpath(source, folder))
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", fails)
    with pytest.raises(KeyboardInterrupt):
        found.write(folder)
    assert (folder / "report.jsonl").read_bytes() == before
    assert not [path for path in folder.iterdir() if path.name.startswith(".")]
    # It was made where a rename is one step, under a name that shows what it is and hides it.
    assert [name.startswith(".report.jsonl-") for name in beside] == [True]


def test_a_file_that_vanished_in_the_meantime_is_no_second_error(tmp_path, monkeypatch):
    def fails(source, target):
        os.unlink(source)
        raise OSError("no space left")

    monkeypatch.setattr(os, "replace", fails)
    with pytest.raises(OSError, match="no space left"):
        report(case("a", seen())).write(tmp_path)
