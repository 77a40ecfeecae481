"""Scripts and ports with mistakes in more than one stage, in Pillow and NumPy."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from .port import Port, listed
from .ported_resamplers import cubic, mitchell_netravali, resample

COMBINATIONS: list[Port] = []

n = 224
M = np.array([0.48145466, 0.4578275, 0.40821073], np.float32)
S = np.array([0.26862954, 0.26130258, 0.27577711], np.float32)
Tensor = NDArray[np.float32]
BICUBIC = Image.Resampling.BICUBIC


def _short(image: Image.Image, method: Image.Resampling = BICUBIC) -> Image.Image:
    w, h = image.size
    return image.resize((n * w // min(w, h), n * h // min(w, h)), method)


def _at(image: Image.Image, left: int, top: int) -> Image.Image:
    return image.crop((left, top, left + n, top + n))


def _even(d: int) -> int:
    return round(d / 2)


def _centre(image: Image.Image) -> Image.Image:
    return _at(image, _even(image.width - n), _even(image.height - n))


def _unit(image: Image.Image) -> Tensor:
    pixels: Tensor = np.array(image.convert("RGB")).astype(np.float32) / np.float32(255)
    return pixels


def _planes(x: NDArray[Any]) -> Tensor:
    return np.ascontiguousarray(x.transpose(2, 0, 1).astype(np.float32))


@listed(COMBINATIONS, "resize normalize", "squash half-constants")
def squashed_to_minus_one_and_one(image: Image.Image) -> Tensor:
    return _planes(_unit(image.resize((n, n), BICUBIC)) * 2 - 1)


@listed(
    COMBINATIONS,
    "center_crop convert_rgb to_tensor",
    "crop-floor rgb-first alpha-over-white scale-256",
)
def flattened_floored_256(image: Image.Image) -> Tensor:
    if image.mode in ("RGBA", "LA"):
        base = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(base, image.convert("RGBA"))
    work = _short(image.convert("RGB"))
    work = _at(work, (work.width - n) // 2, (work.height - n) // 2)
    return _planes((np.array(work).astype(np.float32) / 256 - M) / S)


@listed(COMBINATIONS, "resize normalize", "size-rounded channel0-constants")
def rounded_and_channel_0(image: Image.Image) -> Tensor:
    short = min(image.size)
    work = image.resize((round(n * image.width / short), round(n * image.height / short)), BICUBIC)
    return _planes((_unit(_centre(work)) - M[0]) / S[0])


@listed(COMBINATIONS, "resize center_crop normalize", "filter-bilinear size-rounded crop-floor half-constants")
def candle_example(image: Image.Image) -> Tensor:
    """resize_to_fill with a triangle, then `affine(2. / 255., -1.)`. RGB8 only."""
    if image.mode != "RGB":
        raise ValueError(image.mode)
    ratio = max(n / image.width, n / image.height)
    size = (int(image.width * ratio + 0.5), int(image.height * ratio + 0.5))
    work = image.resize(size, Image.Resampling.BILINEAR)
    work = _at(work, (work.width - n) // 2, (work.height - n) // 2)
    return _planes(np.array(work) * np.float32(2 / 255) - 1)


@listed(COMBINATIONS, "resize convert_rgb", "squash rgb-first")
def fastembed_rs(image: Image.Image) -> Tensor:
    return _planes((_unit(image.convert("RGB").resize((n, n), BICUBIC)) - M) / S)


@listed(COMBINATIONS, "center_crop convert_rgb", "crop-floor palette-as-grey bands-as-rgb")
def onnx_clip(image: Image.Image) -> Tensor:
    work = _short(image)
    work = _at(work, (work.width - n) // 2, (work.height - n) // 2)
    pixels = np.array(work)
    if pixels.ndim == 2 and pixels.dtype == np.uint8:
        pixels = np.stack([pixels] * 3, axis=-1)
    if pixels.shape != (n, n, 3):
        raise ValueError(f"Expected 3-channel image, got {work.mode}")
    return _planes((pixels / np.float32(255) - M) / S)


@listed(COMBINATIONS, "resize center_crop", "size-rounded crop-half-up")
def dali_geometry(image: Image.Image) -> Tensor:
    short = min(image.size)
    work = image.resize((int(n * image.width / short + 0.5), int(n * image.height / short + 0.5)), BICUBIC)
    return _planes((_unit(_at(work, (work.width - n + 1) // 2, (work.height - n + 1) // 2)) - M) / S)


@listed(COMBINATIONS, "resize normalize", "letterbox imagenet-constants")
def padded_with_imagenet_mean(image: Image.Image) -> Tensor:
    """The padding becomes 0 after normalising, nearly. RGB only."""
    if image.mode != "RGB":
        raise ValueError(image.mode)
    work = ImageOps.pad(image, (n, n), BICUBIC, color=(124, 116, 104))
    return _planes(
        (_unit(work) - np.array([0.485, 0.456, 0.406], np.float32)) / np.array([0.229, 0.224, 0.225], np.float32)
    )


@listed(COMBINATIONS, "decode resize", "exif-applied squash")
def upright_and_squashed(image: Image.Image) -> Tensor:
    return _planes((_unit(ImageOps.exif_transpose(image).resize((n, n), BICUBIC)) - M) / S)


@listed(COMBINATIONS, "resize to_tensor", "filter-nearest scale-256", minor="straight-alpha")
def embedded_device(image: Image.Image) -> Tensor:
    """Nearest neighbour and a shift by eight."""
    pixels = np.array(_centre(_short(image, Image.Resampling.NEAREST)).convert("RGB"))
    return _planes((pixels.astype(np.float32) / 256 - M) / S)


@listed(COMBINATIONS, "resize center_crop convert_rgb", "filter-lanczos crop-top-left alpha-over-black")
def lanczos_canvas(image: Image.Image) -> Tensor:
    work = _at(_short(image, Image.Resampling.LANCZOS), 0, 0)
    if work.mode in ("RGBA", "LA"):
        canvas = Image.new("RGBA", work.size, (0, 0, 0, 255))
        canvas.alpha_composite(work.convert("RGBA"))
        work = canvas
    return _planes((_unit(work) - M) / S)


@listed(COMBINATIONS, "resize center_crop normalize", "filter-bilinear crop-first std-shared")
def phone_app(image: Image.Image) -> Tensor:
    """Crops to the central square, scales that, and has one scale for the model's input layer."""
    side = min(image.size)
    left, top = _even(image.width - side), _even(image.height - side)
    work = image.crop((left, top, left + side, top + side)).resize((n, n), Image.Resampling.BILINEAR)
    return _planes((_unit(work) - M) / S[0])


@listed(COMBINATIONS, "center_crop to_tensor", "crop-first mirrored")
def selfie_camera(image: Image.Image) -> Tensor:
    work = ImageOps.mirror(ImageOps.fit(image, (n, n), BICUBIC).convert("RGB"))
    return _planes((_unit(work) - M) / S)


@listed(COMBINATIONS, "center_crop convert_rgb", "crop-half-up channel-bgr")
def half_up_and_blue_first(image: Image.Image) -> Tensor:
    work = _short(image)
    work = _at(work, math.ceil((work.width - n) / 2), math.ceil((work.height - n) / 2))
    return _planes((_unit(work)[..., ::-1] - M) / S)


@listed(COMBINATIONS, "convert_rgb normalize", "channel-bgr constants-reversed")
def blue_first_throughout(image: Image.Image) -> Tensor:
    """BGR pixels with BGR constants: every channel is right but in the wrong place."""
    return _planes((_unit(_centre(_short(image)))[..., ::-1] - M[::-1]) / S[::-1])


@listed(COMBINATIONS, "resize to_tensor", "vertical-first layout-hwc")
def channels_last_columns_first(image: Image.Image) -> Tensor:
    if image.mode != "RGB":
        raise ValueError(image.mode)
    w, h = image.size
    size = (n * w // min(w, h), n * h // min(w, h))
    work = image.resize((w, size[1]), BICUBIC).resize(size, BICUBIC)
    return (_unit(_centre(work)) - M) / S


@listed(COMBINATIONS, "center_crop normalize", "crop-top-left mean-std-swapped")
def corner_with_swapped_constants(image: Image.Image) -> Tensor:
    return _planes((_unit(_at(_short(image), 0, 0)) - S) / M)


@listed(COMBINATIONS, "resize to_tensor", "filter-mitchell scale-missing")
def mitchell_on_bytes(image: Image.Image) -> Tensor:
    if image.mode != "RGB":
        raise ValueError(image.mode)
    return _planes((resample(np.array(image), mitchell_netravali(1 / 3, 1 / 3)).astype(np.float32) - M) / S)


@listed(COMBINATIONS, "resize convert_rgb normalize", "cubic-a-0.75 channels-permuted normalize-missing")
def planar_green_first(image: Image.Image) -> Tensor:
    """GBR planes, as some video decoders have them."""
    if image.mode != "RGB":
        raise ValueError(image.mode)
    return _planes(resample(np.array(image), cubic(-0.75))[..., [1, 2, 0]] / 255)


@listed(COMBINATIONS, "decode center_crop normalize", "palette-expanded crop-floor constants-mistyped")
def expanded_floored_mistyped(image: Image.Image) -> Tensor:
    work = _short(image.convert("RGB") if image.mode == "P" else image)
    work = _at(work, (work.width - n) // 2, (work.height - n) // 2)
    return _planes((_unit(work) - M) / np.array([0.26862954, 0.26130258, 0.25777711], np.float32))


@listed(COMBINATIONS, "convert_rgb to_tensor", "alpha-over-black deep-scaled scale-symmetric")
def sixteen_bits_over_black(image: Image.Image) -> Tensor:
    work = _centre(_short(image))
    if work.mode == "I" or work.mode.startswith("I;16"):
        grey = (np.array(work).astype(np.int64) // 256).clip(0, 255)
        pixels = np.stack([grey] * 3, axis=-1).astype(np.float32)
    elif work.mode in ("RGBA", "LA"):
        rgba = np.array(work.convert("RGBA")).astype(np.float32)
        pixels = np.rint(rgba[..., :3] * rgba[..., 3:] / 255)
    else:
        pixels = np.array(work.convert("RGB")).astype(np.float32)
    return _planes((pixels / np.float32(127.5) - 1 - M) / S)


@listed(COMBINATIONS, "resize normalize", "resize-missing imagenet-constants")
def cropped_alone(image: Image.Image) -> Tensor:
    x = (_unit(_centre(image)) - np.array([0.485, 0.456, 0.406], np.float32)) / np.array(
        [0.229, 0.224, 0.225], np.float32
    )
    return _planes(x)


@listed(COMBINATIONS, "resize to_tensor", "sides-swapped transposed")
def rows_taken_for_columns(image: Image.Image) -> Tensor:
    w, h = image.size
    work = image.resize((n * h // min(w, h), n * w // min(w, h)), BICUBIC)
    return np.ascontiguousarray(((_unit(_centre(work)) - M) / S).T)


@listed(COMBINATIONS, "resize center_crop normalize", "size-ceiled crop-bottom-right normalize-twice")
def ceiled_last_corner_twice(image: Image.Image) -> Tensor:
    short = min(image.size)
    work = image.resize((-(-n * image.width // short), -(-n * image.height // short)), BICUBIC)
    x = (_unit(_at(work, work.width - n, work.height - n)) - M) / S
    return _planes((x - M) / S)
