"""Candidates of every shape, sound and unsound, for the tests of the suite itself."""

import os
import sys
import time

import numpy as np
from PIL import Image

import clip_reference

MEAN = np.array([0.48145466, 0.4578275, 0.40821073], dtype=np.float32).reshape(3, 1, 1)
STD = np.array([0.26862954, 0.26130258, 0.27577711], dtype=np.float32).reshape(3, 1, 1)


def sound(image):
    return clip_reference.preprocess(image)


def any_n_px(image, n_px=224):
    return clip_reference.preprocess(image, n_px)


def factory(n_px):
    return lambda image: clip_reference.preprocess(image, n_px)


def on_arrays(pixels):
    assert isinstance(pixels, np.ndarray)
    return clip_reference.preprocess(pixels)


def batch_of_one(image):
    return {"pixel_values": clip_reference.preprocess(image)[None]}


def list_of_one(image):
    return [clip_reference.preprocess(image)]


def fortran_ordered(image):
    return np.asfortranarray(clip_reference.preprocess(image))


def float64_ordered(image):
    u = clip_reference.trace(image).convert_rgb.transpose(2, 0, 1).astype(np.float64)
    return (u / 255 - MEAN.astype(np.float64)) / STD.astype(np.float64)


def reciprocal(image):
    u = clip_reference.trace(image).convert_rgb.transpose(2, 0, 1).astype(np.float32)
    return (u * np.float32(1 / 255) - MEAN) / STD


def fused_scale_and_bias(image):
    u = clip_reference.trace(image).convert_rgb.transpose(2, 0, 1).astype(np.float32)
    return u * (np.float32(1) / (np.float32(255) * STD)) + -(MEAN / STD)


def noisy(image):
    print("a line on stdout", image.size)
    sys.stdout.flush()
    return clip_reference.preprocess(image)


SOUND = {
    "sound": "exact",
    "any_n_px": "exact",
    "factory": "exact",
    "batch_of_one": "exact",
    "list_of_one": "exact",
    "fortran_ordered": "exact",
    "noisy": "exact",
    "float64_ordered": "equivalent",
    "reciprocal": "equivalent",
    "fused_scale_and_bias": "equivalent",
}


def returns_text(image):
    return "a cat"


def returns_none(image):
    return None


def returns_objects(image):
    return np.array([object()])


def returns_other_dict(image):
    return {"image": 1}


def raises(image):
    raise RuntimeError("first line\nsecond line")


def with_nan(image):
    tensor = clip_reference.preprocess(image).copy()
    tensor[0, 0, 0] = np.nan
    return tensor


def half_precision(image):
    return clip_reference.preprocess(image).astype(np.float16)


def aborts_on_crop(image):
    if image.size == (227, 224):
        os.abort()
    return clip_reference.preprocess(image)


def exits_on_crop(image):
    if image.size == (227, 224):
        sys.exit(3)
    return clip_reference.preprocess(image)


def hangs_on_crop(image):
    if image.size == (227, 224):
        time.sleep(600)
    return clip_reference.preprocess(image)


def refuses_crop(image):
    if image.size == (227, 224):
        raise NotImplementedError("227 px is not supported")
    return clip_reference.preprocess(image)


class Staged:
    """The five stages on Pillow images and arrays; the canon."""

    def resize(self, image):
        source = clip_reference.trace(image)
        return Image.frombytes(image.mode, source.resize.shape[1::-1], source.resize.tobytes())

    def center_crop(self, image):
        left, top = (round((side - 224) / 2) for side in image.size)
        return image.crop((left, top, left + 224, top + 224))

    def convert_rgb(self, image):
        return np.asarray(image.convert("RGB"))

    def to_tensor(self, pixels):
        return (pixels.transpose(2, 0, 1) / np.float32(255)).astype(np.float32)

    def normalize(self, tensor):
        return (tensor - MEAN) / STD


class FloorCrop(Staged):
    def center_crop(self, image):
        left, top = ((side - 224) // 2 for side in image.size)
        return image.crop((left, top, left + 224, top + 224))


class FloorCropAndHalves(FloorCrop):
    def normalize(self, tensor):
        return (tensor - np.float32(0.5)) / np.float32(0.5)


class ResizeAlone:
    def resize(self, image):
        return Staged().resize(image)


number = 3


class WithoutNormalize(Staged):
    """A whole pipeline whose last stage is missing."""

    normalize = None

    def __call__(self, image):
        return self.to_tensor(self.convert_rgb(self.center_crop(self.resize(image))))


class NeedsArguments(Staged):
    def __init__(self, weights):
        self.weights = weights


def slightly_off_here_and_there(image):
    tensor = clip_reference.preprocess(image).copy()
    tensor[:, ::15, ::15] += np.float32(1e-5)
    return tensor


def square(image):
    return np.zeros((3, 100, 100), np.float32)


def says_html(image):
    raise ValueError("<b>no</b>")
