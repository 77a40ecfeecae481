"""The installed Pillow as a witness: the same bits, but for what that version is known to do otherwise."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import PIL
import pytest
from numpy.typing import NDArray
from PIL import Image

import clip_spec
from clip_reference import trace
from clip_reference.alpha import premultiply, unpremultiply
from clip_reference.color import convert_rgb
from clip_reference.kernel import nearest_indices, taps
from clip_reference.pipeline import resize
from clip_reference.resample import resample_deep
from clip_reference.source import open_source
from random_images import as_samples, random_image

PILLOW = tuple(int(part) for part in PIL.__version__.split(".")[:2])
# The pass order of the installed Pillow (section 14 of the standard).
DIALECT = "pillow-13" if PILLOW >= (13, 0) else "pillow-12.2" if PILLOW >= (12, 2) else None
RATIOS = {"pillow-12.2": 100, "pillow-13": 2}
# DEP-3: earlier versions refuse to resize 16-bit modes, then clip overshoot byte by byte.
RESIZES_16_BITS = PILLOW >= (11, 0)
CLIPS_16_BITS = PILLOW >= (12, 3)

MODES = [mode.id for mode in clip_spec.canon().modes]
SIXTEEN_BITS = [mode.id for mode in clip_spec.canon().modes if mode.dtype == "uint16"]
RESIZABLE = [mode for mode in MODES if RESIZES_16_BITS or mode not in SIXTEEN_BITS]


def sizes(n: int) -> Iterator[tuple[int, int]]:
    """Yield (width, height): lines, up, down, no-op, off by one, tall and wide, square."""
    yield from [(1, 1), (1, 9), (9, 1), (1, 40), (40, 1), (2, 3), (5, 3)]
    yield from [(n, n), (n, n + 3), (n + 1, n), (n, 3 * n), (n - 1, n), (n, n - 1), (n + 1, n + 1)]
    yield from [(3 * n, 2 * n), (2 * n - 3, 2 * n + 1), (n + 5, 2 * n + 10), (n + 5, 2 * n + 11)]
    yield from [(n + 1, 7 * n), (7 * n, n + 1), (n // 2, n + n // 2)]
    if n < 100:
        yield from [(n + 1, 100 * n + 100), (n + 1, 100 * n + 101), (100 * n + 101, n + 1)]


def dialect_applies(dialect: str | None, width: int, height: int, n: int) -> bool:
    """Whether a dialect takes the vertical pass first, in the standard's "CLIP terms"."""
    return dialect is not None and width > n and height > RATIOS[dialect] * width


def with_pillow(image: Image.Image, n: int) -> tuple[Image.Image, Image.Image, Image.Image]:
    """Return resize, center_crop and convert_rgb as Pillow computes them, by torchvision's formulas."""
    short, long = sorted(image.size)
    new_long = int(n * long / short)
    width, height = size = (n, new_long) if image.width <= image.height else (new_long, n)
    resized = image.resize(size, Image.Resampling.BICUBIC)
    left, top = round((width - n) / 2.0), round((height - n) / 2.0)
    crop = resized.crop((left, top, left + n, top + n))
    return resized, crop, crop.convert("RGB")


def same(got: NDArray[Any], want: NDArray[Any]) -> bool:
    return got.dtype == want.dtype and np.array_equal(got, want)


@pytest.mark.clause(
    "SIZ-1", "SIZ-2", "RSZ-1", "RSZ-2", "RSZ-3", "RSZ-7", "RSZ-8", "RSZ-9", "RSZ-10", "NEA-1", "NEA-2",
    "DEP-1", "DEP-2", "DEP-3", "DEP-4", "CRP-1", "CRP-2", "RGB-1",
)  # fmt: skip
@pytest.mark.parametrize("n", [8, 33, 224])
@pytest.mark.parametrize("mode", RESIZABLE)
def test_every_stage_is_what_pillow_computes(mode: str, n: int) -> None:
    for width, height in sizes(n):
        image = random_image(mode, width, height, width + height)
        resized, crop, rgb = with_pillow(image, n)
        dialect = DIALECT if dialect_applies(DIALECT, width, height, n) else None
        got = trace(image, n, dialect=dialect)
        case = f"{mode} {width}x{height} to {n}"
        assert same(got.resize, as_samples(resized)), case
        assert same(got.center_crop, as_samples(crop)), case
        assert same(got.convert_rgb, np.asarray(rgb)), case


@pytest.mark.clause("RSZ-9")
@pytest.mark.parametrize("dialect", list(RATIOS))
@pytest.mark.parametrize("mode", MODES)
def test_a_dialect_is_the_canon_but_for_the_images_it_names(mode: str, dialect: str) -> None:
    nearest = mode in ("1", "P")
    for width, height in sizes(33):
        image = random_image(mode, width, height, 1)
        unchanged = same(trace(image, 33, dialect=dialect).resize, trace(image, 33).resize)
        assert unchanged == (nearest or not dialect_applies(dialect, width, height, 33)), (width, height)


@pytest.mark.clause("RSZ-9")
@pytest.mark.parametrize(
    ("size", "dialects"),
    [
        ((34, 69), {"pillow-13"}),
        ((34, 3401), {"pillow-13", "pillow-12.2"}),
        ((34, 68), set()),
        ((33, 99), set()),
    ],
)
def test_pillow_leaves_the_canons_pass_order_from_12_2_on(size: tuple[int, int], dialects: set[str]) -> None:
    image = random_image("RGB", *size, 1)
    got, want = as_samples(with_pillow(image, 33)[0]), trace(image, 33).resize
    assert (not same(got, want)) == (DIALECT in dialects)


@pytest.mark.clause("SIZ-3", "ALP-3")
@pytest.mark.parametrize("mode", MODES)
def test_an_image_of_the_right_size_passes_untouched(mode: str) -> None:
    image = random_image(mode, 31, 20, 2)
    _, crop, rgb = with_pillow(image, 20)
    got = trace(image, 20)
    assert same(got.decode, as_samples(image))
    assert same(got.resize, got.decode)
    assert same(got.center_crop, as_samples(crop))
    assert same(got.convert_rgb, np.asarray(rgb))


@pytest.mark.clause("RSZ-10", "ALP-3", "NEA-1")
@pytest.mark.parametrize("mode", RESIZABLE)
def test_one_axis_alone_is_resized_as_pillow_does(mode: str) -> None:
    image = random_image(mode, 41, 37, 2)
    source = open_source(image)
    for width, height in [(41, 17), (41, 90), (19, 37), (100, 37), (1, 37), (41, 1)]:
        want = image.resize((width, height), Image.Resampling.BICUBIC)
        got = resize(source, (width, height), (0, 0, width, height))
        assert same(got, as_samples(want)), (width, height)


@pytest.mark.clause("NEA-1")
@pytest.mark.parametrize("out", [224, 288, 336, 384, 448])
def test_nearest_indices_are_pillows(out: int) -> None:
    for length in [*range(1, 500), 1000, 1001, 3333, 4096]:
        ramp = Image.frombytes("I", (length, 1), np.arange(length, dtype="<i4").tobytes())
        want = np.asarray(ramp.resize((out, 1), Image.Resampling.NEAREST))[0]
        assert np.array_equal(nearest_indices(length, out), want), length


@pytest.mark.clause("DEP-3")
@pytest.mark.parametrize("mode", SIXTEEN_BITS)
def test_pillow_before_11_cannot_resize_sixteen_bits(mode: str) -> None:
    image = random_image(mode, 30, 20, 0)
    if RESIZES_16_BITS:
        assert image.resize((15, 10), Image.Resampling.BICUBIC).size == (15, 10)
    else:
        with pytest.raises(ValueError, match="image has wrong mode"):
            image.resize((15, 10), Image.Resampling.BICUBIC)


@pytest.mark.clause("DEP-3")
@pytest.mark.skipif(not RESIZES_16_BITS, reason="Pillow before 11 cannot resize 16-bit modes")
@pytest.mark.parametrize("out", [15, 40, 97])
def test_sixteen_bit_overshoot(out: int) -> None:
    """One pass, so that a sample that Pillow before 12.3 corrupts has no neighbours to pass it on to."""
    ends = np.array([0, 65535], dtype=np.uint16)
    plane = np.random.default_rng(out).choice(ends, (30, 16)).repeat(4, axis=1)
    image = Image.frombytes("I;16", (64, 30), plane.astype("<u2").tobytes())
    want = as_samples(image.resize((out, 30), Image.Resampling.BICUBIC))
    differs = resample_deep(plane, (out, 30), (0, 0, out, 30)) != want
    axis = taps(64, out, 0, out)
    exact = np.zeros((30, out))
    for tap in range(axis.weights.shape[1]):
        at = np.minimum(axis.start + tap, 63)
        exact += plane[:, at] * axis.weights[:, tap]
    overshoots = (exact < -0.5) | (exact >= 65535.5)
    assert overshoots.any()
    if CLIPS_16_BITS:
        assert not differs.any()
    else:
        assert differs.any()
        assert not (differs & ~overshoots).any()


@pytest.mark.clause("ALP-1")
@pytest.mark.parametrize(("straight", "premultiplied"), [("LA", "La"), ("RGBA", "RGBa")])
def test_premultiplication_of_every_colour_and_alpha(straight: str, premultiplied: str) -> None:
    pixels = every_pair(3 if straight == "RGBA" else 1)
    image = Image.frombytes(straight, (256, 256), pixels.tobytes())
    assert same(premultiply(pixels), np.asarray(image.convert(premultiplied)))


@pytest.mark.clause("ALP-2", "RGB-5")
@pytest.mark.parametrize(("straight", "premultiplied"), [("LA", "La"), ("RGBA", "RGBa")])
def test_unpremultiplication_of_every_colour_and_alpha(straight: str, premultiplied: str) -> None:
    pixels = every_pair(3 if straight == "RGBA" else 1)
    image = Image.frombytes(premultiplied, (256, 256), pixels.tobytes())
    assert same(unpremultiply(pixels), np.asarray(image.convert(straight)))


@pytest.mark.clause("RGB-3", "RGB-5", "RGB-6")
@pytest.mark.parametrize("mode", ["RGBA", "RGBa", "RGBX", "CMYK"])
def test_four_bands_to_rgb_for_every_pair_of_a_band_and_the_last(mode: str) -> None:
    pixels = every_pair(3)
    image = Image.frombytes(mode, (256, 256), pixels.tobytes())
    assert same(np.ascontiguousarray(convert_rgb(mode, pixels)), np.asarray(image.convert("RGB")))


def every_pair(colours: int) -> NDArray[np.uint8]:
    """All pairs of a colour (columns, in another order in every band) and a last band (rows)."""
    colour, last = np.arange(256)[None, :], np.arange(256)[:, None]
    bands = [(colour * (2 * band + 1) + 85 * band) % 256 + 0 * last for band in range(colours)]
    return np.stack([*bands, last + 0 * colour], axis=-1).astype(np.uint8)


@pytest.mark.clause("RGB-7", "RGB-8")
@pytest.mark.parametrize("sparse", [0, 1, 2])
@pytest.mark.parametrize("mode", ["YCbCr", "HSV"])
def test_colour_spaces_for_all_of_two_bands_and_32_values_of_the_third(mode: str, sparse: int) -> None:
    grids = [np.arange(256)] * 3
    grids[sparse] = np.linspace(0, 255, 32).round().astype(int)
    pixels = np.stack(np.meshgrid(*grids, indexing="ij"), axis=-1).astype(np.uint8).reshape(-1, 1024, 3)
    image = Image.frombytes(mode, (1024, len(pixels)), pixels.tobytes())
    assert same(convert_rgb(mode, pixels), np.asarray(image.convert("RGB")))


@pytest.mark.clause("RGB-2", "RGB-9", "RGB-10", "RGB-11")
@pytest.mark.parametrize("mode", ["L", "LA", "I", "F", *SIXTEEN_BITS])
def test_grey_modes_to_rgb_around_the_ends_of_the_range(mode: str) -> None:
    spec = next(known for known in clip_spec.canon().modes if known.id == mode)
    values = {
        "uint8": np.arange(256),
        "uint16": np.arange(65536),
        "int32": np.array([-(2**31), -65536, -256, -1, *range(600), 65535, 65536, 2**31 - 1]),
        "float32": np.array([-np.inf, -1e30, -0.5, -0.0, *np.arange(0, 300, 0.125), 254.99998, 1e30, np.inf]),
    }[spec.dtype]
    plane = np.repeat(values[None, :, None], spec.bands, axis=2).astype(spec.dtype)
    plane = plane if spec.bands > 1 else plane[..., 0]
    stored = plane.astype(">u2") if mode == "I;16B" else plane
    image = Image.frombytes(mode, (len(values), 1), stored.tobytes())
    assert same(convert_rgb(mode, plane), np.asarray(image.convert("RGB")))


@pytest.mark.clause("RGB-4")
@pytest.mark.parametrize("entries", [1, 2, 100, 256])
@pytest.mark.parametrize("kind", ["RGB", "RGBA"])
def test_palettes_of_any_length_and_with_alpha(kind: str, entries: int) -> None:
    """An index beyond the palette's end is black; alpha in the palette changes nothing."""
    rng = np.random.default_rng(entries)
    image = Image.frombytes("P", (16, 16), bytes(range(256)))
    image.putpalette(rng.integers(0, 256, entries * len(kind), dtype=np.uint8).tobytes(), kind)
    got = trace(image, 16).convert_rgb
    assert same(got, np.asarray(image.convert("RGB")))
    assert not got.reshape(256, 3)[entries:].any()
