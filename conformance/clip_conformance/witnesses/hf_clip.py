"""transformers' CLIPImageProcessor with the torchvision backend, configured as openai/clip-vit-* on the hub is."""

from typing import Any

import torchvision  # noqa: F401 - without it transformers falls back to the PIL backend
from transformers import CLIPImageProcessor

from clip_conformance.witnesses.hf_clip_pil import settings


def make(n_px: int) -> Any:
    """Return the candidate for n_px."""
    return CLIPImageProcessor(**settings(n_px))
