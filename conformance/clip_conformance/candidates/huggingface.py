"""A Hugging Face image processor, opened up through its do_* flags."""

from typing import Any

import numpy as np

from clip_conformance.candidates.results import IMAGE_STAGES, unwrapped
from clip_spec import StageId

# The processors convert to RGB first, whatever the canon says; the flags in their own order.
_FLAGS: dict[StageId, str] = {
    "convert_rgb": "do_convert_rgb",
    "resize": "do_resize",
    "center_crop": "do_center_crop",
    "to_tensor": "do_rescale",
    "normalize": "do_normalize",
}


def is_processor(target: Any) -> bool:
    """Return whether an object is an image processor: callable, with the do_* flags."""
    return callable(target) and all(hasattr(target, flag) for flag in ("do_resize", "do_rescale", "do_normalize"))


class Processor:
    """An image processor whose stages are reached by switching the others off."""

    stages: tuple[StageId, ...] = tuple(_FLAGS)
    alone = stages
    notes: tuple[str, ...] = ()

    def __init__(self, processor: Any) -> None:
        self._processor = processor

    def run(self, image: Any) -> dict[StageId, Any]:
        """Return every stage's output, end to end: the flags of the later stages are off."""
        outputs = self.run_last(image)
        on = [_FLAGS["convert_rgb"]]
        for stage in ("resize", "center_crop", "to_tensor"):
            on.append(_FLAGS[stage])
            outputs[stage] = self._call(image, stage, on)
        outputs["convert_rgb"] = outputs["center_crop"]
        return outputs

    def run_last(self, image: Any) -> dict[StageId, Any]:
        """Return the last stage's output alone, in one call."""
        return {"normalize": unwrapped(self._processor(images=image, return_tensors="np"))}

    def batch(self, images: list[Any]) -> Any:
        """Return the outputs for several images."""
        return self._processor(images=images, return_tensors="np")

    def run_stage(self, stage: StageId, image: Any) -> Any:
        """Return one stage's output: every other flag is off."""
        return self._call(image, stage, [_FLAGS[stage]])

    def _call(self, image: Any, stage: StageId, on: list[str]) -> Any:
        flags = {flag: flag in on and bool(getattr(self._processor, flag, True)) for flag in _FLAGS.values()}
        layout = {"input_data_format": "channels_first"} if isinstance(image, np.ndarray) else {}
        array = np.asarray(unwrapped(self._processor(images=image, return_tensors="np", **flags, **layout)))
        array = array[0] if array.ndim == 4 else array
        return array.transpose(1, 2, 0) if stage in IMAGE_STAGES and array.ndim == 3 else array
