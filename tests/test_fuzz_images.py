"""The images of the search: what is drawn, saved and shrunk."""

import random
from collections import Counter

import pytest
from hypothesis import Phase, find, settings
from hypothesis.errors import NoSuchExample

from clip_conformance.fuzzing import strategies
from clip_conformance.fuzzing.finding import load, save
from clip_conformance.fuzzing.pictures import (
    ALPHAS,
    MODES,
    PALETTES,
    Content,
    Recipe,
    colours,
    render,
)
from clip_conformance.fuzzing.reduce import complexity, reduce
from clip_conformance.images import open_image


def drawn(n_px=224, count=600):
    """As many images as a search draws, in its rounds."""
    found = []
    for seed in range(count // 100):
        with pytest.raises(NoSuchExample):
            find(
                strategies.recipes(n_px, list(MODES)),
                lambda recipe: bool(found.append(recipe)),
                settings=settings(max_examples=100, database=None, deadline=None, phases=[Phase.generate]),
                random=random.Random(seed),
            )
    return found


@pytest.mark.parametrize("n_px", [224, 448])
def test_what_is_drawn_is_where_preprocessors_go_wrong(n_px):
    found = drawn(n_px)
    sizes = [(recipe.width, recipe.height) for recipe in found]
    assert max(width * height for width, height in sizes) <= strategies.MAX_PIXELS
    assert {recipe.mode for recipe in found} == set(MODES)
    assert {recipe.alpha for recipe in found} == set(ALPHAS)
    assert {recipe.palette for recipe in found} == set(PALETTES)
    longs = [n_px * max(size) // min(size) for size in sizes]
    assert {(long - n_px) % 4 for long in longs if long > n_px} == {0, 1, 2, 3}
    short_at_rounding = [min(size) in strategies.rounding_sides(n_px) for size in sizes]
    assert sum(short_at_rounding) > len(sizes) / 20
    assert any(n_px * max(size) % min(size) * 2 >= min(size) for size in sizes)
    assert any(width > 20 * height for width, height in sizes)
    assert any(height > 20 * width for width, height in sizes)
    crops = [max(size) - n_px for size in sizes if min(size) == n_px and max(size) < 2 * n_px]
    assert len(crops) > len(sizes) / 20
    assert {margin % 4 for margin in crops} == {0, 1, 2, 3}
    small = [n_px * max(size) // min(size) - n_px for size in sizes if min(size) != n_px]
    assert sum(0 < margin < 16 for margin in small) > len(sizes) / 60
    assert sum(width == height in strategies.rounding_sides(n_px) for width, height in sizes) > len(sizes) / 100


def test_sides_that_single_precision_truncates_are_known():
    assert {23, 46, 540} <= set(strategies.rounding_sides(224))


def variants():
    for mode in MODES:
        yield Recipe(mode, 5, 3, Content("noise", (("seed", 3),)), alpha="noise", depth=2)
    for palette in PALETTES:
        for transparency in (None, 0, 3, (255, 0, 128, 7), (255, 0)):
            yield Recipe("P", 5, 3, Content("noise"), palette=palette, transparency=transparency)
    yield Recipe("RGB", 1, 1, colours((1, 2, 3, 4)))


@pytest.mark.parametrize("recipe", list(variants()), ids=str)
def test_an_image_is_saved_as_it_is(recipe, tmp_path):
    picture = render(recipe)
    path = save(picture, tmp_path / "deep" / "er", "divergent")
    assert load(path).same(picture)
    # A PNG cannot tell an index from alphas of which one is 0.
    if recipe.mode in ("1", "L", "LA", "P", "RGB", "RGBA") and recipe.transparency != (255, 0):
        assert path.suffix == ".png"
    sent, kept = (open_image(one.message(tmp_path, "sent")) for one in (picture, load(path)))
    assert (sent.mode, sent.size, sent.tobytes()) == (kept.mode, kept.size, kept.tobytes())
    assert sent.info.get("transparency") == kept.info.get("transparency")


@pytest.mark.parametrize("mode", list(MODES))
def test_an_image_is_what_the_mode_holds(mode):
    for depth in range(3):
        picture = render(Recipe(mode, 7, 4, Content("binary", (("seed", 1),)), depth=depth))
        spec = MODES[mode]
        assert picture.samples.dtype == spec.dtype
        assert picture.samples.shape == ((4, 7) if spec.bands == 1 else (4, 7, spec.bands))
        assert not picture.flat


def test_shrinking_comes_to_the_simplest():
    """Fails from 7 pixels on where there is white: the smallest such image is one row, and white alone."""
    start = Recipe("CMYK", 300, 200, Content("noise", (("seed", 7),)), alpha="ramp")
    modes = ["RGB", "L", "CMYK"]

    def fails(recipe):
        picture = render(recipe)
        return picture.width * picture.height >= 7 and bool((picture.samples == 255).any())

    end = reduce(start, fails, modes)
    assert (end.mode, end.width * end.height) == ("RGB", 7)
    assert end.content.name == "colours"
    assert len(end.content.colours) == 1
    assert complexity(end, modes) < complexity(start, modes)
    assert fails(end)


def test_modes_are_searched_evenly():
    counts = Counter(recipe.mode for recipe in drawn(count=800))
    assert min(counts.values()) > 10
