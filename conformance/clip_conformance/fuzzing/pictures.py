"""Images as the search knows them: a recipe of a few numbers that can shrink, and the samples that it stands for."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

import clip_spec
from clip_conformance import png, protocol
from clip_conformance.images import as_input, open_image
from clip_fixtures.patterns import noise, pattern

MODES = {mode.id: mode for mode in clip_spec.canon().modes}
ALPHA_BANDS = {"LA", "RGBA", "RGBa", "RGBX"}
ALPHAS = ("opaque", "half", "clear", "ramp", "binary", "noise", "faint")
PALETTES = ("grey", "distant", "short")
# How many colours the palette "short" has; indices beyond it are black (RGB-4).
_SHORT = 40
# With samples of 64 to 191 no pass of a bicubic resize leaves 0 to 255: the two passes stretch them by 1.27 each.
_LOW, _HIGH = 64, 191


@dataclass(frozen=True)
class Content:
    """What an image shows: the name and the parameters of a pattern of clip_fixtures, or "colours".

    `colours` fills the rows with its colours in turn, up to four bands each; it is what an image shrinks to.
    """

    name: str
    params: tuple[tuple[str, Any], ...] = ()
    colours: tuple[tuple[int, ...], ...] = ()

    def __str__(self) -> str:
        if self.name == "colours":
            return "one colour" if len(self.colours) == 1 else f"{len(self.colours)} colours in turn"
        return " ".join([self.name, *(f"{key} {value}" for key, value in self.params)])


def colours(*given: tuple[int, ...]) -> Content:
    """Return the content that fills the rows with colours in turn."""
    return Content("colours", colours=given)


@dataclass(frozen=True)
class Recipe:
    """An image by what was drawn for it.

    `alpha` is for modes with a fourth or second band, `palette` and `transparency` for mode P, `depth` (0 to 2, of
    growing range) for the modes of more than 8 bits; `mid` keeps 8-bit samples where no resize clips.
    """

    mode: str
    width: int
    height: int
    content: Content
    alpha: str = "opaque"
    palette: str = "grey"
    transparency: int | tuple[int, ...] | None = None
    depth: int = 0
    mid: bool = False

    def __str__(self) -> str:
        parts = [str(self.content)]
        parts += [f"alpha {self.alpha}"] if self.mode in ALPHA_BANDS else []
        parts += [f"palette {self.palette}"] if self.mode == "P" else []
        parts += ["with transparency"] if self.mode == "P" and self.transparency is not None else []
        return ", ".join(parts)


@dataclass(frozen=True, eq=False)
class Picture:
    """An image in its own mode: `samples` as of CNF-1, `palette` uint8 [k, 3] and `transparency` (tRNS) of mode P."""

    mode: str
    samples: NDArray[Any]
    palette: NDArray[np.uint8] | None = None
    transparency: int | tuple[int, ...] | None = None
    recipe: Recipe | None = field(default=None, compare=False)

    @property
    def width(self) -> int:
        """Columns."""
        return int(self.samples.shape[1])

    @property
    def height(self) -> int:
        """Rows."""
        return int(self.samples.shape[0])

    @property
    def flat(self) -> bool:
        """Whether it has one colour."""
        return bool((self.samples == self.samples[:1, :1]).all())

    def message(self, folder: Path, name: str, *, picture: bool = False) -> protocol.Input:
        """Write the image into a folder and return what names it in a message: a PNG where wanted and possible."""
        if picture and png.carries(self.mode):
            path = folder / f"{name}.png"
            self.write_png(path)
            return protocol.Input(kind="file", path=str(path), mode=self.mode)
        return as_input(folder / f"{name}.npy", self.samples, self.mode, self.palette, self.transparency)

    def write_png(self, path: Path) -> None:
        """Write the image as PNG; its mode is one that PNG carries."""
        entry = self.transparency
        png.write(path, self.samples, self.mode, self.palette, list(entry) if isinstance(entry, tuple) else entry)

    def source(self, folder: Path) -> Any:
        """Return what the reference starts from: an array where it takes one, else a Pillow image."""
        if self.mode in ("L", "RGB", "RGBA"):
            return self.samples
        return self.pillow(folder)

    def pillow(self, folder: Path) -> Image.Image:
        """Return the image as the worker opens it; `folder` is used on the way."""
        return open_image(self.message(folder, "source"))

    def same(self, other: "Picture") -> bool:
        """Return whether two images are the same to a candidate."""
        palettes = [
            None if picture.palette is None else picture.palette.reshape(-1, 3).tolist() for picture in (self, other)
        ]
        return (
            (self.mode, self.transparency) == (other.mode, other.transparency)
            and palettes[0] == palettes[1]
            and self.samples.dtype == other.samples.dtype
            and np.array_equal(self.samples, other.samples)
        )


def render(recipe: Recipe) -> Picture:
    """Return the image of a recipe; the same recipe always gives the same samples."""
    mode = MODES[recipe.mode]
    plane = _plane(recipe, mode.bands)
    if recipe.mid:
        plane = (_LOW + plane.astype(np.int32) * (_HIGH - _LOW) // 255).astype(np.uint8)
    if recipe.mode in ALPHA_BANDS:
        plane[..., -1] = _alpha(recipe)
    if mode.bands > 1:
        return Picture(recipe.mode, plane, recipe=recipe)
    grey = plane[..., 0]
    if recipe.mode == "1":
        return Picture("1", np.where(grey < 128, 0, 255).astype(np.uint8), recipe=recipe)
    if recipe.mode == "P":
        return Picture("P", grey, _palette(recipe.palette), recipe.transparency, recipe=recipe)
    return Picture(recipe.mode, _deep(grey, recipe), recipe=recipe)


def _plane(recipe: Recipe, bands: int) -> NDArray[np.uint8]:
    content, width, height = recipe.content, recipe.width, recipe.height
    if content.name == "colours":
        values = np.array([(*colour, 0, 0, 0)[:bands] for colour in content.colours], dtype=np.uint8)
        return values[np.arange(width * height) % len(values)].reshape(height, width, bands)
    return pattern(content.name, width, height, bands, dict(content.params)).copy()


def _alpha(recipe: Recipe) -> NDArray[np.uint8] | int:
    width, height = recipe.width, recipe.height
    flat = {"opaque": 255, "half": 128, "clear": 0}
    if recipe.alpha in flat:
        return flat[recipe.alpha]
    if recipe.alpha == "ramp":
        ramp = np.arange(width) * 255 // max(width - 1, 1)
        return np.broadcast_to(ramp, (height, width)).astype(np.uint8)
    bits = noise(width, height, 1, seed=77)[..., 0]
    if recipe.alpha == "binary":
        return np.where(bits < 128, 0, 255).astype(np.uint8)
    return bits if recipe.alpha == "noise" else bits // np.uint8(64)


def _palette(kind: str) -> NDArray[np.uint8]:
    index = np.arange(_SHORT if kind == "short" else 256)[:, None]
    if kind == "grey":
        return np.repeat(255 - index, 3, axis=1).astype(np.uint8)
    return ((7 * index + 85 * np.arange(3) + 128 * (index & 1)) % 256).astype(np.uint8)


def _deep(grey: NDArray[np.uint8], recipe: Recipe) -> NDArray[Any]:
    """Return 8-bit samples in the range and the type of a mode; of L as they are."""
    if recipe.mode == "L":
        return grey
    value = grey.astype(np.int64)
    if recipe.mode == "I":
        return np.asarray((value, value * 4 - 300, (value - 128) * 8_000_000)[recipe.depth], dtype=np.int32)
    if recipe.mode == "F":
        return np.asarray((value, value * 3 - 200.125, value / 255)[recipe.depth], dtype=np.float32)
    # As the fixtures' samples, these stay where a resize overshoots neither 0 nor 65535: there Pillow 11.0 to 12.2
    # wraps each byte (DEP-3), and every candidate that uses it would be found for that and nothing else. The modes that
    # are resized with their bytes exchanged (DEP-4) need low bytes of 64 to 191 for that.
    middle = 320 if MODES[recipe.mode].route == "deep-swapped" else 200
    return np.asarray((64, middle, 40_000)[recipe.depth] + value // 2, dtype=np.uint16)
