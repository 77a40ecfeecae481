"""One port measured: what the diagnosis says of it, what that took, and whether it holds on images of its own."""

import importlib.util
import time
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import msgspec
import numpy as np
from numpy.typing import NDArray

from clip_conformance import check, engine
from clip_conformance.candidates.results import to_array
from clip_conformance.diagnosis import diagnose
from clip_conformance.diagnosis.diagnose import Diagnosis
from clip_conformance.diagnosis.evidence import Evidence
from clip_conformance.diagnosis.float_end import line
from clip_conformance.diagnosis.simulate import simulate
from clip_conformance.diagnosis.variant import CANON, Variant, changed
from clip_conformance.scoring.lens import laid_out
from ports import Port
from ports_images import N_PX, Fresh

# The proof's own rule (diagnosis/prove.py), written down once more: this must not change with it.
MEAN, PEAK, SHARE = 0.2, 2.0, 0.01
SMALLER, TINY, TINY_HALF = 0.25, 0.02, 0.1
# The parts of the new images, and of those that show something, on which a claim has to be right.
HOLDS, HOLDS_SHOWN = 0.95, 0.85
TRUNCATED = "truncated-accepted"
# Images on which a claim is wrong that are named.
_NAMED = 3


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """What became of "reproduced" on new images.

    Of those that the port `accepted`, `agreed` are within the rule. `shown` are the ones on which the port is not the
    canon, `told` those of them that agree and are much nearer to the variant than to the canon. `wrong` names some that
    do not agree, with the mean error in LSB.
    """

    accepted: int
    agreed: int
    shown: int
    told: int
    wrong: list[str] = []

    @property
    def holds(self) -> bool:
        """Return whether the claim is right on nearly all images."""
        return self.accepted > 0 and self.agreed >= HOLDS * self.accepted

    @property
    def holds_where_shown(self) -> bool:
        """Return whether it is right on the images that show a mistake, too; there has to be one."""
        return self.holds and self.shown > 0 and self.told >= HOLDS_SHOWN * self.shown


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One port: its group and what was found.

    `code` stands for the sources that were measured. `blamed` says that the first stage is right, `missing` are the
    labels that are not named, `extra` the names that are neither faults nor minor. `claim` is there for "reproduced".
    """

    name: str
    group: str
    code: str = ""
    passed: bool
    blamed: bool
    blame: list[str]
    found: list[str]
    missing: list[str]
    extra: list[str]
    verdict: str
    reproduced: int = 0
    compared: int = 0
    claim: Claim | None = None
    cpu: float = 0.0
    wall: float = 0.0

    @property
    def quiet(self) -> bool:
        """Return whether nothing at all is said against it, as of one that conforms."""
        return self.passed and not (self.blame or self.found or self.verdict)


class Recorded(Diagnosis):
    """A diagnosis that is timed and can be asked for its variant."""

    last: "Recorded | None" = None
    cpu = wall = 0.0

    def add(self, evidence: Evidence, accepted: Sequence[str], extra: int = 0) -> None:
        """Take in one n_px, with an eye on the clocks."""
        Recorded.last = self
        cpu, wall = time.process_time(), time.perf_counter()
        super().add(evidence, accepted, extra)
        self.cpu += time.process_time() - cpu
        self.wall += time.perf_counter() - wall

    @property
    def variant(self) -> Variant:
        """Return the recovered variant, the canon where nothing was recovered; as of files that are whole."""
        return CANON if self._found is None else self._found.variant


@contextmanager
def recording() -> Iterator[None]:
    """Let the engine make diagnoses that can be looked into: `Recorded.last` is the last one."""
    Recorded.last = None
    with patch.object(diagnose, "Diagnosis", Recorded):
        yield


def lacks(port: Port) -> list[str]:
    """Return the packages of a port that are missing."""
    return [name for name in port.needs if importlib.util.find_spec(name) is None]


def measure(port: Port, group: str, images: Iterable[Fresh], *, code: str = "", select: Sequence[str] = ()) -> Row:
    """Run a port as tests/test_ports.py does and return its row; `select` for fewer fixtures."""
    scopes: Any = ("arrays",) if group == "SOUND" else engine.SCOPES
    with recording():
        summary = check(port.call, scopes=scopes, select=select, jobs=1, timeout=120).summary
    found = [finding.fault for finding in summary.diagnosis]
    recovered, made = summary.recovered, Recorded.last
    variant = CANON if made is None else made.variant
    if TRUNCATED in found:
        variant = changed(variant, {"truncated": "accepted"})
    known = frozenset().union(*port.faults, port.minor)
    claimed = recovered is not None and recovered.verdict == "reproduced"
    return Row(
        name=port.name,
        group=group,
        code=code,
        passed=summary.passed,
        blamed=list(summary.blame[:1]) == list(port.stages[:1]),
        blame=list(summary.blame),
        found=found,
        missing=["|".join(sorted(wanted)) for wanted in port.faults if not wanted & set(found)],
        extra=[fault for fault in found if fault not in known],
        verdict="" if recovered is None else recovered.verdict,
        reproduced=0 if recovered is None else recovered.reproduced,
        compared=0 if recovered is None else recovered.compared,
        claim=judged(port, variant, images) if claimed else None,
        cpu=0.0 if made is None else round(made.cpu, 2),
        wall=0.0 if made is None else round(made.wall, 2),
    )


def judged(port: Port, variant: Variant, images: Iterable[Fresh]) -> Claim:
    """Hold a variant against a port on images."""
    accepted = agreed = shown = told = 0
    wrong: list[tuple[float, str]] = []
    for image in images:
        got = answer(port, image)
        if got is None:
            continue
        accepted += 1
        mean, beyond = error(variant, image, got)
        right = mean <= MEAN and beyond <= SHARE
        agreed += right
        if not right:
            wrong.append((mean, image.name))
        floor = TINY if variant.precision == "float32" else TINY_HALF
        own = error(CANON, image, got)[0]
        if own > TINY:
            shown += 1
            told += right and (mean <= floor or mean <= SMALLER * own)
    worst = [f"{name} ({mean:.2g} LSB)" for mean, name in sorted(wrong, reverse=True)[:_NAMED]]
    return Claim(accepted=accepted, agreed=agreed, shown=shown, told=told, wrong=worst)


def answer(port: Port, image: Fresh) -> NDArray[Any] | None:
    """Return a port's tensor of an image, None where it refuses it."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            with image.open() as given:
                return to_array(port.call(given), "normalize")[0]
        except Exception:
            # As in the worker: an error is no output.
            return None


def error(variant: Variant, image: Fresh, got: NDArray[Any]) -> tuple[float, float]:
    """Return the mean error in the variant's LSB and the part of the samples beyond `PEAK`; infinite: another shape."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        given = image.seen_by(variant)
        if given is None:
            return np.inf, 1.0
        want = image.canon if variant == CANON else simulate(variant, given, N_PX)
    if want is None or want.shape != got.shape:
        return np.inf, 1.0
    slope = np.abs(line(variant)[0])[:, None, None]
    size = np.abs(laid_out(got.astype(np.float64) - want, variant.layout, variant.turn)) / slope
    # What is no number is beyond anything.
    size = np.where(np.isfinite(size), size, np.inf)
    return float(size.mean()), float((size > PEAK).mean())
