"""A finding on disk: the image, as PNG where that carries it, and the one command that repeats it."""

import shlex
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np
from PIL import Image

from clip_conformance import arrays, png, untrusted
from clip_conformance.errors import UsageError
from clip_conformance.fuzzing.pictures import MODES, Picture
from clip_conformance.fuzzing.verdict import Verdict
from clip_conformance.plain import one_line
from clip_fixtures import digest
from clip_reference import Rejected
from clip_reference.source import open_source
from clip_spec import LevelId, StageId

SCHEMA = "clip-conformance/fuzz-image/1"
# Bytes of a sidecar and of its samples, pixels of any other image.
_SIDECAR, _SAMPLES, _PIXELS = 1 << 20, 64 << 20, 16 << 20
Byte = Annotated[int, msgspec.Meta(ge=0, le=255)]


class Sidecar(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an image is besides its samples, which lie beside this file as .npy (CNF-1)."""

    schema: str
    mode: str
    samples: str
    palette: list[tuple[Byte, Byte, Byte]] | None = None
    transparency: Byte | list[Byte] | None = None


@dataclass(frozen=True)
class Settings:
    """What a candidate is run with; `options` are those that are not the default, as words of the command line."""

    candidate: str
    options: tuple[str, ...] = ()

    def command(self, path: Path, property_id: str = "") -> str:
        """Return the command that judges a saved image, fit to be copied into a shell."""
        words = ["clip-conformance", "fuzz", self.candidate, *self.options, "--repeat", str(path)]
        return shlex.join([*words, *(["--property", property_id] if property_id else [])])


@dataclass(frozen=True)
class Finding:
    """An image on which the candidate fails.

    `stage` is the one whose output was judged, `property` the id of the property that is violated, "" for a deviation
    from the canon, a crash and the like. `alone` says that it failed as the first image of a fresh process too; None
    where that was not tried. `stages` are the levels of every stage that the candidate shows, on this image.
    `origin` says what it was shrunk from, `worst` is the level there.
    """

    picture: Picture
    verdict: Verdict
    what: str
    stage: StageId
    property: str = ""
    alone: bool | None = None
    shrunk: bool = True
    origin: str = ""
    worst: LevelId | None = None
    stages: tuple[tuple[StageId, LevelId], ...] = ()
    path: Path | None = None
    command: str = ""


def save(picture: Picture, folder: Path, name: str) -> Path:
    """Write an image so that `load` gives it back, and return the file that names it.

    Raises:
        OSError: it cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    stem = f"{picture.mode.replace(';', '')}-{picture.width}x{picture.height}-{name}-{digest(picture.samples)[:8]}"
    if png.carries(picture.mode):
        path = folder / f"{stem}.png"
        picture.write_png(path)
        # What a Pillow makes of 16 bits, or of transparency, is up to its version.
        if load(path).same(picture):
            return path
        path.unlink()
    arrays.write(folder / f"{stem}.npy", picture.samples)
    entry = picture.transparency
    sidecar = Sidecar(
        schema=SCHEMA,
        mode=picture.mode,
        samples=f"{stem}.npy",
        palette=None if picture.palette is None else [tuple(row) for row in picture.palette.tolist()],
        transparency=list(entry) if isinstance(entry, tuple) else entry,
    )
    path = folder / f"{stem}.json"
    path.write_bytes(msgspec.json.format(msgspec.json.encode(sidecar), indent=1) + b"\n")
    return path


def load(path: Path) -> Picture:
    """Return a saved image, or one of any other file that Pillow opens.

    Raises:
        UsageError: it is none, or of a mode that the canon does not accept.
    """
    if not path.is_file():
        raise UsageError(f"no file {path}")
    return _from_sidecar(path) if path.suffix == ".json" else _from_file(path)


def _formats() -> list[str]:
    """Return what Pillow reads itself; for EPS it would start Ghostscript."""
    Image.init()
    return [name for name in Image.OPEN if name != "EPS"]


def _from_file(path: Path) -> Picture:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            opened = Image.open(path, formats=_formats())
        with opened:
            if opened.width * opened.height > _PIXELS:
                size = f"{opened.width} x {opened.height}"
                raise UsageError(f"{path} has {size} pixels, more than the {_PIXELS} that are read")
            opened.load()
            source = open_source(opened)
            samples, entry = source.read_all(), opened.info.get("transparency")
            listed = opened.getpalette("RGB") if opened.mode == "P" else None
    except (Rejected, OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise UsageError(f"{path} is no image to repeat: {one_line(str(error))}") from None
    palette = None if listed is None else np.array(listed, np.uint8).reshape(-1, 3)
    transparency = tuple(entry) if isinstance(entry, bytes) else entry
    return Picture(source.mode.id, samples, palette, transparency if source.mode.id == "P" else None)


def _from_sidecar(path: Path) -> Picture:
    try:
        sidecar: Sidecar = untrusted.decode(untrusted.content(path, _SIDECAR), Sidecar)
        if sidecar.schema != SCHEMA:
            raise UsageError(f"{path} has the schema {one_line(sidecar.schema, 80)!r}; this version reads {SCHEMA}")
        samples = arrays.load(arrays.within(sidecar.samples, path.parent.absolute()), _SAMPLES)
    except arrays.Unreadable as problem:
        raise UsageError(f"{path} is no image to repeat: {problem}") from None
    mode = MODES.get(sidecar.mode)
    if mode is None:
        raise UsageError(f"{path} has the mode {one_line(sidecar.mode, 20)!r}; the canon accepts {', '.join(MODES)}")
    wanted = (2, ()) if mode.bands == 1 else (3, (mode.bands,))
    if (samples.ndim, samples.shape[2:]) != wanted or samples.dtype.name != mode.dtype or 0 in samples.shape:
        raise UsageError(f"{path}: {samples.dtype} {list(samples.shape)} is no image of mode {mode.id}")
    entry = sidecar.transparency
    palette = None if sidecar.palette is None else np.array(sidecar.palette, np.uint8).reshape(-1, 3)
    return Picture(mode.id, samples, palette, tuple(entry) if isinstance(entry, list) else entry)


def pixel_list(picture: Picture, most: int = 16) -> Iterator[str]:
    """Yield the rows of an image that has few pixels, in a form that can be copied into a test; of others nothing."""
    if picture.width * picture.height <= most:
        for row in picture.samples.tolist():
            yield " ".join(_pixel(value) for value in row)


def _pixel(value: Any) -> str:
    return f"({', '.join(map(str, value))})" if isinstance(value, list) else f"{value:g}"
