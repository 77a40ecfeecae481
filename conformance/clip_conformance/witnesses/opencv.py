"""OpenCV INTER_CUBIC: as most ports write it."""

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

import clip_spec


def make(n_px: int, interpolation: int = cv2.INTER_CUBIC) -> Callable[[Image.Image], NDArray[np.float32]]:
    """Return the candidate for n_px, with one of OpenCV's interpolations."""
    canon = clip_spec.canon()

    def preprocess(image: Image.Image) -> NDArray[np.float32]:
        pixels = np.asarray(image.convert("RGB"))
        height, width = pixels.shape[:2]
        short = min(width, height)
        size = (n_px * width // short, n_px * height // short)
        resized = cv2.resize(pixels, size, interpolation=interpolation)
        left, top = (round((side - n_px) / 2) for side in size)
        crop = resized[top : top + n_px, left : left + n_px].astype(np.float32) / np.float32(255)
        normal = (crop - np.array(canon.mean, np.float32)) / np.array(canon.std, np.float32)
        return np.ascontiguousarray(normal.transpose(2, 0, 1))

    return preprocess
