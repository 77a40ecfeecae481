"""Resamplers as people write them in C++, Rust or Go, vectorised. They take RGB and refuse other modes.

Three authors: one ported Pillow's fixed point, one gathers in doubles, one knows only four taps.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .port import Port, listed

SINGLES: list[Port] = []

N = 224
kMean = np.array([0.48145466, 0.4578275, 0.40821073], np.float32)  # noqa: N816
kStd = np.array([0.26862954, 0.26130258, 0.27577711], np.float32)  # noqa: N816
Tensor = NDArray[np.float32]
Array = Any
Kernel = Callable[[float], float]


def _read(image: Image.Image) -> Array:
    if image.mode != "RGB":
        raise ValueError(f"3 channels expected, {image.mode} given")
    return np.array(image)


def _new_size(width: int, height: int) -> tuple[int, int]:
    return (N, N * height // width) if width < height else (N * width // height, N)


def _first_kept(length: int) -> int:
    """Where the central crop begins, half to even."""
    d = length - N
    return d // 2 + ((d // 2) & 1) * (d & 1)


def _write(crop: Array) -> Tensor:
    """Normalise 224 x 224 x 3 in 0..255."""
    crop = crop.astype(np.float32)
    return np.ascontiguousarray(((crop / np.float32(255) - kMean) / kStd).transpose(2, 0, 1))


# The port of Resample.c.


def cubic(a: float) -> Kernel:
    def f(x: float) -> float:
        x = abs(x)
        if x < 1.0:
            return ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0
        return (((x - 5.0) * x + 8.0) * x - 4.0) * a if x < 2.0 else 0.0

    return f


def mitchell_netravali(b: float, c: float) -> Kernel:
    def f(x: float) -> float:
        x = abs(x)
        if x < 1.0:
            return ((12 - 9 * b - 6 * c) * x**3 + (-18 + 12 * b + 6 * c) * x**2 + (6 - 2 * b)) / 6
        if x < 2.0:
            return ((-b - 6 * c) * x**3 + (6 * b + 30 * c) * x**2 + (-12 * b - 48 * c) * x + 8 * b + 24 * c) / 6
        return 0.0

    return f


def _coefficients(n_in: int, n_out: int, kernel: Kernel) -> tuple[Array, Array]:
    """First index [N] and integer weights [N, taps] of the output samples that the crop keeps."""
    scale = n_in / n_out
    stretch = max(scale, 1.0)
    support = 2.0 * stretch
    bounds = np.zeros(N, dtype=int)
    weights = np.zeros((N, math.ceil(support) * 2 + 1), dtype=np.int64)
    for out in range(N):
        center = (out + _first_kept(n_out) + 0.5) * scale
        first = max(int(center - support + 0.5), 0)
        count = min(int(center + support + 0.5), n_in) - first
        k = [kernel((first + tap - center + 0.5) * (1.0 / stretch)) for tap in range(count)]
        total = math.fsum(k)
        bounds[out] = first
        weights[out, :count] = [int(v / total * (1 << 22) + (-0.5 if v < 0 else 0.5)) for v in k]
    return bounds, weights


Clip8 = Callable[[Array], Array]


def clip8(sums: Array) -> Array:
    return np.clip((sums + (1 << 21)) >> 22, 0, 255)


def _rows(pixels: Array, n_out: int, kernel: Kernel, clip: Clip8) -> Array:
    """Resample along axis 0 what the crop keeps."""
    if n_out == pixels.shape[0]:
        return pixels[_first_kept(n_out) :][:N]
    bounds, weights = _coefficients(pixels.shape[0], n_out, kernel)
    sums = np.zeros((N, *pixels.shape[1:]), dtype=np.int64)
    for tap in range(weights.shape[1]):
        at = np.minimum(bounds + tap, pixels.shape[0] - 1)
        sums += pixels[at].astype(np.int64) * weights[:, tap, None, None]
    return clip(sums)


def resample(pixels: Array, kernel: Kernel, clip: Clip8 = clip8) -> Array:
    w, h = _new_size(pixels.shape[1], pixels.shape[0])
    return _rows(_rows(pixels.swapaxes(0, 1), w, kernel, clip).swapaxes(0, 1), h, kernel, clip)


@listed(SINGLES, "resize", "cubic-a-0.75")
def opencv_constant(image: Image.Image) -> Tensor:
    return _write(resample(_read(image), cubic(-0.75)))


@listed(SINGLES, "resize", "cubic-a-0.6")
def swscale_constant(image: Image.Image) -> Tensor:
    return _write(resample(_read(image), cubic(-0.6)))


@listed(SINGLES, "resize", "filter-mitchell")
def stb_default(image: Image.Image) -> Tensor:
    return _write(resample(_read(image), mitchell_netravali(1 / 3, 1 / 3)))


@listed(SINGLES, "resize", "filter-mitchell")
def stb_by_direction(image: Image.Image) -> Tensor:
    """stb_image_resize: Mitchell to shrink, Catmull-Rom to enlarge."""
    shrinks = min(image.size) > N
    return _write(resample(_read(image), mitchell_netravali(1 / 3, 1 / 3) if shrinks else cubic(-0.5)))


@listed(SINGLES, "resize", "filter-bspline")
def magick_cubic(image: Image.Image) -> Tensor:
    return _write(resample(_read(image), mitchell_netravali(1.0, 0.0)))


@listed(SINGLES, "resize", "filter-hermite")
def parameters_cut_to_zero(image: Image.Image) -> Tensor:
    """swscale's param1=0.5 read as an integer."""
    return _write(resample(_read(image), mitchell_netravali(0.0, 0.0)))


@listed(SINGLES, "resize", "filter-lanczos")
def lanczos_2(image: Image.Image) -> Tensor:
    """Two lobes, which come close to the cubic kernel."""
    return _write(resample(_read(image), lambda x: float(np.sinc(x) * np.sinc(x / 2)) if abs(x) < 2 else 0.0))


@listed(SINGLES, "resize", "truncated-samples")
def half_forgotten(image: Image.Image) -> Tensor:
    return _write(resample(_read(image), cubic(-0.5), lambda sums: np.clip(sums >> 22, 0, 255)))


@listed(SINGLES, "resize", "wrapped-samples")
def clip_forgotten(image: Image.Image) -> Tensor:
    return _write(resample(_read(image), cubic(-0.5), lambda sums: (sums + (1 << 21) >> 22) & 255))
