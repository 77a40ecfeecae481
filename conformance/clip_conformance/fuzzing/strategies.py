"""What Hypothesis draws: sizes, modes and contents at which preprocessors are known to go wrong, simplest first."""

import functools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from hypothesis import strategies as st

from clip_conformance.fuzzing.pictures import ALPHA_BANDS, ALPHAS, PALETTES, Content, Recipe, colours

# An image has at most so many pixels, and a resized one at most so many times n_px * n_px, so that none takes long.
MAX_PIXELS = 1 << 21
MAX_RATIO = 128
# Shapes of which sizes are drawn, the simplest first; a shape that is named twice comes twice as often.
_SHAPES = (
    *("tiny", "tiny", "crop", "crop", "up", "margin", "margin", "margin", "near", "rounding", "rounding", "free"),
    *("photo", "extreme"),
)
_PHOTOS = ((640, 480), (500, 375), (427, 640), (1024, 768), (640, 427), (1280, 720), (300, 225), (1170, 2532 // 2))
_CONTENTS = (
    *("colours", "colours", "binary", "noise", "noise", "step", "checker", "stripes", "impulses", "gradient"),
    *("blocks", "zone"),
)
_NUMBER = st.sampled_from((0, 255, 128, 1, 254, 127, 64, 200, 77))


@functools.cache
def rounding_sides(n_px: int) -> tuple[int, ...]:
    """Return short sides that a scale in float32 or double does not bring to n_px: it ends up a pixel short."""
    single, found = np.float32(n_px), []
    for side in range(2, 2048):
        scaled = int(np.float32(side) * (single / np.float32(side)))
        if scaled != n_px or int(side * (n_px / side)) != n_px:
            found.append(side)
    return tuple(found)


@st.composite
def sizes(draw: st.DrawFn, n_px: int) -> tuple[int, int]:
    """Draw (width, height)."""
    shape = draw(st.sampled_from(_SHAPES))
    if shape == "tiny":
        return draw(st.integers(1, 16)), draw(st.integers(1, 16))
    if shape == "photo":
        short, long = draw(st.sampled_from(_PHOTOS))
    elif shape == "near":
        near = st.sampled_from([n_px, n_px + 1, n_px - 1, 2 * n_px, 2 * n_px + 1, 2 * n_px - 1, 3 * n_px])
        short, long = draw(near), draw(near)
    elif shape == "free":
        short, long = draw(st.integers(1, 1400)), draw(st.integers(1, 1400))
    else:
        short = draw(_short(shape, n_px))
        long = draw(_long(shape, short, n_px))
    wide = draw(st.booleans())
    return _bounded(long, short) if wide else _bounded(short, long)


def _short(shape: str, n_px: int) -> st.SearchStrategy[int]:
    if shape == "crop":
        return st.just(n_px)
    if shape == "rounding":
        return st.sampled_from(rounding_sides(n_px))
    return {"up": st.integers(1, n_px), "margin": st.integers(2, 700), "extreme": st.integers(1, 9)}[shape]


def _long(shape: str, short: int, n_px: int) -> st.SearchStrategy[int]:
    if shape == "extreme":
        return st.integers(8, MAX_RATIO).map(lambda ratio: ratio * short)
    if shape == "up":
        return st.integers(short, 3 * short)
    if shape == "rounding":
        return st.one_of(st.just(short), st.integers(short, short * 3 // 2))
    # The margins that the crop halves: every residue modulo 4, small ones and large ones.
    margin = st.one_of(st.integers(0, 15), st.integers(16, n_px))
    return margin.map(lambda extra: -(-(n_px + extra) * short // n_px))


def _bounded(width: int, height: int) -> tuple[int, int]:
    """Return a size whose longer side is cut where it has too many pixels, before or after the resize."""
    short = min(width, height)
    short = min(short, math.isqrt(MAX_PIXELS))
    limit = min(short * MAX_RATIO, MAX_PIXELS // short)
    return min(width, limit), min(height, limit)


@st.composite
def contents(draw: st.DrawFn) -> Content:
    """Draw what an image shows."""
    name = draw(st.sampled_from(_CONTENTS))
    if name == "colours":
        return colours(*draw(st.lists(st.tuples(_NUMBER, _NUMBER, _NUMBER, _NUMBER), min_size=1, max_size=6)))
    drawn: dict[str, dict[str, st.SearchStrategy[Any]]] = {
        "binary": {"seed": st.integers(0, 99)},
        "noise": {"seed": st.integers(0, 99)},
        "checker": {"period": st.integers(1, 9)},
        "stripes": {"period": st.integers(1, 9), "axis": st.sampled_from(("x", "y"))},
        "impulses": {"spacing": st.integers(2, 40)},
        "blocks": {"size": st.integers(1, 20), "seed": st.integers(0, 9)},
        "gradient": {"seed": st.integers(0, 3)},
    }
    return Content(name, tuple((key, draw(values)) for key, values in drawn.get(name, {}).items()))


@st.composite
def recipes(draw: st.DrawFn, n_px: int, modes: Sequence[str], *, flat: bool = False, mid: bool = False) -> Recipe:
    """Draw an image.

    Args:
        draw: given by Hypothesis.
        n_px: the side of the model's input.
        modes: of which one is drawn, the simplest first.
        flat: one colour alone.
        mid: samples that no resize clips.
    """
    mode = draw(st.sampled_from(modes))
    width, height = draw(sizes(n_px))
    byte = st.integers(0, 255)
    content = colours(draw(st.tuples(byte, byte, byte, byte))) if flat else draw(contents())
    alpha = draw(st.sampled_from(ALPHAS[:3] if flat else ALPHAS)) if mode in ALPHA_BANDS else "opaque"
    palette, transparency = "grey", None
    if mode == "P":
        palette = draw(st.sampled_from(PALETTES))
        transparency = draw(st.sampled_from((None, 0, 3, (255, 0, 128, 7))))
    depth = draw(st.integers(0, 2)) if mode in ("I", "F") or mode.startswith("I;16") else 0
    return Recipe(mode, width, height, content, alpha, palette, transparency, depth, mid)
