"""Two reports compared: each kind of change, the bounds of drift, what is refused, and what is written."""

import json
from html.parser import HTMLParser

import msgspec
import pytest
from click.testing import CliRunner
from jsonschema import Draft202012Validator
from markdown_it import MarkdownIt

import candidates
import clip_spec
from clip_conformance import UsageError, check
from clip_conformance.cli import cli
from clip_conformance.records import Case, Check
from clip_conformance.report import Report
from clip_conformance.reports import diff_show
from clip_conformance.reports.diff import KINDS, compare

FEW = ("pin-values", "crop-right-3", "crop-right-4", "sides-640x480", "palette-down", "jpeg-420")
replace = msgspec.structs.replace


@pytest.fixture(scope="module")
def good():
    return check("pillow", select=FEW, jobs=1)


@pytest.fixture(scope="module")
def bad():
    return check(candidates.FloorCrop(), select=FEW, jobs=1)


def changed(report: Report, slug: str, change, **header) -> Report:
    """The report with one case made otherwise."""
    cases = [change(case) if case.fixture == slug else case for case in report.cases]
    return Report(replace(report.header, **header), cases, report.footer)


def with_checks(case: Case, level: str, **figures) -> Case:
    """The case with other figures from end to end; its stages alone are as they were."""
    checks = [
        replace(check, level=level, **figures) if (check.stage, check.view) == ("normalize", "cumulative") else check
        for check in case.checks
    ]
    return replace(case, checks=checks, level=level)


def kinds(diff) -> dict[str, str]:
    return {change.check: change.kind for change in diff.changes}


def test_the_same_is_the_same(good):
    diff = compare(good, good)
    assert (diff.regressed, diff.changes, diff.compared, diff.failing) == (False, [], len(good.cases), 0)
    assert diff_show.verdict(diff) == f"THE SAME: exact -> exact; cases: {len(good.cases)} as before."


def test_a_regression_and_its_mending(good, bad):
    worse, better = compare(good, bad), compare(bad, good)
    assert worse.regressed
    assert kinds(worse)["crop-right-3@224/center_crop"] == "regressed"
    assert kinds(worse)["crop-right-3@224/end_to_end"] == "regressed"
    assert "crop-right-4@224/center_crop" not in kinds(worse)
    assert not better.regressed
    assert kinds(better)["crop-right-3@224/center_crop"] == "fixed"
    assert worse.counts["regressed"] == better.counts["fixed"] > 0
    assert worse.stages["center_crop"]["regressed"] == better.stages["center_crop"]["fixed"] > 0
    assert worse.blame == ([], ["center_crop", "convert_rgb"])
    assert "crop-floor" in {finding.fault for finding in worse.diagnosis}
    assert better.diagnosis == []
    assert compare(bad, bad).failing == worse.counts["regressed"]


@pytest.mark.parametrize(
    ("level", "mean", "kind"),
    [
        # The bound of the mean at equivalent, from end to end, is 0.02 LSB.
        ("equivalent", 0.0100, None),
        ("equivalent", 0.0119, None),
        ("equivalent", 0.0121, "drifted"),
        ("equivalent", 0.0079, "drifted"),
        ("exact", 0.0, "drifted"),
        ("close", 0.3, "regressed"),
        ("divergent", 50.0, "regressed"),
    ],
)
def test_what_keeps_its_level_drifts_by_a_tenth_of_the_bound(good, level, mean, kind):
    old = changed(good, "sides-640x480", lambda case: with_checks(case, "equivalent", peak=1.0, mean=0.01))
    new = changed(good, "sides-640x480", lambda case: with_checks(case, level, peak=1.0, mean=mean))
    diff = compare(old, new)
    assert set(kinds(diff).values()) == ({kind} if kind else set())
    assert diff.regressed == (kind == "regressed")
    assert diff.counts[kind or "drifted"] == (1 if kind else 0)


def test_the_share_that_is_drift_is_chosen(good):
    old = changed(good, "sides-640x480", lambda case: with_checks(case, "equivalent", mean=0.010))
    new = changed(good, "sides-640x480", lambda case: with_checks(case, "equivalent", mean=0.015))
    assert compare(old, new, drift=0.2).changes
    assert not compare(old, new, drift=0.3).changes


@pytest.mark.parametrize(
    ("was", "now", "kind"),
    [
        (("divergent", 10.0), ("divergent", 10.5), None),
        (("divergent", 10.0), ("divergent", 12.0), "drifted"),
        (("divergent", 10.0), ("close", 0.3), "drifted"),
        (("close", 0.3), ("divergent", 10.0), "regressed"),
        (("divergent", 10.0), ("equivalent", 0.01), "fixed"),
    ],
)
def test_what_misses_the_level_can_still_get_worse(good, was, now, kind):
    old = changed(good, "sides-640x480", lambda case: with_checks(case, was[0], peak=1.0, mean=was[1]))
    new = changed(good, "sides-640x480", lambda case: with_checks(case, now[0], peak=1.0, mean=now[1]))
    diff = compare(old, new)
    assert set(kinds(diff).values()) == ({kind} if kind else set())
    assert diff.failing == (kind != "fixed")


@pytest.mark.parametrize("status", ["skipped", "rejected", "error", "crash", "timeout", "missing"])
def test_an_opt_out_is_a_regression(good, status):
    lost = changed(
        good, "sides-640x480", lambda case: replace(case, status=status, level="divergent", checks=[], message="gone")
    )
    assert kinds(compare(good, lost)) == {"sides-640x480@224/end_to_end": "regressed"}
    assert kinds(compare(lost, good)) == {"sides-640x480@224/end_to_end": "fixed"}
    other = changed(lost, "sides-640x480", lambda case: replace(case, status="crash" if status != "crash" else "error"))
    assert kinds(compare(lost, other)) == {"sides-640x480@224/end_to_end": "drifted"}


def test_cases_come_and_go(good):
    fewer = Report(good.header, good.cases[1:], good.footer)
    first = good.cases[0].id
    assert kinds(compare(good, fewer)) == {f"{first}/end_to_end": "removed"}
    assert kinds(compare(fewer, good)) == {f"{first}/end_to_end": "added"}
    assert not compare(good, fewer).regressed
    with pytest.raises(UsageError, match="no case in common"):
        compare(good, check("pillow", "RN50x4", select=["pin-values"], jobs=1))


def test_the_required_level_is_the_new_reports_unless_another_is_asked_for(good):
    old = changed(good, "sides-640x480", lambda case: with_checks(case, "equivalent", mean=0.01))
    new = changed(good, "sides-640x480", lambda case: with_checks(case, "close", mean=0.3))
    assert compare(old, new).regressed
    assert not compare(old, new, required="close").regressed
    assert set(kinds(compare(old, new, required="close")).values()) == {"drifted"}


def test_other_revisions_are_refused_unless_asked_for(good):
    other = Report(replace(good.header, spec="2.0"), good.cases, good.footer)
    with pytest.raises(UsageError, match=r"1\.0 and 2\.0.*--across-revisions"):
        compare(good, other)
    assert compare(good, other, across=True).about == {"spec": ("1.0", "2.0")}


def test_the_environment_is_compared(good):
    environment = {**good.header.environment, "Pillow": "99.0", "new": "1"}
    del environment["numpy"]
    other = Report(replace(good.header, environment=environment), good.cases, good.footer)
    assert compare(good, other).environment == {
        "Pillow": (good.header.environment["Pillow"], "99.0"),
        "numpy": (good.header.environment["numpy"], ""),
        "new": ("", "1"),
    }


def test_every_difference_of_what_was_run_is_named(good):
    header = replace(
        good.header,
        candidate={"name": "mine", "language": "c++"},
        suite="9",
        fixtures="f" * 64,
        model="RN50",
        required="close",
        select=[],
    )
    about = compare(good, Report(header, good.cases, good.footer), required="equivalent").about
    before = good.header
    assert about == {
        **{
            f"candidate {key}": (before.candidate.get(key, ""), header.candidate.get(key, ""))
            for key in before.candidate.keys() | header.candidate.keys()
        },
        "suite": (before.suite, "9"),
        "fixtures": (before.fixtures, "f" * 64),
        "model": (before.model, "RN50"),
        "required": ("equivalent", "close"),
        "selected": (" ".join(FEW), "all"),
    }
    assert about["candidate language"] == (before.candidate["language"], "c++")


def test_changes_come_by_weight_then_by_case_then_by_stage(good, bad):
    reached = changed(good, "pin-values", lambda case: with_checks(case, "equivalent", peak=1.0, mean=0.01))
    lost = Report(reached.header, [case for case in reached.cases if case.fixture != "jpeg-420"], reached.footer)
    first = replace(good.cases[0], id="new@224")
    diff = compare(lost, Report(bad.header, [*reversed(bad.cases), first], bad.footer))
    assert [(change.kind, change.case, change.what) for change in diff.changes] == [
        ("regressed", "palette-down@224", "convert_rgb"),
        ("regressed", "palette-down@224", "end_to_end"),
        ("regressed", "crop-right-3@224", "center_crop"),
        ("regressed", "crop-right-3@224", "end_to_end"),
        ("drifted", "pin-values@224", "end_to_end"),
        ("added", "jpeg-420@224", "end_to_end"),
        ("added", "new@224", "end_to_end"),
    ]
    assert list(diff.stages) == ["center_crop", "convert_rgb", "end_to_end"]
    assert diff.stages["end_to_end"] == {"regressed": 2, "fixed": 0, "drifted": 1, "added": 2, "removed": 0}


def test_a_case_that_came_or_went_has_one_side(good):
    fewer = Report(good.header, good.cases[1:], good.footer)
    for old, new, there in ((good, fewer, "old"), (fewer, good, "new")):
        (change,) = compare(old, new).changes
        sides = {"old": change.old, "new": change.new}
        assert sides.pop(there).level == "exact"
        assert list(sides.values()) == [None]


def test_what_was_diagnosed_before_is_no_news(good, bad):
    worse = changed(bad, "sides-640x480", lambda case: with_checks(case, "divergent", peak=99.0, mean=9.0))
    diff = compare(bad, worse)
    assert diff.regressed
    assert bad.footer.diagnosis == worse.footer.diagnosis != []
    assert diff.diagnosis == []


def test_a_case_without_an_output_has_not_reached_its_level_whatever_was_seen_before(good):
    lost = changed(good, "sides-640x480", lambda case: replace(case, status="crash", level="divergent", message="gone"))
    was, now = compare(good, lost), compare(lost, good)
    assert set(kinds(was).values()) == {"regressed"}
    assert set(kinds(now).values()) == {"fixed"}
    assert "sides-640x480@224/resize" in kinds(was)
    assert compare(lost, lost).failing == 1


def test_an_end_that_only_one_run_shows_is_compared(good):
    def endless(case):
        return replace(case, checks=[check for check in case.checks if check.view != "cumulative"])

    stages = changed(good, "sides-640x480", endless)
    assert kinds(compare(good, stages)) == {}
    worse = changed(good, "sides-640x480", lambda case: replace(endless(case), level="divergent"))
    assert kinds(compare(good, worse)) == {"sides-640x480@224/end_to_end": "regressed"}


def test_a_tiny_error_beyond_the_level_drifts_by_itself_not_by_float_noise(good):
    # 1e-3 LSB is the least that an error is measured by.
    def with_mean(mean):
        return changed(good, "sides-640x480", lambda case: with_checks(case, "divergent", mean=mean))

    assert kinds(compare(with_mean(1e-5), with_mean(5e-5))) == {}
    assert kinds(compare(with_mean(1e-5), with_mean(3e-4))) == {"sides-640x480@224/end_to_end": "drifted"}


# What is written.

HOSTILE = "<script>alert(1)</script>|`x` @everyone [a](javascript:b) \u202e\n# head {{7*7}}"


def hostile(good: Report) -> Report:
    crash = changed(good, "pin-values", lambda case: replace(case, status="error", level="divergent", message=HOSTILE))
    noted = changed(
        crash,
        "sides-640x480",
        lambda case: replace(
            case,
            level="divergent",
            checks=[Check(stage="normalize", view="cumulative", level="divergent", note=HOSTILE)],
        ),
    )
    header = replace(noted.header, environment={"Pillow": HOSTILE}, candidate={"name": HOSTILE})
    return Report(header, noted.cases, noted.footer)


class Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.text = [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)

    def handle_data(self, data):
        self.text.append(data)


def parsed(html):
    parser = Tags()
    parser.feed(html)
    return parser


def test_hostile_text_stays_text(good):
    diff = compare(good, hostile(good))
    page = parsed(diff_show.as_page(diff))
    assert "script" not in page.tags
    assert "<script>alert(1)</script>" in "".join(page.text)
    assert "\u202e" not in "".join(page.text)
    rendered = parsed(MarkdownIt("commonmark", {"html": True}).enable("table").render(diff_show.as_markdown(diff)))
    assert not {"script", "a", "h1", "em"} & set(rendered.tags)
    assert "<script>alert(1)</script>" in "".join(rendered.text)
    assert "{{7*7}}" in "".join(rendered.text)
    assert "@everyone" not in "".join(rendered.text)  # a gap without width is in it, or GitHub would mention people


def test_the_files_say_what_the_terminal_says(good, bad, tmp_path):
    good.write(tmp_path / "good")
    bad.write(tmp_path / "bad")
    files = {kind: tmp_path / f"diff.{kind}" for kind in ("json", "markdown", "html")}
    options = [word for kind, path in files.items() for word in (f"--{kind}", str(path))]
    run = CliRunner()
    result = run.invoke(cli, ["diff", str(tmp_path / "good"), str(tmp_path / "bad"), *options], standalone_mode=False)
    assert result.return_value == 1
    assert "REGRESSED: exact -> divergent" in result.output
    assert "regressed crop-right-3@224/center_crop: exact -> divergent" in result.output
    written = json.loads(files["json"].read_text())
    Draft202012Validator(clip_spec.schema("diff")).validate(written)
    assert written == json.loads(msgspec.json.encode(compare(good, bad)))
    for kind in ("markdown", "html"):
        text = files[kind].read_text()
        assert "regressed" in text
        assert "crop-floor" in text.replace("&#45;", "-")
    back = run.invoke(cli, ["diff", str(tmp_path / "bad"), str(tmp_path / "good")], standalone_mode=False)
    assert back.return_value == 0
    assert "NO REGRESSION" in back.output
    same = run.invoke(
        cli, ["diff", str(tmp_path / "bad"), str(tmp_path / "bad" / "report.jsonl")], standalone_mode=False
    )
    assert same.return_value == 0
    assert "THE SAME" in same.output


def test_a_long_diff_is_cut_in_markdown_and_terminal_alone(good):
    none = Report(good.header, [replace(good.cases[0], id=f"x-{i}@224") for i in range(300)], good.footer)
    both = Report(good.header, [*good.cases, *none.cases], good.footer)
    diff = compare(good, both)
    assert len(diff.changes) == 300
    assert "... and 260 more" in diff_show.as_markdown(diff)
    assert len(diff_show.as_markdown(diff)) < 60_000
    assert diff_show.as_page(diff).count("added</td>") == 300


def test_check_compares_with_a_baseline(good, tmp_path):
    good.write(tmp_path / "old")
    words = ["check", "tests/candidates.py:FloorCrop", "--baseline", str(tmp_path / "old"), "--select", "crop-right-*"]
    words = [word.replace("tests/candidates.py", candidates.__file__) for word in words]
    result = CliRunner().invoke(cli, [*words, "--no-diagnosis", "--require", "divergent"], standalone_mode=False)
    assert "Compared with" in result.output
    # All is accepted at this level, and still the crop moved.
    assert "drifted crop-right-3@224" in result.output
    assert result.return_value == 0
    strict = CliRunner().invoke(cli, [*words, "--no-diagnosis"], standalone_mode=False)
    assert "regressed crop-right-3@224" in strict.output
    assert strict.return_value == 1
    assert KINDS[0] in strict.output
