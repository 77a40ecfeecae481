"""The diagnosis of a run: findings, how much they reproduce, and the recovered pipeline beside the canon."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import clip_spec
from clip_conformance.cases import case_id
from clip_conformance.diagnosis.evidence import Evidence
from clip_conformance.diagnosis.identify import Identified, identify
from clip_conformance.diagnosis.moves import Move
from clip_conformance.diagnosis.prove import Proof, prove
from clip_conformance.diagnosis.variant import FIELDS, differences
from clip_conformance.records import Choice, Finding, Recovered
from clip_fixtures import fixtures

# The parts of all cases, and of those that are not the canon's bits, that a diagnosis has to reproduce to be called
# one; below the last it is not even a guess.
_ALL, _DIFFERING, _GUESS = 0.95, 0.85, 0.25
# Cases of a mode by which it counts.
_SOME = 3
# LSB, and the part of a candidate's own deviation: what is left of a case that a guess comes near to.
_NEAR, _LEFT = 1.0, 0.1
# Unexplained cases that are named.
_NAMED = 10
_JPEG = ("jpeg-simple-upsampling", "jpeg-fast-dct")
_TRUNCATED = "truncated-accepted"


@dataclass
class Diagnosis:
    """Gathers the evidence of a run, one n_px after the other; what was identified at the first is proved at all."""

    accepted: list[str] = field(default_factory=list)
    extra: int = 0
    _found: Identified | None = None
    _proofs: list[tuple[Evidence, Proof]] = field(default_factory=list)
    _blind: bool = False

    def add(self, evidence: Evidence, accepted: Sequence[str], extra: int = 0) -> None:
        """Take in one n_px while its tensors are there.

        Args:
            evidence: the cases that gave an output.
            accepted: the fixtures that should have been rejected and were not.
            extra: how many of the cases were run for the diagnosis alone.
        """
        self.accepted += accepted
        self.extra += extra
        if not any(evidence.differs(slug) for slug in evidence.cases):
            return
        if self._found is None:
            self._found = identify(evidence)
            self._blind |= self._found is None
            if self._found is not None:
                self._proofs.append((evidence, self._found.proof))
        else:
            self._proofs.append((evidence, prove(evidence, self._found.variant)))

    def result(self) -> tuple[list[Finding], Recovered | None]:
        """Return the findings and what was recovered; nothing where every output was the canon's."""
        truncated = [slug for slug in self.accepted if _TRUNCATED in fixtures()[slug].catches]
        beside = [_finding(_move(_TRUNCATED), 0.0, 1.0)] if truncated else []
        if self._found is None:
            if self._blind:
                text = "Unknown: the float end is no straight line of the samples."
                return beside, Recovered(verdict="unknown", text=text)
            if beside:
                text = f"{len(truncated)} truncated files are accepted; every other output is the canon's."
                return beside, Recovered(verdict="reproduced", text=text)
            return [], None
        return self._stated(self._found, beside)

    def _near(self) -> float:
        """Return the share of the cases that differ of which next to nothing is left, though more than rounding."""
        own = [(evidence, trial) for evidence, proof in self._proofs for trial in proof.trials]
        own = [(evidence, trial) for evidence, trial in own if evidence.differs(trial.slug)]
        near = sum(
            trial.mean is not None and trial.mean <= min(_NEAR, _LEFT * evidence.deviation(trial.slug))
            for evidence, trial in own
        )
        return near / max(len(own), 1)

    def _missing_modes(self) -> set[str]:
        """Return the modes of which no case is reproduced: something else happens to them."""
        cases = [(fixtures()[trial.slug].mode, trial.reproduced) for _, proof in self._proofs for trial in proof.trials]
        count = Counter(mode for mode, _ in cases)
        return {mode for mode in count if count[mode] >= _SOME} - {mode for mode, reproduced in cases if reproduced}

    def _stated(self, found: Identified, beside: list[Finding]) -> tuple[list[Finding], Recovered]:
        compared = sum(proof.compared for _, proof in self._proofs)
        reproduced = sum(proof.reproduced for _, proof in self._proofs)
        residual = _rounded(max(proof.residual for _, proof in self._proofs))
        differing = [
            trial for evidence, proof in self._proofs for trial in proof.trials if evidence.differs(trial.slug)
        ]
        explained = sum(trial.reproduced for trial in differing) / max(len(differing), 1)
        left = [(evidence, trial) for evidence, proof in self._proofs for trial in proof.left]
        means = [trial.mean for _, trial in left if trial.mean is not None]
        away = _rounded(sum(means) / len(means)) if means else None
        findings = [_finding(move, residual, explained, found) for move in _once(found.chosen)]
        jpeg = _jpeg_alone([trial.slug for _, trial in left])
        verdict: Literal["reproduced", "guess", "unknown"] = "unknown"
        if findings and reproduced >= _ALL * compared and explained >= _DIFFERING and not self._missing_modes():
            verdict = "reproduced"
        elif (findings and max(explained, self._near()) >= _GUESS) or jpeg:
            verdict = "guess"
        others = "" if not left else "of another shape on the others"
        if away is not None:
            others = f"{away:.2g} LSB away on average on the others"
        text = _text(verdict, findings, f"{reproduced} of {compared} cases", residual, others)
        if self.extra:
            text += f" {self.extra} of the cases were run for the diagnosis alone."
        if jpeg:
            findings = [_finding(_move(jpeg), 0.0, 0.0), *findings]
            text += " JPEG files alone are left: another decoder's chroma upsampling or DCT, which is not simulated."
        recovered = Recovered(
            verdict=verdict,
            text=text,
            reproduced=reproduced,
            compared=compared,
            residual=residual,
            away=away,
            pipeline=_pipeline(found),
            unexplained=[case_id(fixtures()[trial.slug], evidence.n_px) for evidence, trial in left[:_NAMED]],
        )
        return ([] if verdict == "unknown" else findings) + beside, recovered


def _rounded(lsb: float) -> float:
    """Return a figure to three digits: those behind them are up to the build of NumPy and of its BLAS."""
    return float(f"{lsb:.3g}")


def _once(chosen: Sequence[Move]) -> list[Move]:
    """Return moves in the order of the pipeline."""
    order = list(FIELDS)
    return sorted(chosen, key=lambda move: min((order.index(name) for name in move.change), default=0))


def _move(fault: str) -> Move:
    return Move(next(known for known in clip_spec.faults() if known.id == fault), {})


def _finding(move: Move, residual: float, explained: float, found: Identified | None = None) -> Finding:
    title = move.fault.title
    if found is not None and move.id in _WITH_VALUES:
        values = differences(found.variant)
        parts = [f"{name} {_shown(values[name][1])}" for name in _WITH_VALUES[move.id] if name in values]
        title = f"{title} ({'; '.join(parts)})" if parts else title
    return Finding(
        fault=move.id,
        stage=move.stage,
        title=title,
        fix=move.fault.fix,
        residual=residual,
        explained=explained,
    )


# Mistakes of which the recovered value says more than the title.
_WITH_VALUES = {"constants-mistyped": ("mean", "std"), "cubic-a-other": ("cubic_a",), "crop-pct": ("target",)}


def _jpeg_alone(left: list[str]) -> str:
    """Return the likelier mistake of a JPEG decoder where nothing but JPEG files is left unexplained, else ""."""
    if not left or not all(fixtures()[slug].file.endswith((".jpg", ".png")) and "jpeg" in slug for slug in left):
        return ""
    return _JPEG[1] if any(slug in ("jpeg-444", "jpeg-grey", "jpeg-q100") for slug in left) else _JPEG[0]


def _text(verdict: str, findings: list[Finding], share: str, residual: float, others: str) -> str:
    changes = "this change" if len(findings) == 1 else f"these {len(findings)} changes"
    if verdict == "reproduced":
        return f"The canon with {changes} reproduces {share} to {residual:.1g} LSB{others and '; ' + others}."
    if verdict == "guess" and findings:
        return f"A guess: the canon with {changes} reproduces {share} only, {others}."
    if verdict == "guess":
        return "A guess, not reproduced."
    nearest = " and ".join(finding.fault for finding in findings) or "the canon itself"
    return f"Unknown; nearest is {nearest}, which reproduces {share} and is {others}."


def _pipeline(found: Identified) -> list[Choice]:
    return [
        Choice(stage=FIELDS[name].stage, what=FIELDS[name].what, canon=_shown(canon), candidate=_shown(candidate))
        for name, (canon, candidate) in differences(found.variant).items()
    ]


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return ", ".join(f"{part:.6g}" for part in value)
    return f"{value:g}" if isinstance(value, float) else str(value)
