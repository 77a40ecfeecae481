"""The proof of a diagnosis: the recovered variant is simulated on every case and held against the candidate."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clip_conformance.diagnosis import simulate
from clip_conformance.diagnosis.evidence import Evidence
from clip_conformance.diagnosis.float_end import line, tensor
from clip_conformance.diagnosis.naming import float_fields
from clip_conformance.diagnosis.variant import CANON, Variant
from clip_conformance.scoring.lens import laid_out
from clip_fixtures import digest, goldens

# A case is reproduced where the difference is rounding: as the level equivalent, or so much smaller than the
# candidate's own deviation that another arithmetic of the same thing is the only explanation left.
_MEAN, _PEAK, _SHARE = 0.2, 2.0, 0.01
_SMALLER = 0.25


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


def prove(evidence: Evidence, variant: Variant, slugs: Iterable[str] | None = None) -> Proof:
    """Simulate a variant on cases, all of them unless some are named."""
    chosen = list(evidence.cases if slugs is None else slugs)
    with ThreadPoolExecutor(2) as pool:
        return Proof(tuple(pool.map(lambda slug: _trial(evidence, variant, slug), chosen)))


def _trial(evidence: Evidence, variant: Variant, slug: str) -> Trial:
    picture = evidence.picture(slug, variant)
    if picture is None:
        return Trial(slug, None, None, False)
    image = simulate.image(variant, picture, evidence.n_px)
    if not evidence.differs(slug) and _canonical_end(variant) and _is_golden(evidence, slug, image):
        return Trial(slug, 0.0, 0.0, True)
    if not evidence.is_image(slug):
        return Trial(slug, None, None, False)
    want, got = tensor(variant, image), evidence.shown(slug)
    if want.shape != got.shape:
        return Trial(slug, None, None, False)
    slope = np.abs(line(variant)[0])[:, None, None]
    error = laid_out(got.astype(np.float64) - want, variant.layout, variant.turn) / slope
    size = np.abs(error)
    mean, peak = float(size.mean()), float(size.max())
    rounding = mean <= _MEAN and float((size > _PEAK).mean()) <= _SHARE
    # float16 somewhere on the way rounds in more ways than one.
    small = mean <= (0.02 if variant.precision == "float32" else 0.1) or not mean > _SMALLER * _own(evidence, slug)
    return Trial(slug, mean, peak, rounding and small)


def _own(evidence: Evidence, slug: str) -> float:
    """Return the candidate's own mean deviation from the canon, in LSB; infinite where it has no figure."""
    for check in evidence.cases[slug].checks:
        if check.stage == "normalize" and check.view != "isolated" and check.mean is not None:
            return check.mean
    return np.inf


def _canonical_end(variant: Variant) -> bool:
    return all(getattr(variant, name) == getattr(CANON, name) for name in float_fields())


def _is_golden(evidence: Evidence, slug: str, image: NDArray[np.float64]) -> bool:
    whole = np.rint(image)
    if not np.array_equal(whole, image):
        return False
    return digest(whole.astype(np.uint8)) == goldens(evidence.n_px)[slug]["convert_rgb"]
