"""Reports made by hand: what reads one is tried without a run."""

from clip_conformance.records import Case, Check, Footer, Header
from clip_conformance.report import Report
from clip_spec import stage_ids


def check(stage="normalize", view="cumulative", level="equivalent", *, mean=0.0, bias=0.0, peak=0.0):
    return Check(stage=stage, view=view, level=level, mean=mean, bias=bias, peak=peak, share=0.0)


def case(*checks, name="pin-noise", mode="RGB", level=None, status="ok"):
    """A case at 224 pixels, of the level of its first check unless another is given."""
    return Case(
        id=f"{name}@224",
        fixture=name,
        scope="arrays",
        mode=mode,
        n_px=224,
        status=status,
        level=level or (checks[0].level if checks else "divergent"),
        pins="",
        seconds=0.0,
        checks=list(checks),
    )


def report(*cases, required="equivalent", expected=None):
    """A report of cases; partial where more are expected."""
    expected = len(cases) if expected is None else expected
    header = Header(
        schema="clip-conformance/report/1",
        suite="0",
        spec="1.0",
        candidate={},
        environment={},
        notes=[],
        model="ViT-B/32",
        n_px=[224],
        fixtures="",
        scopes=["arrays"],
        stages=list(stage_ids()),
        required=required,
        select=[],
        expected=expected,
    )
    return Report(header, list(cases), Footer(cases=len(cases), expected=expected, blame=[]))
