"""Candidates for the search: sound ones, and ones with a single mistake each, made of the reference's own parts."""

import hashlib
import os
import random
import time

import numpy as np
from PIL import Image

import clip_reference
from clip_reference import geometry
from clip_reference.color import convert_rgb
from clip_reference.pipeline import resize
from clip_reference.source import open_source
from clip_reference.tensor import normalize, to_tensor

N = 224


def sound(image):
    return clip_reference.preprocess(image)


def finished(mode, samples, palette=None):
    return normalize(to_tensor(np.ascontiguousarray(convert_rgb(mode, samples, palette))))


def cut(image, size, left, top):
    source = open_source(image)
    samples = resize(source, size, (left, top, left + N, top + N))
    return finished(source.mode.id, samples, source.palette)


def floor_crop(image):
    size = geometry.resized_size(*image.size, N)
    return cut(image, size, (size[0] - N) // 2, (size[1] - N) // 2)


def rounded_long_side(image):
    short, long = min(image.size), max(image.size)
    new = round(N * long / short)
    size = (N, new) if image.width <= image.height else (new, N)
    return cut(image, size, *geometry.crop_box(*size, N, "half-even")[:2])


def single_precision_scale(image):
    short = min(image.size)
    scale = np.float32(N) / np.float32(short)
    if int(np.float32(short) * scale) == N:
        return sound(image)
    return np.zeros((3, N - 1, N - 1), np.float32)


def halves_down(image):
    """Rounds a half the other way, in one direction; as kernels with other weights do now and then."""
    stages = clip_reference.Stages(image, N)
    crop = stages.center_crop.astype(np.int64)
    if len(np.unique(np.asarray(image))) == 2:
        crop[crop == 128] = 127  # nearly all are halves of 255
    return finished(stages.mode, crop.astype(stages.center_crop.dtype), stages.palette)


def truncating(image):
    """One LSB below in half of all samples: a mistake, by its bias."""
    stages = clip_reference.Stages(image, N)
    crop = stages.center_crop.astype(np.int64)
    crop[crop % 2 == 1] -= 1
    return finished(stages.mode, crop.astype(stages.center_crop.dtype), stages.palette)


def bilinear(image):
    image = image.convert("RGB")
    size = geometry.resized_size(*image.size, N)
    left, top = geometry.crop_box(*size, N, "half-even")[:2]
    image = image.resize(size, Image.Resampling.BILINEAR).crop((left, top, left + N, top + N))
    return finished("RGB", np.asarray(image))


def rgb_first(image):
    return sound(image.convert("RGB"))


def blue_first(image):
    return sound(image)[::-1].copy()


def mutating(image):
    if image.width > 3:
        image.putpixel((0, 0), 0 if len(image.getbands()) == 1 else (0,) * len(image.getbands()))
    return sound(image.copy()) if image.width <= 3 else sound(image)


def writes_later(image):
    """The answer is right; the image is written to afterwards."""
    answer = sound(image)
    image.paste(image.getpixel((0, 0)), (0, 0, image.width, image.height))
    image.info["seen"] = True
    return answer


def by_chance(image):
    answer = sound(image)
    if random.random() < 0.3:
        answer[0, 0, 0] += np.float32(1e-6)
    return answer


_SEEN = []


def after_others(image):
    """One value hangs on whether the two images before had one size, by less than `equivalent` would see."""
    answer = sound(image)
    if len(_SEEN) == 2 and _SEEN[0] != _SEEN[1]:
        answer[0, 0, 0] += np.float32(1e-6)
    _SEEN[:] = [*_SEEN[-1:], image.size]
    return answer


def aborts_on_grey(image):
    if image.mode == "L":
        os.abort()
    return sound(image)


def hangs_on_bilevel(image):
    if image.mode == "1":
        time.sleep(600)
    return sound(image)


def not_a_number(image):
    answer = sound(image)
    if image.width > 40:
        answer[1, 2, 3] = np.nan
    return answer


def fails_on_columns(image):
    if image.width == 1:
        raise ZeroDivisionError("no columns")
    return sound(image)


def no_inks(image):
    if image.mode == "CMYK":
        raise NotImplementedError("no inks here")
    if image.mode == "P":
        raise ValueError("cannot do P")
    return sound(image)


def refuses_all(image):
    raise NotImplementedError("not today")


def dark_border(image):
    answer = sound(image)
    answer[:, :, -1] -= np.float32(0.5)
    return answer


def rows_last(image):
    """Blurs along the rows alone."""
    answer = sound(image)
    return ((answer + np.roll(answer, 1, axis=2)) / 2).astype(np.float32)


def unlike_channels(image):
    answer = sound(image)
    answer[2] = answer[1]
    return answer


def batches(image):
    if isinstance(image, list):
        return np.stack([sound(one) for one in image])
    return sound(image)


def batch_of_first_size(image):
    if isinstance(image, list):
        return np.stack([sound(one.resize(image[0].size)) for one in image])
    return sound(image)


def on_arrays(pixels):
    return sound(np.ascontiguousarray(pixels))


def raw_memory(pixels):
    """Reads the memory as if it were contiguous."""
    flat = np.lib.stride_tricks.as_strided(pixels, shape=(pixels.size,), strides=(1,))
    return sound(flat.reshape(pixels.shape).copy())


class ResizeAlone:
    def resize(self, image):
        source = open_source(image)
        samples = resize(source, (N, N), (0, 0, N, N))  # squashed
        return Image.frombytes(image.mode, (N, N), samples.tobytes()) if source.mode.bands > 1 else samples


def recorded(image):
    """Sound; keeps what it was sent."""
    with open(os.environ["FUZZ_LOG"], "a", encoding="utf-8") as log:
        log.write(f"{image.mode} {image.size} {hashlib.sha256(image.tobytes()).hexdigest()}\n")
    return sound(image)


def recorded_blue_first(image):
    return recorded(image)[::-1].copy()
