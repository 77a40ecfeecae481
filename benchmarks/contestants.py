"""What the reference is measured against, each from a PIL image to the model's input, all on one thread."""

from collections.abc import Callable
from typing import Any

from PIL import Image

Preprocess = Callable[[Image.Image], Any]

REFERENCE, LITERAL = "reference", "torchvision"
SIZES = ((224, 224), (640, 480), (1920, 1080), (4000, 3000), (8000, 400))


def reference(n_px: int) -> Preprocess:
    import clip_reference

    return lambda image: clip_reference.preprocess(image, n_px)


def literal(n_px: int) -> Preprocess:
    import torch

    from clip_conformance.witnesses import openai

    torch.set_num_threads(1)
    return openai.make(n_px)  # type: ignore[no-any-return]


def pillow(n_px: int) -> Preprocess:
    from clip_conformance.witnesses.pillow import make

    it = make(n_px)
    return lambda image: it.normalize(it.to_tensor(it.convert_rgb(it.center_crop(it.resize(image)))))


def uint8_kernel(n_px: int) -> Preprocess:
    import torch

    from clip_conformance.witnesses import torchvision_tensor

    torch.set_num_threads(1)
    return torchvision_tensor.make(n_px)  # type: ignore[no-any-return]


def inter_area(n_px: int) -> Preprocess:
    import cv2

    from clip_conformance.witnesses import opencv

    cv2.setNumThreads(1)
    return opencv.make(n_px, cv2.INTER_AREA)


# Each imports what it needs and no more, so that it can be alone in a process.
CONTESTANTS: dict[str, Callable[[int], Preprocess]] = {
    REFERENCE: reference,
    LITERAL: literal,
    "Pillow": pillow,
    "uint8 kernel": uint8_kernel,
    "INTER_AREA": inter_area,
}
