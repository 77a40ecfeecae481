"""Every bound lies between right implementations and known mistakes, as far from both as levels.toml says.

Each pair that levels.toml names is measured again, so that a moved bound, a moved mistake or a moved implementation
closes the gap here; `python -m clip_conformance.separation` measures all pairs.
"""

import importlib.util
from importlib import resources

import msgspec
import pytest

import clip_spec
from clip_conformance import subjects
from clip_conformance.errors import UsageError
from clip_conformance.legitimate import NEEDS_ONNX, NEEDS_TORCH, names
from clip_conformance.scoring.excess import decides
from clip_conformance.separation import edited, faults_on, legitimate_on, summed_up
from clip_conformance.subjects import Subject
from clip_fixtures import fixtures

BOUNDS = clip_spec.levels().bounds
VARIANTS = subjects.simulated()
pytestmark = pytest.mark.filterwarnings("ignore")


def name_of(bound):
    return f"{bound.level}-{bound.stages[0]}-{bound.views[-1]}-{''.join(bound.modes) or 'others'}"


def skip_without(name):
    needed = "torchvision" if name in NEEDS_TORCH else "onnxruntime" if name in NEEDS_ONNX else "numpy"
    if importlib.util.find_spec(needed) is None:
        pytest.skip(f"{name} needs {needed}")


def legitimate(bound, name, slug):
    fixture = fixtures()[slug]
    return legitimate_on(bound, [name], Subject(fixture), fixture)[name]


def wrong(bound, fault, slug):
    fixture = fixtures()[slug]
    return faults_on(bound, {fault: VARIANTS[fault]}, Subject(fixture), fixture)[fault]


@pytest.mark.clause("CNF-3")
@pytest.mark.parametrize("bound", BOUNDS, ids=name_of)
def test_the_gap_is_open(bound):
    """What is right is within the bound, what is wrong beyond it, both by what the data say or more."""
    stated = bound.separation
    assert 0 < stated.legitimate <= 1 < stated.fault
    far = wrong(bound, stated.fault_by, stated.fault_on)
    assert 1 < stated.fault <= far * (1 + 1e-9)
    # Two digits: a mistake that moved away is news as well.
    assert far <= stated.fault * 1.1
    skip_without(stated.legitimate_by)
    near = legitimate(bound, stated.legitimate_by, stated.legitimate_on)
    assert near * (1 - 1e-9) <= stated.legitimate <= near * 1.1
    assert far / near >= stated.fault / stated.legitimate * (1 - 1e-9)


@pytest.mark.clause("CNF-3")
@pytest.mark.parametrize("bound", BOUNDS, ids=name_of)
def test_what_is_named_exists(bound):
    stated = bound.separation
    assert stated.legitimate_by in names(bound.level)
    assert {stated.fault_by, *stated.let_in} <= set(VARIANTS)
    assert stated.fault_by not in stated.let_in
    slugs = [stated.legitimate_on, stated.fault_on, *stated.beyond]
    assert stated.legitimate_on not in stated.beyond
    for slug in slugs:
        assert decides(bound, fixtures()[slug].mode)


@pytest.mark.parametrize("bound", [b for b in BOUNDS if b.separation.beyond], ids=name_of)
def test_a_right_implementation_breaks_the_bound_where_the_data_say_so(bound):
    """Else the fixture belongs to those that count."""
    for name in names(bound.level):
        if name in NEEDS_TORCH | NEEDS_ONNX:
            skip_without(name)
    for slug in bound.separation.beyond:
        fixture = fixtures()[slug]
        assert max(legitimate_on(bound, names(bound.level), Subject(fixture), fixture).values()) > 1, slug


@pytest.mark.parametrize("bound", [b for b in BOUNDS if b.separation.let_in], ids=name_of)
def test_a_mistake_that_is_let_in_keeps_the_bound(bound):
    chosen = [f for f in subjects.images() if decides(bound, f.mode)][::6]
    for fixture in chosen:
        subject = Subject(fixture)
        ratios = faults_on(bound, {fault: VARIANTS[fault] for fault in bound.separation.let_in}, subject, fixture)
        assert max(ratios.values()) <= 1, fixture.slug


def test_no_mistake_is_let_in_by_equivalent_end_to_end():
    for bound in BOUNDS:
        if (
            bound.level == "equivalent"
            and "normalize" in bound.stages
            and "cumulative" in bound.views
            and not bound.modes
        ):
            assert bound.separation.let_in == ()


SUMMED = summed_up(
    {"right": {"rgba-down": 0.417, "pin-values": 1.2}, "other": {"rgba-down": 0.9004, "pin-values": 0.2}},
    {"far": {"rgba-down": 9.99, "pin-values": 0.5}, "farther": {"rgba-down": 50.0}, "near": {"rgba-down": 0.9},
     "none": {"rgba-down": 0.0}, "shape": {"rgba-down": float("inf")}},
)  # fmt: skip


def test_summed_up():
    expected = clip_spec.Separation(0.91, "other", "rgba-down", 9.9, "far", "rgba-down", ("pin-values",), ("near",))
    assert expected == SUMMED
    for right, wrong_ones in (
        ({}, {"far": {"pin-values": 2.0}}),
        ({"right": {"pin-values": 0.5}}, {"near": {"pin-values": 0.5}}),
    ):
        with pytest.raises(UsageError, match="no right implementation within it or no mistake beyond"):
            summed_up(right, wrong_ones)


def test_editing_changes_the_separation_alone():
    source = resources.files("clip_spec").joinpath("data", "levels.toml").read_text(encoding="utf-8")
    assert edited(source, [bound.separation for bound in BOUNDS]) == source
    changed = edited(source, [SUMMED] * len(BOUNDS))
    read = msgspec.toml.decode(changed, type=clip_spec.types.Levels)
    assert [bound.separation for bound in read.bounds] == [SUMMED] * len(BOUNDS)
    assert read.bounds == tuple(msgspec.structs.replace(bound, separation=SUMMED) for bound in BOUNDS)
    assert [line for line in changed.splitlines() if line.startswith("#")] == [
        line for line in source.splitlines() if line.startswith("#")
    ]
