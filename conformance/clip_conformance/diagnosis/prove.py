"""The proof of a diagnosis: the recovered variant is simulated on every case and held against the candidate."""

import itertools
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clip_conformance.diagnosis import simulate
from clip_conformance.diagnosis.acts import touches
from clip_conformance.diagnosis.evidence import Evidence
from clip_conformance.diagnosis.float_end import line, planes, shape_of
from clip_conformance.diagnosis.frame import shape
from clip_conformance.diagnosis.naming import float_fields
from clip_conformance.diagnosis.picture import Picture, opening
from clip_conformance.diagnosis.variant import CANON, FIELDS, Variant
from clip_conformance.scoring.lens import laid_out
from clip_fixtures import Fixture, digest, goldens

# A case is reproduced where the difference is rounding: as the level equivalent, or so much smaller than the
# candidate's own deviation that another arithmetic of the same thing is the only explanation left.
_MEAN, _PEAK, _SHARE = 0.2, 2.0, 0.01
_SMALLER = 0.25
# Side of what is simulated at once.
_TILE = 1024


@dataclass(frozen=True)
class Trial:
    """One case under a variant: mean and peak of what is left, in the candidate's own LSB; None: another shape."""

    slug: str
    mean: float | None
    peak: float | None
    reproduced: bool


@dataclass(frozen=True)
class Proof:
    """What a variant reproduces of a candidate."""

    trials: tuple[Trial, ...]

    @property
    def compared(self) -> int:
        """Return the number of cases that gave an output."""
        return len(self.trials)

    @property
    def reproduced(self) -> int:
        """Return the number of cases whose output the variant gives as well."""
        return sum(trial.reproduced for trial in self.trials)

    @property
    def residual(self) -> float:
        """Return the largest mean difference of a reproduced case, in LSB."""
        return max((trial.mean for trial in self.trials if trial.reproduced and trial.mean is not None), default=0.0)

    @property
    def left(self) -> list[Trial]:
        """Return the cases that are not reproduced, the worst first."""
        wrong = [trial for trial in self.trials if not trial.reproduced]
        return sorted(wrong, key=lambda trial: -(np.inf if trial.mean is None else trial.mean))


def prove(evidence: Evidence, variant: Variant, before: tuple[Variant, Proof] | None = None) -> Proof:
    """Simulate a variant on all cases; `before`, another variant and its proof, saves those where they are the same."""
    known = {} if before is None else _same(evidence, variant, *before)
    if before is None and _canonical_end(variant):
        # What is the canon's to the bit is reproduced by whatever does not touch it.
        canon = (Trial(slug, 0.0, 0.0, True) for slug in evidence.cases if not evidence.differs(slug))
        known = _same(evidence, variant, CANON, Proof(tuple(canon)))
    with ThreadPoolExecutor(2) as pool:
        return Proof(tuple(pool.map(lambda slug: known.get(slug) or _trial(evidence, variant, slug), evidence.cases)))


def _same(evidence: Evidence, variant: Variant, other: Variant, proof: Proof) -> dict[str, Trial]:
    """Return the trials of a proof whose cases are not touched by what two variants differ in."""
    names = [name for name in FIELDS if getattr(variant, name) != getattr(other, name)]
    if not float_fields().isdisjoint(names) or ("nearest" in names and variant.filter == "nearest"):
        return {}

    def touched(fixture: Fixture) -> bool:
        # A file that is opened in another way may be of another mode; transparency may lie beside any but RGB arrays.
        otherwise = any(getattr(variant, name) != getattr(CANON, name) for name in opening(fixture))
        return otherwise or touches(names, fixture, beside=fixture.scope != "arrays")

    return {trial.slug: trial for trial in proof.trials if not touched(evidence.fixture(trial.slug))}


def _trial(evidence: Evidence, variant: Variant, slug: str) -> Trial:
    picture, n_px = evidence.picture(slug, variant), evidence.n_px
    if picture is None:
        return Trial(slug, None, None, False)
    rows, columns = shape(variant, picture.size, n_px)
    if not evidence.differs(slug):
        if (rows, columns) != (n_px, n_px):
            return Trial(slug, None, None, False)
        if _canonical_end(variant) and _is_golden(evidence, slug, simulate.image(variant, picture, n_px)):
            return Trial(slug, 0.0, 0.0, True)
    if not evidence.is_image(slug):
        return Trial(slug, None, None, False)
    got = evidence.shown(slug)
    if got.shape != shape_of(variant, rows, columns):
        return Trial(slug, None, None, False)
    mean, peak, beyond = _error(variant, picture, n_px, laid_out(got, variant.layout, variant.turn))
    rounding = mean <= _MEAN and beyond <= _SHARE
    # float16 somewhere on the way rounds in more ways than one.
    small = mean <= (0.02 if variant.precision == "float32" else 0.1) or not mean > _SMALLER * evidence.deviation(slug)
    return Trial(slug, mean, peak, rounding and small)


def _error(variant: Variant, picture: Picture, n_px: int, got: NDArray[Any]) -> tuple[float, float, float]:
    """Return mean, peak and the part beyond `_PEAK` of what is left, in LSB; tile by tile, for images may be huge."""
    slope = np.abs(line(variant)[0])[:, None, None].astype(np.float32)
    total, peak, beyond = 0.0, 0.0, 0
    _, rows, columns = got.shape
    for top, left in itertools.product(range(0, rows, _TILE), range(0, columns, _TILE)):
        box = (left, top, min(left + _TILE, columns), min(top + _TILE, rows))
        want = planes(variant, simulate.image(variant, picture, n_px, box))
        seen = got[:, box[1] : box[3], box[0] : box[2]]
        # The difference of two singles that are near each other is exact.
        error = np.subtract(seen, want, dtype=np.float64 if seen.dtype.itemsize > 4 else np.float32)
        np.abs(error, out=error)
        error /= slope
        total += float(error.sum(dtype=np.float64))
        peak = max(peak, float(error.max()))
        beyond += int(np.count_nonzero(error > _PEAK))
    return total / got.size, peak, beyond / got.size


def _canonical_end(variant: Variant) -> bool:
    return all(getattr(variant, name) == getattr(CANON, name) for name in float_fields())


def _is_golden(evidence: Evidence, slug: str, image: NDArray[np.float64]) -> bool:
    whole = np.rint(image)
    if not np.array_equal(whole, image):
        return False
    return digest(whole.astype(np.uint8)) == goldens(evidence.n_px)[slug]["convert_rgb"]
