"""The canonical CLIP image preprocessing in NumPy, bit for bit, readable beside the standard."""

from clip_reference.errors import Rejected
from clip_reference.models import available_models, input_resolution, preprocessor
from clip_reference.pipeline import Stages, Trace, preprocess, trace

__all__ = [
    "Rejected",
    "Stages",
    "Trace",
    "available_models",
    "input_resolution",
    "preprocess",
    "preprocessor",
    "trace",
]
