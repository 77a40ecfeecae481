"""From a deviation to a level, by the spec's bounds (CNF-3)."""

from collections.abc import Iterable

import clip_spec
from clip_conformance.scoring.compare import Deviation
from clip_spec import Bound, LevelId, StageId, View

LEVELS = clip_spec.level_ids()


def level_of(stage: StageId, view: View, deviation: Deviation, mode: str = "RGB") -> LevelId:
    """Return the strictest level whose bounds a deviation keeps, for an image of `mode`."""
    if deviation.problem:
        return "divergent"
    if deviation.identical:
        return "exact"
    for bound in clip_spec.levels().bounds:
        applies = stage in bound.stages and view in bound.views and (not bound.modes or mode in bound.modes)
        if applies and _within(deviation, bound):
            return bound.level
    return "divergent"


def _within(deviation: Deviation, bound: Bound) -> bool:
    """Return whether every figure keeps its bound; written so that a NaN does not."""
    if not (deviation.beyond_peak[bound.peak] <= bound.peak_share):
        return False
    if not (deviation.mean <= bound.mean):
        return False
    if not (abs(deviation.bias) <= bound.bias):
        return False
    if bound.peak_absolute is not None and not (deviation.peak_absolute <= bound.peak_absolute):
        return False
    return deviation.beyond_floor[bound.floor] <= bound.share


def worst(levels: Iterable[LevelId]) -> LevelId:
    """Return the least strict of some levels; "divergent" of none, for nothing was shown."""
    ranks = [LEVELS.index(level) for level in levels]
    return LEVELS[max(ranks)] if ranks else "divergent"


def reaches(level: LevelId, required: LevelId) -> bool:
    """Return whether a level is at least as strict as the required one."""
    return LEVELS.index(level) <= LEVELS.index(required)
