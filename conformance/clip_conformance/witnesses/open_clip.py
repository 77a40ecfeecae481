"""open_clip's own evaluation transform for its openai tag, made from its registry; no weights are loaded."""

from typing import Any

import open_clip
from open_clip.transform import PreprocessCfg, image_transform_v2, merge_preprocess_dict

import clip_spec


def make(n_px: int, *, model: str = "") -> Any:
    """Return the candidate for the named model, or for the first one of n_px."""
    name = model or next(known.open_clip for known in clip_spec.models() if known.n_px == n_px)
    registered = open_clip.get_pretrained_cfg(name, "openai")
    size = open_clip.get_model_config(name)["vision_cfg"]["image_size"]
    settings = {key: registered[key] for key in ("mean", "std", "interpolation", "resize_mode") if key in registered}
    config = PreprocessCfg(**merge_preprocess_dict({"size": size}, settings))
    return image_transform_v2(config, is_train=False)
