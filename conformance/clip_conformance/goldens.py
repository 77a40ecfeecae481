"""Check or refresh the golden digests: python -m clip_conformance.goldens [--write].

Without --write the committed digests are compared with the reference. With it they are made anew, but only from what
an independent witness, the literal torchvision pipeline on a Pillow that keeps the canon's pass order, reproduces bit
for bit at every stage; then read the diff.
"""

import sys
import warnings
from typing import Any

import click
import msgspec
import numpy as np
from PIL import Image, __version__

import clip_spec
from clip_conformance.candidates.adapters import Adapter
from clip_conformance.candidates.resolve import adapt
from clip_conformance.candidates.results import to_array
from clip_conformance.cases import case_id, source_of
from clip_conformance.errors import UsageError
from clip_conformance.witnesses import WITNESSES
from clip_fixtures import Fixture, digest, fixtures
from clip_fixtures.goldens import Goldens, goldens, path
from clip_reference import trace

_CANONICAL_PILLOW = (12, 2)


def make(n_px: int, witness: Adapter | None) -> Goldens:
    """Return the digests of every fixture at n_px, from the reference.

    Args:
        n_px: the side of the model's input.
        witness: must agree with the reference at every stage; None to take the reference's word.

    Raises:
        UsageError: the witness disagrees; names case and stage.
    """
    found: Goldens = {}
    for fixture in fixtures().values():
        if fixture.expect == "image":
            traced = trace(source_of(fixture, n_px), n_px)
            if witness is not None:
                _agree(fixture, n_px, traced, witness)
            found[fixture.slug] = {stage: digest(getattr(traced, stage)) for stage in clip_spec.stage_ids()}
    return found


def _agree(fixture: Fixture, n_px: int, traced: Any, witness: Adapter) -> None:
    image = source_of(fixture, n_px)
    opened = image if isinstance(image, Image.Image) else Image.open(image)
    for stage, output in {"decode": opened, **witness.run(opened)}.items():
        array, _ = to_array(output, stage)
        if not np.array_equal(array, getattr(traced, stage)):
            raise UsageError(f"{case_id(fixture, n_px)}: reference and witness differ at {stage}; nothing was written")


@click.command()
@click.option("--write", is_flag=True, help="Refresh the committed digests.")
def main(write: bool) -> None:
    """Check the golden digests against the reference, or refresh them."""
    warnings.simplefilter("ignore")
    witness = None
    if write:
        if tuple(int(part) for part in __version__.split(".")[:2]) >= _CANONICAL_PILLOW:
            raise UsageError(f"Pillow {__version__} is no witness of the pass order; install pillow<12.2")
        witness = WITNESSES["openai"].load()
    differing = 0
    for n_px in clip_spec.sizes():
        adapter = adapt(witness, "", n_px) if witness is not None else None
        found = make(n_px, adapter)
        if write:
            path(n_px).write_bytes(msgspec.json.format(msgspec.json.encode(found), indent=1) + b"\n")
        bad = [slug for slug in {**found, **goldens(n_px)} if found.get(slug) != goldens(n_px).get(slug)]
        differing += len(bad)
        click.echo(f"{n_px} px: {len(found)} fixtures" + (f"; differ: {', '.join(bad)}" if bad else ""))
    sys.exit(1 if differing else 0)


if __name__ == "__main__":
    try:
        main()
    except UsageError as error:
        sys.exit(f"goldens: {error}")
