"""scikit-image's resize, order 3 with antialiasing: a Gaussian and a cubic B-spline."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from skimage.transform import resize

import clip_spec


def make(n_px: int) -> Callable[[Image.Image], NDArray[np.float32]]:
    """Return the candidate for n_px."""
    canon = clip_spec.canon()

    def preprocess(image: Image.Image) -> NDArray[np.float32]:
        pixels = np.asarray(image.convert("RGB"))
        height, width = pixels.shape[:2]
        short = min(width, height)
        shape = (n_px * height // short, n_px * width // short)
        resized = resize(pixels, shape, order=3, anti_aliasing=True, preserve_range=True).clip(0, 255)
        top, left = (round((side - n_px) / 2) for side in shape)
        crop = np.rint(resized[top : top + n_px, left : left + n_px]) / 255
        normal = (crop - np.array(canon.mean)) / np.array(canon.std)
        return np.ascontiguousarray(normal.transpose(2, 0, 1), dtype=np.float32)

    return preprocess
