"""Mistakes that the bank does not name: a diagnosis may say where they are, never claim to have reproduced them."""

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageFilter, ImageOps

from .port import Port, listed

UNKNOWN: list[Port] = []

MEAN = np.array([0.48145466, 0.4578275, 0.40821073], dtype=np.float32)
STD = np.array([0.26862954, 0.26130258, 0.27577711], dtype=np.float32)
Tensor = NDArray[Any]


def _square(image: Image.Image) -> Image.Image:
    w, h = image.size
    image = image.resize((224 * w // min(w, h), 224 * h // min(w, h)), Image.Resampling.BICUBIC)
    left, top = round((image.width - 224) / 2), round((image.height - 224) / 2)
    return image.crop((left, top, left + 224, top + 224)).convert("RGB")


def _tensor(image: Image.Image) -> Tensor:
    x = (np.array(image).astype(np.float32) / 255 - MEAN) / STD
    return np.ascontiguousarray(x.transpose(2, 0, 1))


@listed(UNKNOWN, "convert_rgb", beyond="the contrast is stretched")
def contrast_stretched(image: Image.Image) -> Tensor:
    return _tensor(ImageOps.autocontrast(_square(image)))


@listed(UNKNOWN, "convert_rgb", beyond="re-encoded as a JPEG of quality 60")
def stored_as_jpeg(image: Image.Image) -> Tensor:
    buffer = io.BytesIO()
    _square(image).save(buffer, "JPEG", quality=60)
    return _tensor(Image.open(buffer))


@listed(UNKNOWN, "convert_rgb", beyond="sharpened")
def sharpened(image: Image.Image) -> Tensor:
    return _tensor(_square(image).filter(ImageFilter.UnsharpMask(radius=1.5, percent=80, threshold=2)))


@listed(UNKNOWN, "convert_rgb", beyond="warped like a lens")
def lens_warped(image: Image.Image) -> Tensor:
    pixels = np.array(_square(image))
    y, x = np.mgrid[:224, :224].astype(np.float64) - 111.5
    bend = 1 + 0.08 * (x * x + y * y) / 111.5**2 * np.cos(3 * np.arctan2(y, x))
    rows = np.rint(y * bend + 111.5).clip(0, 223).astype(int)
    columns = np.rint(x * bend + 111.5).clip(0, 223).astype(int)
    return _tensor(Image.fromarray(pixels[rows, columns]))


@listed(UNKNOWN, "center_crop", beyond="the crop lies where the picture is busiest")
def busiest_crop(image: Image.Image) -> Tensor:
    w, h = image.size
    work = image.resize((224 * w // min(w, h), 224 * h // min(w, h)), Image.Resampling.BICUBIC).convert("RGB")
    axis = 1 if work.width > work.height else 0
    edges = np.abs(np.diff(np.array(work.convert("L")).astype(float), axis=axis)).sum(axis=1 - axis)
    total = np.concatenate([[0.0], np.cumsum(edges)])
    start = int(np.argmax(total[223:] - total[:-223])) if len(total) > 223 else 0
    left, top = (start, 0) if axis else (0, start)
    return _tensor(work.crop((left, top, left + 224, top + 224)))


@listed(UNKNOWN, "convert_rgb", beyond="colours are saturated by half as much again")
def vivid(image: Image.Image) -> Tensor:
    return _tensor(ImageEnhance.Color(_square(image)).enhance(1.5))


@listed(UNKNOWN, "normalize", beyond="each picture by its own mean and deviation")
def standardised_by_itself(image: Image.Image) -> Any:
    x = np.array(_square(image)).astype(np.float32).transpose(2, 0, 1) / 255
    return (x - x.mean(axis=(1, 2), keepdims=True)) / (x.std(axis=(1, 2), keepdims=True) + np.float32(1e-6))


@listed(UNKNOWN, "convert_rgb", beyond="reduced to a palette of 216 colours with dithering")
def web_palette(image: Image.Image) -> Tensor:
    return _tensor(_square(image).convert("P", palette=Image.Palette.WEB).convert("RGB"))
