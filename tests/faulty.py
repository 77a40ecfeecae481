"""Broken preprocessors, one for every known mistake past decoding: what the suite must catch.

They are written apart from the reference, in float64 with dense weight matrices, so that the fixtures' claims are
checked against something else than the code that made the goldens.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Array = NDArray[Any]
MEAN = (0.48145466, 0.4578275, 0.40821073)
STD = (0.26862954, 0.26130258, 0.27577711)
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
HALF = ((0.5,) * 3, (0.5,) * 3)


def cubic(a: float) -> Callable[[Array], Array]:
    def kernel(t: Array) -> Array:
        t = np.abs(t)
        far = a * (((t - 5) * t + 8) * t - 4)
        return np.where(t < 1, ((a + 2) * t - (a + 3)) * t * t + 1, np.where(t < 2, far, 0.0))

    return kernel


def bc(b: float, c: float) -> Callable[[Array], Array]:
    def kernel(t: Array) -> Array:
        t = np.abs(t)
        near = ((12 - 9 * b - 6 * c) * t**3 + (-18 + 12 * b + 6 * c) * t**2 + (6 - 2 * b)) / 6
        far = ((-b - 6 * c) * t**3 + (6 * b + 30 * c) * t**2 + (-12 * b - 48 * c) * t + (8 * b + 24 * c)) / 6
        return np.where(t < 1, near, np.where(t < 2, far, 0.0))

    return kernel


KERNELS: dict[str, tuple[Callable[[Array], Array], float]] = {
    "catmull-rom": (cubic(-0.5), 2),
    "a-0.75": (cubic(-0.75), 2),
    "a-0.6": (cubic(-0.6), 2),
    "mitchell": (bc(1 / 3, 1 / 3), 2),
    "bspline": (bc(1, 0), 2),
    "bilinear": (lambda t: np.maximum(1 - np.abs(t), 0), 1),
    "box": (lambda t: ((t > -0.5) & (t <= 0.5)).astype(float), 0.5),
    "hamming": (lambda t: np.where(np.abs(t) < 1, np.sinc(t) * (0.54 + 0.46 * np.cos(math.pi * t)), 0), 1),
    "lanczos": (lambda t: np.where(np.abs(t) < 3, np.sinc(t) * np.sinc(t / 3), 0), 3),
}


@dataclass(frozen=True)
class Pipeline:
    """A preprocessor as a set of choices; the defaults are the canon's."""

    kernel: str = "catmull-rom"
    antialias: bool = True
    centers: str = "half-pixel"
    edge: str = "cut"
    passes: str = "hv"
    middle: str = "round"
    last: str = "round"
    linear: bool = False
    blur: bool = False
    always: bool = False
    size: str = "floor"
    crop: str = "half-even"
    crop_first: bool = False
    scale_up: float = 1.0
    first: str = ""
    premultiply: str = "resized"
    nearest: str = "accumulated"
    palette: str = "nearest"
    convert: str = ""
    scale: float = 255.0
    stats: Any = (MEAN, STD)
    order: str = "mean-std"
    times: int = 1
    layout: str = ""

    def __call__(self, image: Image.Image, n_px: int = 224) -> NDArray[np.float32]:
        if self.first:
            image = to_rgb(image, self.first)
        if self.crop_first:
            side = min(image.size)
            left, top = (image.width - side) // 2, (image.height - side) // 2
            image = image.crop((left, top, left + side, top + side))
        plane = self.resize(image, round(n_px * self.scale_up))
        rgb = convert(plane, image, self.convert)
        rgb = self.cut(rgb, n_px)
        return self.floats(rgb)

    def out_size(self, w: int, h: int, n: int) -> tuple[int, int]:
        short, long = min(w, h), max(w, h)
        if self.size == "squash":
            return n, n
        if self.size == "letterbox":
            return max(1, w * n // long), max(1, h * n // long)
        if self.size == "scale-first":
            factor = np.float32(n) / np.float32(short)
            return max(1, int(np.float32(w) * factor)), max(1, int(np.float32(h) * factor))
        new = {
            "round": round(n * long / short),
            "ceil": math.ceil(n * long / short),
            "ratio-first": int(n * (long / short)),
            "factor-first": int(long * (n / short)),
        }.get(self.size, n * long // short)
        size = (n, new) if w <= h else (new, n)
        return (size[1], size[0]) if self.size == "swap" else size

    def resize(self, image: Image.Image, n: int) -> Array:
        size = self.out_size(*image.size, n)
        data = raw(image)
        if size == image.size and not self.always:
            if image.mode in ("RGBA", "LA") and self.premultiply == "always":
                return unpremultiplied(premultiplied(data))
            return data
        if image.mode in ("1", "P") and not (image.mode == "P" and self.palette == "interpolated"):
            rows, columns = self.indices(image.height, size[1]), self.indices(image.width, size[0])
            return data[rows[:, None], columns]
        if image.mode in ("RGBA", "LA") and self.premultiply != "never":
            return unpremultiplied(self.filter(premultiplied(data), size, 255))
        top = {"I": 2**31 - 1, "F": math.inf}.get(image.mode, 65535 if image.mode.startswith("I;16") else 255)
        if image.mode in ("I;16B", "I;16N"):
            return self.filter(data.astype(np.uint16).byteswap().astype(float), size, top).astype(np.uint16).byteswap()
        return self.filter(data, size, top)

    def indices(self, length: int, out: int) -> Array:
        scale = length / out
        if self.nearest == "centred":
            return np.minimum(((np.arange(out) + 0.5) * scale).astype(int), length - 1)
        steps = np.full(out, scale)
        steps[0] = scale / 2
        return np.add.accumulate(steps).astype(int)

    def filter(self, data: Array, size: tuple[int, int], top: float) -> Array:
        planes = data.astype(float).reshape(*data.shape[:2], -1)
        if self.linear:
            planes = (planes / 255) ** 2.2
        if self.blur:
            planes = gaussian(planes, (planes.shape[1] / size[0], planes.shape[0] / size[1]))
        for index, axis in enumerate(self.passes):
            horizontal = axis == "h"
            length, out = (planes.shape[1], size[0]) if horizontal else (planes.shape[0], size[1])
            if length == out and not self.always:
                continue
            weights = self.weights(length, out)
            spec = "ox,yxb->yob" if horizontal else "oy,yxb->oxb"
            planes = np.einsum(spec, weights, planes, optimize=True)
            if self.linear:
                continue
            planes = rounded(planes, self.middle if index == 0 else self.last, top)
        if self.linear:
            planes = rounded(np.clip(planes, 0, 1) ** (1 / 2.2) * 255, "round", 255)
        return planes.reshape(*planes.shape[:2], *data.shape[2:])

    def weights(self, length: int, out: int) -> Array:
        if self.kernel == "nearest":
            return np.eye(length)[np.minimum(((np.arange(out) + 0.5) * length / out).astype(int), length - 1)]
        kernel, radius = KERNELS[self.kernel]
        scale = length / out
        stretch = max(scale, 1.0) if self.antialias else 1.0
        x = np.arange(out)
        center = (x + 0.5) * scale
        if self.centers == "corner":
            center = x * ((length - 1) / max(out - 1, 1)) + 0.5
        if self.centers == "origin":
            center = x * scale + 0.5
        reach = math.ceil(radius * stretch) + 1
        matrix = np.zeros((out, length))
        base = np.floor(center).astype(int)
        for tap in range(-reach - 1, reach + 2):
            at = base + tap
            w = kernel((at + 0.5 - center) / stretch)
            inside = (at >= 0) & (at < length)
            if self.edge == "replicate":
                np.add.at(matrix, (x, np.clip(at, 0, length - 1)), w)
            else:
                matrix[x[inside], at[inside]] += w[inside]
        return matrix / matrix.sum(axis=1, keepdims=True)

    def cut(self, rgb: Array, n: int) -> Array:
        h, w = rgb.shape[:2]
        if self.size == "letterbox":
            out = np.zeros((n, n, 3))
            left, top = (n - w) // 2, (n - h) // 2
            out[top : top + h, left : left + w] = rgb
            return out
        out = np.zeros((n, n, 3))
        left, top = self.offset(w, n), self.offset(h, n)
        part = rgb[max(top, 0) : top + n, max(left, 0) : left + n]
        out[: part.shape[0], : part.shape[1]] = part
        return out

    def offset(self, length: int, n: int) -> int:
        margin = length - n
        return {
            "half-even": round(margin / 2),
            "floor": margin // 2,
            "half-up": math.floor((margin + 1) / 2),
            "top-left": 0,
        }[self.crop]

    def floats(self, rgb: Array) -> NDArray[np.float32]:
        if self.layout == "bgr":
            rgb = rgb[..., ::-1]
        x = rgb.transpose(2, 0, 1) / self.scale
        mean, std = (np.array(v).reshape(3, 1, 1) for v in self.stats)
        for _ in range(self.times):
            x = x / std - mean if self.order == "std-mean" else (x - mean) / std
        if self.layout == "transposed":
            x = x.transpose(0, 2, 1)
        if self.layout == "hwc":
            x = x.transpose(1, 2, 0)
        return np.ascontiguousarray(x, dtype=np.float32)


def rounded(x: Array, how: str, top: float) -> Array:
    if math.isinf(top):
        return x.astype(np.float32).astype(float)
    bottom = -(2.0**31) if top > 65535 else 0.0
    if how == "none":
        return x
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


def raw(image: Image.Image) -> Array:
    if image.mode == "1":
        return np.asarray(image).astype(float) * 255
    return np.asarray(image).astype(float) if image.mode not in ("P",) else np.asarray(image)


def premultiplied(data: Array) -> Array:
    out = data.copy()
    out[..., :-1] = np.floor(data[..., :-1] * data[..., -1:] / 255 + 0.5)
    return out


def unpremultiplied(data: Array) -> Array:
    alpha = data[..., -1:]
    out = data.copy()
    divided = np.minimum(np.floor(data[..., :-1] * 255 / np.maximum(alpha, 1)), 255)
    out[..., :-1] = np.where((alpha == 0) | (alpha == 255), data[..., :-1], divided)
    return out


def to_rgb(image: Image.Image, how: str) -> Image.Image:
    if how in ("white", "black") and (image.mode in ("LA", "RGBA") or "transparency" in image.info):
        under = Image.new("RGBA", image.size, (255, 255, 255, 255) if how == "white" else (0, 0, 0, 255))
        return Image.alpha_composite(under, image.convert("RGBA")).convert("RGB")
    if how == "scaled" and image.mode.startswith("I"):
        return Image.fromarray((np.asarray(image).astype(np.int64) >> 8).clip(0, 255).astype(np.uint8)).convert("RGB")
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
        return np.repeat((plane.astype(np.int64) >> 8).clip(0, 255)[..., None], 3, axis=2)
    if mode == "RGB":
        return plane
    if mode in ("I;16", "I;16L", "I;16B", "I;16N", "I", "F", "L", "1"):
        return np.repeat(np.trunc(np.clip(plane, 0, 255))[..., None], 3, axis=2)
    same = Image.frombytes(mode, (plane.shape[1], plane.shape[0]), np.clip(plane, 0, 255).astype(np.uint8).tobytes())
    if mode == "P":
        same.putpalette(image.getpalette("RGB"))
    return np.asarray(same.convert("RGB")).astype(float)


CANON = Pipeline()

FAULTY: dict[str, Pipeline] = {
    "filter-nearest": replace(CANON, kernel="nearest"),
    "filter-bilinear": replace(CANON, kernel="bilinear"),
    "filter-box": replace(CANON, kernel="box"),
    "filter-hamming": replace(CANON, kernel="hamming"),
    "filter-lanczos": replace(CANON, kernel="lanczos"),
    "filter-mitchell": replace(CANON, kernel="mitchell"),
    "filter-bspline": replace(CANON, kernel="bspline"),
    "cubic-a-0.75": replace(CANON, kernel="a-0.75"),
    "cubic-a-0.6": replace(CANON, kernel="a-0.6"),
    "no-antialias": replace(CANON, antialias=False),
    "align-corners": replace(CANON, centers="corner", antialias=False),
    "half-pixel-missing": replace(CANON, centers="origin"),
    "vertical-first": replace(CANON, passes="vh"),
    "float-between-passes": replace(CANON, middle="none"),
    "truncated-samples": replace(CANON, middle="truncate", last="truncate"),
    "wrapped-samples": replace(CANON, middle="wrap", last="wrap"),
    "linear-light": replace(CANON, linear=True),
    "edge-replicated": replace(CANON, edge="replicate"),
    "gaussian-prefilter": replace(CANON, blur=True, antialias=False),
    "noop-resampled": replace(CANON, always=True, kernel="mitchell"),
    "size-rounded": replace(CANON, size="round"),
    "size-ceiled": replace(CANON, size="ceil"),
    "size-scale-first": replace(CANON, size="scale-first"),
    "size-ratio-first": replace(CANON, size="ratio-first"),
    "size-factor-first": replace(CANON, size="factor-first"),
    "squash": replace(CANON, size="squash"),
    "letterbox": replace(CANON, size="letterbox"),
    "sides-swapped": replace(CANON, size="swap"),
    "crop-pct": replace(CANON, scale_up=1 / 0.9),
    "crop-first": replace(CANON, crop_first=True),
    "straight-alpha": replace(CANON, premultiply="never"),
    "noop-premultiplied": replace(CANON, premultiply="always"),
    "nearest-centred": replace(CANON, nearest="centred"),
    "palette-interpolated": replace(CANON, palette="interpolated"),
    "crop-floor": replace(CANON, crop="floor"),
    "crop-half-up": replace(CANON, crop="half-up"),
    "crop-top-left": replace(CANON, crop="top-left"),
    "rgb-first": replace(CANON, first="plain"),
    "alpha-over-white": replace(CANON, first="white"),
    "alpha-over-black": replace(CANON, first="black"),
    "palette-as-grey": replace(CANON, convert="grey"),
    "cmyk-naive": replace(CANON, convert="naive"),
    "bands-as-rgb": replace(CANON, convert="bands"),
    "deep-scaled": replace(CANON, convert="scaled"),
    "premultiplied-kept": replace(CANON, convert="premultiplied"),
    "channel-bgr": replace(CANON, layout="bgr"),
    "scale-256": replace(CANON, scale=256.0),
    "scale-missing": replace(CANON, scale=1.0),
    "scale-twice": replace(CANON, scale=255.0 * 255.0),
    "transposed": replace(CANON, layout="transposed"),
    "layout-hwc": replace(CANON, layout="hwc"),
    "normalize-missing": replace(CANON, times=0),
    "imagenet-constants": replace(CANON, stats=IMAGENET),
    "half-constants": replace(CANON, stats=HALF),
    "channel0-constants": replace(CANON, stats=((MEAN[0],) * 3, (STD[0],) * 3)),
    "mean-std-swapped": replace(CANON, stats=(STD, MEAN)),
    "normalize-twice": replace(CANON, times=2),
    "std-before-mean": replace(CANON, order="std-mean"),
}
