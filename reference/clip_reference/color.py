"""Every accepted mode to RGB, 8 bits a band (RGB-1 to RGB-11)."""

import functools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clip_reference.alpha import muldiv255, unpremultiply
from clip_reference.errors import Rejected

RGB8 = NDArray[np.uint8]


def convert_rgb(mode: str, samples: NDArray[Any], palette: NDArray[np.uint8] | None = None) -> RGB8:
    """Return samples of `mode` as RGB, uint8 [H, W, 3].

    Args:
        mode: one of the accepted modes (INP-3).
        samples: [H, W] or [H, W, bands] in the mode's dtype.
        palette: uint8 [256, 3], for mode P.

    Raises:
        Rejected: mode F with a sample that is not a number (INP-5).
    """
    if mode in ("RGB", "RGBX", "RGBA"):  # RGB-1, RGB-3
        rgb: RGB8 = samples[..., :3]
        return rgb
    if mode == "P":  # RGB-4
        assert palette is not None
        looked_up: RGB8 = palette[samples]
        return looked_up
    if mode == "RGBa":  # RGB-5
        return np.ascontiguousarray(unpremultiply(samples)[..., :3])
    if mode == "CMYK":
        return _from_cmyk(samples)
    if mode == "YCbCr":
        return _from_ycbcr(samples)
    if mode == "HSV":
        return _from_hsv(samples)
    return np.repeat(_grey(mode, samples)[..., None], 3, axis=-1)


def _grey(mode: str, samples: NDArray[Any]) -> NDArray[np.uint8]:
    if mode == "LA":  # RGB-3
        return np.ascontiguousarray(samples[..., 0], dtype=np.uint8)
    if mode == "F" and np.isnan(samples).any():
        raise Rejected("INP-5", "mode F holds a sample that is not a number")
    # RGB-2; RGB-9, RGB-10 and RGB-11: clipped and truncated, not scaled
    return _clipped(samples)


def _from_cmyk(samples: NDArray[np.uint8]) -> RGB8:
    """RGB-6; Pillow `cmyk2rgb` in Convert.c."""
    white = 255 - samples[..., 3:].astype(np.int32)
    return _clipped(white - muldiv255(samples[..., :3], white))


def _tdiv(a: NDArray[np.int64], b: int) -> NDArray[np.int64]:
    """Return a / b truncated towards zero."""
    quotient: NDArray[np.int64] = np.sign(a) * (np.abs(a) // b)
    return quotient


@functools.cache
def _chroma(coefficient: int) -> NDArray[np.int64]:
    """Return the products of a coefficient (in 1/100000) and the centred chroma, with 6 fraction bits, int64 [256]."""
    return _tdiv(coefficient * 64 * (np.arange(256) - 128) + 50000, 100000)


def _from_ycbcr(samples: NDArray[np.uint8]) -> RGB8:
    """RGB-7; Pillow `ImagingConvertYCbCr2RGB` in ConvertYCbCr.c."""
    y, cb, cr = samples[..., 0].astype(np.int64), samples[..., 1], samples[..., 2]
    red = y + (_chroma(140200)[cr] >> 6)
    green = y + ((_chroma(-34414)[cb] + _chroma(-71414)[cr]) >> 6)
    blue = y + (_chroma(177200)[cb] >> 6)
    return _clipped(np.stack([red, green, blue], axis=-1))


def _from_hsv(samples: NDArray[np.uint8]) -> RGB8:
    """RGB-8; Pillow `hsv2rgb` in Convert.c, which mixes float and double; the integers give the same."""
    h, s, v = (samples[..., band].astype(np.int64) for band in range(3))
    sector = 6 * h // 255
    g = 6 * h - 255 * sector
    p = _rdiv(v * (255 - s), 255)
    q = _rdiv(v * (65025 - s * g), 65025)
    t = _rdiv(v * (65025 - s * (255 - g)), 65025)
    orders = ((v, t, p), (q, v, p), (p, v, t), (p, q, v), (t, p, v), (v, p, q))
    bands = [np.choose(sector % 6, [order[band] for order in orders]) for band in range(3)]
    return _clipped(np.where((s == 0)[..., None], v[..., None], np.stack(bands, axis=-1)))


def _rdiv(a: NDArray[np.int64], b: int) -> NDArray[np.int64]:
    """Return a / b rounded to the nearest, for a >= 0."""
    quotient: NDArray[np.int64] = (2 * a + b) // (2 * b)
    return quotient


def _clipped(samples: NDArray[Any]) -> NDArray[np.uint8]:
    clipped: NDArray[np.uint8] = np.clip(samples, 0, 255).astype(np.uint8)
    return clipped
