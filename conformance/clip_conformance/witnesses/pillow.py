"""Pillow and NumPy, no torch: the canon as most people write it down."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

import clip_spec


class Pillow:
    """The five stages for one n_px, on Pillow images and float32 arrays."""

    def __init__(self, n_px: int) -> None:
        self._n_px = n_px

    def resize(self, image: Image.Image) -> Image.Image:
        """Resize the shorter side to n_px."""
        width, height, n = *image.size, self._n_px
        size = (n, int(n * height / width)) if width <= height else (int(n * width / height), n)
        return image.resize(size, Image.Resampling.BICUBIC)

    def center_crop(self, image: Image.Image) -> Image.Image:
        """Cut out the centre."""
        left, top = (round((side - self._n_px) / 2.0) for side in image.size)
        return image.crop((left, top, left + self._n_px, top + self._n_px))

    def convert_rgb(self, image: Image.Image) -> Image.Image:
        """Convert to RGB."""
        return image.convert("RGB")

    def to_tensor(self, image: Image.Image) -> NDArray[np.float32]:
        """Divide by 255, channels first."""
        array = np.asarray(image, dtype=np.float32) / np.float32(255)
        return np.ascontiguousarray(array.transpose(2, 0, 1))

    def normalize(self, tensor: NDArray[np.float32]) -> NDArray[np.float32]:
        """Subtract the mean, divide by the std."""
        canon = clip_spec.canon()
        mean, std = (np.array(v, dtype=np.float32).reshape(3, 1, 1) for v in (canon.mean, canon.std))
        return (tensor - mean) / std


def make(n_px: int) -> Pillow:
    """Return the candidate for n_px."""
    return Pillow(n_px)
