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
        return samples[..., :3]
    if mode == "P":  # RGB-4
        assert palette is not None
        return palette[samples]
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
    if mode == "F":  # RGB-10
        if np.isnan(samples).any():
            raise Rejected("INP-5", "mode F holds a sample that is not a number")
        return np.clip(samples, 0.0, 255.0).astype(np.uint8)
    # RGB-2; RGB-9 and RGB-11: clipped, not scaled
    return np.clip(samples, 0, 255).astype(np.uint8)


def _from_cmyk(samples: NDArray[np.uint8]) -> RGB8:
    """RGB-6; Pillow `cmyk2rgb` in Convert.c."""
    white = 255 - samples[..., 3:].astype(np.int32)
    return np.clip(white - muldiv255(samples[..., :3], white), 0, 255).astype(np.uint8)


@functools.cache
def _ycbcr_table(coefficient: float) -> NDArray[np.int32]:
    """Products of a coefficient and the centred chroma, 6 fraction bits, truncated towards zero."""
    return np.trunc(coefficient * (np.arange(256) - 128) * 64 + 0.5).astype(np.int32)


def _from_ycbcr(samples: NDArray[np.uint8]) -> RGB8:
    """RGB-7; Pillow `ImagingConvertYCbCr2RGB` in ConvertYCbCr.c."""
    y, cb, cr = (samples[..., band].astype(np.int32) for band in range(3))
    y, cb, cr = y, cb.astype(np.intp), cr.astype(np.intp)
    red = y + (_ycbcr_table(1.40200)[cr] >> 6)
    green = y + ((_ycbcr_table(-0.34414)[cb] + _ycbcr_table(-0.71414)[cr]) >> 6)
    blue = y + (_ycbcr_table(1.77200)[cb] >> 6)
    return np.clip(np.stack([red, green, blue], axis=-1), 0, 255).astype(np.uint8)


def _from_hsv(samples: NDArray[np.uint8]) -> RGB8:
    """RGB-8; Pillow `hsv2rgb` in Convert.c, with its mix of float and double."""
    hue, saturation, value = (samples[..., band] for band in range(3))
    position = hue * 6.0 / 255.0
    sector = np.floor(position)
    fraction = (position - sector).astype(np.float32)
    fs = (saturation / 255.0).astype(np.float32)
    v = value.astype(np.float64)
    p = _round(v * (1.0 - fs.astype(np.float64)))
    q = _round(v * (1.0 - (fs * fraction).astype(np.float64)))
    t = _round(v * (1.0 - fs.astype(np.float64) * (1.0 - fraction.astype(np.float64))))
    orders = [(value, t, p), (q, value, p), (p, value, t), (p, q, value), (t, p, value), (value, p, q)]
    out = np.empty((*hue.shape, 3), dtype=np.uint8)
    index = sector.astype(np.int64) % 6
    for band in range(3):
        out[..., band] = np.choose(index, [order[band] for order in orders])
    return np.where((saturation == 0)[..., None], value[..., None], out)


def _round(x: NDArray[np.float64]) -> NDArray[np.uint8]:
    """C's round() of values >= 0, clipped to 8 bits."""
    return np.clip(np.floor(x + 0.5), 0, 255).astype(np.uint8)
