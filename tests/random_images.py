"""Seeded random images of every mode, and Pillow's samples read apart from the reference."""

import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

import clip_spec

_MODES = {mode.id: mode for mode in clip_spec.canon().modes}


def random_image(mode: str, width: int, height: int, seed: int) -> Image.Image:
    """Noise: even seeds take any value, odd seeds of 8-bit modes 0 and 255 alone, which overshoots most.

    16-bit samples keep both bytes in 80..176: no resize of them leaves 0..65535, in either byte order.
    """
    rng = np.random.default_rng([seed, width, height, zlib.crc32(mode.encode())])
    spec = _MODES[mode]
    shape = (height, width, spec.bands)
    size = (width, height)
    if mode == "1":
        return Image.frombytes("L", size, _bytes(rng, shape, saturated=True)).convert("1")
    if mode == "I":
        return Image.frombytes("I", size, rng.integers(-(10**9), 10**9, shape, dtype=np.int32).tobytes())
    if mode == "F":
        return Image.frombytes("F", size, rng.uniform(-300.0, 500.0, shape).astype("<f4").tobytes())
    if spec.dtype == "uint16":
        return Image.frombytes(mode, size, rng.integers(80, 177, (*shape, 2), dtype=np.uint8).tobytes())
    image = Image.frombytes(mode, size, _bytes(rng, shape, saturated=bool(seed % 2)))
    if mode == "P":
        image.putpalette(_bytes(rng, (256, 3), saturated=False))
    return image


def _bytes(rng: np.random.Generator, shape: tuple[int, ...], *, saturated: bool) -> bytes:
    if saturated:
        return (rng.integers(0, 2, shape, dtype=np.uint8) * np.uint8(255)).tobytes()
    return rng.integers(0, 256, shape, dtype=np.uint8).tobytes()


def as_samples(image: Image.Image) -> NDArray[Any]:
    """Return a Pillow image's samples in the layout of CNF-1, in native byte order."""
    if image.mode == "1":
        return np.asarray(image.convert("L"))
    array = np.asarray(image)
    return array.astype(array.dtype.newbyteorder("="))
