"""How far apart right implementations and known mistakes are: python -m clip_conformance.separation [--write].

For every bound of the spec: the farthest that a right implementation goes, and the least that a mistake goes beyond.
Without --write the committed numbers are compared with what is found; with it levels.toml is edited, its bounds never.
Needs torch and onnxruntime.
"""

import functools
import math
import re
import sys
import textwrap
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterable
from importlib import resources
from pathlib import Path

import click

import clip_spec
from clip_conformance.diagnosis.variant import Variant
from clip_conformance.errors import UsageError
from clip_conformance.legitimate import measured, names
from clip_conformance.scoring.compare import Deviation
from clip_conformance.scoring.excess import decides, excess
from clip_conformance.subjects import Subject, images, simulated
from clip_fixtures import Fixture
from clip_spec import Bound, Separation, StageId, View

# By who made the output: the excess on each fixture.
Ratios = dict[str, dict[str, float]]


def faults_on(bound: Bound, variants: dict[str, Variant], subject: Subject, fixture: Fixture) -> dict[str, float]:
    """Return the excess over a bound of every mistake that it judges on a fixture."""
    if not decides(bound, fixture.mode):
        return {}
    judged = {fault: variant for fault, variant in variants.items() if _judges(bound, fault)}
    return {fault: excess(_deviation(bound, variant, subject), bound) for fault, variant in judged.items()}


def _judges(bound: Bound, fault: str) -> bool:
    """Return whether a mistake can show where a bound holds: on the canon's own input, only one of the float end."""
    return bound.views != ("isolated",) or _at_the_float_end(fault)


@functools.cache
def _at_the_float_end(fault: str) -> bool:
    return next(known.stage for known in clip_spec.faults() if known.id == fault) in ("to_tensor", "normalize")


def _deviation(bound: Bound, variant: Variant, subject: Subject) -> Deviation:
    if "normalize" in bound.stages:
        return subject.tensor_deviation(variant)
    return subject.image_deviation(variant)


def legitimate_on(bound: Bound, chosen: Iterable[str], subject: Subject, fixture: Fixture) -> dict[str, float]:
    """Return the excess over a bound of every implementation of `chosen` on a fixture, in its worst stage and view."""
    if not decides(bound, fixture.mode):
        return {}
    found = {name: _worst(bound, measured(name, fixture, subject)) for name in chosen}
    return {name: ratio for name, ratio in found.items() if ratio is not None}


def _worst(bound: Bound, found: Iterable[tuple[StageId, View, Deviation]]) -> float | None:
    ratios = [
        excess(deviation, bound) for stage, view, deviation in found if stage in bound.stages and view in bound.views
    ]
    return max(ratios, default=None)


def measure(bounds: tuple[Bound, ...], variants: dict[str, Variant], chosen: list[Fixture]) -> list[Separation]:
    """Return the separation of every bound, measured on some fixtures."""
    right: list[Ratios] = [defaultdict(dict) for _ in bounds]
    wrong: list[Ratios] = [defaultdict(dict) for _ in bounds]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for fixture in chosen:
            subject = Subject(fixture)
            deciding = [(index, bound) for index, bound in enumerate(bounds) if decides(bound, fixture.mode)]
            # Each output is made and measured once for all bounds.
            for level in {bound.level for _, bound in deciding}:
                for name in names(level):
                    made = list(measured(name, fixture, subject))
                    for index, bound in deciding:
                        ratio = _worst(bound, made) if bound.level == level else None
                        if ratio is not None:
                            right[index][name][fixture.slug] = ratio
            for fault, variant in variants.items():
                deviations = [subject.tensor_deviation(variant), subject.image_deviation(variant)]
                for index, bound in deciding:
                    if _judges(bound, fault):
                        deviation = deviations["normalize" not in bound.stages]
                        wrong[index][fault][fixture.slug] = excess(deviation, bound)
    return [summed_up(*pair) for pair in zip(right, wrong, strict=True)]


def summed_up(right: Ratios, wrong: Ratios) -> Separation:
    """Return the separation from the ratios of right implementations and of mistakes on each fixture.

    Raises:
        UsageError: nothing is within the bound, or nothing beyond it.
    """
    beyond = {slug for ratios in right.values() for slug, ratio in ratios.items() if ratio > 1.0}
    within = [
        (ratio, name, slug) for name, ratios in right.items() for slug, ratio in ratios.items() if slug not in beyond
    ]
    best = {fault: max((ratio, slug) for slug, ratio in ratios.items()) for fault, ratios in wrong.items()}
    let_in = [fault for fault, (ratio, _) in best.items() if 0.0 < ratio <= 1.0]
    out = [(ratio, fault, slug) for fault, (ratio, slug) in best.items() if ratio > 1.0 and not math.isinf(ratio)]
    if not within or not out:
        raise UsageError("a bound has no right implementation within it or no mistake beyond it")
    near, far = max(within), min(out)
    return Separation(
        legitimate=_rounded(near[0], math.ceil),
        legitimate_by=near[1],
        legitimate_on=near[2],
        fault=_rounded(far[0], math.floor),
        fault_by=far[1],
        fault_on=far[2],
        beyond=tuple(fixture.slug for fixture in images() if fixture.slug in beyond),
        let_in=tuple(let_in),
    )


def _rounded(value: float, way: Callable[[float], int]) -> float:
    """Return two digits of a ratio, rounded towards the bound, so that the gap is at least what is stated."""
    unit = 10.0 ** (math.floor(math.log10(value)) - 1)
    steps = value / unit
    # What is whole but for the last bits stays.
    whole = round(steps) if abs(steps - round(steps)) < 1e-6 else way(steps)
    return float(f"{whole * unit:.2g}")


def text(separation: Separation) -> str:
    """Return the table of a bound's separation, TOML."""
    lines = ["[bounds.separation]"]
    for end in ("legitimate", "fault"):
        lines.append(f"{end} = {getattr(separation, end)}")
        lines += [f'{end}_{what} = "{getattr(separation, f"{end}_{what}")}"' for what in ("by", "on")]
    for name in ("beyond", "let_in"):
        if values := getattr(separation, name):
            listed = textwrap.wrap(", ".join(f'"{value}"' for value in values), 112, break_on_hyphens=False)
            lines += [f"{name} = [", *(f"  {line}" for line in listed), "]"]
    return "\n".join(lines) + "\n"


def edited(source: str, found: list[Separation]) -> str:
    """Return levels.toml with the tables of separation replaced; `found` is in the order of its bounds."""
    head, *blocks = source.split("[[bounds]]\n")
    made = []
    for block, separation in zip(blocks, found, strict=True):
        bare = re.sub(r"\n\[bounds\.separation\]\n(?:[^#\n].*\n)*", "", block)
        fields, last, rest = re.split(r"(?m)^(derivation = .*\n)", bare)
        made.append(f"{fields}{last}\n{text(separation)}{rest}")
    return "[[bounds]]\n".join([head, *made])


@click.command()
@click.option("--write", is_flag=True, help="Edit levels.toml.")
def main(write: bool) -> None:
    """Check the separation of every bound against what is measured, or write it down."""
    bounds = clip_spec.levels().bounds
    found = measure(bounds, simulated(), images())
    for bound, separation in zip(bounds, found, strict=True):
        where = f"{bound.level}, {bound.stages[0]}.., {'/'.join(bound.views)}, {'/'.join(bound.modes) or 'other modes'}"
        click.echo(
            f"{where}: {separation.legitimate} to {separation.fault}"
            + ("" if separation == bound.separation else " (differs)")
        )
    if write:
        path = Path(str(resources.files("clip_spec").joinpath("data", "levels.toml")))
        path.write_text(edited(path.read_text(encoding="utf-8"), found), encoding="utf-8")
    elif found != [bound.separation for bound in bounds]:
        click.echo("levels.toml is out of date; run python -m clip_conformance.separation --write, and read the diff")
        sys.exit(1)


if __name__ == "__main__":
    try:
        main()
    except UsageError as error:
        sys.exit(f"separation: {error}")
