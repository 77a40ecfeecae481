"""A torchvision Compose (v1 or v2), opened up: its elements are sorted into the stages."""

from collections.abc import Callable, Sequence
from typing import Any

from PIL import Image

from clip_conformance.candidates.adapters import ORDER, BlackBox, Chain
from clip_spec import StageId

_BY_NAME: dict[str, StageId | None] = {
    "Resize": "resize",
    "CenterCrop": "center_crop",
    "MaybeConvertMode": "convert_rgb",
    "RGB": "convert_rgb",
    "ToTensor": "to_tensor",
    "MaybeToTensor": "to_tensor",
    "ToDtype": "to_tensor",
    "ConvertImageDtype": "to_tensor",
    "Normalize": "normalize",
    # carry the image from one type to another; they belong to the stage that follows
    "ToImage": None,
    "ToImageTensor": None,
    "PILToTensor": None,
    "ToPureTensor": None,
}


def is_compose(target: Any) -> bool:
    """Return whether an object is a Compose: a callable with a list of transforms."""
    return (
        callable(target)
        and type(target).__name__ == "Compose"
        and isinstance(getattr(target, "transforms", None), Sequence)
    )


def open_compose(target: Any) -> Chain | BlackBox:
    """Return a Compose as a chain of stages; one whose order is not the canon's stays a black box."""
    parts: dict[StageId, list[Callable[[Any], Any]]] = {}
    waiting: list[Callable[[Any], Any]] = []
    for element in target.transforms:
        known = type(element).__name__ in _BY_NAME
        stage = _BY_NAME[type(element).__name__] if known else _stage_of(element)
        if not known and stage is None:
            return BlackBox(target)
        waiting.append(element)
        if stage is not None:
            parts.setdefault(stage, []).extend(waiting)
            waiting = []
    if parts and waiting:
        parts[list(parts)[-1]].extend(waiting)
    order = [stage for stage in parts if stage != "convert_rgb" or next(iter(parts)) != "convert_rgb"]
    if not parts or order != [stage for stage in ORDER if stage in order]:
        return BlackBox(target)
    return Chain({stage: _sequence(elements) for stage, elements in parts.items()}, target, complete=True)


def _stage_of(element: Any) -> StageId | None:
    """Return convert_rgb for an unnamed function that turns an image of another mode into RGB, else None."""
    try:
        result = element(Image.new("L", (3, 2), 7))
    except Exception:
        return None
    return "convert_rgb" if isinstance(result, Image.Image) and result.mode == "RGB" else None


def _sequence(elements: list[Callable[[Any], Any]]) -> Callable[[Any], Any]:
    def run(value: Any) -> Any:
        for element in elements:
            value = element(value)
        return value

    return run
