"""Scripts that resize and crop rightly, with one mistake in the conversion to RGB, the tensor or the constants."""

import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .port import Port, listed

SINGLES: list[Port] = []

n_px = 224
clip_mean = (0.48145466, 0.4578275, 0.40821073)
clip_std = (0.26862954, 0.26130258, 0.27577711)
Tensor = NDArray[Any]


def _cropped(image: Image.Image) -> Image.Image:
    short, long = sorted(image.size)
    other = n_px * long // short
    size = (n_px, other) if image.width <= image.height else (other, n_px)
    image = image.resize(size, resample=Image.Resampling.BICUBIC)
    offset = [round((side - n_px) / 2.0) for side in size]
    return image.crop((offset[0], offset[1], offset[0] + n_px, offset[1] + n_px))


def _pixels(image: Image.Image) -> NDArray[np.uint8]:
    return np.array(_cropped(image).convert("RGB"))


def _finish(pixels: NDArray[Any]) -> Tensor:
    """uint8 H x W x 3 to the tensor, as it should be."""
    x = np.transpose(pixels, (2, 0, 1)).astype(np.float32) / np.float32(255)
    x = x - np.array(clip_mean, np.float32)[:, None, None]
    return np.ascontiguousarray(x / np.array(clip_std, np.float32)[:, None, None])


def _normalized(pixels: NDArray[Any], mean: Any, std: Any) -> Tensor:
    """Values in whatever range, H x W x 3, with these constants."""
    x = (pixels.astype(np.float32) - np.asarray(mean, np.float32)) / np.asarray(std, np.float32)
    return np.ascontiguousarray(x.transpose(2, 0, 1))


# convert_rgb


@listed(SINGLES, "convert_rgb", "rgb-first")
def rgb_on_opening(image: Image.Image) -> Tensor:
    return _finish(_pixels(image.convert("RGB")))


def _over(image: Image.Image, colour: tuple[int, int, int]) -> Image.Image:
    top = image.convert("RGBA")
    base = Image.new("RGB", top.size, colour)
    base.paste(top, mask=top.getchannel("A"))
    return base


@listed(SINGLES, "convert_rgb", "alpha-over-white")
def pasted_on_white(image: Image.Image) -> Tensor:
    crop = _cropped(image)
    return _finish(np.array(_over(crop, (255, 255, 255)) if crop.mode in ("RGBA", "LA") else crop.convert("RGB")))


@listed(SINGLES, "convert_rgb", "alpha-over-black")
def multiplied_by_alpha(image: Image.Image) -> Tensor:
    crop = _cropped(image)
    if crop.mode not in ("RGBA", "LA"):
        return _finish(np.array(crop.convert("RGB")))
    rgba = np.array(crop.convert("RGBA")).astype(np.float64)
    return _finish(np.rint(rgba[..., :3] * rgba[..., 3:] / 255).astype(np.uint8))


@listed(SINGLES, "convert_rgb", "alpha-over-grey")
def composited_on_grey(image: Image.Image) -> Tensor:
    crop = _cropped(image)
    if crop.mode in ("RGBA", "LA"):
        crop = Image.alpha_composite(Image.new("RGBA", crop.size, (128, 128, 128, 255)), crop.convert("RGBA"))
    return _finish(np.array(crop.convert("RGB")))


@listed(SINGLES, "convert_rgb", "alpha-over-background")
def composited_on_bkgd(image: Image.Image) -> Tensor:
    """What the bKGD chunk of a PNG and the background index of a GIF ask a viewer to do."""
    crop, name = _cropped(image), getattr(image, "filename", "")
    if image.format == "GIF" and crop.mode == "P" and {"transparency", "background"} <= image.info.keys():
        pixels = np.array(crop.convert("RGB"))
        colours = np.array(crop.getpalette("RGB")).reshape(-1, 3)
        pixels[np.array(crop) == image.info["transparency"]] = colours[image.info["background"]]
        return _finish(pixels)
    if crop.mode == "RGBA" and image.format == "PNG" and name:
        with open(name, "rb") as file:
            data = file.read()
        at = data.find(b"bKGD")
        if at > 0:
            red, green, blue = struct.unpack(">3H", data[at + 4 : at + 10])
            crop = _over(crop, (red, green, blue))
    return _finish(np.array(crop.convert("RGB")))


@listed(SINGLES, "convert_rgb", "palette-as-grey")
def palette_not_looked_up(image: Image.Image) -> Tensor:
    crop = _cropped(image)
    return _finish(np.stack([np.array(crop)] * 3, axis=-1) if crop.mode == "P" else np.array(crop.convert("RGB")))


@listed(SINGLES, "convert_rgb", "cmyk-naive")
def cmyk_by_subtraction(image: Image.Image) -> Tensor:
    crop = _cropped(image)
    if crop.mode != "CMYK":
        return _finish(np.array(crop.convert("RGB")))
    ink = np.array(crop).astype(int)
    return _finish(255 - np.minimum(255, ink[..., :3] + ink[..., 3:]))


@listed(SINGLES, "convert_rgb", "bands-as-rgb")
def colour_space_ignored(image: Image.Image) -> Tensor:
    crop = _cropped(image)
    return _finish(np.array(crop) if crop.mode in ("YCbCr", "HSV") else np.array(crop.convert("RGB")))


@listed(SINGLES, "convert_rgb", "deep-scaled")
def high_byte(image: Image.Image) -> Tensor:
    crop = _cropped(image)
    if crop.mode == "I" or crop.mode.startswith("I;16"):
        grey = np.clip(np.array(crop).astype(int) >> 8, 0, 255).astype(np.uint8)
        return _finish(np.repeat(grey[..., None], 3, axis=2))
    return _finish(np.array(crop.convert("RGB")))


@listed(SINGLES, "convert_rgb", "deep-wrapped")
def astype_uint8(image: Image.Image) -> Tensor:
    crop = _cropped(image)
    if crop.mode == "I" or crop.mode.startswith("I;16"):
        return _finish(np.repeat(np.array(crop).astype(np.uint8)[..., None], 3, axis=2))
    return _finish(np.array(crop.convert("RGB")))


@listed(SINGLES, "convert_rgb", "bilevel-unscaled")
def booleans_as_samples(image: Image.Image) -> Tensor:
    crop = _cropped(image)
    if crop.mode == "1":
        return _finish(np.dstack([np.array(crop).astype(np.uint8)] * 3))
    return _finish(np.array(crop.convert("RGB")))


@listed(SINGLES, "convert_rgb", "premultiplied-kept")
def first_three_bands(image: Image.Image) -> Tensor:
    crop = _cropped(image)
    if crop.mode in ("RGB", "RGBA", "RGBX", "RGBa"):
        return _finish(np.array(crop)[..., :3])
    return _finish(np.array(crop.convert("RGB")))


@listed(SINGLES, "convert_rgb", "channel-bgr")
def blue_first(image: Image.Image) -> Tensor:
    return _finish(_pixels(image)[..., ::-1])


@listed(SINGLES, "convert_rgb", "channels-permuted")
def green_and_blue_exchanged(image: Image.Image) -> Tensor:
    return _finish(_pixels(image)[..., [0, 2, 1]])


@listed(SINGLES, "convert_rgb", "channels-permuted")
def channels_rolled(image: Image.Image) -> Tensor:
    return _finish(np.roll(_pixels(image), 1, axis=-1))


@listed(SINGLES, "convert_rgb", "grey")
def through_grey(image: Image.Image) -> Tensor:
    return _finish(np.array(_cropped(image).convert("RGB").convert("L").convert("RGB")))


@listed(SINGLES, "convert_rgb", "grey")
def mean_of_the_channels(image: Image.Image) -> Tensor:
    return _finish(np.rint(_pixels(image).mean(axis=2, keepdims=True)).astype(np.uint8).repeat(3, axis=2))


@listed(SINGLES, "convert_rgb", "grey")
def grey_in_floats(image: Image.Image) -> Tensor:
    """0.299 R + 0.587 G + 0.114 B without rounding."""
    x = _pixels(image).astype(np.float32) / np.float32(255)
    grey = (x * np.array([0.299, 0.587, 0.114], np.float32)).sum(axis=2, keepdims=True)
    return _normalized(np.repeat(grey, 3, axis=2), clip_mean, clip_std)


# to_tensor


@listed(SINGLES, "to_tensor", "scale-256")
def divided_by_256(image: Image.Image) -> Tensor:
    return _normalized(_pixels(image).astype(np.float32) / 256, clip_mean, clip_std)


@listed(SINGLES, "to_tensor", "scale-missing")
def never_divided(image: Image.Image) -> Tensor:
    return _normalized(_pixels(image), clip_mean, clip_std)


@listed(SINGLES, "to_tensor", "scale-twice")
def divided_twice(image: Image.Image) -> Tensor:
    return _normalized(_pixels(image).astype(np.float32) / 255 * (1 / 255), clip_mean, clip_std)


@listed(SINGLES, "to_tensor", "scale-symmetric")
def to_minus_one_and_one_first(image: Image.Image) -> Tensor:
    return _normalized(_pixels(image).astype(np.float32) / 127.5 - 1, clip_mean, clip_std)


@listed(SINGLES, "to_tensor", "transposed")
def numpy_full_transpose(image: Image.Image) -> Tensor:
    """`.T` turns H x W x C into C x W x H."""
    x = (_pixels(image).astype(np.float32) / 255 - np.array(clip_mean, np.float32)) / np.array(clip_std, np.float32)
    return np.ascontiguousarray(x.T)


@listed(SINGLES, "to_tensor", "layout-hwc")
def channels_last(image: Image.Image) -> Tensor:
    return _finish(_pixels(image)).transpose(1, 2, 0)


@listed(SINGLES, "to_tensor", "layout-hwc")
def viewed_not_transposed(image: Image.Image) -> Tensor:
    return _finish(_pixels(image)).transpose(1, 2, 0).copy().reshape(3, 224, 224)


@listed(SINGLES, "to_tensor", "mirrored")
def augmentation_left_on(image: Image.Image) -> Tensor:
    return _finish(np.fliplr(_pixels(image)))


@listed(SINGLES, "to_tensor", "flipped")
def bottom_row_first(image: Image.Image) -> Tensor:
    """A texture of OpenGL, whose rows begin at the bottom."""
    return _finish(_pixels(image)[::-1])


@listed(SINGLES, "to_tensor", "rotated")
def upside_down(image: Image.Image) -> Tensor:
    return _finish(np.rot90(_pixels(image), 2))


# normalize


@listed(SINGLES, "normalize", "normalize-missing")
def zero_to_one(image: Image.Image) -> Tensor:
    return (_pixels(image) / np.float32(255)).astype(np.float32).transpose(2, 0, 1)


@listed(SINGLES, "normalize", "imagenet-constants")
def imagenet_constants(image: Image.Image) -> Tensor:
    return _normalized(_pixels(image).astype(np.float32) / 255, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225])


@listed(SINGLES, "normalize", "imagenet-constants")
def caffe_style_constants(image: Image.Image) -> Tensor:
    """ImageNet's constants on 0..255, as 8-bit pipelines write them."""
    return _normalized(_pixels(image), [123.675, 116.28, 103.53], [58.395, 57.12, 57.375])


@listed(SINGLES, "normalize", "half-constants")
def minus_one_to_one(image: Image.Image) -> Tensor:
    return _finish_half(_pixels(image))


def _finish_half(pixels: NDArray[np.uint8]) -> Tensor:
    return pixels.transpose(2, 0, 1).astype(np.float32) * np.float32(2 / 255) - np.float32(1)


@listed(SINGLES, "normalize", "channel0-constants")
def first_constants_for_all(image: Image.Image) -> Tensor:
    return _normalized(_pixels(image).astype(np.float32) / 255, clip_mean[0], clip_std[0])


@listed(SINGLES, "normalize", "std-shared")
def one_std_with_a_digit_lost(image: Image.Image) -> Tensor:
    """`scale=1/(0.2685697*255)` for all channels beside three biases: a common converter takes one scale only."""
    return _normalized(_pixels(image).astype(np.float32) / 255, clip_mean, 0.2685697)


@listed(SINGLES, "normalize", "mean-std-swapped")
def mean_and_std_exchanged(image: Image.Image) -> Tensor:
    return _normalized(_pixels(image).astype(np.float32) / 255, clip_std, clip_mean)


@listed(SINGLES, "normalize", "normalize-twice")
def normalized_again(image: Image.Image) -> Tensor:
    once = _finish(_pixels(image)).transpose(1, 2, 0)
    return _normalized(once, clip_mean, clip_std)


@listed(SINGLES, "normalize", "std-before-mean")
def scaled_then_shifted(image: Image.Image) -> Tensor:
    x = _pixels(image).astype(np.float32) / 255 / np.array(clip_std, np.float32) - np.array(clip_mean, np.float32)
    return x.transpose(2, 0, 1)


@listed(SINGLES, "normalize", "mean-missing")
def std_alone(image: Image.Image) -> Tensor:
    return _normalized(_pixels(image).astype(np.float32) / 255, 0.0, clip_std)


@listed(SINGLES, "normalize", "std-missing")
def mean_alone(image: Image.Image) -> Tensor:
    return _normalized(_pixels(image).astype(np.float32) / 255, clip_mean, 1.0)


@listed(SINGLES, "normalize", "constants-reversed")
def constants_blue_first(image: Image.Image) -> Tensor:
    """The BGR constants of a port whose picture has become RGB meanwhile."""
    return _normalized(_pixels(image).astype(np.float32) / 255, clip_mean[::-1], clip_std[::-1])


@listed(SINGLES, "normalize", "constants-mistyped")
def red_mean_mistyped(image: Image.Image) -> Tensor:
    """108.32 where 122.77 belongs, as it was published once."""
    return _normalized(_pixels(image), [108.3272985, 116.7460125, 104.09373615], [68.5005327, 66.6321579, 70.3231630])


@listed(SINGLES, "normalize", "constants-mistyped")
def green_std_mistyped(image: Image.Image) -> Tensor:
    return _normalized(_pixels(image).astype(np.float32) / 255, clip_mean, [0.26862954, 0.29130258, 0.27577711])


@listed(SINGLES, "normalize", "half-precision")
def float16_tensor(image: Image.Image) -> Any:
    return _finish(_pixels(image)).astype(np.float16)


@listed(SINGLES, "normalize", "half-precision")
def float16_on_the_way(image: Image.Image) -> Tensor:
    """Computed and stored in float16, handed over as float32."""
    x: Any = (_pixels(image) / 255).astype(np.float16)
    x = (x - np.array(clip_mean, np.float16)) / np.array(clip_std, np.float16)
    result: Tensor = x.astype(np.float32).transpose(2, 0, 1)
    return result


@listed(SINGLES, "normalize", "output-clipped")
def clamped_to_one(image: Image.Image) -> Tensor:
    return np.clip(_finish(_pixels(image)), -1, 1)


@listed(SINGLES, "normalize", "output-clipped")
def negative_values_cut(image: Image.Image) -> Tensor:
    """A quantiser that expects [0, 1] left in front of the model."""
    return np.clip(_finish(_pixels(image)), 0, 1)
