"""junit.xml: valid, permanent names, and failures where and only where the report has them."""

from pathlib import Path

import msgspec
import pytest
from junitparser import Error, Failure, JUnitXml
from lxml import etree

import candidates
from clip_conformance import check
from clip_conformance.check_ids import check_id, failing
from clip_conformance.records import Check, Finding, Known
from clip_conformance.report import Report
from clip_conformance.reports.junit import NAME, junit, of_case

SCHEMA = etree.XMLSchema(etree.parse(Path(__file__).parent / "data" / "junit.xsd"))
FEW = ("pin-values", "crop-right-3", "crop-right-4", "empty-width", "jpeg-420")
BAD = {
    "control": "a\x00\x08\x0b\x1b[31mred\x7f",
    "no characters": "\ufffe\uffff",
    "markup": "]]><failure>&amp;<!-- -->",
    "lines": "one\ntwo\r\n\tthree",
    "long": "x" * 10**6,
}


def never_rejects(image):
    if 0 in image.size:
        return candidates.sound(candidates.Image.new("RGB", (9, 9)))
    return candidates.sound(image)


RUNS = {
    "passes": ("pillow", {}),
    "fails": (candidates.FloorCrop(), {}),
    "one black box": (candidates.half_precision, {"diagnose": False}),
    "crashes": (candidates.aborts_on_crop, {"diagnose": False}),
    "hangs": (candidates.hangs_on_crop, {"diagnose": False, "timeout": 2.0}),
    "refuses": (candidates.refuses_crop, {"diagnose": False}),
    "raises": (candidates.raises, {"diagnose": False}),
    "never rejects": (never_rejects, {}),
    "one stage": (candidates.FloorCrop(), {"stages": ["center_crop"]}),
    "all models": (candidates.any_n_px, {"model": "all"}),
    "a level that all reach": (candidates.aborts_on_crop, {"require": "divergent", "diagnose": False}),
}


@pytest.fixture(scope="module", params=RUNS)
def report(request):
    candidate, options = RUNS[request.param]
    return check(candidate, select=FEW, jobs=1, pictures=False, **options)


def parsed(report):
    document = junit(report)
    SCHEMA.assertValid(etree.fromstring(document))
    return JUnitXml.fromstring(document)


def troubled(xml, kind=(Failure, Error)):
    return [case for suite in xml for case in suite if any(isinstance(result, kind) for result in case.result)]


def test_it_is_valid_and_counts_as_it_says(report):
    xml = parsed(report)
    found = [case for suite in xml for case in suite]
    assert (xml.tests, xml.failures, xml.errors) == (
        len(found),
        len(troubled(xml, Failure)),
        len(troubled(xml, Error)),
    )
    assert sum(suite.tests for suite in xml) == len(found)
    assert [suite.name for suite in xml] == [f"clip-conformance.{scope}" for scope in report.header.scopes]
    assert xml.time == pytest.approx(sum(case.seconds for case in report.cases), abs=0.001 * len(report.cases))


def test_a_case_fails_where_and_only_where_it_does_in_the_summary(report):
    xml, summary = parsed(report), report.summary
    failed = {case.name for case in troubled(xml)}
    assert {case.name for suite in xml for case in suite} == {case.id for case in report.cases}
    assert len(report.cases) - len(failed) == summary.reached
    broken = {case.name for case in troubled(xml, Error)}
    assert len(broken) == sum(summary.counts[status] for status in ("crash", "timeout", "error"))
    assert not any(case.is_skipped for suite in xml for case in suite)


def test_stages_fail_as_often_as_in_the_summary(report):
    xml = parsed(report)
    for stage, row in report.summary.stages.items():
        cases = [case for suite in xml for case in suite if case.classname.split(".")[-1] == stage]
        assert len(cases) == row.cases
        assert sum(case.is_passed for case in cases) == row.passed


def test_failures_are_the_checks_that_a_file_of_known_divergences_would_name(report):
    names = {f"{case.name}/{case.classname.split('.')[-1]}" for case in troubled(parsed(report))}
    required = report.header.required
    missed = {check_id(case, what) for case in report.cases for what in failing(case, required)}
    missed |= {check_id(case, "end_to_end") for case in report.cases if case.status != "ok"}
    assert names == missed


@pytest.fixture(scope="module")
def failing_report():
    return check(candidates.FloorCrop(), select=FEW, jobs=1)


def test_names_are_permanent(failing_report):
    (first, *_) = troubled(parsed(failing_report))
    assert (first.classname, first.name) == ("clip-conformance.arrays.center_crop", "crop-right-3@224")
    rejected = of_case(next(case for case in failing_report.cases if case.fixture == "empty-width"), failing_report)
    assert [test.what for test in rejected] == ["end_to_end"]


def test_a_failure_has_the_numbers_and_the_fix(failing_report):
    (stage, end) = troubled(parsed(failing_report))
    assert end.classname == "clip-conformance.arrays.end_to_end"
    for case in (stage, end):
        (failure,) = case.result
        assert failure.type == "divergent"
        assert failure.message == "divergent, equivalent required: peak 255, mean 85.64, bias -0.02 LSB"
        assert "Fix: Round half to even" in failure.text
        assert "clip-conformance show crop-right-3" in failure.text
    assert "alone on the canon's own input" in stage.result[0].text


def test_properties_say_what_was_run(failing_report):
    (suite, *_) = parsed(failing_report)
    told = {found.name: found.value for found in suite.properties()}
    assert told["candidate.name"] == "FloorCrop"
    assert told["spec"] == failing_report.header.spec
    assert told["blame"] == "center_crop"
    assert told["accepted"] == "false"
    assert {"environment.numpy", "environment.cpu", "environment.Pillow"} <= told.keys()


def changed(report, text):
    """The report of a candidate that says `text` wherever it has a say."""
    cases = []
    for case in report.cases:
        checks = [msgspec.structs.replace(check, note=text) for check in case.checks]
        cases.append(msgspec.structs.replace(case, checks=checks, message=text))
    cases[0] = msgspec.structs.replace(cases[0], status="error", level="divergent", checks=[])
    header = msgspec.structs.replace(
        report.header, candidate={"name": text, text or "key": text}, environment={text or "key": text}
    )
    finding = Finding(fault=text, stage="resize", title=text, fix=text, residual=0.0, explained=1.0)
    return Report(header, cases, msgspec.structs.replace(report.footer, diagnosis=[finding]))


@pytest.mark.parametrize("kind", BAD)
def test_whatever_a_candidate_says_it_stays_xml(kind, failing_report):
    xml = parsed(changed(failing_report, BAD[kind]))
    assert len(troubled(xml)) == 3
    assert len(junit(changed(failing_report, BAD[kind]))) < 10**6


def test_what_it_says_can_be_read(failing_report):
    (error, *_) = troubled(parsed(changed(failing_report, BAD["markup"])), Error)
    assert BAD["markup"] in error.result[0].text


def test_a_stage_that_fails_on_the_way_alone_is_a_failure(failing_report):
    (case, *_) = failing_report.cases
    exact = Check(stage="normalize", view="cumulative", level="exact")
    way = Check(stage="convert_rgb", view="cumulative", level="divergent", peak=3.0)
    case = msgspec.structs.replace(case, level="divergent", checks=[way, exact])
    found = {test.what: test.tag for test in of_case(case, failing_report)}
    assert found == {"end_to_end": "", "convert_rgb": "failure"}
    (alone,) = of_case(msgspec.structs.replace(case, checks=[way]), failing_report)
    assert (alone.what, alone.tag) == ("convert_rgb", "failure")
    sound = msgspec.structs.replace(way, level="exact")
    (alone,) = of_case(msgspec.structs.replace(case, level="exact", checks=[sound]), failing_report)
    assert (alone.what, alone.tag) == ("convert_rgb", "")


def test_a_known_divergence_stays_a_failure_and_says_so(failing_report):
    known = Known(
        file="known.toml",
        entries=1,
        idle=0,
        matched=1,
        unexpected=["crop-right-3@224/end_to_end"],
        worse=[],
        stale=[],
        expired=[],
    )
    footer = msgspec.structs.replace(failing_report.footer, known=known)
    xml = parsed(Report(failing_report.header, failing_report.cases, footer))
    messages = {case.classname.split(".")[-1]: case.result[0].message for case in troubled(xml)}
    assert messages["center_crop"].startswith("known: divergent")
    assert messages["end_to_end"].startswith("divergent")


def test_it_is_one_of_the_files_of_a_report(failing_report, tmp_path):
    failing_report.write(tmp_path)
    assert (tmp_path / NAME).read_bytes() == junit(failing_report)
