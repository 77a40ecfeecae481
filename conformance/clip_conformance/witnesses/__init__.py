"""Built-in witnesses: real preprocessors that can be scored by name."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from clip_conformance.errors import UsageError


@dataclass(frozen=True)
class Witness:
    """A preprocessor of another project, made for any n_px by `module.make(n_px)`."""

    name: str
    title: str
    extra: str = ""

    def load(self) -> Callable[[int], Any]:
        """Return the function that makes the candidate for n_px.

        Raises:
            UsageError: its package is missing; names the extra that brings it.
        """
        module = f"{__name__}.{self.name.replace('-', '_')}"
        try:
            make: Callable[[int], Any] = importlib.import_module(module).make
        except ImportError as error:
            raise UsageError(
                f"{self.name} needs {error.name or error}; pip install 'clip-conformance[{self.extra}]'"
            ) from error
        return make


WITNESSES = {
    witness.name: witness
    for witness in (
        Witness("pillow", "Pillow and NumPy, no torch"),
        Witness("openai", "the literal torchvision pipeline of openai/CLIP", "torch"),
        Witness("open-clip", "open_clip's own transform for its openai tag", "torch"),
        Witness("hf-clip", "transformers' CLIPImageProcessor, torchvision backend", "torch,transformers"),
        Witness("hf-clip-pil", "transformers' CLIPImageProcessorPil", "transformers"),
        Witness("timm", "timm's own transform for its openai tag", "timm"),
        Witness("torchvision-tensor", "torchvision v2 on uint8 tensors", "torch"),
        Witness("opencv", "OpenCV INTER_CUBIC, as most ports write it", "opencv"),
        Witness("scikit-image", "scikit-image's resize, order 3, with antialiasing"),
    )
}
