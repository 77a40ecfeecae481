"""The models whose input this preprocessing makes (MOD-1)."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

import clip_spec
from clip_reference.pipeline import preprocess
from clip_reference.source import ImageInput


def available_models() -> list[str]:
    """Return the names of OpenAI's nine models, as clip.available_models() does."""
    return [model.name for model in clip_spec.models()]


def input_resolution(model: str) -> int:
    """Return n_px of a model, for example 288 for "RN50x4".

    Raises:
        ValueError: no such model; names the ones there are.
    """
    for known in clip_spec.models():
        if known.name == model:
            return known.n_px
    raise ValueError(f"no model {model!r}; there are {', '.join(available_models())}")


def preprocessor(model: str) -> Callable[[ImageInput], NDArray[np.float32]]:
    """Return the function that clip.load returns beside the model: image to float32 [3, n_px, n_px]."""
    n_px = input_resolution(model)

    def preprocess_for_model(image: ImageInput) -> NDArray[np.float32]:
        return preprocess(image, n_px)

    preprocess_for_model.__doc__ = f"Return the input of {model} for one image, float32 [3, {n_px}, {n_px}]."
    return preprocess_for_model
