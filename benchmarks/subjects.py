"""Candidates of the benchmarks: `check` calls them in a worker, a bare loop in its own process."""

import time
from collections.abc import Callable
from typing import Any

from PIL import Image

import clip_reference

SECONDS = 0.02


def busy(image: Image.Image) -> Any:
    """The reference, in 20 ms at least: what remains of them is spent computing, not sleeping."""
    until = time.perf_counter() + SECONDS
    result = clip_reference.preprocess(image)
    while time.perf_counter() < until:
        pass
    return result


def reference() -> Callable[[Image.Image], Any]:
    return clip_reference.preprocess


def twenty() -> Callable[[Image.Image], Any]:
    return busy


def pillow() -> Callable[[Image.Image], Any]:
    from clip_conformance.witnesses.pillow import make

    it = make(224)
    return lambda image: it.normalize(it.to_tensor(it.convert_rgb(it.center_crop(it.resize(image)))))


def openai() -> Callable[[Image.Image], Any]:
    from clip_conformance.witnesses.openai import make

    return make(224)  # type: ignore[no-any-return]


def hf() -> Callable[[Image.Image], Any]:
    from clip_conformance.witnesses.hf_clip_pil import make

    processor = make(224)
    return lambda image: processor(image)["pixel_values"]
