"""Reports made by hand: what reads one is tried without a run."""

import msgspec

import clip_spec
from clip_conformance.records import Case, Check, Footer, Header
from clip_conformance.report import Report

HEADER = Header(
    schema="clip-conformance/report/1",
    suite="0.1.0",
    spec="1.0",
    candidate={"name": "mine"},
    environment={"numpy": "2"},
    notes=["a remark"],
    model="ViT-B/32",
    n_px=[224],
    fixtures="0" * 64,
    scopes=["arrays"],
    stages=["normalize"],
    required="equivalent",
    select=[],
    expected=1,
)


def seen(level="exact", stage="normalize", view="cumulative", **figures):
    """A check, without figures unless some are given."""
    return Check(stage=stage, view=view, level=level, **figures)


def case(name, *checks, status="ok", level=None, scope="arrays", mode="RGB", message=""):
    """A case at 224 pixels, of the worst level of its checks unless another is given."""
    ranks = clip_spec.level_ids()
    found = level or (ranks[max(ranks.index(check.level) for check in checks)] if checks else "divergent")
    return Case(
        id=f"{name}@224",
        fixture=name,
        scope=scope,
        mode=mode,
        n_px=224,
        status=status,
        level=found,
        pins="",
        seconds=0.0,
        message=message,
        checks=list(checks),
    )


def report(*cases, expected=None, **header):
    """A report of cases; partial where more are expected."""
    footer = Footer(cases=len(cases), expected=len(cases) if expected is None else expected, blame=[])
    return Report(msgspec.structs.replace(HEADER, **header), list(cases), footer)
