"""Which cases a run consists of, and what each is for."""

import fnmatch
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

import clip_spec
from clip_conformance import png, protocol
from clip_conformance.errors import UsageError
from clip_conformance.images import as_input
from clip_fixtures import Fixture, build, file_path, fixtures, goldens, pixels
from clip_reference import Stages
from clip_reference.geometry import resized_size
from clip_reference.source import open_source
from clip_spec import ScopeId, StageId


@dataclass(frozen=True)
class Target:
    """A model to score for: `name` as in the table of models."""

    name: str
    n_px: int


def targets(model: str) -> list[Target]:
    """Return the model of that name, or with "all" the first model of every n_px.

    Raises:
        UsageError: no such model.
    """
    table = clip_spec.models()
    if model == "all":
        return [Target(next(m.name for m in table if m.n_px == n_px), n_px) for n_px in clip_spec.sizes()]
    for known in table:
        if known.name == model:
            return [Target(known.name, known.n_px)]
    raise UsageError(f"no model {model!r}; there are {', '.join(m.name for m in table)} and all")


def choose(scopes: Sequence[ScopeId], globs: Sequence[str]) -> list[Fixture]:
    """Return the fixtures of the scopes whose slug matches any of the globs (all without globs), in catalogue order.

    Raises:
        UsageError: a glob that matches nothing, or nothing left.
    """
    for glob in globs:
        if not fnmatch.filter(fixtures(), glob):
            raise UsageError(f"no fixture matches {glob!r}; see clip-conformance list fixtures")
    chosen = [fixture for fixture in fixtures().values() if fixture.scope in scopes]
    if globs:
        chosen = [f for f in chosen if any(fnmatch.fnmatchcase(f.slug, glob) for glob in globs)]
    if not chosen:
        raise UsageError(f"no case to run in {', '.join(scopes) or 'no scope'}; see clip-conformance list fixtures")
    return chosen


def case_id(fixture: Fixture, n_px: int) -> str:
    """Return the permanent id of a case."""
    return f"{fixture.slug}@{n_px}"


def active_stages(fixture: Fixture, n_px: int) -> set[StageId]:
    """Return the stages that do something to a fixture; the float end always does and is left out."""
    if fixture.expect == "reject":
        return set()
    width, height = fixture.size_at(n_px)
    resized = resized_size(width, height, n_px)
    active: set[StageId] = {"decode"} if fixture.scope == "files" else set()
    if resized != (width, height):
        active.add("resize")
    if resized != (n_px, n_px):
        active.add("center_crop")
    if fixture.mode != "RGB":
        active.add("convert_rgb")
    return active


def pinned_stage(fixture: Fixture, n_px: int) -> StageId | None:
    """Return the stage that a fixture exercises alone, "normalize" where nothing but the float end acts (CNF-4)."""
    active = active_stages(fixture, n_px)
    if len(active) > 1 or fixture.expect == "reject":
        return None
    return next(iter(active), "normalize")


def expected_digests(fixture: Fixture, n_px: int) -> dict[StageId, str]:
    """Return the golden digest of every stage of a case.

    Raises:
        UsageError: the suite has none; its data are incomplete.
    """
    digests = goldens(n_px).get(fixture.slug)
    if digests is None:
        raise UsageError(f"{case_id(fixture, n_px)} has no golden digests; run python -m clip_conformance.goldens")
    return digests


def expected_array(fixture: Fixture, n_px: int, stage: StageId) -> tuple[tuple[int, ...], str]:
    """Return the shape and the dtype's name of the canon's output of a stage (CNF-1)."""
    if stage in ("to_tensor", "normalize"):
        return (3, n_px, n_px), "float32"
    if stage == "convert_rgb":
        return (n_px, n_px, 3), "uint8"
    width, height = fixture.size_at(n_px)
    if stage == "resize":
        width, height = resized_size(width, height, n_px)
    if stage == "center_crop":
        width = height = n_px
    mode = next(known for known in clip_spec.canon().modes if known.id == fixture.mode)
    return ((height, width) if mode.bands == 1 else (height, width, mode.bands)), mode.dtype


def source_of(fixture: Fixture, n_px: int) -> Any:
    """Return what the reference starts from: a path for a file, a Pillow image for the rest."""
    return file_path(fixture) if fixture.scope == "files" else build(fixture, n_px)


def reference_input(fixture: Fixture, n_px: int) -> Any:
    """Return what the reference starts from at the least cost: RGB as an array (INP-1), the rest as `source_of`."""
    plain = fixture.scope == "arrays" and fixture.expect == "image"
    return pixels(fixture, n_px) if plain else source_of(fixture, n_px)


def reference_stages(fixture: Fixture, n_px: int, *, dialect: str | None = None) -> Stages:
    """Return the reference's stages of a case, computed as they are asked for."""
    return Stages(source_of(fixture, n_px), n_px, dialect=dialect)


def input_message(
    fixture: Fixture, n_px: int, folder: Path, *, picture: bool = False, source: Any = None
) -> protocol.Input:
    """Write a fixture's image where a candidate can read it, and return what names it in a message.

    Args:
        fixture: whose image.
        n_px: the side of the model's input.
        folder: where it is written.
        picture: whether it is a PNG wherever PNG can carry the mode.
        source: what `reference_input` or `source_of` returned for the fixture, if it was made already.
    """
    name = case_id(fixture, n_px)
    if fixture.scope == "files":
        file = file_path(fixture)
        copy = folder / f"{name}{file.suffix}"
        shutil.copyfile(file, copy)
        return protocol.Input(kind="file", path=str(copy))
    image = source_of(fixture, n_px) if source is None else source
    if fixture.expect == "reject":
        return as_input(folder / f"{name}.npy", _unchecked_samples(image), image.mode)
    opened = open_source(image)
    samples, palette = opened.read(0, 0, opened.width, opened.height), opened.palette
    if picture and png.carries(fixture.mode):
        path = folder / f"{name}.png"
        png.write(path, samples, fixture.mode, palette, fixture.transparency)
        return protocol.Input(kind="file", path=str(path), mode=fixture.mode)
    return as_input(folder / f"{name}.npy", samples, fixture.mode, palette, fixture.transparency)


def _unchecked_samples(image: Image.Image) -> NDArray[np.uint8]:
    """Return the samples of an image that the canon refuses."""
    return np.frombuffer(image.tobytes(), np.uint8).reshape(image.height, image.width, len(image.getbands()))


def stage_message(reference: Stages, stage: StageId, folder: Path) -> protocol.Input:
    """Write the canon's output of a stage as the input of the next, and return what names it in a message."""
    samples = getattr(reference, stage)
    path = folder / f"from-{stage}.npy"
    if stage in ("to_tensor", "normalize"):
        return as_input(path, samples)
    mode = "RGB" if stage == "convert_rgb" else reference.mode
    return as_input(path, samples, mode, reference.palette if mode == "P" else None)


def previous(stage: StageId) -> StageId:
    """Return the stage before; of decode, decode itself."""
    ids = clip_spec.stage_ids()
    return ids[max(ids.index(stage) - 1, 0)]
