"""Candidates of the benchmarks, made for an n_px: `check` calls them in a worker, a bare loop in its own process."""

import time
from collections.abc import Callable
from typing import Any

from PIL import Image

import clip_reference

SECONDS = 0.02


def reference(n_px: int) -> Callable[[Image.Image], Any]:
    return lambda image: clip_reference.preprocess(image, n_px)


def twenty(n_px: int) -> Callable[[Image.Image], Any]:
    """The reference, in 20 ms at least: what remains of them is spent computing, not sleeping."""

    def busy(image: Image.Image) -> Any:
        until = time.perf_counter() + SECONDS
        result = clip_reference.preprocess(image, n_px)
        while time.perf_counter() < until:
            pass
        return result

    return busy


def pillow(n_px: int) -> Callable[[Image.Image], Any]:
    from clip_conformance.witnesses.pillow import make

    it = make(n_px)
    return lambda image: it.normalize(it.to_tensor(it.convert_rgb(it.center_crop(it.resize(image)))))


def openai(n_px: int) -> Callable[[Image.Image], Any]:
    from clip_conformance.witnesses.openai import make

    it = make(n_px)
    return lambda image: it(image)


def hf(n_px: int) -> Callable[[Image.Image], Any]:
    from clip_conformance.witnesses.hf_clip_pil import make

    processor = make(n_px)
    return lambda image: processor(image)["pixel_values"]
