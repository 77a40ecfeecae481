"""CLIP's image preprocessing for photographs as people look at them."""

import numpy as np
from PIL import Image, ImageOps

MEAN = np.array([0.48145466, 0.4578275, 0.40821073], dtype=np.float32)
STD = np.array([0.26862954, 0.26130258, 0.27577711], dtype=np.float32)


def preprocess(image: Image.Image, n_px: int = 224) -> np.ndarray:
    """Return a picture as the model's input, float32 [3, n_px, n_px]."""
    # On purpose, see known.toml.
    image = ImageOps.exif_transpose(image)
    width, height = image.size
    size = (n_px, n_px * height // width) if width <= height else (n_px * width // height, n_px)
    image = image.resize(size, Image.Resampling.BICUBIC)
    left, top = (round((side - n_px) / 2) for side in image.size)
    image = image.crop((left, top, left + n_px, top + n_px)).convert("RGB")
    pixels = np.asarray(image, dtype=np.float32) / np.float32(255)
    return ((pixels - MEAN) / STD).transpose(2, 0, 1)
