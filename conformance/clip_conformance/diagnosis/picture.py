"""What a preprocessor starts from: samples in a mode, with what lies beside them; opened as a variant opens files."""

import functools
import io
import struct
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms, ImageFile, ImageOps

import clip_spec
from clip_conformance.cases import source_of
from clip_conformance.diagnosis.variant import Variant
from clip_fixtures import Fixture, file_path, fixtures
from clip_reference import Rejected
from clip_reference.source import Source, open_source

# The choices that matter when a file is opened.
_DECODE = ("orientation", "colour", "jpeg", "cmyk_jpeg", "frame", "truncated", "file_mode", "file_depth")
# The modes of the files on which they act; the others act on all.
_OPENED: dict[str, tuple[str, ...]] = {
    "colour": ("RGB",),
    "cmyk_jpeg": ("CMYK",),
    "file_mode": ("1", "L"),
    "file_depth": ("I", "I;16", "I;16L", "I;16B", "I;16N"),
}
# Pixels of a square around an image that are still laid out.
_SQUARE = 20_000_000
_MODES = {mode.id: mode for mode in clip_spec.canon().modes}


@dataclass(frozen=True)
class Picture:
    """An image as arrays.

    `samples` as `clip_reference.Trace.decode`; `palette` uint8 [256, 3] for mode P; `opacity` uint8, what lies beside
    the samples: [256] for mode P, [height, width] for L and RGB with a transparent colour, else None. `background` is
    the colour that the file names for what is transparent, if any; `in_palette` says that the opacity is a band of the
    palette.
    """

    mode: str
    samples: NDArray[Any]
    palette: NDArray[np.uint8] | None = None
    opacity: NDArray[np.uint8] | None = None
    background: tuple[int, int, int] | None = None
    in_palette: bool = False

    @property
    def size(self) -> tuple[int, int]:
        """Return (width, height)."""
        return self.samples.shape[1], self.samples.shape[0]

    @property
    def kind(self) -> "Picture":
        """Return a picture of the same mode, palette and background."""
        return self

    def read(self, left: int, top: int, right: int, bottom: int) -> NDArray[Any]:
        """Return the samples of a box."""
        return self.samples[top:bottom, left:right]

    def part(self, left: int, top: int, right: int, bottom: int) -> "Picture":
        """Return a box as a picture of its own."""
        if (left, top, right, bottom) == (0, 0, *self.size):
            return self
        opacity = self.opacity
        if opacity is not None and opacity.ndim == 2:
            opacity = opacity[top:bottom, left:right]
        return replace(self, samples=self.read(left, top, right, bottom), opacity=opacity)

    @functools.cached_property
    def source(self) -> Source:
        """Return it as the reference takes it."""
        return Source(_MODES[self.mode], *self.size, self.samples, self.palette)


class Pictures:
    """The pictures of fixtures at one n_px, kept as long as it is worth it."""

    def __init__(self, n_px: int) -> None:
        self.n_px = n_px
        self._kept: dict[tuple[str, tuple[Any, ...]], Picture | None] = {}

    def get(self, fixture: Fixture, variant: Variant) -> Picture | None:
        """Return a fixture as a variant opens it, None where it refuses the image or makes it too large to simulate."""
        key = (fixture.slug, tuple(getattr(variant, name) for name in opening(fixture)))
        if key not in self._kept:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                self._kept[key] = self._made(fixture, variant)
        made = self._kept[key]
        if made is not None and variant.size_rule == "expanded" and max(made.size) ** 2 > _SQUARE:
            return None
        return made

    def _made(self, fixture: Fixture, variant: Variant) -> Picture | None:
        source = source_of(fixture, self.n_px)
        try:
            return picture(_opened(source, variant, self.n_px) if isinstance(source, Path) else source, source)
        except (Rejected, OSError, SyntaxError, ValueError, EOFError):
            return None


def opening(fixture: Fixture) -> tuple[str, ...]:
    """Return the choices of the stage decode that can make a difference to a fixture."""
    return _opening(fixture.slug, fixture.mode) if fixture.scope == "files" else ()


@functools.cache
def _opening(slug: str, mode: str) -> tuple[str, ...]:
    is_jpeg = file_path(fixtures()[slug]).read_bytes()[:2] == b"\xff\xd8"
    return tuple(n for n in _DECODE if mode in _OPENED.get(n, (mode,)) and (is_jpeg or n not in ("jpeg", "cmyk_jpeg")))


def picture(image: Image.Image, source: Any = None) -> Picture:
    """Return a Pillow image as a picture.

    Raises:
        Rejected: the canon does not define its mode or size.
    """
    opened = open_source(image)
    in_palette = image.mode == "P" and image.palette is not None and image.palette.mode == "RGBA"
    return Picture(
        opened.mode.id,
        opened.read_all(),
        opened.palette,
        _opacity(image, opened, in_palette=in_palette),
        _background(image, source),
        in_palette and "transparency" not in image.info,
    )


def _opacity(image: Image.Image, opened: Source, *, in_palette: bool) -> NDArray[np.uint8] | None:
    clear = image.info.get("transparency")
    if image.mode == "P":
        if in_palette and image.palette is not None:
            table = np.frombuffer(bytes(image.palette.palette), np.uint8)[3::4]
            return np.concatenate([table, np.full(256 - len(table), 255, np.uint8)])
        if clear is None:
            return None
        table = np.full(256, 255, np.uint8)
        if isinstance(clear, bytes):
            table[: len(clear)] = np.frombuffer(clear, np.uint8)
        else:
            table[clear] = 0
        return table
    if clear is None or image.mode not in ("L", "RGB"):
        return None
    same = opened.read_all() == np.array(clear)
    return np.where(same.all(axis=-1) if same.ndim == 3 else same, 0, 255).astype(np.uint8)


def _background(image: Image.Image, source: Any) -> tuple[int, int, int] | None:
    """Return the background colour of a GIF (an index) or of a PNG (chunk bKGD)."""
    found = image.info.get("background")
    colours = image.getpalette("RGB") if image.mode == "P" else None
    if isinstance(found, int) and colours and len(colours) >= 3 * found + 3:
        red, green, blue = colours[3 * found : 3 * found + 3]
        return red, green, blue
    if isinstance(source, Path) and source.suffix == ".png":
        data = source.read_bytes()
        at = data.find(b"bKGD")
        if at >= 0 and data[at - 4 : at] == b"\0\0\0\6":
            red, green, blue = struct.unpack_from(">3H", data, at + 4)
            return red & 255, green & 255, blue & 255
    return None


def _opened(path: Path, variant: Variant, n_px: int) -> Image.Image:
    """Open a file as a variant does; the canon's choices leave it as Pillow opens it."""
    if variant.truncated == "accepted":
        before, ImageFile.LOAD_TRUNCATED_IMAGES = ImageFile.LOAD_TRUNCATED_IMAGES, True
    try:
        image: Image.Image = Image.open(io.BytesIO(path.read_bytes()))
        if variant.jpeg == "draft":
            image.draft("RGB" if image.mode == "RGB" else image.mode, (n_px, n_px))
        if variant.frame == "last" and getattr(image, "n_frames", 1) > 1:
            image.seek(image.n_frames - 1)  # type: ignore[attr-defined]
        image.load()
    finally:
        if variant.truncated == "accepted":
            ImageFile.LOAD_TRUNCATED_IMAGES = before
    for applies, change in _CHANGES.items():
        name, value = applies
        if getattr(variant, name) == value:
            image = change(image)
    return image


def _with_profile(image: Image.Image) -> Image.Image:
    profile = image.info.get("icc_profile")
    if not profile or image.mode != "RGB":
        return image
    turned = ImageCms.profileToProfile(image, io.BytesIO(profile), ImageCms.createProfile("sRGB"))
    return image if turned is None else turned


def _with_gamma(image: Image.Image) -> Image.Image:
    gamma = image.info.get("gamma")
    if not gamma or image.mode != "RGB":
        return image
    return image.point([round(255 * (value / 255) ** (1 / (gamma * 2.2))) for value in range(256)] * 3)


def _inverted(image: Image.Image) -> Image.Image:
    return image.point(lambda value: 255 - value) if (image.mode, image.format) == ("CMYK", "JPEG") else image


def _as_grey(image: Image.Image) -> Image.Image:
    return image.convert("L") if image.mode == "1" else image


def _as_palette(image: Image.Image) -> Image.Image:
    if image.mode != "L" or image.format not in ("GIF", "BMP"):
        return image
    palette = Image.frombytes("P", image.size, image.tobytes())
    palette.putpalette(bytes(value for value in range(256) for _ in range(3)))
    return palette


def _high_byte(image: Image.Image) -> Image.Image:
    if image.mode != "I" and not image.mode.startswith("I;16"):
        return image
    return Image.fromarray((np.asarray(image).astype(np.int64) >> 8).clip(0, 255).astype(np.uint8))


_CHANGES: dict[tuple[str, str], Callable[[Image.Image], Image.Image]] = {
    ("orientation", "applied"): ImageOps.exif_transpose,
    ("colour", "icc"): _with_profile,
    ("colour", "gamma"): _with_gamma,
    ("cmyk_jpeg", "as stored"): _inverted,
    ("file_mode", "other"): lambda image: _as_palette(image) if image.mode == "L" else _as_grey(image),
    ("file_mode", "bilevel as grey"): _as_grey,
    ("file_mode", "grey as palette"): _as_palette,
    ("file_depth", "high byte"): _high_byte,
}


def with_transparency(given: Picture) -> Picture:
    """Return a picture whose opacity beside the samples has become a band of its own: RGBA or LA."""
    if given.opacity is None:
        return given
    if given.mode == "P":
        assert given.palette is not None
        colours, alpha = given.palette[given.samples], given.opacity[given.samples]
    else:
        colours, alpha = given.samples, given.opacity
    mode = "LA" if colours.ndim == 2 else "RGBA"
    return replace(given, mode=mode, samples=np.dstack([colours, alpha]), palette=None, opacity=None)
