"""Pipelines of torch and torchvision: the same mistakes as elsewhere in other arithmetic, and mistakes of their own.

What takes tensors takes RGB alone and refuses other modes, so that no early conversion to RGB hides in it.
"""

from typing import Any

import numpy as np
from PIL import Image

from .port import Port, listed

SINGLES: list[Port] = []

CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)
VISION = "torch torchvision"


def _rgb(image: Image.Image) -> Image.Image:
    return image.convert("RGB")


@listed(SINGLES, "resize", "filter-bilinear", needs=VISION)
def default_interpolation(image: Image.Image) -> Any:
    """`Resize(224)` without the second argument."""
    from torchvision import transforms

    return transforms.Compose(
        [
            transforms.Resize(224),
            transforms.CenterCrop(224),
            _rgb,
            transforms.ToTensor(),
            transforms.Normalize(CLIP_MEAN, CLIP_STD),
        ]
    )(image)


@listed(SINGLES, "resize", "squash", needs=VISION)
def both_sides_given(image: Image.Image) -> Any:
    from torchvision import transforms

    return transforms.Compose(
        [
            transforms.Resize((224, 224), interpolation=transforms.InterpolationMode.BICUBIC),
            _rgb,
            transforms.ToTensor(),
            transforms.Normalize(CLIP_MEAN, CLIP_STD),
        ]
    )(image)


def _uint8(image: Image.Image) -> Any:
    import torch

    if image.mode != "RGB":
        raise ValueError(f"expected three channels, got {image.mode}")
    return torch.from_numpy(np.array(image)).permute(2, 0, 1)


def _to_float(pixels: Any) -> Any:
    from torchvision.transforms import functional

    return functional.normalize(pixels.float() / 255, CLIP_MEAN, CLIP_STD)


@listed(SINGLES, "resize", "no-antialias cubic-a-0.75", needs=VISION, minor="edge-replicated float-between-passes")
def tensor_without_antialias(image: Image.Image) -> Any:
    from torchvision.transforms import InterpolationMode, functional

    x = functional.resize(_uint8(image), [224], InterpolationMode.BICUBIC, antialias=False)
    return _to_float(functional.center_crop(x, [224]))


@listed(SINGLES, "resize", "overshoot-kept", needs=VISION, minor="samples-not-rounded float-between-passes")
def to_tensor_before_resize(image: Image.Image) -> Any:
    from torchvision import transforms

    if image.mode != "RGB":
        raise ValueError(image.mode)
    return transforms.Compose(
        [
            transforms.ToTensor(),
            transforms.Resize(224, interpolation=transforms.InterpolationMode.BICUBIC, antialias=True),
            transforms.CenterCrop(224),
            transforms.Normalize(CLIP_MEAN, CLIP_STD),
        ]
    )(image)


def _target(x: Any) -> tuple[int, int]:
    height, width = x.shape[-2:]
    return (224, 224 * width // height) if height <= width else (224 * height // width, 224)


def _middle(x: Any) -> Any:
    from torchvision.transforms import functional

    return functional.center_crop(x, [224, 224])


@listed(SINGLES, "resize", "samples-not-rounded", needs=VISION, minor="float-between-passes")
def interpolated_and_clamped(image: Image.Image) -> Any:
    import torch.nn.functional as F  # noqa: N812

    x = _uint8(image)[None].float() / 255
    x = F.interpolate(x, size=_target(x), mode="bicubic", align_corners=False, antialias=True).clamp(0, 1)
    return _to_float(_middle(x)[0] * 255)


@listed(SINGLES, "resize", "float-between-passes", needs=VISION)
def interpolated_and_rounded(image: Image.Image) -> Any:
    import torch
    import torch.nn.functional as F  # noqa: N812

    x = _uint8(image)[None].float()
    x = F.interpolate(x, size=_target(x), mode="bicubic", align_corners=False, antialias=True)
    return _to_float(_middle(x.round().clamp(0, 255).to(torch.uint8))[0])


@listed(SINGLES, "resize", "filter-bilinear no-antialias", needs=VISION, minor="float-between-passes")
def interpolate_bilinear(image: Image.Image) -> Any:
    import torch.nn.functional as F  # noqa: N812

    x = _uint8(image)[None].float()
    return _to_float(_middle(F.interpolate(x, size=_target(x), mode="bilinear", align_corners=False).round())[0])


@listed(SINGLES, "resize", "filter-bilinear", needs=VISION, minor="float-between-passes samples-not-rounded")
def antialiased_bilinear(image: Image.Image) -> Any:
    import torch.nn.functional as F  # noqa: N812

    x = _uint8(image)[None].float()
    return _to_float(_middle(F.interpolate(x, size=_target(x), mode="bilinear", antialias=True))[0])


@listed(SINGLES, "resize", "filter-nearest half-pixel-missing", needs=VISION)
def interpolate_default(image: Image.Image) -> Any:
    """`F.interpolate(x, size)`: nearest neighbour at floor(x * scale)."""
    import torch.nn.functional as F  # noqa: N812

    x = _uint8(image)[None].float()
    return _to_float(_middle(F.interpolate(x, size=_target(x)))[0])


@listed(
    SINGLES,
    "resize",
    "filter-box",
    needs=VISION,
    minor="float-between-passes samples-not-rounded",
    beyond="a window takes whole pixels, where a box takes parts of them",
)
def adaptive_pooling(image: Image.Image) -> Any:
    """Every output is the mean of whole input pixels."""
    import torch.nn.functional as F  # noqa: N812

    x = _uint8(image)[None].float()
    return _to_float(_middle(F.adaptive_avg_pool2d(x, _target(x)))[0])


@listed(SINGLES, "resize", "align-corners no-antialias cubic-a-0.75", needs=VISION, minor="float-between-passes")
def corners_aligned(image: Image.Image) -> Any:
    import torch.nn.functional as F  # noqa: N812

    x = _uint8(image)[None].float()
    x = F.interpolate(x, size=_target(x), mode="bicubic", align_corners=True).round().clamp(0, 255)
    return _to_float(_middle(x)[0])


@listed(SINGLES, "resize", "filter-bilinear no-antialias align-corners", needs=VISION, minor="float-between-passes")
def upsample_with_corners(image: Image.Image) -> Any:
    import torch

    x = _uint8(image)[None].float()
    up = torch.nn.Upsample(size=_target(x), mode="bilinear", align_corners=True)
    return _to_float(_middle(up(x).round())[0])


@listed(SINGLES, "center_crop", "crop-floor", needs=VISION)
def sliced_crop(image: Image.Image) -> Any:
    """Own slicing after torchvision's resize, in the way of many processors."""
    from torchvision import transforms

    work = transforms.Resize(224, interpolation=transforms.InterpolationMode.BICUBIC)(image)
    x = transforms.ToTensor()(work.convert("RGB"))
    top, left = (x.shape[1] - 224) // 2, (x.shape[2] - 224) // 2
    return transforms.Normalize(CLIP_MEAN, CLIP_STD)(x[:, top : top + 224, left : left + 224])


@listed(SINGLES, "center_crop", "crop-first", needs=VISION)
def crop_transform_first(image: Image.Image) -> Any:
    from torchvision import transforms

    return transforms.Compose(
        [
            transforms.CenterCrop(min(image.size)),
            transforms.Resize(224, interpolation=transforms.InterpolationMode.BICUBIC),
            _rgb,
            transforms.ToTensor(),
            transforms.Normalize(CLIP_MEAN, CLIP_STD),
        ]
    )(image)


@listed(SINGLES, "resize", "letterbox", needs=VISION)
def longest_side_then_center_crop(image: Image.Image) -> Any:
    """The crop pads with 0 what the resize left too short."""
    from torchvision import transforms
    from torchvision.transforms import functional

    long = max(image.size)
    image = functional.resize(
        image,
        [max(1, 224 * image.height // long), max(1, 224 * image.width // long)],
        transforms.InterpolationMode.BICUBIC,
    )
    x = functional.to_tensor(functional.center_crop(image.convert("RGB"), [224, 224]))
    return functional.normalize(x, CLIP_MEAN, CLIP_STD)


@listed(SINGLES, "to_tensor", "transposed", needs=VISION)
def permuted_to_width_first(image: Image.Image) -> Any:
    import torch
    from torchvision import transforms

    image = transforms.CenterCrop(224)(transforms.Resize(224, transforms.InterpolationMode.BICUBIC)(image))
    x = torch.tensor(np.array(image.convert("RGB"))).permute(2, 1, 0)
    return _to_float(x)


@listed(SINGLES, "normalize", "half-precision", needs=VISION)
def bfloat16(image: Image.Image) -> Any:
    import torch
    from torchvision import transforms

    image = transforms.CenterCrop(224)(transforms.Resize(224, transforms.InterpolationMode.BICUBIC)(image))
    x = _to_float(torch.from_numpy(np.array(image.convert("RGB"))).permute(2, 0, 1))
    return x.to(torch.bfloat16).float()


@listed(SINGLES, "normalize", "half-constants", needs=VISION)
def normalize_with_halves(image: Image.Image) -> Any:
    from torchvision import transforms

    return transforms.Compose(
        [
            transforms.Resize(224, interpolation=transforms.InterpolationMode.BICUBIC),
            transforms.CenterCrop(224),
            _rgb,
            transforms.ToTensor(),
            transforms.Normalize((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
        ]
    )(image)
