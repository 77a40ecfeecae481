"""The literal torchvision pipeline of openai/CLIP as a witness: the same bits, but for Pillow's dialects."""

from typing import Any

import numpy as np
import PIL
import pytest
from numpy.typing import NDArray
from PIL import Image

import clip_spec
from clip_reference import preprocess, trace
from clip_reference.tensor import normalize, to_tensor
from random_images import as_samples, random_image

pytest.importorskip("torchvision", reason="torchvision is not installed")

from torchvision.transforms import CenterCrop, Compose, InterpolationMode, Normalize, Resize, ToTensor

pytestmark = pytest.mark.torch

PILLOW = tuple(int(part) for part in PIL.__version__.split(".")[:2])
DIALECT = "pillow-13" if PILLOW >= (13, 0) else "pillow-12.2" if PILLOW >= (12, 2) else None
RATIOS = {"pillow-12.2": 100, "pillow-13": 2}
# Pillow before 11 cannot resize 16-bit modes (DEP-3).
MODES = [m.id for m in clip_spec.canon().modes if PILLOW >= (11, 0) or m.dtype != "uint16"]
STAGES = clip_spec.stage_ids()[1:]


def openai(n_px: int) -> Compose:
    """`_transform` of openai/CLIP's clip.py, letter by letter."""
    return Compose(
        [
            Resize(n_px, interpolation=InterpolationMode.BICUBIC),
            CenterCrop(n_px),
            lambda image: image.convert("RGB"),
            ToTensor(),
            Normalize((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)),
        ]
    )


def sizes(n: int) -> list[tuple[int, int]]:
    """Return (width, height): lines, enlarged, off by one, every residue of the crop margin, tall, wide."""
    return [
        (1, 1), (1, 7), (7, 1), (5, 3), (30, 41),
        (n - 1, n), (n, n + 1), (n + 2, n), (n, n + 3), (n, n), (n + 1, n + 1),
        (640, 427), (427, 640), (333, 517), (2 * n + 1, 2 * n - 1),
        (n + 9, 2 * n + 19), (n + 1, 5 * n), (5 * n, n + 1), (n // 3, n),
    ]  # fmt: skip


def dialect_for(width: int, height: int, n: int) -> str | None:
    """Return the installed Pillow's dialect where it applies, in the standard's "CLIP terms", else None."""
    if DIALECT is not None and width > n and height > RATIOS[DIALECT] * width:
        return DIALECT
    return None


def bits(array: Any) -> NDArray[np.uint32]:
    return np.ascontiguousarray(array, dtype=np.float32).view(np.uint32)


def run(image: Image.Image, n: int) -> dict[str, NDArray[Any]]:
    """Return the output of every stage as an array."""
    outputs: dict[str, NDArray[Any]] = {}
    value: Any = image
    for stage, transform in zip(STAGES, openai(n).transforms, strict=True):
        value = transform(value)
        outputs[stage] = as_samples(value) if isinstance(value, Image.Image) else value.numpy()
    return outputs


@pytest.mark.clause("RSZ-1", "RSZ-2", "RSZ-9", "CRP-1", "CRP-2", "CRP-3", "RGB-1", "TEN-1", "TEN-2", "NRM-1")
@pytest.mark.parametrize("mode", MODES)
def test_every_stage_of_every_mode_and_size(mode: str) -> None:
    for seed, (width, height) in enumerate(sizes(224)):
        image = random_image(mode, width, height, seed)
        got = trace(image, 224, dialect=dialect_for(width, height, 224))
        for stage, want in run(image, 224).items():
            array = getattr(got, stage)
            case = f"{stage} of {mode} {width}x{height}"
            assert (array.dtype, array.shape) == (want.dtype, want.shape), case
            assert np.array_equal(array, want), case
        assert np.array_equal(bits(got.normalize), bits(want)), f"{mode} {width}x{height}"
        if dialect_for(width, height, 224) is None:
            assert np.array_equal(bits(preprocess(image, 224)), bits(want)), f"{mode} {width}x{height}"


@pytest.mark.clause("MOD-1", "SIZ-1", "SIZ-2")
@pytest.mark.parametrize("n", [n for n in clip_spec.sizes() if n != 224])
def test_every_size_at_every_other_n_px(n: int) -> None:
    pipeline = openai(n)
    for seed, (width, height) in enumerate(sizes(n)):
        image = random_image("RGBA" if seed % 5 == 4 else "RGB", width, height, seed)
        want = bits(pipeline(image).numpy())
        dialect = dialect_for(width, height, n)
        assert np.array_equal(bits(trace(image, n, dialect=dialect).normalize), want), (width, height)
        if dialect is None:
            assert np.array_equal(bits(preprocess(image, n)), want), (width, height)


@pytest.mark.clause("SIZ-1", "CRP-1", "RSZ-11")
def test_random_sizes_and_random_n_px() -> None:
    """Small n_px, so that many shapes fit into a second; the rules hold for any n."""
    rng = np.random.default_rng(2021)
    for seed in range(200):
        n, width, height = (int(side) for side in rng.integers(1, (80, 200, 200)))
        mode = str(rng.choice(MODES))
        image = random_image(mode, width, height, seed)
        want = bits(openai(n)(image).numpy())
        dialect = dialect_for(width, height, n)
        case = f"{mode} {width}x{height} to {n}"
        assert np.array_equal(bits(trace(image, n, dialect=dialect).normalize), want), case
        if dialect is None:
            assert np.array_equal(bits(preprocess(image, n)), want), case


@pytest.mark.clause("RSZ-9")
@pytest.mark.parametrize(("size", "ratio"), [((34, 69), 2), ((34, 3401), 100)])
def test_a_newer_pillow_under_torchvision_follows_its_dialect(size: tuple[int, int], ratio: int) -> None:
    image = random_image("RGB", *size, 1)
    want = bits(openai(33)(image).numpy())
    applies = DIALECT is not None and ratio >= RATIOS[DIALECT]
    assert np.array_equal(bits(preprocess(image, 33)), want) == (not applies)
    assert np.array_equal(bits(trace(image, 33, dialect=DIALECT if applies else None).normalize), want)


@pytest.mark.clause("TEN-1", "TEN-2", "NRM-1", "NRM-2", "NRM-3")
def test_all_768_floats_of_both_float_stages() -> None:
    ramp = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, axis=2)
    *_, scale, shift = openai(224).transforms
    want = scale(Image.fromarray(ramp))
    got = to_tensor(ramp)
    assert np.array_equal(bits(got), bits(want.numpy()))
    assert np.array_equal(bits(normalize(got)), bits(shift(want).numpy()))
    assert len(np.unique(bits(normalize(got)))) > 700  # the table is not constant


@pytest.mark.clause("INP-2", "INP-3")
def test_torchvision_fails_on_images_that_the_canon_rejects() -> None:
    with pytest.raises(ZeroDivisionError):
        openai(224)(Image.new("RGB", (0, 5)))
    with pytest.raises(ValueError, match="conversion from La to L not supported"):
        openai(224)(Image.new("La", (10, 10)))
