"""What a port is, and how a module lists its own."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Call = Callable[[Any], Any]


@dataclass(frozen=True)
class Port:
    """One preprocessor and what is known to be wrong with it.

    Attributes:
        name: its permanent name, that of the function.
        call: PIL image of any mode in, tensor of 224 x 224 out; ValueError where the author did not think of a mode.
        stages: the ids of the stages where it leaves the canon, in the order of the pipeline.
        faults: for every mistake that is really made, the ids of `faults.toml` that name it equally well.
        needs: the packages beyond NumPy and Pillow that must be importable.
        minor: mistakes that are made as well but hardly show beside `faults`, or go with them: to be named or not.
        beyond: what it does wrong that no id names; empty where `faults` and `minor` are all.
    """

    name: str
    call: Call
    stages: tuple[str, ...] = ()
    faults: tuple[frozenset[str], ...] = ()
    needs: tuple[str, ...] = ()
    minor: frozenset[str] = frozenset()
    beyond: str = ""


def listed(
    into: list[Port], stages: str = "", faults: str = "", *, needs: str = "", minor: str = "", beyond: str = ""
) -> Callable[[Call], Call]:
    """List the decorated function in `into`. Ids are separated by blanks; equally right ones are joined by a bar."""

    def add(call: Call) -> Call:
        named = tuple(frozenset(fault.split("|")) for fault in faults.split())
        name = str(getattr(call, "__name__"))  # noqa: B009
        into.append(
            Port(name, call, tuple(stages.split()), named, tuple(needs.split()), frozenset(minor.split()), beyond)
        )
        return call

    return add
