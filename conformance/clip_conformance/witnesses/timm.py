"""timm's own evaluation transform for its openai tag, made from its registry; no weights are loaded."""

from typing import Any

from timm.data import create_transform, resolve_data_config
from timm.models import get_pretrained_cfg

_MODELS = {
    224: "vit_base_patch32_clip_224.openai",
    288: "resnet50x4_clip.openai",
    336: "vit_large_patch14_clip_336.openai",
    384: "resnet50x16_clip.openai",
    448: "resnet50x64_clip.openai",
}


def make(n_px: int) -> Any:
    """Return the candidate for the first model of n_px in timm's registry."""
    registered = get_pretrained_cfg(_MODELS[n_px])
    if registered is None:
        raise LookupError(f"timm does not know {_MODELS[n_px]}")
    return create_transform(**resolve_data_config(pretrained_cfg=registered.to_dict()))
