"""Resamplers in doubles, antialiased, each with one thing that its author did otherwise. RGB only."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .port import Port, listed

SINGLES: list[Port] = []

Tensor = NDArray[np.float32]
Array = NDArray[Any]


def _load(image: Image.Image) -> Array:
    if image.mode != "RGB":
        raise ValueError("RGB8 only")
    return np.asarray(image).astype(np.float64)


def _store(x: Array) -> Tensor:
    x = (x / 255.0).astype(np.float32)
    for c, (mean, std) in enumerate([(0.48145466, 0.26862954), (0.4578275, 0.26130258), (0.40821073, 0.27577711)]):
        x[..., c] = (x[..., c] - np.float32(mean)) / np.float32(std)
    return np.moveaxis(x, 2, 0).copy()


def _kept(n_out: int) -> Array:
    """The 224 outputs in the middle; the rest is never computed."""
    return round((n_out - 224) * 0.5) + np.arange(224)


def _catmull_rom(t: Array) -> Array:
    t = np.abs(t)
    near, far = 1.5 * t**3 - 2.5 * t**2 + 1, -0.5 * t**3 + 2.5 * t**2 - 4 * t + 2
    return np.where(t < 1, near, np.where(t < 2, far, 0.0))


def _window(n_in: int, n_out: int, centers: Array) -> tuple[Array, Array]:
    """Indices, also outside of the image, and raw weights, both [out, taps]."""
    stretch = max(n_in / n_out, 1.0)
    first = np.floor(centers - 2 * stretch + 0.5).astype(int)
    index = first[:, None] + np.arange(int(np.ceil(4 * stretch)) + 1)
    return index, _catmull_rom((index + 0.5 - centers[:, None]) / stretch)


def _gather(x: Array, index: Array, weights: Array) -> Array:
    out = np.zeros((len(index), *x.shape[1:]))
    for tap in range(index.shape[1]):
        out += x[index[:, tap]] * weights[:, tap, None, None]
    return out


def _half_pixel(n_in: int, n_out: int) -> Array:
    return (_kept(n_out) + 0.5) * (n_in / n_out)


def _cut_and_normalised(x: Array, n_out: int, centers: Array) -> Array:
    n_in = len(x)
    index, weights = _window(n_in, n_out, centers)
    weights = np.where((index >= 0) & (index < n_in), weights, 0.0)
    return _gather(x, index.clip(0, n_in - 1), weights / weights.sum(axis=1, keepdims=True))


def _sides(x: Array) -> tuple[int, int]:
    height, width = x.shape[:2]
    return (224 * height // width, 224) if width < height else (224, 224 * width // height)


def _to8(x: Array) -> Array:
    return np.floor(x + 0.5).clip(0, 255)


@listed(SINGLES, "resize", "float-between-passes")
def rounded_at_the_end(image: Image.Image) -> Tensor:
    x = _load(image)
    h, w = _sides(x)
    x = _cut_and_normalised(x.swapaxes(0, 1), w, _half_pixel(x.shape[1], w)).swapaxes(0, 1)
    return _store(_to8(_cut_and_normalised(x, h, _half_pixel(len(x), h))))


@listed(SINGLES, "resize", "vertical-first")
def rounded_columns_first(image: Image.Image) -> Tensor:
    x = _load(image)
    h, w = _sides(x)
    x = _to8(_cut_and_normalised(x, h, _half_pixel(len(x), h)))
    return _store(_to8(_cut_and_normalised(x.swapaxes(0, 1), w, _half_pixel(x.shape[1], w)).swapaxes(0, 1)))


@listed(SINGLES, "resize", "float-between-passes", minor="vertical-first")
def image_crate(image: Image.Image) -> Tensor:
    """Rust's image: columns first, floats between, rounded at the end. Without rounding the order hardly shows."""
    x = _load(image)
    h, w = _sides(x)
    x = _cut_and_normalised(x, h, _half_pixel(len(x), h))
    return _store(_to8(_cut_and_normalised(x.swapaxes(0, 1), w, _half_pixel(x.shape[1], w)).swapaxes(0, 1)))


def _both(x: Array, one: Any) -> Array:
    """Apply `one(samples, out)` to rows and then to columns, rounding after each; an axis that stays is cropped."""
    h, w = _sides(x)
    x = x[:, _kept(w)] if w == x.shape[1] else _to8(one(x.swapaxes(0, 1), w).swapaxes(0, 1))
    return x[_kept(h)] if h == len(x) else _to8(one(x, h))


@listed(SINGLES, "resize", "edge-replicated")
def index_clamped(image: Image.Image) -> Tensor:
    def one(x: Array, n_out: int) -> Array:
        index, weights = _window(len(x), n_out, _half_pixel(len(x), n_out))
        return _gather(x, index.clip(0, len(x) - 1), weights / weights.sum(axis=1, keepdims=True))

    return _store(_both(_load(image), one))


@listed(SINGLES, "resize", "edge-reflected")
def index_reflected(image: Image.Image) -> Tensor:
    """Edge sample repeated once, c b a | a b c, as often as the window needs."""

    def one(x: Array, n_out: int) -> Array:
        n_in = len(x)
        index, weights = _window(n_in, n_out, _half_pixel(n_in, n_out))
        index = index % (2 * n_in)
        index = np.where(index < n_in, index, 2 * n_in - 1 - index)
        return _gather(x, index, weights / weights.sum(axis=1, keepdims=True))

    return _store(_both(_load(image), one))


@listed(SINGLES, "resize", "edge-black")
def weights_not_renormalised(image: Image.Image) -> Tensor:
    def one(x: Array, n_out: int) -> Array:
        n_in = len(x)
        index, weights = _window(n_in, n_out, _half_pixel(n_in, n_out))
        weights = weights / weights.sum(axis=1, keepdims=True)
        return _gather(x, index.clip(0, n_in - 1), np.where((index >= 0) & (index < n_in), weights, 0.0))

    return _store(_both(_load(image), one))


@listed(SINGLES, "resize", "align-corners")
def corner_to_corner(image: Image.Image) -> Tensor:
    def one(x: Array, n_out: int) -> Array:
        centers = _kept(n_out) * ((len(x) - 1) / max(n_out - 1, 1)) + 0.5
        return _cut_and_normalised(x, n_out, centers)

    return _store(_both(_load(image), one))


@listed(SINGLES, "resize", "half-pixel-missing")
def offset_forgotten(image: Image.Image) -> Tensor:
    """Output x lies at input x * scale, both counted at their centres."""

    def one(x: Array, n_out: int) -> Array:
        return _cut_and_normalised(x, n_out, _kept(n_out) * (len(x) / n_out) + 0.5)

    return _store(_both(_load(image), one))


@listed(SINGLES, "resize", "upscale-shifted")
def corner_convention_upwards(image: Image.Image) -> Tensor:
    """Right when shrinking; when enlarging, output x begins where its pixel begins."""

    def one(x: Array, n_out: int) -> Array:
        scale = len(x) / n_out
        return _cut_and_normalised(x, n_out, (_kept(n_out) + (0.5 if scale >= 1 else 0.0)) * scale)

    return _store(_both(_load(image), one))


@listed(SINGLES, "resize", "linear-light", minor="float-between-passes")
def linear_light(image: Image.Image) -> Tensor:
    v = _load(image) / 255
    x = np.where(v <= 0.04045, v / 12.92, ((v + 0.055) / 1.055) ** 2.4)
    h, w = _sides(x)
    x = _cut_and_normalised(x.swapaxes(0, 1), w, _half_pixel(x.shape[1], w)).swapaxes(0, 1)
    x = _cut_and_normalised(x, h, _half_pixel(len(x), h)).clip(0, 1)
    return _store(_to8(255 * np.where(x <= 0.0031308, 12.92 * x, 1.055 * x ** (1 / 2.4) - 0.055)))


@listed(SINGLES, "resize", "samples-not-rounded", minor="float-between-passes")
def clamped_floats(image: Image.Image) -> Tensor:
    """clip.cpp: clamped to 0..255, never rounded."""
    x = _load(image)
    h, w = _sides(x)
    x = _cut_and_normalised(x.swapaxes(0, 1), w, _half_pixel(x.shape[1], w)).swapaxes(0, 1)
    return _store(_cut_and_normalised(x, h, _half_pixel(len(x), h)).clip(0, 255))
