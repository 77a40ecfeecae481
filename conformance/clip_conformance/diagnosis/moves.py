"""The moves of the search: every known mistake, in each of its ways, as a change of a variant."""

import functools
from dataclasses import dataclass
from typing import Any

import clip_spec
from clip_conformance.diagnosis.variant import CANON, Variant, changed, changes
from clip_spec import Dialect, Fault, StageId


@dataclass(frozen=True, eq=False)
class Move:
    """One way of making one mistake, or what a dialect does."""

    fault: Fault | Dialect
    change: dict[str, Any]

    @property
    def id(self) -> str:
        """Return the id of the fault or dialect."""
        return self.fault.id

    @property
    def stage(self) -> StageId:
        """Return the stage that it belongs to."""
        return self.fault.stage

    def apply(self, variant: Variant) -> Variant:
        """Return a variant with this mistake."""
        return changed(variant, self.change)


def coloured(pad: str | None) -> list[Move]:
    """Return the moves that lay something around an image, with this colour; none without a colour."""
    known = [] if pad is None else moves()
    return [Move(m.fault, {**m.change, "pad": pad}) for m in known if m.change.get("pad") == CANON.pad]


@functools.cache
def moves() -> tuple[Move, ...]:
    """Return every move, in the order of the data; the dialects that are no known mistake by themselves come first."""
    rules = {"half-even": "half even", "half-up": "half up"}
    dialects = []
    for dialect in clip_spec.canon().dialects:
        change = {"passes": dialect.pass_order, "crop": rules[dialect.crop_rounding]}
        dialects.append(Move(dialect, {k: v for k, v in change.items() if v != getattr(Variant(), k)}))
    known = [change for fault in clip_spec.faults() for change in changes(fault)]
    # What happens inside a JPEG decoder cannot be simulated and has no change.
    faults = [Move(fault, change) for fault in clip_spec.faults() if fault.change for change in changes(fault)]
    return (*(dialect for dialect in dialects if dialect.change not in known), *faults)
