"""The last steps of shrinking, which Hypothesis leaves: every small size, and the plainest content that still fails."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from clip_conformance.fuzzing.pictures import ALPHA_BANDS, ALPHAS, PALETTES, Content, Recipe, colours

Fails = Callable[[Recipe], bool]

_BLACK, _WHITE, _GREY = (0,) * 4, (255,) * 4, (128,) * 4
# From the plainest.
_PLAIN = (
    *(colours(colour) for colour in (_BLACK, _WHITE, _GREY)),
    colours(_BLACK, _WHITE),
    *(Content(name) for name in ("step", "gradient")),
    Content("checker", (("period", 1),)),
    *(Content(name, (("seed", 0),)) for name in ("binary", "noise")),
)
# What shows nearly everything that can be shown at a size.
_TELLING = Content("binary", (("seed", 0),))
# Every size up to so many pixels is tried.
_AREA = 80
# Every square up to so many pixels a side is tried.
_SQUARE = 512


def complexity(recipe: Recipe, modes: Sequence[str]) -> tuple[Any, ...]:
    """Return what makes an image less simple than another, the weightiest first."""
    return (
        modes.index(recipe.mode),
        recipe.width * recipe.height,
        max(recipe.width, recipe.height),
        _rank(recipe.content),
        len(recipe.content.colours),
        sum(_oddness(value) for colour in recipe.content.colours for value in colour),
        sum(value for _, value in recipe.content.params if isinstance(value, int)),
        ALPHAS.index(recipe.alpha),
        PALETTES.index(recipe.palette),
        recipe.transparency is not None,
        recipe.depth,
    )


def _oddness(value: int) -> int:
    """Black and white are the plainest, for a fault shows best between them."""
    return {0: 0, 255: 1, 128: 2}.get(value, 3)


def _rank(content: Content) -> int:
    names = ("colours", "step", "gradient", "checker", "stripes", "impulses", "blocks", "zone", "binary", "noise")
    return names.index(content.name)


def reduce(recipe: Recipe, fails: Fails, modes: Sequence[str], *, flat: bool = False) -> Recipe:
    """Return the simplest image that still fails among those that are tried, until nothing gets simpler.

    Args:
        recipe: an image that fails.
        fails: whether an image does; may raise to end it.
        modes: the modes, the simplest first.
        flat: keep to one colour.
    """
    while True:
        before = complexity(recipe, modes)
        for steps in (_modes, _small, _contents, _sides, _squares, _rest):
            recipe = next(
                (
                    simpler
                    for simpler in steps(recipe, modes, flat)
                    if complexity(simpler, modes) < complexity(recipe, modes) and fails(simpler)
                ),
                recipe,
            )
        if complexity(recipe, modes) == before:
            return recipe


def _modes(recipe: Recipe, modes: Sequence[str], flat: bool) -> Iterator[Recipe]:
    for mode in modes[: modes.index(recipe.mode)]:
        yield replace(recipe, mode=mode)
        if mode in ALPHA_BANDS:
            yield replace(recipe, mode=mode, alpha="ramp")


def _small(recipe: Recipe, modes: Sequence[str], flat: bool) -> Iterator[Recipe]:
    limit = min(_AREA, recipe.width * recipe.height)
    sides = [(w, h) for w in range(1, limit + 1) for h in range(1, limit // w + 1)]
    ordered = sorted(sides, key=lambda size: (size[0] * size[1], max(size), -size[0]))
    for content in [recipe.content] if flat else [_TELLING, recipe.content]:
        for width, height in ordered:
            yield replace(recipe, width=width, height=height, content=content)


def _contents(recipe: Recipe, modes: Sequence[str], flat: bool) -> Iterator[Recipe]:
    for content in _PLAIN[:3] if flat else _PLAIN:
        yield replace(recipe, content=content)
    given = recipe.content.colours
    for index in range(len(given) if len(given) > 1 else 0):
        yield replace(recipe, content=colours(*given[:index], *given[index + 1 :]))
    for index, colour in enumerate(given):
        for band, value in enumerate(colour):
            for plain in (0, 255, 128):
                if _oddness(plain) < _oddness(value):
                    changed = (*colour[:band], plain, *colour[band + 1 :])
                    yield replace(recipe, content=colours(*given[:index], changed, *given[index + 1 :]))


def _sides(recipe: Recipe, modes: Sequence[str], flat: bool) -> Iterator[Recipe]:
    width, height = recipe.width, recipe.height
    shorter = min(width, height)
    yield replace(recipe, width=shorter, height=shorter)
    for part in (width // 2, width * 3 // 4, width - 4, width - 1):
        if part > 0:
            yield replace(recipe, width=part)
    for part in (height // 2, height * 3 // 4, height - 4, height - 1):
        if part > 0:
            yield replace(recipe, height=part)


def _squares(recipe: Recipe, modes: Sequence[str], flat: bool) -> Iterator[Recipe]:
    """Sides at which a scale is rounded badly are few and far between; no halving finds the least of them."""
    for side in range(math.isqrt(_AREA) + 1, min(_SQUARE, recipe.width, recipe.height)):
        yield replace(recipe, width=side, height=side)


def _rest(recipe: Recipe, modes: Sequence[str], flat: bool) -> Iterator[Recipe]:
    for alpha in ALPHAS[: ALPHAS.index(recipe.alpha)]:
        yield replace(recipe, alpha=alpha)
    for palette in PALETTES[: PALETTES.index(recipe.palette)]:
        yield replace(recipe, palette=palette)
    yield replace(recipe, transparency=None)
    for depth in range(recipe.depth):
        yield replace(recipe, depth=depth)
