"""Identification: the float end first, then geometry and kernel on RGB images, then modes, then files."""

from collections import Counter
from dataclasses import dataclass
from typing import get_args

import numpy as np

from clip_conformance.diagnosis.acts import touches
from clip_conformance.diagnosis.evidence import Evidence
from clip_conformance.diagnosis.moves import Move, coloured, moves
from clip_conformance.diagnosis.naming import float_fields, name_float_end
from clip_conformance.diagnosis.probes import bars, probe
from clip_conformance.diagnosis.prove import Proof, prove
from clip_conformance.diagnosis.search import Budget, Search, State
from clip_conformance.diagnosis.variant import Variant
from clip_conformance.scoring.lens import Lens
from clip_spec import ScopeId

# Probes of each scope, and how often a proof may send the search back with what it does not explain.
_ARRAYS, _PER_MODE, _FILES, _ROUNDS = 18, 3, 60, 4
# Cases that are explained and probed on with the others, and those of which a wrong answer spoiled.
_RIGHT, _HELD = 6, 6
# A search looks at images of at most this many pixels, where there are enough.
_PIXELS = 400_000
# LSB: what another arithmetic of the same thing leaves; nothing is to be found below.
_NOISE = 0.1
# What may be simulated after the first proof, in parts of probes, of which a whole image is worth a few; it bounds the
# time, at about a quarter of a millisecond each, and no round of searching begins when it is used up.
_BUDGET, _WHOLE = 9000, 5


@dataclass(frozen=True)
class Identified:
    """A recovered variant, the mistakes that make it, and what it reproduces."""

    variant: Variant
    chosen: tuple[Move, ...]
    proof: Proof

    @property
    def unsettled(self) -> bool:
        """Return whether something is left that another arithmetic does not explain."""
        return any(trial.mean is None or trial.mean > _NOISE for trial in self.proof.left)

    @property
    def rank(self) -> tuple[int, float]:
        """Return how good it is: what it reproduces, then how near it is on the rest."""
        away = [min(40.0 if trial.mean is None else trial.mean, 40.0) for trial in self.proof.trials]
        return self.proof.reproduced, -float(np.sqrt(away).sum())


def identify(evidence: Evidence) -> Identified | None:
    """Return the variant that explains a candidate best, None where its float end cannot be told."""
    lens = evidence.lens()
    if lens is None:
        return None
    variant, chosen = name_float_end(lens, evidence.precision())
    base = Identified(variant, chosen, prove(evidence, variant))
    best = _Identification(evidence, lens, base).run()
    return Identified(best.variant, _effective(best.variant, best.chosen), best.proof)


def _effective(variant: Variant, chosen: tuple[Move, ...]) -> tuple[Move, ...]:
    """Return the mistakes of which something is left in a variant that later ones changed."""
    return tuple(m for m in chosen if any(getattr(variant, name) == value for name, value in m.change.items()))


class _Identification:
    """Rounds of search and proof: what a proof does not explain is searched next; what it breaks is held against it."""

    def __init__(self, evidence: Evidence, lens: Lens, base: Identified) -> None:
        self._evidence, self._lens, self._base = evidence, lens, base
        self._budget = Budget(_BUDGET)
        self._seen: set[str] = set()
        self._held: list[str] = []
        self._proofs = {base.variant: base.proof}
        # With so many RGB arrays, what acts on them is told by them, and not by a few files.
        self._many = sum(case.scope == "arrays" for case in evidence.cases.values()) >= _ARRAYS
        known = (*moves(), *coloured(bars(evidence, lens)))
        self._spatial = [move for move in known if not set(move.change) <= float_fields()]

    def run(self) -> Identified:
        """Return the best variant that was found."""
        best = start = self._base
        right = {trial.slug for trial in self._base.proof.trials if trial.reproduced}
        for _ in range(_ROUNDS):
            if not start.unsettled or self._budget.left <= 0:
                break
            state = self._peel(start)
            if state.variant == start.variant:
                break
            found = Identified(state.variant, state.chosen, self._proven(state.variant, start))
            better = found.rank > best.rank
            best = found if better else best
            broken = [trial.slug for trial in found.proof.left if trial.slug in right and trial.slug not in self._held]
            if broken:
                # It explains what was wrong by what spoils what was right: once more, with that in sight.
                self._held += broken[:_HELD]
                start = self._base
            elif better:
                start = found
            else:
                break
        return best

    def _proven(self, variant: Variant, start: Identified) -> Proof:
        """Return the proof of a variant; one that was found before has been proved."""
        if variant not in self._proofs:
            proof = prove(self._evidence, variant, (start.variant, start.proof))
            fresh = sum(new is not old for new, old in zip(proof.trials, start.proof.trials, strict=True))
            self._budget.left -= _WHOLE * fresh
            self._proofs[variant] = proof
        return self._proofs[variant]

    def _peel(self, start: Identified) -> State:
        """Search on RGB arrays for what acts on every image, then on modes and files for what acts on theirs alone."""
        state = State(start.variant, start.chosen, np.zeros(0))
        for scope in get_args(ScopeId):
            wrong, right, held = self._split(start.proof, scope)
            if not wrong or self._budget.left <= 0:
                continue
            slugs = self._arrays(wrong, right) if scope == "arrays" else self._others(wrong, right, scope)
            probes = [
                probe(self._evidence, self._lens, state.variant, slug, held=slug in held)
                for slug in dict.fromkeys([*slugs, *held])
            ]
            self._budget.left -= _WHOLE * len(probes)
            acting = [
                move
                for move in self._spatial
                if any(touches(move.change, each.fixture, beside=each.beside) for each in probes)
            ]
            later = scope != "arrays"
            settled = state.variant if later and self._many else None
            search = Search(self._evidence, probes, acting, self._budget, strict=later, settled=settled)
            state = search.run(search.state(state.variant, state.chosen))
        return state

    def _split(self, proof: Proof, scope: str) -> tuple[list[str], list[str], list[str]]:
        """Return the cases of a scope that are not explained, those that are, and those that must stay so."""
        cases = self._evidence.cases.items()
        mine = {slug for slug, case in cases if case.scope == scope and self._shows(slug)}
        wrong = [trial.slug for trial in proof.left if trial.slug in mine]
        right = [trial.slug for trial in proof.trials if trial.reproduced and trial.slug in mine]
        return wrong, right, [slug for slug in self._held if slug in mine]

    def _shows(self, slug: str) -> bool:
        return not self._evidence.differs(slug) or self._evidence.is_image(slug, self._lens.layout)

    def _arrays(self, wrong: list[str], right: list[str]) -> list[str]:
        """Return RGB arrays to search on: spread over those that are not explained, with some that are."""

        def cheap(slug: str) -> bool:
            width, height = self._evidence.fixture(slug).size_at(self._evidence.n_px)
            return width * height <= _PIXELS

        wrong = [slug for slug in wrong if cheap(slug)] or wrong
        fresh = [slug for slug in wrong if slug not in self._seen] or wrong
        picked = fresh[:: max(len(fresh) // _ARRAYS, 1)][:_ARRAYS]
        self._seen |= set(picked)
        right = [slug for slug in right if cheap(slug)]
        return [*picked, *right[:: max(len(right) // _RIGHT, 1)][:_RIGHT]]

    def _others(self, wrong: list[str], right: list[str], scope: str) -> list[str]:
        """Return files, or fixtures of every mode: some that are not explained, and some that are."""
        if scope == "files":
            return [*wrong[:_FILES], *right[:: max(len(right) // 12, 1)][:12]]
        picked: list[str] = []
        for group, most in ((wrong, _PER_MODE), (right, 1)):
            count: Counter[str] = Counter()
            for slug in group:
                mode = self._evidence.fixture(slug).mode
                count[mode] += 1
                if count[mode] <= most:
                    picked.append(slug)
        return picked
