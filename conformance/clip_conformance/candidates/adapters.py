"""One interface for every shape of Python candidate: the whole pipeline, and each stage on its own."""

import inspect
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from clip_conformance.candidates.results import is_tensor, unwrapped
from clip_spec import StageId

ORDER: tuple[StageId, ...] = ("resize", "center_crop", "convert_rgb", "to_tensor", "normalize")


class Adapter(Protocol):
    """A candidate, ready for one n_px.

    `stages` are those whose outputs it gives, in its own order; `alone` those that `run_stage` can run. `notes` are
    lines about the candidate that the report shows.
    """

    stages: tuple[StageId, ...]
    alone: tuple[StageId, ...]
    notes: tuple[str, ...]

    def run(self, image: Any) -> dict[StageId, Any]:
        """Return the outputs of all stages, end to end."""
        ...

    def run_stage(self, stage: StageId, image: Any) -> Any:
        """Return the output of one stage on the canon's input for it (a Pillow image, or float32 [3, H, W])."""
        ...


class BlackBox:
    """A callable: image in, tensor out."""

    stages: tuple[StageId, ...] = ("normalize",)
    alone: tuple[StageId, ...] = ()
    notes: tuple[str, ...] = ()

    def __init__(self, call: Callable[[Any], Any]) -> None:
        self._call = call

    def run(self, image: Any) -> dict[StageId, Any]:
        """Return the one output there is."""
        return {"normalize": self._call(image)}

    def batch(self, images: list[Any]) -> Any:
        """Return what the callable makes of several images, where it takes them."""
        return self._call(images)

    def run_stage(self, stage: StageId, image: Any) -> Any:
        """Not possible: nothing is exposed."""
        raise NotImplementedError(f"a callable does not expose {stage}")


class Chain:
    """Stages that are called one after the other: a staged object, an opened Compose.

    `whole`, where given, is the candidate's own end-to-end call; it decides the last output. `complete` says that the
    parts are all the candidate does: a stage that is missing is skipped, not a gap where the chain ends.
    """

    def __init__(
        self,
        parts: dict[StageId, Callable[[Any], Any]],
        whole: Callable[[Any], Any] | None = None,
        *,
        complete: bool = False,
    ) -> None:
        self._parts = parts
        self._whole = whole
        self._complete = complete
        self._kinds: dict[StageId, Callable[[Any], Any]] = {}
        ends: tuple[StageId, ...] = ("normalize",) if whole is not None and "normalize" not in parts else ()
        self.stages: tuple[StageId, ...] = (*parts, *ends)
        self.alone: tuple[StageId, ...] = tuple(parts)
        self.notes: tuple[str, ...] = ()
        self._early_rgb = next(iter(parts)) == "convert_rgb" and len(parts) > 1

    def run(self, image: Any) -> dict[StageId, Any]:
        """Run the chain as far as it is connected, each stage on the output of the one before."""
        outputs: dict[StageId, Any] = {}
        carry = image
        for stage, part in self._parts.items():
            gap = not self._early_rgb and len(outputs) != ORDER.index(stage)
            if gap and not self._complete:
                break
            carry = part(carry)
            outputs[stage] = carry
            self._kinds[stage] = _like(carry)
        if self._early_rgb and "center_crop" in outputs:
            outputs["convert_rgb"] = outputs["center_crop"]
        if self._whole is not None:
            outputs["normalize"] = self._whole(image)
        return outputs

    def batch(self, images: list[Any]) -> Any:
        """Return what the candidate's own end-to-end call makes of several images.

        Raises:
            NotImplementedError: it has none.
        """
        if self._whole is None:
            raise NotImplementedError("stages take one image at a time")
        return self._whole(images)

    def run_stage(self, stage: StageId, image: Any) -> Any:
        """Run one stage, its input in the kind that the candidate's own previous stage returns."""
        if stage not in self._parts:
            raise NotImplementedError(f"the candidate has no {stage}")
        names = list(self._parts)
        before = names[: names.index(stage)]
        convert = self._kinds.get(before[-1]) if before else None
        return self._parts[stage](convert(image) if convert else image)


def _like(value: Any) -> Callable[[Any], Any]:
    """Return a function that brings the canon's Pillow image or array to the kind of `value`."""
    value = unwrapped(value)
    if isinstance(value, Image.Image):
        return lambda image: image
    if is_tensor(value):
        batch = value.ndim == 4
        return lambda image: _tensor(image, value, batch)
    if isinstance(value, np.ndarray):
        batch = value.ndim == 4
        return lambda image: np.asarray(image)[None] if batch else np.asarray(image)
    return lambda image: image


def _tensor(image: "Image.Image | NDArray[Any]", like: Any, batch: bool) -> Any:
    import torch

    array = np.array(image)
    if isinstance(image, Image.Image):
        array = array[..., None] if array.ndim == 2 else array
        array = np.ascontiguousarray(array.transpose(2, 0, 1))
    tensor = torch.from_numpy(array)
    if type(like) is not torch.Tensor and hasattr(type(like), "wrap"):
        tensor = tensor.as_subclass(type(like))
    return tensor[None] if batch else tensor


def callable_for(target: Callable[..., Any], n_px: int) -> Callable[[Any], Any]:
    """Return a callable of one image; one that takes n_px is given it."""
    if "n_px" in _parameters(target):
        return lambda image: target(image, n_px=n_px)
    return target


def takes_n_px(target: Any) -> bool:
    """Return whether a candidate can be made or called for any n_px."""
    return callable(target) and "n_px" in _parameters(target)


def is_factory(target: Any) -> bool:
    """Return whether `target(n_px)` makes a candidate: a function whose only required parameter is n_px."""
    return callable(target) and _required(target) == ["n_px"]


def _takes_one(method: Any) -> bool:
    """Return whether a method can be called with one image (and n_px): one that wants more is no stage."""
    return len([name for name in _required(method) if name != "n_px"]) <= 1


def _required(target: Any) -> list[str]:
    return [name for name, p in _parameters(target).items() if p.default is p.empty and p.kind < p.VAR_POSITIONAL]


def _parameters(target: Any) -> dict[str, inspect.Parameter]:
    try:
        return dict(inspect.signature(target).parameters)
    except (TypeError, ValueError):
        return {}


def staged(target: Any, n_px: int) -> Chain | None:
    """Return an object with any of the stage methods as a chain, or None."""
    parts: dict[StageId, Callable[[Any], Any]] = {}
    for stage in ORDER:
        method = getattr(target, stage, None)
        if callable(method) and _takes_one(method):
            parts[stage] = callable_for(method, n_px)
    if not parts or inspect.isclass(target):
        return None
    return Chain(parts, callable_for(target, n_px) if callable(target) else None)


def as_input(image: Image.Image, kind: str) -> Any:
    """Return the input in the kind that the candidate wants: "pil", or "array" (RGB, uint8 [H, W, 3])."""
    return image if kind == "pil" else np.array(image.convert("RGB"))
