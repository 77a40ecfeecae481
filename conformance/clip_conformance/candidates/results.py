"""What candidates return, as NumPy arrays: tensors, arrays, Pillow images, dicts with pixel_values, batches of one."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from clip_reference.source import open_source
from clip_spec import StageId

IMAGE_STAGES: tuple[StageId, ...] = ("decode", "resize", "center_crop", "convert_rgb")


class NotAnImage(TypeError):  # noqa: N818 - says what it is
    """A result that is no array, tensor or image."""


def unwrapped(result: Any) -> Any:
    """Return what a result holds: pixel_values of a dict, the only item of a list or a tuple."""
    if isinstance(result, Mapping) or hasattr(result, "keys"):
        if "pixel_values" not in result:
            raise NotAnImage(f"a dict without pixel_values (it has {', '.join(map(str, result)) or 'nothing'})")
        result = result["pixel_values"]
    if isinstance(result, (list, tuple)):
        if len(result) != 1:
            raise NotAnImage(f"a {type(result).__name__} of {len(result)} items; return one image")
        return unwrapped(result[0])
    return result


def is_tensor(value: Any) -> bool:
    """Return whether a value is a torch tensor, without importing torch."""
    return any(base.__module__.split(".")[0] == "torch" and base.__name__ == "Tensor" for base in type(value).__mro__)


def to_array(result: Any, stage: StageId) -> tuple[NDArray[Any], str]:
    """Return a stage's result as an array and, for a Pillow image, its mode (else "").

    Image stages come out as [H, W] or [H, W, bands], float stages as [bands, H, W]; a torch tensor at an image stage is
    taken for [bands, H, W] and turned.

    Raises:
        NotAnImage: the result is no array.
    """
    value = unwrapped(result)
    if isinstance(value, Image.Image):
        return open_source(value).read_all(), value.mode
    if is_tensor(value):
        if value.device.type == "meta":
            raise NotAnImage("a tensor on the meta device, which holds no samples")
        # as_subclass-free copy: works for tensors that require grad, live on a device or are tv_tensors
        array = np.asarray(
            value.detach().cpu().float().numpy() if _is_bfloat16(value) else value.detach().cpu().numpy()
        )
        turn = stage in IMAGE_STAGES
    elif isinstance(value, np.ndarray) or hasattr(value, "__array__"):
        array, turn = np.asarray(value), False
    else:
        raise NotAnImage(f"a {type(value).__name__}, which is no image")
    if array.dtype.kind not in "buif" or array.dtype.itemsize > 8:
        raise NotAnImage(f"an array of {array.dtype}, which is no image")
    if array.ndim == 4 and array.shape[0] == 1:
        array = array[0]
    if turn and array.ndim == 3:
        array = array.transpose(1, 2, 0)
    if stage in IMAGE_STAGES and array.ndim == 3 and array.shape[2] == 1:
        array = array[..., 0]
    return array, ""


def _is_bfloat16(tensor: Any) -> bool:
    return str(tensor.dtype) == "torch.bfloat16"
