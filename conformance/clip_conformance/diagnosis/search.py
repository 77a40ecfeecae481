"""The search: which known mistakes, one after the other, bring a variant to what a candidate shows."""

import bisect
import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clip_conformance.diagnosis import simulate
from clip_conformance.diagnosis.acts import alike, signature, touches
from clip_conformance.diagnosis.evidence import Evidence
from clip_conformance.diagnosis.frame import shape
from clip_conformance.diagnosis.moves import Move
from clip_conformance.diagnosis.probes import CAP, Probe
from clip_conformance.diagnosis.variant import Variant

Floats = NDArray[np.float64]
# LSB: below it a picture is explained.
_FIT = 0.08
# Variants that are followed at once, mistakes at most, and variants that are looked at on all probes.
_BEAM, _DEPTH, _SHORTLIST = 2, 6, 8


@dataclass(frozen=True)
class State:
    """A variant on the way, the mistakes that made it, and how far it is from every probe (mean LSB, capped)."""

    variant: Variant
    chosen: tuple[Move, ...]
    misfits: Floats

    @property
    def total(self) -> float:
        """Return the sum over all probes; the root rewards what makes a probe right altogether."""
        return _total(self.misfits)

    @property
    def fits(self) -> bool:
        """Return whether every probe is explained."""
        return bool((self.misfits <= _FIT).all())


@dataclass
class Budget:
    """How much may still be simulated, in parts of probes; no time, so that a search always ends alike."""

    left: int


@dataclass
class Search:
    """A search among moves, on probes; a `strict` one takes a move where it explains another probe or much.

    `settled` is a variant of which the search keeps what acts on RGB arrays.
    """

    evidence: Evidence
    probes: list[Probe]
    moves: list[Move]
    budget: Budget
    strict: bool = False
    settled: Variant | None = None

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
            beam = following
            best = beam[0]
        return self._without_idle(best, start)

    def _following(self, beam: list[State]) -> list[State]:
        """Return the best states one move further, best first."""
        quick: list[tuple[float, State, Move, Variant]] = []
        seen: set[Variant] = set()
        bound = _Bound(_SHORTLIST)
        for state in beam:
            subset = self._subset(state)
            for move in self.moves:
                variant = move.apply(state.variant)
                if self.budget.left <= 0:
                    break
                if variant in seen or variant == state.variant:
                    continue
                seen.add(variant)
                if self.settled is not None and not alike(variant, self.settled):
                    continue
                misfits = self._moved(state, move, variant, subset, bound, quick=True)
                if misfits is not None:
                    quick.append((_total(misfits), state, move, variant))
        quick.sort(key=lambda item: item[0])
        found = []
        bound = _Bound(_BEAM)
        for _, state, move, variant in quick[:_SHORTLIST]:
            misfits = self._moved(state, move, variant, range(len(self.probes)), bound)
            if misfits is not None:
                found.append(State(variant, _with(state.chosen, move), misfits))
        return sorted(found, key=lambda state: state.total)[:_BEAM]

    def _subset(self, state: State) -> list[int]:
        """Return the probes to look at first: some that are not explained, the worst first, and some that are."""
        order = np.argsort(-state.misfits, kind="stable")
        wrong = [int(i) for i in order if state.misfits[i] > _FIT]
        right = [int(i) for i in order if state.misfits[i] <= _FIT]
        held = [i for i, probe in enumerate(self.probes) if probe.held]
        return list(dict.fromkeys([*wrong[:: max(len(wrong) // 6, 1)], *right[:2], *held]))

    def _moved(
        self, state: State, move: Move, variant: Variant, chosen: Iterable[int], bound: "_Bound", *, quick: bool = False
    ) -> Floats | None:
        """Return the misfits after a move, those that it does not touch as they were; None where they are no use."""
        touched = [i for i in chosen if touches(move.change, self.probes[i].fixture, beside=self.probes[i].beside)]
        misfits = state.misfits.copy()
        misfits[touched] = 0.0
        total = _total(misfits)
        for i in touched:
            misfits[i] = self._misfit(variant, self.probes[i], quick=quick)
            total += math.sqrt(misfits[i])
            if total > bound.limit:
                return None
        bound.add(total)
        return misfits

    def _misfit(self, variant: Variant, probe: Probe, *, quick: bool = False) -> float:
        """Return the mean error of a variant on a probe in LSB, capped; `quick` looks at one part."""
        picture = self.evidence.picture(probe.fixture.slug, variant)
        if picture is None:
            return CAP
        n_px = self.evidence.n_px
        if shape(variant, picture.size, n_px) != probe.shape:
            return 2 * CAP
        depends = signature(variant, picture, n_px)
        errors = []
        for i, (box, observed) in enumerate(probe.parts[: 1 if quick else None]):
            if (depends, i) not in probe.known:
                self.budget.left -= 1
                probe.known[depends, i] = float(np.abs(simulate.image(variant, picture, n_px, box) - observed).mean())
            errors.append(probe.known[depends, i])
        return min(sum(errors) / len(errors), CAP)

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


class _Bound:
    """The largest total that is still among the `most` best: no more is simulated of what is beyond."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._best: list[float] = []
        self.limit = math.inf

    def add(self, total: float) -> None:
        """Take in a total."""
        bisect.insort(self._best, total)
        if len(self._best) >= self._most:
            # Sums of the same numbers in another order differ in the last bits.
            self.limit = self._best[self._most - 1] * (1 + 1e-9)


def _total(misfits: Floats) -> float:
    return float(np.sqrt(misfits).sum())


def _with(chosen: tuple[Move, ...], move: Move) -> tuple[Move, ...]:
    """Return moves with one more; it takes the place of another way of making the same mistake."""
    return (*(kept for kept in chosen if kept.fault is not move.fault), move)
