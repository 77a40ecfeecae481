"""What comes in: any accepted input as a source of raw samples (INP, DEC)."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

import clip_spec
from clip_reference.errors import Rejected

Samples: TypeAlias = NDArray[Any]
ImageInput: TypeAlias = "Image.Image | NDArray[np.uint8] | str | os.PathLike[str]"

_MODES = {mode.id: mode for mode in clip_spec.canon().modes}
_REASONS = {
    "La": ("INP-3", "mode La cannot be converted to RGB; convert it to LA first"),
    "PA": ("INP-3", "mode PA loses its palette when it is resized; convert it to RGBA first"),
    "LAB": ("INP-4", "mode LAB needs a colour engine and is out of scope; convert it to RGB first"),
}


@dataclass(frozen=True)
class Source:
    """An accepted image: its mode and size, and read access to its samples.

    `palette` is uint8 [256, 3] for mode P, else None. Nothing that is read shares memory with the caller's image
    in a way that the reference would write to (INP-7).
    """

    mode: clip_spec.Mode
    width: int
    height: int
    pixels: "Image.Image | Samples"
    palette: NDArray[np.uint8] | None = None

    def read(self, left: int, top: int, right: int, bottom: int) -> Samples:
        """Return the samples of a box, [rows, columns] or [rows, columns, bands], in the mode's dtype (CNF-1)."""
        if isinstance(self.pixels, np.ndarray):
            return self.pixels[top:bottom, left:right]
        part = self.pixels
        if (left, top, right, bottom) != (0, 0, self.width, self.height):
            part = part.crop((left, top, right, bottom))
        return _samples(part, self.mode)

    def read_all(self) -> Samples:
        """Return all samples as an array of their own."""
        return self.read(0, 0, self.width, self.height).copy()


def _samples(image: Image.Image, mode: clip_spec.Mode) -> Samples:
    if mode.id == "1":
        return np.asarray(image).astype(np.uint8) * np.uint8(255)
    dtype = {"I;16B": ">u2", "uint16": "<u2"}.get(mode.id if mode.id == "I;16B" else mode.dtype, mode.dtype)
    shape = (image.height, image.width, mode.bands)[: 2 if mode.bands == 1 else 3]
    samples = np.frombuffer(image.tobytes(), dtype=dtype).reshape(shape)
    return samples.astype(np.uint16) if dtype == ">u2" else samples


def open_source(image: ImageInput) -> Source:
    """Return `image` as a Source.

    Args:
        image: a PIL image of any mode, a path to an encoded file, or a uint8 array HxW (L), HxWx3 (RGB),
            HxWx4 (RGBA).

    Raises:
        Rejected: the canon does not define this image; names the clause (INP-1 to INP-6, DEC-8).
    """
    if isinstance(image, (str, os.PathLike)):
        return _from_file(Path(image))
    if isinstance(image, Image.Image):
        return _from_pillow(image)
    if isinstance(image, np.ndarray):
        return _from_array(image)
    kind = f"{type(image).__module__}.{type(image).__qualname__}"
    raise Rejected("INP-1", f"{kind} is not an image; pass a PIL image, a uint8 array or a path")


def _from_file(path: Path) -> Source:
    """Decode as Pillow opens a file: the first frame (DEC-1), in the mode that its format has (DEC-4, DEC-5, DEC-9).

    Neither EXIF orientation (DEC-2) nor colour profiles (DEC-3) are applied; JPEG comes at full size from Pillow's
    libjpeg-turbo (DEC-6), inverted where it is CMYK (DEC-7).
    """
    try:
        with Image.open(path) as opened:
            opened.load()
            return _from_pillow(opened.copy())
    except FileNotFoundError:
        raise
    except Image.DecompressionBombError as error:
        raise Rejected("INP-6", f"{path}: {error}") from error
    except UnidentifiedImageError as error:
        raise Rejected("DEC-8", f"{path} is not an image file that Pillow can read") from error
    except Rejected as error:
        raise Rejected(error.clause, f"{path}: {error.reason}") from error
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        raise Rejected("DEC-8", f"{path} cannot be decoded: {error}") from error


def _from_pillow(image: Image.Image) -> Source:
    mode = _MODES.get(image.mode)
    if mode is None:
        clause, reason = _REASONS.get(image.mode, ("INP-3", f"mode {image.mode} is not one of {', '.join(_MODES)}"))
        raise Rejected(clause, reason)
    _check_size(image.width, image.height)
    try:
        image.load()
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        raise Rejected("DEC-8", f"the image cannot be decoded: {error}") from error
    palette = _palette(image) if mode.id == "P" else None
    return Source(mode, image.width, image.height, image, palette)


def _palette(image: Image.Image) -> NDArray[np.uint8]:
    """Return the 256 colours of mode P; entries that the palette lacks are black (RGB-4)."""
    entries = np.array(image.getpalette("RGB") or [], dtype=np.uint8)[:768]
    palette = np.zeros(768, dtype=np.uint8)
    palette[: len(entries)] = entries
    return palette.reshape(256, 3)


def _from_array(array: NDArray[Any]) -> Source:
    name = {2: "L"}.get(array.ndim) or {3: "RGB", 4: "RGBA"}.get(array.shape[2] if array.ndim == 3 else 0)
    if name is None or array.dtype != np.uint8:
        raise Rejected(
            "INP-1",
            f"array of {array.dtype} {list(array.shape)} is not uint8 [H, W], [H, W, 3] or [H, W, 4]",
        )
    height, width = array.shape[:2]
    _check_size(width, height)
    return Source(_MODES[name], width, height, array)


def _check_size(width: int, height: int) -> None:
    if width < 1 or height < 1:
        raise Rejected("INP-2", f"the image is {width}x{height}; both sides must be at least 1")
    limit = clip_spec.canon().max_pixels
    if width * height > limit:
        raise Rejected("INP-6", f"the image has {width * height} pixels, more than {limit}")
