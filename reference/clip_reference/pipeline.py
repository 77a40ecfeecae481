"""The canon from start to end: `trace` with every stage, `preprocess` with only what the result needs."""

import functools
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

import clip_spec
from clip_reference import geometry
from clip_reference.alpha import premultiply, unpremultiply
from clip_reference.color import convert_rgb
from clip_reference.resample import Box, Reader, Size, resample_bands, resample_deep, resample_nearest
from clip_reference.source import ImageInput, Source, open_source
from clip_reference.tensor import normalize, to_tensor
from clip_spec.types import CropRounding


@dataclass(frozen=True)
class Trace:
    """The output of every stage for one image.

    `mode` is the Pillow mode of `decode`, `resize` and `center_crop`: arrays [H, W] or [H, W, bands], uint8
    (1 as 0 and 255, P as indices into `palette`), int32 for I, float32 for F, uint16 for I;16 (CNF-1).
    `convert_rgb` is uint8 [n_px, n_px, 3]; `to_tensor` and `normalize` are float32 [3, n_px, n_px].
    """

    mode: str
    palette: NDArray[np.uint8] | None
    decode: NDArray[Any]
    resize: NDArray[Any]
    center_crop: NDArray[Any]
    convert_rgb: NDArray[np.uint8]
    to_tensor: NDArray[np.float32]
    normalize: NDArray[np.float32]


class Stages:
    """The output of every stage for one image, each computed when it is first asked for.

    What is asked for decides what is computed: the crop alone needs no pixel that it discards (RSZ-11). The attributes
    are those of `Trace`. The image must not change in the meantime.

    Args:
        image: as for `preprocess`.
        n_px: the side of the model's input in pixels (MOD-1).
        dialect: None for the canon, or the id of a dialect of the spec, to see what that software does.

    Raises:
        Rejected: the canon does not define this image; names the clause. A sample may be rejected as late as when the
            stage is asked for.
        KeyError: unknown dialect.
    """

    def __init__(self, image: ImageInput, n_px: int = 224, *, dialect: str | None = None) -> None:
        self._source = open_source(image)
        self.mode, self.palette = self._source.mode.id, self._source.palette
        width, height = self._source.width, self._source.height
        self._out_size = geometry.resized_size(width, height, _side(n_px))
        self._transposed = False
        rounding: CropRounding = "half-even"
        if dialect is not None:
            rules = {known.id: known for known in clip_spec.canon().dialects}[dialect]
            rounding = rules.crop_rounding
            self._transposed = _VERTICAL_FIRST[rules.pass_order](width, height, *self._out_size)
        self._box = geometry.crop_box(*self._out_size, n_px, rounding)

    @functools.cached_property
    def decode(self) -> NDArray[Any]:
        """Return the image itself."""
        return self._source.read_all()

    @functools.cached_property
    def resize(self) -> NDArray[Any]:
        """Return the whole resized image."""
        if self._transposed:
            return np.ascontiguousarray(_resize_transposed(self._source, self._out_size))
        return np.ascontiguousarray(resize(self._source, self._out_size, (0, 0, *self._out_size)))

    @functools.cached_property
    def center_crop(self) -> NDArray[Any]:
        """Return the crop."""
        left, top, right, bottom = self._box
        if self._transposed or "resize" in self.__dict__:
            return self.resize[top:bottom, left:right].copy()
        return resize(self._source, self._out_size, self._box)

    @functools.cached_property
    def convert_rgb(self) -> NDArray[np.uint8]:
        """Return the crop as RGB."""
        return np.ascontiguousarray(convert_rgb(self.mode, self.center_crop, self.palette))

    @functools.cached_property
    def to_tensor(self) -> NDArray[np.float32]:
        """Return the tensor in [0, 1]."""
        return to_tensor(self.convert_rgb)

    @functools.cached_property
    def normalize(self) -> NDArray[np.float32]:
        """Return the model's input."""
        return normalize(self.to_tensor)


def preprocess(image: ImageInput, n_px: int = 224) -> NDArray[np.float32]:
    """Return the model's input for one image, float32 [3, n_px, n_px], bit for bit the canon's.

    Pixels that the crop discards are not computed (RSZ-11).

    Args:
        image: a PIL image of any accepted mode, a path, or a uint8 array HxW, HxWx3 or HxWx4. Never modified.
        n_px: the side of the model's input in pixels (MOD-1).

    Raises:
        Rejected: the canon does not define this image; names the clause.
    """
    stages = Stages(image, n_px)
    return normalize(to_tensor(convert_rgb(stages.mode, stages.center_crop, stages.palette)), in_place=True)


def trace(image: ImageInput, n_px: int = 224, *, dialect: str | None = None) -> Trace:
    """Return the output of every stage for one image.

    Args:
        image: as for `preprocess`.
        n_px: the side of the model's input in pixels (MOD-1).
        dialect: None for the canon, or the id of a dialect of the spec, to see what that software does.

    Raises:
        Rejected: the canon does not define this image; names the clause.
        KeyError: unknown dialect.
    """
    stages = Stages(image, n_px, dialect=dialect)
    return Trace(**{field.name: getattr(stages, field.name) for field in fields(Trace)})


def resize(source: Source, out_size: Size, window: Box) -> NDArray[Any]:
    """Resize in the source's own mode (RSZ-1, RSZ-2); return the `window` (left, top, right, bottom) of the result."""
    if out_size == (source.width, source.height):  # SIZ-3, ALP-3
        return source.read(*window).copy()
    size = (source.width, source.height)
    route = source.mode.route
    if route == "bands":
        return resample_bands(source.read, size, out_size, window, source.mode.bands)
    if route == "premultiplied":  # ALP-1, ALP-2
        return unpremultiply(resample_bands(_premultiplied(source), size, out_size, window, source.mode.bands))
    plane = source.read(0, 0, *size)
    if route == "nearest":  # NEA-1; the palette stays as it is (NEA-2)
        return resample_nearest(plane, out_size, window)
    if route == "deep-swapped":  # DEP-4
        return resample_deep(plane.byteswap(), out_size, window).byteswap()
    return resample_deep(plane, out_size, window)


def _premultiplied(source: Source) -> Reader:
    return lambda *box: premultiply(source.read(*box))


def _resize_transposed(source: Source, out_size: Size) -> NDArray[Any]:
    """Resize with the vertical pass first: on the transposed image the canon's first pass is the vertical one."""
    turned = Source(source.mode, source.height, source.width, source.read_all().swapaxes(0, 1), source.palette)
    width, height = out_size
    return resize(turned, (height, width), (0, 0, height, width)).swapaxes(0, 1)


# When the vertical pass comes first, of (width, height, out_width, out_height); the canon: never (RSZ-9).
_VERTICAL_FIRST: dict[str, Callable[[int, int, int, int], bool]] = {
    "horizontal-first": lambda width, height, out_width, out_height: False,
    "height-over-100-widths": lambda width, height, out_width, out_height: height > 100 * width and out_height < height,
    "shrink-over-2-widths": lambda width, height, out_width, out_height: (
        height - out_height > max(0, 2 * (width - out_width))
    ),
}


def _side(n_px: int) -> int:
    if isinstance(n_px, bool) or not isinstance(n_px, (int, np.integer)) or n_px < 1:
        raise ValueError(f"n_px must be an integer of at least 1, not {n_px!r}")
    return int(n_px)
