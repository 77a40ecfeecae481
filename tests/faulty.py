"""Broken preprocessors, one for every known mistake past decoding: what the suite must catch.

They are written apart from the reference and from the diagnosis, in float64 with dense weight matrices, so that the
fixtures' claims, and what the diagnosis simulates, are checked against something else than the code that made them.
"""

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from faulty_parts import (
    KERNELS,
    Array,
    convert,
    gaussian,
    premultiplied,
    raw,
    rounded,
    shrunk,
    to_rgb,
    unpremultiplied,
)

MEAN = (0.48145466, 0.4578275, 0.40821073)
STD = (0.26862954, 0.26130258, 0.27577711)
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
HALF = ((0.5,) * 3, (0.5,) * 3)
# Two digits of the mean of blue exchanged.
MISTYPED = ((*MEAN[:2], 0.40281073), STD)


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
    gap: int = 0
    always: bool = False
    size: str = "floor"
    crop: str = "half-even"
    crop_first: bool = False
    scale_up: float = 1.0
    first: str = ""
    premultiply: str = "resized"
    nearest: str = "accumulated"
    palette: str = "nearest"
    bilevel: str = "nearest"
    convert: str = ""
    scale: float = 255.0
    offset: float = 0.0
    stats: Any = (MEAN, STD)
    order: str = "mean-std"
    times: int = 1
    channels: str = "rgb"
    layout: str = ""
    clip: float = math.inf
    dtype: str = "float32"

    def __call__(self, image: Image.Image, n_px: int = 224) -> NDArray[np.float32]:
        if self.first:
            image = to_rgb(image, self.first)
        if self.crop_first:
            side = min(image.size)
            left, top = (image.width - side) // 2, (image.height - side) // 2
            image = image.crop((left, top, left + side, top + side))
        plane = self.resize(image, round(n_px * self.scale_up))
        rgb = convert(plane, image, self.convert)
        if self.crop != "none" and self.size != "long":
            rgb = self.cut(self.cut(rgb, n_px).swapaxes(0, 1), n_px).swapaxes(0, 1)
        return self.floats(rgb)

    def out_size(self, w: int, h: int, n: int) -> tuple[int, int]:
        short, long = min(w, h), max(w, h)
        if self.size == "none":
            return w, h
        if self.size == "squash":
            return n, n
        if self.size in ("letterbox", "long"):
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
        indexed = {"P": self.palette, "1": self.bilevel}.get(image.mode) == "nearest"
        if indexed or self.kernel == "nearest":
            rows, columns = self.indices(image.height, size[1]), self.indices(image.width, size[0])
            return data[rows[:, None], columns]
        if image.mode in ("RGBA", "LA") and self.premultiply != "never":
            return unpremultiplied(self.filter(premultiplied(data), size, 255))
        top = {"I": 2**31 - 1, "F": math.inf}.get(image.mode, 65535 if image.mode.startswith("I;16") else 255)
        if image.mode in ("I;16B", "I;16N"):
            swapped = self.filter(data.astype(np.uint16).byteswap().astype(float), size, top)
            return np.clip(np.floor(swapped + 0.5), 0, 65535).astype(np.uint16).byteswap()
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
        extents = (float(planes.shape[1]), float(planes.shape[0]))
        # Deep samples have no transfer function.
        linear = self.linear and top == 255
        if linear:
            planes = (planes / 255) ** 2.2
        if self.blur:
            planes = gaussian(planes, (planes.shape[1] / size[0], planes.shape[0] / size[1]))
        if self.gap:
            by = [max(1, int(extent / out / self.gap)) for extent, out in zip(extents, size, strict=True)]
            if max(by) > 1:
                planes = shrunk(planes, (by[0], by[1]))
            extents = (extents[0] / by[0], extents[1] / by[1])
        for index, axis in enumerate(self.passes):
            horizontal = axis == "h"
            length, out = (planes.shape[1], size[0]) if horizontal else (planes.shape[0], size[1])
            if length == out and not self.always:
                continue
            weights = self.weights(length, out, extents[0 if horizontal else 1])
            spec = "ox,yxb->yob" if horizontal else "oy,yxb->oxb"
            planes = np.einsum(spec, weights, planes, optimize=True)
            if linear:
                continue
            planes = rounded(planes, self.middle if index == 0 else self.last, top)
        if linear:
            planes = rounded(np.clip(planes, 0, 1) ** (1 / 2.2) * 255, "round", 255)
        return planes.reshape(*planes.shape[:2], *data.shape[2:])

    def weights(self, length: int, out: int, extent: float) -> Array:
        """Weights [out, length]; the samples stand for an extent that a smaller last block leaves short of length."""
        kernel, radius = KERNELS[self.kernel]
        scale = extent / out
        stretch = max(scale, 1.0) if self.antialias else 1.0
        x = np.arange(out)
        center = (x + 0.5) * scale
        if self.centers == "corner":
            center = x * ((length - 1) / max(out - 1, 1)) + 0.5
        if self.centers == "origin":
            center = x * scale + 0.5
        if self.centers == "shifted-up" and out > length:
            center = x * scale
        half = radius * stretch
        reach = math.ceil(half) + 1
        matrix = np.zeros((out, length))
        base = np.floor(center).astype(int)
        sums = np.zeros(out)
        for tap in range(-reach - 1, reach + 2):
            at = base + tap
            # In the order and within the window of Pillow, for these decide where a box ends on a tie.
            w = kernel((at - center + 0.5) * (1 / stretch))
            w = np.where((at >= np.floor(center - half + 0.5)) & (at < np.floor(center + half + 0.5)), w, 0.0)
            sums += w
            inside = (at >= 0) & (at < length)
            if self.edge == "replicate":
                np.add.at(matrix, (x, np.clip(at, 0, length - 1)), w)
            elif self.edge == "reflect":
                while ((at < 0) | (at >= length)).any():
                    at = np.where(at < 0, -1 - at, at)
                    at = np.where(at >= length, 2 * length - 1 - at, at)
                np.add.at(matrix, (x, at), w)
            else:
                matrix[x[inside], at[inside]] += w[inside]
        return matrix / (sums[:, None] if self.edge == "black" else matrix.sum(axis=1, keepdims=True))

    def cut(self, rgb: Array, n: int) -> Array:
        """Rows cut to n, or padded with black on both sides, the odd one below."""
        margin = rgb.shape[0] - n
        if margin < 0:
            above = -margin // 2
            return np.pad(rgb, [(above, -margin - above), (0, 0), (0, 0)])
        if self.crop == "fractional" and margin % 2:
            pairs = rgb[margin // 2 :][: n + 1]
            return np.floor((pairs[1:] + pairs[:-1]) / 2 + 0.5)
        start = {
            "half-even": round(margin / 2),
            "floor": margin // 2,
            "half-up": math.floor((margin + 1) / 2),
            "top-left": 0,
            "bottom-right": margin,
            "fractional": margin // 2,
        }[self.crop]
        return rgb[start : start + n]

    def floats(self, rgb: Array) -> NDArray[np.float32]:
        rgb = rgb[..., ["rgb".index(name) for name in self.channels]]
        x = rgb.transpose(2, 0, 1) / self.scale + self.offset
        mean, std = (np.array(v).reshape(3, 1, 1) for v in self.stats)
        for _ in range(self.times):
            for step in self.order.split("-"):
                x = x - mean if step == "mean" else x / std
        x = np.clip(x, -self.clip, self.clip).astype(self.dtype)
        if self.layout == "transposed":
            x = x.transpose(0, 2, 1)
        if self.layout == "hwc":
            x = x.transpose(1, 2, 0)
        if self.layout in ("mirrored", "rotated"):
            x = x[..., ::-1]
        if self.layout in ("flipped", "rotated"):
            x = x[..., ::-1, :]
        return np.ascontiguousarray(x, dtype=np.float32)


CANON = Pipeline()

FAULTY: dict[str, Pipeline] = {
    "filter-nearest": replace(CANON, kernel="nearest", nearest="centred"),
    "filter-bilinear": replace(CANON, kernel="bilinear"),
    "filter-box": replace(CANON, kernel="box"),
    "filter-hamming": replace(CANON, kernel="hamming"),
    "filter-lanczos": replace(CANON, kernel="lanczos"),
    "filter-mitchell": replace(CANON, kernel="mitchell"),
    "filter-bspline": replace(CANON, kernel="bspline"),
    "filter-magic-kernel": replace(CANON, kernel="magic"),
    "filter-spline": replace(CANON, kernel="spline"),
    "filter-hermite": replace(CANON, kernel="hermite"),
    "filter-lagrange": replace(CANON, kernel="lagrange"),
    "cubic-a-0.75": replace(CANON, kernel="a-0.75"),
    "cubic-a-0.6": replace(CANON, kernel="a-0.6"),
    "cubic-a-other": replace(CANON, kernel="a-0.7"),
    "no-antialias": replace(CANON, antialias=False),
    "align-corners": replace(CANON, centers="corner", antialias=False),
    "half-pixel-missing": replace(CANON, centers="origin"),
    "upscale-shifted": replace(CANON, centers="shifted-up"),
    "vertical-first": replace(CANON, passes="vh"),
    "float-between-passes": replace(CANON, middle="none"),
    "truncated-samples": replace(CANON, middle="truncate", last="truncate"),
    "wrapped-samples": replace(CANON, middle="wrap", last="wrap"),
    "samples-not-rounded": replace(CANON, middle="clip", last="clip"),
    "overshoot-kept": replace(CANON, middle="none", last="none"),
    "linear-light": replace(CANON, linear=True),
    "edge-replicated": replace(CANON, edge="replicate"),
    "edge-reflected": replace(CANON, edge="reflect"),
    "edge-black": replace(CANON, edge="black"),
    "gaussian-prefilter": replace(CANON, blur=True, antialias=False),
    "reducing-gap": replace(CANON, gap=2),
    "noop-resampled": replace(CANON, always=True, kernel="mitchell"),
    "size-rounded": replace(CANON, size="round"),
    "size-ceiled": replace(CANON, size="ceil"),
    "size-scale-first": replace(CANON, size="scale-first"),
    "size-ratio-first": replace(CANON, size="ratio-first"),
    "size-factor-first": replace(CANON, size="factor-first"),
    "squash": replace(CANON, size="squash"),
    "letterbox": replace(CANON, size="letterbox"),
    "long-side": replace(CANON, size="long"),
    "resize-missing": replace(CANON, size="none"),
    "sides-swapped": replace(CANON, size="swap"),
    "crop-pct": replace(CANON, scale_up=1 / 0.9),
    "crop-first": replace(CANON, crop_first=True),
    "straight-alpha": replace(CANON, premultiply="never"),
    "noop-premultiplied": replace(CANON, premultiply="always"),
    "nearest-centred": replace(CANON, nearest="centred"),
    "palette-interpolated": replace(CANON, palette="interpolated"),
    "bilevel-interpolated": replace(CANON, bilevel="interpolated"),
    "crop-floor": replace(CANON, crop="floor"),
    "crop-half-up": replace(CANON, crop="half-up"),
    "crop-top-left": replace(CANON, crop="top-left"),
    "crop-bottom-right": replace(CANON, crop="bottom-right"),
    "crop-missing": replace(CANON, crop="none"),
    "crop-fractional": replace(CANON, crop="fractional"),
    "rgb-first": replace(CANON, first="plain"),
    "alpha-over-white": replace(CANON, first="white"),
    "alpha-over-black": replace(CANON, first="black"),
    "alpha-over-grey": replace(CANON, first="grey"),
    "palette-as-grey": replace(CANON, convert="grey"),
    "cmyk-naive": replace(CANON, convert="naive"),
    "bands-as-rgb": replace(CANON, convert="bands"),
    "deep-scaled": replace(CANON, convert="scaled"),
    "deep-wrapped": replace(CANON, convert="wrapped"),
    "premultiplied-kept": replace(CANON, convert="premultiplied"),
    "bilevel-unscaled": replace(CANON, convert="unscaled"),
    "grey": replace(CANON, convert="luma"),
    "channel-bgr": replace(CANON, channels="bgr"),
    "channels-permuted": replace(CANON, channels="rbg"),
    "scale-256": replace(CANON, scale=256.0),
    "scale-missing": replace(CANON, scale=1.0),
    "scale-twice": replace(CANON, scale=255.0 * 255.0),
    "scale-symmetric": replace(CANON, scale=127.5, offset=-1.0),
    "transposed": replace(CANON, layout="transposed"),
    "layout-hwc": replace(CANON, layout="hwc"),
    "mirrored": replace(CANON, layout="mirrored"),
    "flipped": replace(CANON, layout="flipped"),
    "rotated": replace(CANON, layout="rotated"),
    "normalize-missing": replace(CANON, times=0),
    "mean-missing": replace(CANON, order="std"),
    "std-missing": replace(CANON, order="mean"),
    "imagenet-constants": replace(CANON, stats=IMAGENET),
    "half-constants": replace(CANON, stats=HALF),
    "channel0-constants": replace(CANON, stats=((MEAN[0],) * 3, (STD[0],) * 3)),
    "std-shared": replace(CANON, stats=(MEAN, (STD[0],) * 3)),
    "constants-reversed": replace(CANON, stats=(MEAN[::-1], STD[::-1])),
    "constants-mistyped": replace(CANON, stats=MISTYPED),
    "mean-std-swapped": replace(CANON, stats=(STD, MEAN)),
    "normalize-twice": replace(CANON, times=2),
    "std-before-mean": replace(CANON, order="std-mean"),
    "half-precision": replace(CANON, dtype="float16"),
    "output-clipped": replace(CANON, clip=1.0),
}
