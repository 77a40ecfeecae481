"""torchvision v2 on uint8 tensors: the fast path that many data loaders take."""

from typing import Any

import torch
from PIL import Image
from torchvision.transforms import InterpolationMode, v2

import clip_spec


def _convert_image_to_rgb(image: Image.Image) -> Image.Image:
    return image.convert("RGB")


def make(n_px: int) -> Any:
    """Return the candidate for n_px."""
    canon = clip_spec.canon()
    return v2.Compose(
        [
            _convert_image_to_rgb,
            v2.PILToTensor(),
            v2.Resize(n_px, interpolation=InterpolationMode.BICUBIC, antialias=True),
            v2.CenterCrop(n_px),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(list(canon.mean), list(canon.std)),
        ]
    )
