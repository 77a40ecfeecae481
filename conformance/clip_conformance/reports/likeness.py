"""PSNR and SSIM of a picture, for the reader: papers print them, and no verdict hangs on them."""

import base64
import io
import math
import zlib
from typing import Any

import numpy as np
from PIL import Image

from clip_conformance.records import Picture

# Pixels a side, as pictures are kept; a report may come from anybody.
_SIDE = 256


def likeness(picture: Picture) -> dict[str, float | None]:
    """Return `psnr` in dB and `ssim` of the part that a picture shows, on the scale 0..255.

    The candidate's samples are taken as they are, not rounded or clipped. Both are None where there is nothing to
    compare, or the picture cannot be read; `psnr` also where nothing differs.

    Source: skimage.metrics.structural_similarity with its own window, 7x7 and uniform.
    """
    try:
        return _measured(picture)
    except Exception:  # of Pillow, zlib, base64, NumPy: the page says that it cannot be shown
        return {"psnr": None, "ssim": None}


def _measured(picture: Picture) -> dict[str, Any]:
    file = Image.open(io.BytesIO(base64.b64decode(picture.expected)), formats=("PNG",))
    if not picture.error or max(file.size) > _SIDE or file.mode != "RGB":
        return {"psnr": None, "ssim": None}
    expected = np.asarray(file).astype(np.float64)
    steps = zlib.decompressobj().decompress(base64.b64decode(picture.error), 2 * expected.size)
    error = np.frombuffer(steps, "<i2").reshape(expected.shape) * picture.unit
    # 0.3 s, for a report with pictures alone.
    from skimage.metrics import structural_similarity

    mean = float(np.square(error).mean())
    ssim = float(structural_similarity(expected, expected + error, channel_axis=2, data_range=255.0))
    return {"psnr": round(10 * math.log10(255.0**2 / mean), 2) if mean else None, "ssim": round(ssim, 4)}
