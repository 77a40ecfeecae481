"""Preprocessors that conform: in other libraries, other arithmetic and other wrappings."""

import functools
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

import clip_reference

from .port import Port, listed
from .ported_resamplers import cubic, resample

SOUND: list[Port] = []

MEAN = (0.48145466, 0.4578275, 0.40821073)
STD = (0.26862954, 0.26130258, 0.27577711)
VISION = "torch torchvision"


@functools.cache
def _compose() -> Any:
    from torchvision.transforms import CenterCrop, Compose, InterpolationMode, Normalize, Resize, ToTensor

    return Compose(
        [
            Resize(224, interpolation=InterpolationMode.BICUBIC),
            CenterCrop(224),
            lambda image: image.convert("RGB"),
            ToTensor(),
            Normalize(MEAN, STD),
        ]
    )


@listed(SOUND, needs=VISION)
def torchvision_compose(image: Image.Image) -> Any:
    """clip.load's own."""
    return _compose()(image)


@listed(SOUND, needs=VISION)
def compose_batch_of_one(image: Image.Image) -> Any:
    return _compose()(image).unsqueeze(0)


@listed(SOUND, needs=VISION)
def compose_as_pixel_values(image: Image.Image) -> Any:
    return {"pixel_values": _compose()(image)[None]}


def _crop(image: Image.Image) -> Image.Image:
    w, h = image.size
    size = (224, 224 * h // w) if w <= h else (224 * w // h, 224)
    image = image.resize(size, Image.Resampling.BICUBIC)
    left, top = round((image.width - 224) / 2), round((image.height - 224) / 2)
    return image.crop((left, top, left + 224, top + 224))


def _planes(image: Image.Image) -> NDArray[np.uint8]:
    return np.array(_crop(image).convert("RGB")).transpose(2, 0, 1)


def _column(values: Any, dtype: Any = np.float32) -> NDArray[Any]:
    return np.array(values, dtype=dtype).reshape(3, 1, 1)


@listed(SOUND)
def pillow_and_numpy(image: Image.Image) -> Any:
    return (_planes(image).astype(np.float32) / 255 - _column(MEAN)) / _column(STD)


@listed(SOUND)
def float64_normalised(image: Image.Image) -> Any:
    x = (_planes(image) / 255 - _column(MEAN, np.float64)) / _column(STD, np.float64)
    return x.astype(np.float32)


@listed(SOUND)
def times_reciprocal(image: Image.Image) -> Any:
    return (_planes(image).astype(np.float32) * np.float32(1 / 255) - _column(MEAN)) / _column(STD)


@listed(SOUND)
def fused_constants(image: Image.Image) -> Any:
    """(u - 255 mean) / (255 std), as transformers folds them."""
    return (_planes(image).astype(np.float32) - _column(MEAN) * 255) / (_column(STD) * 255)


@listed(SOUND)
def scale_and_bias(image: Image.Image) -> Any:
    """An input layer of the form a x + b."""
    scale, bias = 1 / (255 * _column(STD, np.float64)), -_column(MEAN, np.float64) / _column(STD, np.float64)
    return _planes(image).astype(np.float32) * scale.astype(np.float32) + bias.astype(np.float32)


@functools.cache
def _table() -> NDArray[np.float32]:
    values = np.arange(256, dtype=np.float32) / np.float32(255)
    return (values - np.array(MEAN, np.float32)[:, None]) / np.array(STD, np.float32)[:, None]


@listed(SOUND)
def looked_up(image: Image.Image) -> Any:
    planes = _planes(image)
    return [np.stack([_table()[c][planes[c]] for c in range(3)])]


@listed(SOUND)
def fortran_ordered(image: Image.Image) -> Any:
    """Columns before rows in memory, the same values in the same places."""
    x = _table()[np.arange(3), np.array(_crop(image).convert("RGB"))]
    return np.asfortranarray(x.transpose(2, 0, 1))


@listed(SOUND)
def reference_wrapped(image: Image.Image) -> Any:
    return clip_reference.preprocess(image, 224)


@listed(SOUND)
def reference_model(image: Image.Image) -> Any:
    return clip_reference.preprocessor("ViT-B/32")(image)


@listed(SOUND)
def fixed_point_port(image: Image.Image) -> Any:
    """Pillow's fixed point by hand, for three channels."""
    if image.mode != "RGB":
        raise ValueError(image.mode)
    x = resample(np.array(image), cubic(-0.5)).astype(np.float32) / np.float32(255)
    return ((x - np.array(MEAN, np.float32)) / np.array(STD, np.float32)).transpose(2, 0, 1)


@listed(SOUND, needs=VISION)
def v2_on_pillow(image: Image.Image) -> Any:
    import torch
    from torchvision.transforms import v2

    work = v2.CenterCrop(224)(v2.Resize(224, interpolation=v2.InterpolationMode.BICUBIC)(image))
    tail = v2.Compose([v2.PILToTensor(), v2.ToDtype(torch.float32, scale=True), v2.Normalize(MEAN, STD)])
    return tail(work.convert("RGB"))


@listed(SOUND, needs=VISION)
def v2_on_uint8_tensors(image: Image.Image) -> Any:
    """Weights of 16 bits: one level off here and there. Three channels only."""
    import torch
    from torchvision.transforms import v2

    if image.mode != "RGB":
        raise ValueError(image.mode)
    return v2.Compose(
        [
            v2.PILToTensor(),
            v2.Resize(224, interpolation=v2.InterpolationMode.BICUBIC, antialias=True),
            v2.CenterCrop(224),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(MEAN, STD),
        ]
    )(image)


@listed(SOUND, needs="torch torchvision open_clip")
def open_clip_transform(image: Image.Image) -> Any:
    from open_clip.transform import image_transform

    return image_transform(224, is_train=False, mean=MEAN, std=STD)(image)
