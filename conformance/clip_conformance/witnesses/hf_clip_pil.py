"""transformers' CLIPImageProcessorPil, configured as openai/clip-vit-* on the hub is."""

from typing import Any

from transformers import CLIPImageProcessorPil

import clip_spec


def settings(n_px: int) -> dict[str, Any]:
    """Return the settings of openai's preprocessor_config.json on the hub, for n_px."""
    canon = clip_spec.canon()
    return {
        "size": {"shortest_edge": n_px},
        "crop_size": {"height": n_px, "width": n_px},
        "resample": 3,
        "image_mean": list(canon.mean),
        "image_std": list(canon.std),
    }


def make(n_px: int) -> Any:
    """Return the candidate for n_px."""
    return CLIPImageProcessorPil(**settings(n_px))
