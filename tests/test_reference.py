"""The reference as a function: golden values, refusals, no side effects, the models."""

import subprocess
import sys
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import clip_reference
import clip_spec
from clip_fixtures import Fixture, build, digest, file_path, fixtures
from clip_fixtures.patterns import quadratic
from clip_reference import Rejected, preprocess, trace
from clip_reference.tensor import table
from random_images import random_image

IMAGES = [fixture for fixture in fixtures().values() if fixture.expect == "image"]
REFUSED = [fixture for fixture in fixtures().values() if fixture.expect == "reject"]
MODES = [mode.id for mode in clip_spec.canon().modes]


def source(fixture: Fixture, n_px: int) -> Image.Image | Path:
    return file_path(fixture) if fixture.scope == "files" else build(fixture, n_px)


def refusal(image: object, n_px: int = 224) -> str:
    """Return the clause by which both entrances refuse an image; the message begins with it."""
    with pytest.raises(Rejected) as one:
        preprocess(image, n_px)  # type: ignore[arg-type]
    with pytest.raises(Rejected) as two:
        trace(image, n_px)  # type: ignore[arg-type]
    assert str(one.value) == str(two.value) == f"{one.value.clause}: {one.value.reason}"
    assert one.value.clause in clip_spec.clauses()
    assert "\n" not in one.value.reason
    return one.value.clause


# What it computes.


@pytest.mark.clause("RSZ-11")
@pytest.mark.parametrize("fixture", IMAGES, ids=lambda fixture: fixture.slug)
def test_computing_only_what_the_crop_keeps_gives_the_same_bits(fixture: Fixture) -> None:
    image = source(fixture, 224)
    assert np.array_equal(preprocess(image).view(np.uint32), trace(image).normalize.view(np.uint32))


@pytest.mark.clause("RSZ-11", "CRP-3")
@pytest.mark.parametrize("n_px", [1, 2, 7, 64, 288])
def test_computing_only_what_the_crop_keeps_at_other_sizes(n_px: int) -> None:
    for fixture in IMAGES[:: 5 if n_px < 100 else 12]:
        image = source(fixture, 224)
        got = preprocess(image, n_px)
        assert got.shape == (3, n_px, n_px)
        assert np.array_equal(got.view(np.uint32), trace(image, n_px).normalize.view(np.uint32)), fixture.slug


@pytest.mark.clause("RSZ-11")
def test_an_extreme_ratio_needs_no_memory_for_what_is_cropped() -> None:
    """Resized whole, the image would be 448 x 40 million pixels."""
    image = np.tile(np.arange(200, dtype=np.uint8), 450)[:, None]
    tracemalloc.start()
    got = preprocess(image, 448)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 200e6
    assert np.array_equal(got, np.broadcast_to(got[:, :, :1], got.shape))  # a line has one column


# Of section A.2 of the standard, here a second time so that the text and the reference cannot move together.
GOLDEN = {
    (640, 480, "RGB", 224): "f94163d5655805b5cb882bf0afd66a5fc49f373193e1c02dcaf5c561f7693fda",
    (500, 1100, "RGB", 224): "45fe24f5bcdf864db6b644934556416ec563850805dc79e2429d3ef6e2659ebd",
    (400, 301, "RGBA", 224): "77484a385f5fdb725df3379e0a6ad988e9a5af8a318d94c396e318aa4eeeba4a",
    (333, 517, "L", 336): "a58014005552a8f5a18293809f8c8917e793a67b493a937203d93c542b699ab0",
    (400, 300, "CMYK", 288): "9e26be0bde495e59f273ebe61eb9c13e8ef0d9d64712f0c81850319591729aab",
    (900, 700, "RGB", 448): "294626ab41521c993c127e57c74124a55bd5fb1958661b56f6597812165db0bb",
}


@pytest.mark.clause("CNF-1")
@pytest.mark.parametrize("key", GOLDEN)
def test_golden_vector(key: tuple[int, int, str, int]) -> None:
    width, height, mode, n_px = key
    bands = {"RGB": 3, "RGBA": 4, "CMYK": 4, "L": 1}[mode]
    image = Image.frombytes(mode, (width, height), quadratic(width, height, bands).tobytes())
    assert digest(preprocess(image, n_px)) == GOLDEN[key]


@pytest.mark.clause("INP-1")
@pytest.mark.parametrize(("shape", "mode"), [((50, 70), "L"), ((50, 70, 3), "RGB"), ((50, 70, 4), "RGBA")])
def test_an_array_is_the_image_of_its_mode(shape: tuple[int, ...], mode: str, tmp_path: Path) -> None:
    array = np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)
    image = Image.frombytes(mode, (70, 50), array.tobytes())
    path = tmp_path / "image.png"
    image.save(path)
    want = preprocess(image, 33)
    for same in (array, path, str(path)):
        assert np.array_equal(preprocess(same, 33), want)
    assert trace(array, 33).mode == mode


@pytest.mark.clause("TEN-2", "INP-7")
@pytest.mark.parametrize("size", [(24, 24), (24, 30), (50, 40)])
def test_the_result_is_a_fresh_contiguous_float32_array(size: tuple[int, int]) -> None:
    image = np.asarray(random_image("RGB", *size, 1)).copy()
    for got in (preprocess(image, 24), trace(image, 24).normalize):
        assert (got.dtype, got.shape) == (np.float32, (3, 24, 24))
        assert got.flags.c_contiguous
        assert got.flags.owndata
        assert got.flags.writeable
    traced = trace(image, 24)
    for stage in clip_spec.stage_ids():
        assert not np.shares_memory(getattr(traced, stage), image), stage


# No side effects.


@pytest.mark.clause("INP-7")
@pytest.mark.parametrize("mode", MODES)
def test_an_image_is_left_as_it_was(mode: str) -> None:
    for size in ((40, 30), (20, 20)):
        image = random_image(mode, *size, 2)
        image.info["comment"] = "kept"
        before = (image.mode, image.size, image.tobytes(), dict(image.info), image.getpalette())
        preprocess(image, 20)
        trace(image, 20)
        assert (image.mode, image.size, image.tobytes(), dict(image.info), image.getpalette()) == before


@pytest.mark.clause("INP-7")
@pytest.mark.parametrize("channels", [0, 3, 4])
@pytest.mark.parametrize("n_px", [20, 40])
def test_an_array_may_be_read_only_and_in_any_order(channels: int, n_px: int) -> None:
    shape = (40, 60, channels) if channels else (40, 60)
    array = np.random.default_rng(channels).integers(0, 256, shape, dtype=np.uint8)
    want = preprocess(array.copy(), n_px)
    read_only = array.copy()
    read_only.flags.writeable = False
    padded = np.zeros((44, 70, *shape[2:]), dtype=np.uint8)
    padded[2:42, 5:65] = array
    for other in (read_only, np.asfortranarray(array), array[::-1].copy()[::-1], padded[2:42, 5:65]):
        before = other.copy()
        assert np.array_equal(preprocess(other, n_px), want)
        assert np.array_equal(trace(other, n_px).normalize, want)
        assert np.array_equal(other, before)


@pytest.mark.clause("INP-7")
def test_calls_do_not_influence_each_other() -> None:
    chosen = [(fixture, build(fixture, 224)) for fixture in IMAGES[::9] if fixture.scope != "files"]
    alone = {fixture.slug: digest(preprocess(image)) for fixture, image in chosen}
    again = {fixture.slug: digest(preprocess(image)) for fixture, image in reversed(chosen)}
    with ThreadPoolExecutor(4) as pool:
        threaded = list(pool.map(lambda pair: (pair[0].slug, digest(preprocess(pair[1]))), chosen * 2))
    assert again == alone
    assert len(threaded) == 2 * len(alone) > 40
    assert [(slug, found) for slug, found in threaded if found != alone[slug]] == []


# What it refuses.


@pytest.mark.clause("INP-2", "INP-3", "DEC-8", "CNF-5")
@pytest.mark.parametrize("fixture", REFUSED, ids=lambda fixture: fixture.slug)
def test_a_fixture_that_must_be_refused_is(fixture: Fixture) -> None:
    assert refusal(source(fixture, 224)) in fixture.clauses


@pytest.mark.clause("INP-2")
@pytest.mark.parametrize("size", [(0, 5), (5, 0), (0, 0)])
def test_zero_sides(size: tuple[int, int]) -> None:
    assert refusal(Image.new("L", size)) == "INP-2"
    assert refusal(np.zeros((*size, 3), dtype=np.uint8)) == "INP-2"


@pytest.mark.clause("INP-3", "INP-4")
@pytest.mark.parametrize(("mode", "clause"), [("La", "INP-3"), ("PA", "INP-3"), ("LAB", "INP-4")])
def test_modes_that_pillow_has_and_the_canon_has_not(mode: str, clause: str) -> None:
    assert refusal(Image.new(mode, (10, 10))) == clause
    assert refusal(Image.new(mode, (0, 10))) == clause  # the mode is checked before the size


@pytest.mark.clause("INP-1")
@pytest.mark.parametrize(
    "not_an_image",
    [
        None, 3, b"bytes", [[1, 2], [3, 4]], (10, 10), object(),
        np.zeros((8, 8, 3), np.float32), np.zeros((8, 8), np.int64), np.zeros((8, 8), bool), np.uint8(3),
        np.zeros(8, np.uint8), np.zeros((1, 8, 8, 3), np.uint8), np.zeros((3, 8, 8), np.uint8),
        np.zeros((8, 8, 1), np.uint8), np.zeros((8, 8, 2), np.uint8), np.zeros((8, 8, 5), np.uint8),
    ],
    ids=lambda value: f"{value.dtype}{value.shape}" if isinstance(value, np.ndarray) else repr(value)[:12],
)  # fmt: skip
def test_what_is_no_image(not_an_image: object) -> None:
    assert refusal(not_an_image) == "INP-1"


@pytest.mark.clause("INP-1")
def test_channels_first_is_never_guessed() -> None:
    """[3, 8, 4] is three rows of eight RGBA pixels and nothing else."""
    assert trace(np.zeros((3, 8, 4), dtype=np.uint8), 4).decode.shape == (3, 8, 4)


@pytest.mark.torch
@pytest.mark.clause("INP-1")
def test_a_tensor_is_no_image() -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed")
    assert refusal(torch.zeros(3, 8, 8, dtype=torch.uint8)) == "INP-1"


@pytest.mark.clause("INP-5")
@pytest.mark.parametrize("width", [20, 30, 31])
def test_a_nan_in_the_crop(width: int) -> None:
    """At 20 x 20 and 30 x 20 nothing is resized; at 31 x 31 the sample spreads into its neighbours."""
    plane = np.zeros((31 if width == 31 else 20, width), dtype=np.float32)
    plane[10, 15] = np.nan
    assert refusal(Image.fromarray(plane), 20) == "INP-5"


@pytest.mark.clause("INP-5", "RSZ-10")
def test_a_nan_outside_the_crop_does_not_matter() -> None:
    plane = np.full((20, 30), 7, dtype=np.float32)
    want = preprocess(Image.fromarray(plane), 20)
    plane[:, 4] = plane[:, 25] = np.nan  # the crop keeps columns 5 to 24
    assert np.array_equal(preprocess(Image.fromarray(plane), 20), want)
    assert np.array_equal(trace(Image.fromarray(plane), 20).normalize, want)
    plane[:, 5] = np.nan
    assert refusal(Image.fromarray(plane), 20) == "INP-5"


@pytest.mark.clause("INP-5", "RGB-10")
def test_infinities() -> None:
    """Untouched they are the ends of the range; resampled, inf - inf and 0 * inf are no numbers."""
    plane = np.full((20, 20), np.inf, dtype=np.float32)
    plane[:10] = -np.inf
    assert np.unique(trace(Image.fromarray(plane), 20).convert_rgb).tolist() == [0, 255]
    assert refusal(Image.fromarray(plane), 17) == "INP-5"
    assert refusal(Image.fromarray(np.full((20, 20), np.inf, dtype=np.float32)), 17) == "INP-5"


@pytest.mark.clause("INP-6")
@pytest.mark.parametrize("shape", [(13378, 13378), (1, 178_956_971), (178_956_971, 1), (2**20, 2**20), (2**31, 2**30)])
def test_too_many_pixels(shape: tuple[int, int]) -> None:
    assert refusal(np.broadcast_to(np.uint8(0), shape)) == "INP-6"


@pytest.mark.clause("INP-6")
def test_the_largest_number_of_pixels_is_accepted() -> None:
    line = np.broadcast_to(np.uint8(7), (178_956_970, 1))
    assert np.array_equal(preprocess(line, 1), preprocess(np.full((1, 1), 7, dtype=np.uint8), 1))


@pytest.mark.clause("INP-6", "DEC-8")
def test_a_file_of_too_many_pixels_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    path = tmp_path / "huge.pgm"
    path.write_bytes(b"P5 20000 20000 255\n")
    assert refusal(path) == "INP-6"


@pytest.mark.clause("INP-1")
def test_a_path_without_a_file_is_not_a_refusal(tmp_path: Path) -> None:
    for missing in (tmp_path / "missing.png", str(tmp_path / "missing.png"), "text path missing"):
        with pytest.raises(FileNotFoundError, match=r"missing"):
            preprocess(missing)


@pytest.mark.clause("DEC-8")
def test_a_refused_file_is_named_in_the_message(tmp_path: Path) -> None:
    path = tmp_path / "notes.png"
    path.write_text("no picture")
    with pytest.raises(Rejected, match=r"^DEC-8: .*notes\.png"):
        preprocess(path)


@pytest.mark.parametrize("n_px", [0, -224, 224.0, "224", None, True, np.float32(224)])
def test_a_side_that_is_no_positive_integer(n_px: object) -> None:
    for function in (preprocess, trace):
        with pytest.raises(ValueError, match="n_px must be an integer of at least 1"):
            function(np.zeros((4, 4), dtype=np.uint8), n_px)  # type: ignore[operator]


def test_a_numpy_integer_is_a_side() -> None:
    assert preprocess(np.zeros((4, 4), dtype=np.uint8), np.int64(3)).shape == (3, 3, 3)  # type: ignore[arg-type]


def test_an_unknown_dialect() -> None:
    with pytest.raises(KeyError, match="pillow-99"):
        trace(np.zeros((4, 4), dtype=np.uint8), 3, dialect="pillow-99")


# The models.


@pytest.mark.clause("MOD-1")
def test_models() -> None:
    assert clip_reference.available_models() == [model.name for model in clip_spec.models()]
    assert clip_reference.input_resolution("RN50x4") == 288
    for model in clip_spec.models():
        assert clip_reference.input_resolution(model.name) == model.n_px
    image = np.zeros((30, 40, 3), dtype=np.uint8)
    assert clip_reference.preprocessor("RN50x4")(image).shape == (3, 288, 288)
    got = clip_reference.preprocessor("ViT-L/14@336px")(image)
    assert np.array_equal(got, preprocess(image, 336))


@pytest.mark.clause("MOD-1")
@pytest.mark.parametrize("name", ["vit-b/32", "ViT-B-32", "ViT-L/14@336", "RN50 ", ""])
def test_an_unknown_model_is_refused_with_the_names_there_are(name: str) -> None:
    for function in (clip_reference.input_resolution, clip_reference.preprocessor):
        with pytest.raises(ValueError, match=r"no model .*; there are RN50, RN101, .*, ViT-L/14@336px"):
            function(name)


def test_importing_the_reference_loads_no_heavy_package() -> None:
    code = "import clip_reference, clip_fixtures, sys; print(*sorted(m for m in sys.modules if '.' not in m))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "clip_reference" in loaded
    heavy = {"torch", "torchvision", "scipy", "skimage", "matplotlib", "cv2", "clip_conformance"}
    assert loaded & heavy == set()


@pytest.mark.clause("RSZ-11")
@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P", "1", "I", "F", "I;16"])
@pytest.mark.parametrize("size", [(1, 20000), (20000, 1)])
def test_what_the_crop_discards_is_not_computed(mode: str, size: tuple[int, int]) -> None:
    """The whole resized image would have a thousand million pixels."""
    result = preprocess(Image.new(mode, size))
    assert np.array_equal(result, np.broadcast_to(table()[:, :1, None], (3, 224, 224)))
