"""How far an output is within or beyond a bound: 1 is at the bound (CNF-3)."""

import math

import clip_spec
from clip_conformance.scoring.compare import Deviation
from clip_spec import Bound, LevelId, StageId, View


def excess(deviation: Deviation, bound: Bound) -> float:
    """Return the largest of a deviation's figures in units of their bounds: at most 1 where the bound is kept.

    Infinite where there are no figures, as of an output of another shape. Where a share of the samples may exceed the
    peak, that share stands for the peak; a share of 1 bounds nothing and does not count.
    """
    if deviation.problem:
        return math.inf
    if deviation.identical:
        return 0.0
    if bound.peak_share:
        ratios = [deviation.beyond_peak[bound.peak] / bound.peak_share]
    else:
        ratios = [deviation.peak / bound.peak]
    ratios += [deviation.mean / bound.mean, abs(deviation.bias) / bound.bias]
    if bound.share < 1.0:
        ratios.append(deviation.beyond_floor[bound.floor] / bound.share)
    if bound.peak_absolute is not None:
        ratios.append(deviation.peak_absolute / bound.peak_absolute)
    return max(ratios)


def applying(level: LevelId, stage: StageId, view: View, mode: str) -> list[Bound]:
    """Return the bounds of a level for an image of `mode`; keeping any of them is enough."""
    return [
        bound
        for bound in clip_spec.levels().bounds
        if bound.level == level
        and stage in bound.stages
        and view in bound.views
        and (not bound.modes or mode in bound.modes)
    ]


def level_excess(level: LevelId, stage: StageId, view: View, deviation: Deviation, mode: str) -> float:
    """Return how far an output is within or beyond a level: by the most lenient of the bounds that apply."""
    return min(excess(deviation, bound) for bound in applying(level, stage, view, mode))


def decides(bound: Bound, mode: str) -> bool:
    """Return whether a bound is the one for images of `mode`: one that names the mode goes before a general one."""
    if bound.modes:
        return mode in bound.modes
    named = [
        other
        for other in clip_spec.levels().bounds
        if (other.level, other.stages, other.views) == (bound.level, bound.stages, bound.views)
    ]
    return not any(mode in other.modes for other in named)
