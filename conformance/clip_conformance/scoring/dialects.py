"""Whether a dialect of the spec explains every divergent case, bit for bit."""

from pathlib import Path

import numpy as np

import clip_spec
from clip_conformance.cases import reference_stages
from clip_conformance.records import Case, Finding
from clip_fixtures import fixtures

# Beyond this many divergent cases a dialect, which changes few, is not the explanation.
_MOST = 60


def find_dialects(cases: list[Case], finals: dict[str, Path]) -> list[Finding]:
    """Return the dialect that reproduces every divergent case of one n_px bit for bit, if there is one."""
    divergent = [case for case in cases if case.level != "exact"]
    if not divergent or len(divergent) > _MOST or any(case.id not in finals for case in divergent):
        return []
    for dialect in clip_spec.canon().dialects:
        if all(_reproduces(dialect.id, case, finals[case.id]) for case in divergent):
            return [
                Finding(
                    fault=dialect.id,
                    stage=dialect.stage,
                    title=dialect.title,
                    fix=dialect.fix,
                    residual=0.0,
                    explained=1.0,
                )
            ]
    return []


def _reproduces(dialect: str, case: Case, final: Path) -> bool:
    wanted = reference_stages(fixtures()[case.fixture], case.n_px, dialect=dialect).normalize
    return bool(np.array_equal(np.load(final, allow_pickle=False), wanted))
