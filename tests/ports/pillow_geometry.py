"""Pillow and NumPy scripts, each with one mistake of the resize or the crop."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from .port import Port, listed

SINGLES: list[Port] = []

SIDE = 224
MEAN = np.array([0.48145466, 0.4578275, 0.40821073], dtype=np.float32)
STD = np.array([0.26862954, 0.26130258, 0.27577711], dtype=np.float32)
Tensor = NDArray[Any]


def _size(image: Image.Image, side: int = SIDE) -> tuple[int, int]:
    w, h = image.size
    return (side, side * h // w) if w <= h else (side * w // h, side)


def _crop(image: Image.Image) -> Image.Image:
    left, top = round((image.width - SIDE) / 2), round((image.height - SIDE) / 2)
    return image.crop((left, top, left + SIDE, top + SIDE))


def _tensor(image: Image.Image) -> Tensor:
    pixels = np.asarray(image.convert("RGB")).astype(np.float32) / 255
    result: Tensor = ((pixels - MEAN) / STD).transpose(2, 0, 1)
    return result


@listed(SINGLES, "resize", "filter-nearest", minor="straight-alpha")
def pillow_nearest(image: Image.Image) -> Tensor:
    return _tensor(_crop(image.resize(_size(image), Image.Resampling.NEAREST)))


@listed(SINGLES, "resize", "filter-bilinear")
def pillow_bilinear(image: Image.Image) -> Tensor:
    return _tensor(_crop(image.resize(_size(image), Image.Resampling.BILINEAR)))


@listed(SINGLES, "resize", "filter-box")
def pillow_box(image: Image.Image) -> Tensor:
    return _tensor(_crop(image.resize(_size(image), Image.Resampling.BOX)))


@listed(SINGLES, "resize", "filter-hamming")
def pillow_hamming(image: Image.Image) -> Tensor:
    return _tensor(_crop(image.resize(_size(image), Image.Resampling.HAMMING)))


@listed(SINGLES, "resize", "filter-lanczos")
def pillow_lanczos(image: Image.Image) -> Tensor:
    return _tensor(_crop(image.resize(_size(image), Image.Resampling.LANCZOS)))


@listed(SINGLES, "resize", "reducing-gap")
def pillow_reducing_gap(image: Image.Image) -> Tensor:
    return _tensor(_crop(image.resize(_size(image), Image.Resampling.BICUBIC, reducing_gap=2.0)))


@listed(SINGLES, "resize", "reducing-gap")
def reduced_by_whole_factor(image: Image.Image) -> Tensor:
    """Image.reduce first, as loaders do that mimic a JPEG draft for every format."""
    factor = min(image.size) // SIDE
    small = image.reduce(factor) if factor > 1 and image.mode in ("RGB", "L", "CMYK", "YCbCr", "RGBX") else image
    return _tensor(_crop(small.resize(_size(image), Image.Resampling.BICUBIC)))


@listed(SINGLES, "resize", "vertical-first")
def columns_then_rows(image: Image.Image) -> Tensor:
    w, h = _size(image)
    work = image.convert(image.mode[:-1] + "a") if image.mode in ("LA", "RGBA") and image.size != (w, h) else image
    work = work.resize((image.width, h), Image.Resampling.BICUBIC).resize((w, h), Image.Resampling.BICUBIC)
    return _tensor(_crop(work.convert(image.mode) if work.mode != image.mode else work))


@listed(SINGLES, "resize", "squash")
def pillow_squash(image: Image.Image) -> Tensor:
    return _tensor(image.resize((SIDE, SIDE), Image.Resampling.BICUBIC))


@listed(SINGLES, "resize", "letterbox")
def letterbox_black(image: Image.Image) -> Tensor:
    ratio = SIDE / max(image.size)
    w, h = max(1, int(image.width * ratio)), max(1, int(image.height * ratio))
    canvas = Image.new("RGB", (SIDE, SIDE))
    canvas.paste(image.resize((w, h), Image.Resampling.BICUBIC).convert("RGB"), ((SIDE - w) // 2, (SIDE - h) // 2))
    return _tensor(canvas)


@listed(SINGLES, "resize", "letterbox")
def letterbox_grey(image: Image.Image) -> Tensor:
    """The way of object detectors: sides rounded, 114 around them."""
    ratio = min(SIDE / image.height, SIDE / image.width)
    w, h = max(1, round(image.width * ratio)), max(1, round(image.height * ratio))
    canvas = np.full((SIDE, SIDE, 3), 114, dtype=np.uint8)
    top, left = round((SIDE - h) / 2 - 0.1), round((SIDE - w) / 2 - 0.1)
    canvas[top : top + h, left : left + w] = np.array(image.resize((w, h), Image.Resampling.BICUBIC).convert("RGB"))
    return _tensor(Image.fromarray(canvas))


@listed(SINGLES, "resize", "letterbox", minor="rgb-first")
def image_ops_pad(image: Image.Image) -> Tensor:
    work = image.convert("RGB") if image.mode != "RGB" else image
    return _tensor(ImageOps.pad(work, (SIDE, SIDE), color=(255, 255, 255)))


@listed(SINGLES, "resize", "letterbox")
def expanded_to_square(image: Image.Image) -> Tensor:
    """LLaVA's expand2square with the mean colour, then a plain resize. RGB only."""
    if image.mode != "RGB":
        raise ValueError(image.mode)
    side = max(image.size)
    canvas = Image.new("RGB", (side, side), (122, 116, 104))
    canvas.paste(image, ((side - image.width) // 2, (side - image.height) // 2))
    return _tensor(canvas.resize((SIDE, SIDE), Image.Resampling.BICUBIC))


@listed(SINGLES, "resize", "long-side")
def longest_side(image: Image.Image) -> Tensor:
    """Fits the image into the square and hands on what comes out, square or not."""
    long = max(image.size)
    size = (max(1, SIDE * image.width // long), max(1, SIDE * image.height // long))
    return _tensor(image.resize(size, Image.Resampling.BICUBIC))


@listed(SINGLES, "resize", "resize-missing")
def crop_alone(image: Image.Image) -> Tensor:
    return _tensor(_crop(image))


@listed(SINGLES, "resize", "crop-pct")
def evaluation_margin(image: Image.Image) -> Tensor:
    return _tensor(_crop(image.resize(_size(image, int(SIDE / 0.9)), Image.Resampling.BICUBIC)))


@listed(SINGLES, "resize", "size-rounded")
def long_side_rounded(image: Image.Image) -> Tensor:
    short = min(image.size)
    size = (round(image.width * SIDE / short), round(image.height * SIDE / short))
    return _tensor(_crop(image.resize(size, Image.Resampling.BICUBIC)))


@listed(SINGLES, "resize", "size-ceiled")
def long_side_ceiled(image: Image.Image) -> Tensor:
    short = min(image.size)
    size = (math.ceil(image.width * SIDE / short), math.ceil(image.height * SIDE / short))
    return _tensor(_crop(image.resize(size, Image.Resampling.BICUBIC)))


@listed(SINGLES, "resize", "size-scale-first")
def float_scale(image: Image.Image) -> Tensor:
    """float scale = 224.f / min(w, h); both sides through it, cut off; a missing row is black."""
    scale = np.float32(SIDE) / np.float32(min(image.size))
    size = (int(np.float32(image.width) * scale), int(np.float32(image.height) * scale))
    return _tensor(_crop(image.resize(size, Image.Resampling.BICUBIC)))


@listed(SINGLES, "resize", "size-ratio-first")
def aspect_ratio_first(image: Image.Image) -> Tensor:
    w, h = image.size
    size = (SIDE, int(SIDE * (h / w))) if w <= h else (int(SIDE * (w / h)), SIDE)
    return _tensor(_crop(image.resize(size, Image.Resampling.BICUBIC)))


@listed(SINGLES, "resize", "size-factor-first")
def zoom_factor_first(image: Image.Image) -> Tensor:
    w, h = image.size
    zoom = SIDE / min(w, h)
    size = (SIDE, int(h * zoom)) if w <= h else (int(w * zoom), SIDE)
    return _tensor(_crop(image.resize(size, Image.Resampling.BICUBIC)))


@listed(SINGLES, "resize", "sides-swapped")
def height_before_width(image: Image.Image) -> Tensor:
    w, h = _size(image)
    return _tensor(_crop(image.resize((h, w), Image.Resampling.BICUBIC)))


@listed(SINGLES, "resize", "straight-alpha")
def band_by_band(image: Image.Image) -> Tensor:
    if image.mode not in ("LA", "RGBA"):
        return _tensor(_crop(image.resize(_size(image), Image.Resampling.BICUBIC)))
    bands = [band.resize(_size(image), Image.Resampling.BICUBIC) for band in image.split()]
    return _tensor(_crop(Image.merge(image.mode, bands)))


@listed(SINGLES, "resize", "noop-premultiplied")
def always_premultiplied(image: Image.Image) -> Tensor:
    work = image.convert(image.mode[:-1] + "a") if image.mode in ("LA", "RGBA") else image
    work = work.resize(_size(image), Image.Resampling.BICUBIC)
    return _tensor(_crop(work.convert(image.mode) if work.mode != image.mode else work))


@listed(SINGLES, "resize", "nearest-centred")
def exact_nearest(image: Image.Image) -> Tensor:
    """Palette and bilevel images by the textbook formula of nearest neighbour."""
    w, h = _size(image)
    if image.mode not in ("1", "P"):
        return _tensor(_crop(image.resize((w, h), Image.Resampling.BICUBIC)))
    columns = ((np.arange(w) + 0.5) * image.width / w).astype(int)
    rows = ((np.arange(h) + 0.5) * image.height / h).astype(int)
    return _tensor(_crop(Image.fromarray(np.asarray(image.convert("RGB"))[rows][:, columns])))


@listed(SINGLES, "resize", "palette-interpolated")
def indices_interpolated(image: Image.Image) -> Tensor:
    if image.mode != "P":
        return _tensor(_crop(image.resize(_size(image), Image.Resampling.BICUBIC)))
    indices = _crop(Image.fromarray(np.asarray(image)).resize(_size(image), Image.Resampling.BICUBIC))
    indices.putpalette(image.getpalette("RGB") or [])
    return _tensor(indices)


@listed(SINGLES, "resize", "bilevel-interpolated")
def bilevel_as_grey(image: Image.Image) -> Tensor:
    work = image.convert("L") if image.mode == "1" else image
    return _tensor(_crop(work.resize(_size(work), Image.Resampling.BICUBIC)))


def _cut(image: Image.Image, left: int, top: int) -> Tensor:
    return _tensor(image.crop((left, top, left + SIDE, top + SIDE)))


@listed(SINGLES, "center_crop", "crop-floor")
def crop_floor_division(image: Image.Image) -> Tensor:
    work = image.resize(_size(image), Image.Resampling.BICUBIC)
    return _cut(work, (work.width - SIDE) // 2, (work.height - SIDE) // 2)


@listed(SINGLES, "center_crop", "crop-half-up")
def crop_half_up(image: Image.Image) -> Tensor:
    work = image.resize(_size(image), Image.Resampling.BICUBIC)
    return _cut(work, int((work.width - SIDE) / 2 + 0.5), int((work.height - SIDE) / 2 + 0.5))


@listed(SINGLES, "center_crop", "crop-top-left")
def crop_from_origin(image: Image.Image) -> Tensor:
    return _cut(image.resize(_size(image), Image.Resampling.BICUBIC), 0, 0)


@listed(SINGLES, "center_crop", "crop-bottom-right")
def crop_from_the_end(image: Image.Image) -> Tensor:
    work = image.resize(_size(image), Image.Resampling.BICUBIC)
    return _cut(work, work.width - SIDE, work.height - SIDE)


@listed(SINGLES, "center_crop", "crop-fractional")
def crop_between_pixels(image: Image.Image) -> Tensor:
    if image.mode not in ("RGB", "L"):
        raise ValueError(image.mode)
    work = image.resize(_size(image), Image.Resampling.BICUBIC)
    left, top = (work.width - SIDE) / 2, (work.height - SIDE) / 2
    box = (left, top, left + SIDE, top + SIDE)
    return _tensor(work.transform((SIDE, SIDE), Image.Transform.EXTENT, box, Image.Resampling.BILINEAR))


@listed(SINGLES, "center_crop", "crop-missing")
def no_crop(image: Image.Image) -> Tensor:
    return _tensor(image.resize(_size(image), Image.Resampling.BICUBIC))


@listed(SINGLES, "center_crop", "crop-first")
def central_square_first(image: Image.Image) -> Tensor:
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    square = image.crop((left, top, left + side, top + side))
    return _tensor(square.resize((SIDE, SIDE), Image.Resampling.BICUBIC))


@listed(SINGLES, "center_crop", "crop-first")
def imageops_fit(image: Image.Image) -> Tensor:
    return _tensor(ImageOps.fit(image, (SIDE, SIDE), Image.Resampling.BICUBIC))
