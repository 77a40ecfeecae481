"""Premultiplied alpha of LA and RGBA, in 8 bits (ALP-1, ALP-2)."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def muldiv255(a: NDArray[Any], b: NDArray[Any]) -> NDArray[np.int32]:
    """Return a * b / 255, rounded, for values in 0..255; int32, broadcast.

    Source: ALP-1; Pillow `MULDIV255` in ImagingUtils.h.
    """
    t: NDArray[np.int32] = a.astype(np.int32) * b + 128
    return ((t >> 8) + t) >> 8


def premultiply(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the colours multiplied by alpha, the last band, uint8 [..., bands] (ALP-1)."""
    out = pixels.copy()
    out[..., :-1] = muldiv255(pixels[..., :-1], pixels[..., -1:])
    return out


def unpremultiply(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the colours divided by alpha, truncated and clipped, uint8 [..., bands] (ALP-2).

    Where alpha is 0 or 255 the colours stay as they are.
    """
    alpha = pixels[..., -1:].astype(np.int32)
    divided = np.minimum(255 * pixels[..., :-1].astype(np.int32) // np.maximum(alpha, 1), 255)
    out = pixels.copy()
    out[..., :-1] = np.where((alpha == 0) | (alpha == 255), pixels[..., :-1], divided)
    return out
