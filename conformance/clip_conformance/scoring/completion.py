"""What a candidate that ends early would end in: its last output, carried on by the canon."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

import clip_spec
from clip_reference import Rejected, Stages
from clip_reference.color import convert_rgb
from clip_reference.geometry import crop_box
from clip_reference.tensor import normalize, to_tensor
from clip_spec import StageId


def completed(stage: StageId, output: NDArray[Any], canon: Stages, n_px: int) -> NDArray[Any] | None:
    """Return the final tensor that the canon makes of a stage's output, None where it makes none.

    Args:
        stage: the last stage that the candidate shows.
        output: what it gave, as an array of that stage.
        canon: the reference's stages of the same image, whose mode and palette the output has.
        n_px: the side of the model's input.
    """
    after = clip_spec.stage_ids()[clip_spec.stage_ids().index(stage) + 1 :]
    wanted = getattr(canon, stage)
    samples = stage not in ("to_tensor", "normalize")
    if samples and (output.dtype != wanted.dtype or output.shape[2:] != wanted.shape[2:]):
        return None
    if not samples and output.ndim != 3:
        return None
    image = output
    try:
        if "center_crop" in after:
            if min(image.shape[:2]) < n_px:
                return None
            left, top, right, bottom = crop_box(image.shape[1], image.shape[0], n_px)
            image = image[top:bottom, left:right]
        if "convert_rgb" in after:
            image = convert_rgb(canon.mode, image, canon.palette)
    except Rejected:
        return None
    if "to_tensor" in after:
        image = to_tensor(np.ascontiguousarray(image))
    if "normalize" in after:
        if image.shape[0] != 3:
            return None
        with np.errstate(all="ignore"):
            image = normalize(image.astype(np.float32))
    return image
