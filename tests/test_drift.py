"""The installed Pillow against the canon: the literal pipeline drifts exactly as the standard says, and no further."""

import PIL
import pytest

from clip_conformance import check
from clip_conformance.cases import reference_stages
from clip_fixtures import digest, fixtures, goldens

PILLOW = tuple(int(part) for part in PIL.__version__.split(".")[:2])
DIALECT = "pillow-13" if PILLOW >= (13, 0) else "pillow-12.2" if PILLOW >= (12, 2) else None


@pytest.fixture(scope="module")
def report():
    return check("pillow", jobs=2)


def sixteen_bit(case):
    return case.mode.startswith("I;16")


def drifting():
    """Return the fixtures whose resize the dialect of the installed Pillow changes."""
    if DIALECT is None:
        return set()
    return {
        fixture.slug
        for fixture in fixtures().values()
        if fixture.expect == "image"
        and digest(reference_stages(fixture, 224, dialect=DIALECT).resize) != goldens(224)[fixture.slug]["resize"]
    }


@pytest.mark.clause("RSZ-9", "DEP-3", "DEC-2")
def test_what_the_installed_pillow_changes_is_what_the_standard_says(report):
    expected = drifting()
    if PILLOW < (11, 0):
        refused = {case.fixture for case in report.cases if case.status == "error" and sixteen_bit(case)}
        assert refused == {case.fixture for case in report.cases if sixteen_bit(case) and resizes(case)}
        # Its size is the turned one only after loading, and the pipeline asks before.
        expected |= refused | {"tiff-orientation-6"}
    assert {case.fixture for case in report.cases if case.level != "exact"} == expected
    assert report.passed is not bool(expected)


def resizes(case):
    width, height = fixtures()[case.fixture].size_at(224)
    return min(width, height) != 224


@pytest.mark.clause("RSZ-9")
def test_only_tall_images_drift():
    slugs = drifting()
    ratio = {"pillow-13": 2, "pillow-12.2": 100}.get(DIALECT or "", 0)
    for slug in slugs:
        width, height = fixtures()[slug].size_at(224)
        assert height > ratio * width
        assert width > 224
    assert bool(slugs) is (DIALECT is not None)


@pytest.mark.clause("RSZ-9")
def test_the_dialect_is_named(report):
    if PILLOW < (11, 0):
        assert report.summary.diagnosis == []
        return
    assert [finding.fault for finding in report.summary.diagnosis] == ([DIALECT] if DIALECT else [])
    assert report.summary.blame == (["resize"] if DIALECT else [])


def test_the_other_stages_are_exact_everywhere(report):
    for stage in ("decode", "center_crop", "convert_rgb", "to_tensor", "normalize"):
        assert report.summary.stages[stage].level == "exact"
