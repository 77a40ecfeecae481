"""The search: which known mistakes, one after the other, bring a variant to what a candidate shows."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clip_conformance.diagnosis import simulate
from clip_conformance.diagnosis.colours import GREYS
from clip_conformance.diagnosis.evidence import Evidence
from clip_conformance.diagnosis.moves import Move
from clip_conformance.diagnosis.resampling import Box
from clip_conformance.diagnosis.variant import FIELDS, Variant
from clip_fixtures import Fixture

Floats = NDArray[np.float64]
# Side of the parts of an image that are compared while searching.
_PATCH = 40
# LSB: beyond this one wrong picture is as wrong as another; below that one it is explained.
_CAP, _FIT = 40.0, 0.08
# Variants that are followed at once, mistakes at most, and variants that are looked at on all probes.
_BEAM, _DEPTH, _SHORTLIST = 2, 6, 8
_ALPHA = ("RGBA", "LA")
# The modes on which a choice acts; others act on all.
_ACTS_ON: dict[str, tuple[str, ...]] = {
    "premultiply": _ALPHA,
    "nearest": ("P", "1"),
    "palette": ("P",),
    "lookup": ("P",),
    "bilevel": ("1",),
    "cmyk": ("CMYK",),
    "bands": ("YCbCr", "HSV"),
    "alpha_of": _ALPHA,
    "deep": GREYS,
    "premultiplied": ("RGBa",),
    "blend": _ALPHA,
}
_BESIDE = ("alpha", "alpha_when", "alpha_of", "blend", "transparency")


@dataclass
class Probe:
    """One case: the candidate's image behind its float end, and the parts of it that are looked at.

    `beside` says that transparency lies beside the samples, `held` that the case is never left out.
    """

    fixture: Fixture
    observed: Floats
    windows: list[Box]
    beside: bool
    held: bool = False


@dataclass(frozen=True)
class State:
    """A variant on the way, the mistakes that made it, and how far it is from every probe (mean LSB, capped)."""

    variant: Variant
    chosen: tuple[Move, ...]
    misfits: Floats

    @property
    def total(self) -> float:
        """Return the sum over all probes; the root rewards what makes a probe right altogether."""
        return float(np.sqrt(self.misfits).sum())

    @property
    def fits(self) -> bool:
        """Return whether every probe is explained."""
        return bool((self.misfits <= _FIT).all())


@dataclass
class Budget:
    """How many simulated probes a search may still take; a number and not a time, so that it always ends alike."""

    left: int


@dataclass
class Search:
    """A search among moves, on probes; a `strict` one takes a move where it explains another probe or much."""

    evidence: Evidence
    probes: list[Probe]
    moves: list[Move]
    budget: Budget
    strict: bool = False

    def state(self, variant: Variant, chosen: tuple[Move, ...] = ()) -> State:
        """Return a variant with its misfits."""
        return State(variant, chosen, np.array([self._misfit(variant, probe) for probe in self.probes]))

    def run(self, start: State) -> State:
        """Return the best state that can be reached from `start`, one mistake after the other."""
        best, beam = start, [start]
        for _ in range(_DEPTH):
            if best.fits or self.budget.left <= 0:
                break
            following = self._following(beam)
            if not following or not self._better(following[0], best):
                break
            beam = following[:_BEAM]
            best = beam[0]
        return self._without_idle(best, start)

    def _following(self, beam: list[State]) -> list[State]:
        """Return the states one move further, best first."""
        quick: list[tuple[float, State, Move, Variant]] = []
        seen: set[Variant] = set()
        for state in beam:
            subset = self._subset(state)
            for move in self.moves:
                variant = move.apply(state.variant)
                if self.budget.left <= 0:
                    break
                if variant in seen or variant == state.variant:
                    continue
                seen.add(variant)
                misfits = self._moved(state, move, variant, subset, quick=True)
                quick.append((float(np.sqrt(misfits).sum()), state, move, variant))
        quick.sort(key=lambda item: item[0])
        everything = np.ones(len(self.probes), dtype=bool)
        found = [
            State(variant, _with(state.chosen, move), self._moved(state, move, variant, everything))
            for _, state, move, variant in quick[:_SHORTLIST]
        ]
        return sorted(found, key=lambda state: state.total)

    def _subset(self, state: State) -> NDArray[np.bool_]:
        """Return the probes to look at first: some that are not explained, and some that are."""
        order = np.argsort(-state.misfits, kind="stable")
        wrong = [i for i in order if state.misfits[i] > _FIT]
        right = [i for i in order if state.misfits[i] <= _FIT]
        step = max(len(wrong) // 6, 1)
        subset = np.zeros(len(self.probes), dtype=bool)
        subset[wrong[::step]] = True
        subset[right[:2]] = True
        subset[[i for i, probe in enumerate(self.probes) if probe.held]] = True
        return subset

    def _moved(
        self, state: State, move: Move, variant: Variant, subset: NDArray[np.bool_], *, quick: bool = False
    ) -> Floats:
        """Return the misfits after a move; those that it does not touch are as they were."""
        misfits = state.misfits.copy()
        for i in np.flatnonzero(subset):
            if touches(move.change, self.probes[i]):
                misfits[i] = self._misfit(variant, self.probes[i], quick=quick)
        return misfits

    def _misfit(self, variant: Variant, probe: Probe, *, quick: bool = False) -> float:
        """Return the mean error of a variant on a probe in LSB, capped; `quick` looks at one window."""
        self.budget.left -= 1
        picture = self.evidence.picture(probe.fixture.slug, variant)
        if picture is None:
            return _CAP
        n_px = self.evidence.n_px
        if simulate.shape(variant, picture, n_px) != probe.observed.shape:
            return 2 * _CAP
        errors = [
            np.abs(
                simulate.image(variant, picture, n_px, (left, top, right, bottom))
                - probe.observed[top:bottom, left:right]
            ).mean()
            for left, top, right, bottom in probe.windows[: 1 if quick else None]
        ]
        return min(float(np.mean(errors)), _CAP)

    def _better(self, new: State, old: State) -> bool:
        explained = (new.misfits <= _FIT).sum() - (old.misfits <= _FIT).sum()
        return new.total < (0.85 if self.strict else 0.97) * old.total or (
            explained > 0 and new.total < old.total - 0.02
        )

    def _without_idle(self, state: State, start: State) -> State:
        """Return a state without the moves that later ones have made needless."""
        for move in state.chosen[len(start.chosen) : -1]:
            rest = tuple(kept for kept in state.chosen if kept is not move)
            variant = start.variant
            for kept in rest[len(start.chosen) :]:
                variant = kept.apply(variant)
            less = self.state(variant, rest)
            if less.total <= state.total * 1.005 + 1e-9:
                state = less
        return state


def _with(chosen: tuple[Move, ...], move: Move) -> tuple[Move, ...]:
    """Return moves with one more; it takes the place of another way of making the same mistake."""
    return (*(kept for kept in chosen if kept.fault is not move.fault), move)


def touches(change: dict[str, Any], probe: Probe) -> bool:
    """Return whether a change can make a difference to a probe."""
    fixture = probe.fixture
    for name in change:
        if FIELDS[name].stage == "decode" and name != "transparency":
            if fixture.scope == "files":
                return True
            continue
        if name in _BESIDE and probe.beside:
            return True
        if name == "convert_when":
            if fixture.mode != "RGB":
                return True
            continue
        modes = _ALPHA if name in ("alpha", "alpha_when", "transparency") else _ACTS_ON.get(name)
        if modes is None or fixture.mode in modes:
            return True
    return False


def windows(observed: Floats, predicted: Floats | None) -> list[Box]:
    """Return the parts to compare: first where a prediction is most wrong, then a corner."""
    height, width = observed.shape[:2]
    corner = (0, 0, min(_PATCH, width), min(_PATCH, height))
    if predicted is None or predicted.shape != observed.shape or np.array_equal(predicted, observed):
        middle = (max(width // 2 - _PATCH // 2, 0), max(height // 2 - _PATCH // 2, 0))
        return [(*middle, min(middle[0] + _PATCH, width), min(middle[1] + _PATCH, height)), corner]
    error = np.minimum(np.abs(observed - predicted), _CAP).sum(axis=-1)
    rows, columns = math.ceil(height / _PATCH), math.ceil(width / _PATCH)
    sums = np.zeros((rows, columns))
    for row in range(rows):
        for column in range(columns):
            sums[row, column] = error[row * _PATCH : (row + 1) * _PATCH, column * _PATCH : (column + 1) * _PATCH].mean()
    top, left = (int(at) * _PATCH for at in np.unravel_index(int(sums.argmax()), sums.shape))
    worst = (left, top, min(left + _PATCH, width), min(top + _PATCH, height))
    return [corner] if worst == corner else [worst, corner]
