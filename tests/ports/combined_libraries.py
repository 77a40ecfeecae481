"""Whole preprocessors as libraries ship them or as their users assemble them: several mistakes at once."""

import functools
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from .port import Port, listed

COMBINATIONS: list[Port] = []

MEAN = np.array([0.48145466, 0.4578275, 0.40821073], dtype=np.float32)
STD = np.array([0.26862954, 0.26130258, 0.27577711], dtype=np.float32)
Tensor = NDArray[np.float32]


def _chw(pixels: NDArray[Any], mean: Any = MEAN, std: Any = STD) -> Tensor:
    x = pixels.astype(np.float32) / np.float32(255)
    x = (x - np.float32(mean)) / np.float32(std)
    return np.ascontiguousarray(x.transpose(2, 0, 1))


def _imread(image: Image.Image) -> NDArray[np.uint8]:
    """What cv2.imread gives: turned upright, blue first. Three channels or nothing."""
    if image.mode != "RGB":
        raise ValueError(image.mode)
    return np.ascontiguousarray(np.array(ImageOps.exif_transpose(image))[..., ::-1])


@listed(
    COMBINATIONS,
    "resize center_crop convert_rgb",
    "no-antialias cubic-a-0.75 crop-floor channel-bgr",
    needs="cv2",
    minor="edge-replicated float-between-passes",
)
def opencv_all_the_way(image: Image.Image) -> Tensor:
    import cv2

    if image.mode != "RGB":
        raise ValueError(image.mode)
    pixels = np.array(image)[..., ::-1]
    h, w = pixels.shape[:2]
    size = (224, 224 * h // w) if w <= h else (224 * w // h, 224)
    pixels = cv2.resize(np.ascontiguousarray(pixels), size, interpolation=cv2.INTER_CUBIC)
    y, x = (pixels.shape[0] - 224) // 2, (pixels.shape[1] - 224) // 2
    return _chw(pixels[y : y + 224, x : x + 224])


@listed(
    COMBINATIONS,
    "decode resize convert_rgb",
    "exif-applied squash filter-box channel-bgr",
    needs="cv2",
    minor="float-between-passes",
    beyond="INTER_AREA enlarges by a linear ramp of its own",
)
def imread_area_square(image: Image.Image) -> Tensor:
    import cv2

    return _chw(cv2.resize(_imread(image), (224, 224), interpolation=cv2.INTER_AREA))


@listed(COMBINATIONS, "resize normalize", "filter-bilinear no-antialias imagenet-constants", needs="cv2")
def imagenet_recipe_in_opencv(image: Image.Image) -> Tensor:
    import cv2

    if image.mode != "RGB":
        raise ValueError(image.mode)
    pixels = np.array(image)
    h, w = pixels.shape[:2]
    size = (224, 224 * h // w) if w <= h else (224 * w // h, 224)
    pixels = cv2.resize(pixels, size, interpolation=cv2.INTER_LINEAR)
    y, x = (round((side - 224) / 2) for side in pixels.shape[:2])
    return _chw(pixels[y : y + 224, x : x + 224], (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


@listed(COMBINATIONS, "resize", "squash no-antialias cubic-a-0.75", needs="cv2", minor="edge-replicated")
def inter_cubic_squashed(image: Image.Image) -> Tensor:
    """`cv2.resize(image, (224, 224))`, the line of most tutorials."""
    import cv2

    if image.mode != "RGB":
        raise ValueError(image.mode)
    return _chw(cv2.resize(np.array(image), (224, 224), interpolation=cv2.INTER_CUBIC))


@listed(
    COMBINATIONS,
    "resize center_crop normalize",
    "filter-bilinear no-antialias size-rounded crop-floor std-shared",
    needs="cv2",
    minor="float-between-passes",
    beyond="samples lie where the factor puts them, not where the rounded sides do",
)
def blob_from_image(image: Image.Image) -> Any:
    """cv2.dnn.blobFromImage has one scale factor for three channels. Hands on its batch of one."""
    import cv2

    if image.mode != "RGB":
        raise ValueError(image.mode)
    scale = 1 / (255 * 0.26862954)
    mean = tuple(float(255 * m) for m in MEAN)
    blob_from = cv2.dnn.blobFromImage  # type: ignore[attr-defined, unused-ignore]
    return blob_from(np.array(image), scale, (224, 224), mean, swapRB=False, crop=True)


@functools.cache
def _hf(name: str) -> Any:
    import transformers

    return getattr(transformers, name)()


@listed(
    COMBINATIONS,
    "center_crop convert_rgb",
    "crop-floor rgb-first alpha-over-white",
    needs="transformers",
)
def transformers_on_pillow(image: Image.Image) -> Any:
    return _hf("CLIPImageProcessorPil")(image, return_tensors="np")["pixel_values"]


@listed(
    COMBINATIONS,
    "center_crop convert_rgb",
    "crop-floor rgb-first alpha-over-white",
    needs="transformers torch torchvision",
)
def transformers_on_torchvision(image: Image.Image) -> Any:
    return _hf("CLIPImageProcessor")(image, return_tensors="pt")["pixel_values"]


@listed(COMBINATIONS, "resize convert_rgb", "crop-pct rgb-first", needs="timm torch torchvision")
def timm_evaluation(image: Image.Image) -> Any:
    from timm.data.transforms_factory import create_transform

    transform = create_transform(
        input_size=(3, 224, 224),
        interpolation="bicubic",
        mean=tuple(MEAN.tolist()),
        std=tuple(STD.tolist()),
        crop_pct=0.9,
    )
    return transform(image.convert("RGB"))


@listed(
    COMBINATIONS,
    "resize convert_rgb normalize",
    "filter-bilinear crop-pct rgb-first imagenet-constants",
    needs="torch torchvision",
    beyond="the margin is 256 / 224, not 1 / 0.9",
)
def imagenet_recipe(image: Image.Image) -> Any:
    """The four lines that every classification tutorial has."""
    from torchvision import transforms

    return transforms.Compose(
        [
            transforms.Resize(256),
            transforms.CenterCrop(224),
            transforms.ToTensor(),
            transforms.Normalize(mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225]),
        ]
    )(image.convert("RGB"))


@listed(
    COMBINATIONS,
    "resize normalize",
    "no-antialias cubic-a-0.75 half-precision",
    needs="torch torchvision",
    minor="edge-replicated float-between-passes",
)
def half_on_tensors(image: Image.Image) -> Any:
    import torch
    from torchvision.transforms import InterpolationMode, functional

    if image.mode != "RGB":
        raise ValueError(image.mode)
    x = torch.from_numpy(np.array(image)).permute(2, 0, 1)
    x = functional.resize(x, [224], InterpolationMode.BICUBIC, antialias=False)
    x = functional.center_crop(x, [224]).float().div(255)
    return functional.normalize(x, MEAN.tolist(), STD.tolist()).half()


@listed(
    COMBINATIONS,
    "resize center_crop",
    "size-rounded samples-not-rounded crop-floor",
    needs="torch",
    minor="float-between-passes",
)
def clip_cpp(image: Image.Image) -> Any:
    """monatis/clip.cpp, by torch's antialiased kernel: clamped floats from end to end."""
    import torch
    import torch.nn.functional as F  # noqa: N812

    if image.mode != "RGB":
        raise ValueError(image.mode)
    x = torch.from_numpy(np.array(image)).permute(2, 0, 1)[None].float()
    scale = min(image.size) / 224
    height, width = int(image.height / scale + 0.5), int(image.width / scale + 0.5)
    x = F.interpolate(x, (height, width), mode="bicubic", antialias=True).clamp(0, 255)
    top, left = (height - 224) // 2, (width - 224) // 2
    x = x[0, :, top : top + 224, left : left + 224] / 255
    return (x - torch.from_numpy(MEAN)[:, None, None]) / torch.from_numpy(STD)[:, None, None]


@listed(
    COMBINATIONS,
    "resize convert_rgb normalize",
    "squash filter-bilinear no-antialias grey normalize-missing",
    needs="torch",
    minor="samples-not-rounded float-between-passes",
)
def grey_thumbnail(image: Image.Image) -> Any:
    """A pipeline for OCR models, pointed at CLIP."""
    import torch
    import torch.nn.functional as F  # noqa: N812

    if image.mode not in ("RGB", "L"):
        raise ValueError(image.mode)
    x = torch.from_numpy(np.array(image.convert("L")))[None, None].float() / 255
    return F.interpolate(x, (224, 224), mode="bilinear", align_corners=False).expand(1, 3, 224, 224)[0]
