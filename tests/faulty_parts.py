"""What the broken preprocessors are made of: filters, sample arithmetic, alpha and colour, all in float64."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Array = NDArray[Any]
Kernel = Callable[[Array], Array]
UNDER = {"white": 255, "black": 0, "grey": 128}


def cubic(a: float) -> Kernel:
    def kernel(t: Array) -> Array:
        t = np.abs(t)
        far = a * (((t - 5) * t + 8) * t - 4)
        return np.where(t < 1, ((a + 2) * t - (a + 3)) * t * t + 1, np.where(t < 2, far, 0.0))

    return kernel


def bc(b: float, c: float) -> Kernel:
    def kernel(t: Array) -> Array:
        t = np.abs(t)
        near = ((12 - 9 * b - 6 * c) * t**3 + (-18 + 12 * b + 6 * c) * t**2 + (6 - 2 * b)) / 6
        far = ((-b - 6 * c) * t**3 + (6 * b + 30 * c) * t**2 + (-12 * b - 48 * c) * t + (8 * b + 24 * c)) / 6
        return np.where(t < 1, near, np.where(t < 2, far, 0.0))

    return kernel


def magic(t: Array) -> Array:
    """Magic Kernel Sharp 2013, as its author gives it: the magic kernel, sharpened by its neighbours."""

    def soft(x: Array) -> Array:
        x = np.abs(x)
        return np.where(x <= 0.5, 0.75 - x * x, np.where(x <= 1.5, (x - 1.5) ** 2 / 2, 0))

    return 1.5 * soft(t) - 0.25 * (soft(t - 1) + soft(t + 1))


def spline(t: Array) -> Array:
    """The cardinal cubic spline."""
    # Here, or every process that runs a pipeline would wait for SciPy.
    from scipy.interpolate import CubicSpline

    return CubicSpline(np.arange(-24, 25), np.eye(49)[24])(t)


def lagrange(t: Array) -> Array:
    """The polynomial that is 1 at its own sample and 0 at the three others of the four nearest."""
    t = np.abs(t)
    own = [math.prod((t - other) / -other for other in others) for others in ((-1, 1, 2), (1, 2, 3))]
    return np.where(t < 1, own[0], np.where(t < 2, own[1], 0.0))


KERNELS: dict[str, tuple[Kernel, float]] = {
    "catmull-rom": (cubic(-0.5), 2),
    "a-0.75": (cubic(-0.75), 2),
    "a-0.7": (cubic(-0.7), 2),
    "a-0.6": (cubic(-0.6), 2),
    "hermite": (bc(0, 0), 2),
    "lagrange": (lagrange, 2),
    "mitchell": (bc(1 / 3, 1 / 3), 2),
    "bspline": (bc(1, 0), 2),
    "bilinear": (lambda t: np.maximum(1 - np.abs(t), 0), 1),
    "box": (lambda t: ((t > -0.5) & (t <= 0.5)).astype(float), 0.5),
    "hamming": (lambda t: np.where(np.abs(t) < 1, np.sinc(t) * (0.54 + 0.46 * np.cos(math.pi * t)), 0), 1),
    "magic": (magic, 2.5),
    "spline": (spline, 11),
    "lanczos": (lambda t: np.where(np.abs(t) < 3, np.sinc(t) * np.sinc(t / 3), 0), 3),
}


def rounded(x: Array, how: str, top: float) -> Array:
    """Sums as a pass stores them."""
    if math.isinf(top):
        return x.astype(np.float32).astype(float)
    bottom = -(2.0**31) if top > 65535 else 0.0
    if how == "none":
        return x
    if how == "clip":
        return np.clip(x, bottom, top)
    if how == "truncate":
        return np.clip(np.trunc(x), bottom, top)
    whole = np.where(x >= 0, np.floor(x + 0.5), -np.floor(-x + 0.5))
    return whole % 256 if how == "wrap" and top == 255 else np.clip(whole, bottom, top)


def gaussian(planes: Array, scale: tuple[float, float]) -> Array:
    for axis, factor in ((1, scale[0]), (0, scale[1])):
        sigma = max((factor - 1) / 2, 0)
        if sigma == 0:
            continue
        reach = min(int(4 * sigma + 0.5), 200)
        taps = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
        padded = np.pad(
            planes,
            [(reach, reach) if a == axis else (0, 0) for a in range(3)],
            mode="reflect" if planes.shape[axis] > reach else "edge",
        )
        total = np.zeros_like(planes)
        for i, w in enumerate(taps / taps.sum()):
            part = [slice(None)] * 3
            part[axis] = slice(i, i + planes.shape[axis])
            total += w * padded[tuple(part)]
        planes = total
    return planes


def shrunk(planes: Array, factors: tuple[int, int]) -> Array:
    """Means of whole blocks, (columns, rows) each; the last block of a row or column may be smaller."""
    means = []
    for factor, length in zip(factors, (planes.shape[1], planes.shape[0]), strict=True):
        blocks = np.arange(length) // factor
        matrix = (blocks == np.arange(blocks[-1] + 1)[:, None]).astype(float)
        means.append(matrix / matrix.sum(axis=1, keepdims=True))
    return np.floor(np.einsum("ox,py,yxb->pob", *means, planes, optimize=True) + 0.5)


def raw(image: Image.Image) -> Array:
    if image.mode == "1":
        return np.asarray(image).astype(float) * 255
    return np.asarray(image).astype(float) if image.mode not in ("P",) else np.asarray(image)


def premultiplied(data: Array) -> Array:
    out = data.copy()
    out[..., :-1] = np.floor(data[..., :-1] * data[..., -1:] / 255 + 0.5)
    return out


def unpremultiplied(data: Array) -> Array:
    data = np.clip(np.floor(data + 0.5), 0, 255)
    alpha = data[..., -1:]
    out = data.copy()
    divided = np.minimum(np.floor(data[..., :-1] * 255 / np.maximum(alpha, 1)), 255)
    out[..., :-1] = np.where((alpha == 0) | (alpha == 255), data[..., :-1], divided)
    return out


def to_rgb(image: Image.Image, how: str) -> Image.Image:
    if how in UNDER and (image.mode in ("LA", "RGBA") or "transparency" in image.info):
        under = Image.new("RGBA", image.size, (*(UNDER[how],) * 3, 255))
        return Image.alpha_composite(under, image.convert("RGBA")).convert("RGB")
    return image.convert("RGB")


def convert(plane: Array, image: Image.Image, how: str) -> Array:
    mode = image.mode
    if how == "grey" and mode == "P":
        return np.repeat(plane[..., None], 3, axis=2)
    if how == "bands" and mode in ("YCbCr", "HSV"):
        return plane[..., :3]
    if how == "premultiplied" and mode == "RGBa":
        return plane[..., :3]
    if how == "naive" and mode == "CMYK":
        return 255 - np.minimum(255, plane[..., :3] + plane[..., 3:])
    if how == "scaled" and mode.startswith("I"):
        return np.repeat(np.clip(plane // 256, 0, 255)[..., None], 3, axis=2)
    if how == "wrapped" and mode.startswith("I"):
        return np.repeat((plane % 256)[..., None], 3, axis=2)
    if how == "unscaled" and mode == "1":
        return np.repeat((plane == 255)[..., None], 3, axis=2).astype(float)
    if how == "luma":
        rgb = convert(plane, image, "")
        return np.repeat(np.floor((rgb * (299, 587, 114)).sum(axis=2, keepdims=True) / 1000 + 0.5), 3, axis=2)
    if mode in ("RGB", "RGBX"):
        return plane[..., :3]
    if mode in ("L", "1"):
        return np.repeat(plane[..., None], 3, axis=2)
    if mode == "F" or mode.startswith("I"):
        grey = np.trunc(plane) if mode == "F" else np.floor(plane + 0.5)
        return np.repeat(np.clip(grey, 0, 255)[..., None], 3, axis=2)
    whole = np.clip(np.floor(plane + 0.5), 0, 255).astype(np.uint8)
    same = Image.frombytes(mode, (plane.shape[1], plane.shape[0]), whole.tobytes())
    if mode == "P":
        same.putpalette(image.getpalette("RGB"))
    return np.asarray(same.convert("RGB")).astype(float)
