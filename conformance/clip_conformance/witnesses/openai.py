"""The literal pipeline of openai/CLIP (clip.py, _transform), spelled out with torchvision.

The class of the conversion is a function there as here; the package itself is not needed.
"""

from typing import Any

from PIL import Image
from torchvision.transforms import CenterCrop, Compose, InterpolationMode, Normalize, Resize, ToTensor

import clip_spec


def _convert_image_to_rgb(image: Image.Image) -> Image.Image:
    return image.convert("RGB")


def make(n_px: int) -> Any:
    """Return the candidate for n_px."""
    canon = clip_spec.canon()
    return Compose(
        [
            Resize(n_px, interpolation=InterpolationMode.BICUBIC),
            CenterCrop(n_px),
            _convert_image_to_rgb,
            ToTensor(),
            Normalize(canon.mean, canon.std),
        ]
    )
