"""Probes: the parts of a candidate's images that a search compares with what it simulates."""

from collections import Counter
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from clip_conformance.diagnosis import simulate
from clip_conformance.diagnosis.evidence import Evidence
from clip_conformance.diagnosis.frame import shape
from clip_conformance.diagnosis.kernels import Box
from clip_conformance.diagnosis.variant import CANON, Variant
from clip_conformance.scoring.lens import Lens, laid_out
from clip_fixtures import Fixture

Floats = NDArray[np.float64]
# LSB: beyond this one wrong picture is as wrong as another.
CAP = 40.0
# Side of a part, and of the middle of an image in which the worst part is looked for, in every third row and column.
_PATCH, _LOOK, _STEP = 40, 448, 3
# Bars are looked for on images of which a side is so much the longer, in a corner of so many pixels, and are there
# where so many images have the same.
_LONGER, _CORNER, _BARS = 2, 8, 3


@dataclass
class Probe:
    """One case: parts of the candidate's image behind its float end, with their places, and its rows and columns.

    `beside` says that transparency lies beside the samples, `held` that the case is never left out. `known` are the
    errors of parts that were simulated before, by what an image depends on.
    """

    fixture: Fixture
    shape: tuple[int, int]
    parts: list[tuple[Box, Floats]]
    beside: bool
    held: bool
    known: dict[tuple[Hashable, int], float] = field(default_factory=dict)


def probe(evidence: Evidence, lens: Lens, variant: Variant, slug: str, *, held: bool) -> Probe:
    """Return a probe of a case: a part where a variant is most wrong, and a corner."""
    picture = evidence.picture(slug, variant)
    rows, columns, seen = _observed(evidence, lens, slug)
    part = _middle(rows, columns, _PATCH)
    if picture is not None and shape(variant, picture.size, evidence.n_px) == (rows, columns):
        look = _middle(rows, columns, _LOOK)
        predicted = simulate.image(variant, picture, evidence.n_px, look)[::_STEP, ::_STEP]
        part = _worst(np.abs(predicted - seen(look, _STEP)), look) or part
    corner = (0, 0, min(_PATCH, columns), min(_PATCH, rows))
    parts = [(box, seen(box, 1)) for box in dict.fromkeys([part, corner])]
    beside = picture is not None and picture.opacity is not None
    return Probe(evidence.fixture(slug), (rows, columns), parts, beside, held)


def bars(evidence: Evidence, lens: Lens) -> str | None:
    """Return the colour of the bars beside a candidate's images as a variant has it, "R G B"; None without bars."""
    found: Counter[str] = Counter()
    for slug, case in evidence.cases.items():
        short, long = sorted(evidence.fixture(slug).size_at(evidence.n_px))
        if case.scope != "arrays" or long < _LONGER * short or not evidence.differs(slug):
            continue
        rows, columns, seen = _observed(evidence, lens, slug)
        if min(rows, columns) >= _CORNER:
            corner = np.rint(seen((0, 0, _CORNER, _CORNER), 1)).reshape(-1, 3)
            if (corner == corner[0]).all() and corner[0].min() >= 0 and corner[0].max() <= 255:
                found[" ".join(f"{value:.0f}" for value in corner[0])] += 1
    colour, count = max(found.items(), key=lambda item: item[1], default=("", 0))
    return colour if count >= _BARS else None


def _observed(evidence: Evidence, lens: Lens, slug: str) -> tuple[int, int, Callable[[Box, int], Floats]]:
    """Return rows, columns and what reads every n-th sample of a box of the candidate's image."""
    if not evidence.differs(slug):
        plain, n_px = evidence.picture(slug), evidence.n_px
        assert plain is not None
        return n_px, n_px, lambda box, step: simulate.image(CANON, plain, n_px, box)[::step, ::step]
    planes = laid_out(evidence.tensor(slug), lens.layout, lens.turn)
    upright = replace(lens, layout="chw", turn="no")

    def seen(box: Box, step: int) -> Floats:
        left, top, right, bottom = box
        return upright.image(planes[:, top:bottom:step, left:right:step])

    return planes.shape[1], planes.shape[2], seen


def _middle(rows: int, columns: int, side: int) -> Box:
    left, top = max(columns // 2 - side // 2, 0), max(rows // 2 - side // 2, 0)
    return left, top, min(left + side, columns), min(top + side, rows)


def _worst(error: Floats, look: Box) -> Box | None:
    """Return the part of the `look` with the largest mean error, None where there is none."""
    sums = np.minimum(error, CAP).sum(axis=-1)
    counts = np.ones_like(sums)
    for along in (0, 1):
        edges = -(-np.arange(0, sums.shape[along] * _STEP, _PATCH) // _STEP)
        edges = edges[edges < sums.shape[along]]
        sums, counts = (np.add.reduceat(array, edges, axis=along) for array in (sums, counts))
    if not sums.any():
        return None
    row, column = np.unravel_index(int((sums / counts).argmax()), sums.shape)
    left, top = look[0] + int(column) * _PATCH, look[1] + int(row) * _PATCH
    return left, top, min(left + _PATCH, look[2]), min(top + _PATCH, look[3])
