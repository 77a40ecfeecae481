"""PSNR and SSIM of a report's pictures: of the tensors themselves, and only for the page."""

import base64
import io
import math
import subprocess
import sys
import zlib
from pathlib import Path

import msgspec
import numpy as np
import pytest
from PIL import Image
from skimage.metrics import structural_similarity

import candidates
from clip_conformance import check
from clip_conformance.records import Picture
from clip_conformance.reports import html
from clip_conformance.reports.likeness import likeness
from clip_fixtures import build, fixtures
from clip_reference import Stages

SLUG = "crop-right-3"


@pytest.fixture(scope="module")
def report():
    return check(candidates.FloorCrop(), select=[SLUG, "pin-noise"], jobs=1)


def picture(error: np.ndarray, unit: float = 1.0) -> Picture:
    file = io.BytesIO()
    Image.fromarray(np.full(error.shape, 128, np.uint8)).save(file, "PNG")
    height, width, _ = error.shape
    return Picture(
        case="a@224",
        size=(width, height),
        given="",
        window=(0, 0, width, height),
        expected=base64.b64encode(file.getvalue()).decode(),
        shape=[3, height, width],
        unit=unit,
        error=base64.b64encode(zlib.compress(error.astype("<i2").tobytes())).decode(),
        got="",
    )


def test_it_is_that_of_the_tensors(report):
    [found] = report.pictures
    source = build(fixtures()[SLUG], 224)
    want = Stages(source, 224).normalize.astype(np.float64)
    it = candidates.FloorCrop()
    got = it.normalize(it.to_tensor(it.convert_rgb(it.center_crop(it.resize(source))))).astype(np.float64)
    off = ((got - want) * candidates.STD * 255).transpose(1, 2, 0)
    image = Stages(source, 224).convert_rgb.astype(np.float64)
    seen = likeness(found)
    assert seen["psnr"] == pytest.approx(10 * math.log10(255**2 / np.square(off).mean()), abs=0.02)
    assert seen["ssim"] == pytest.approx(
        structural_similarity(image, image + off, channel_axis=2, data_range=255.0), abs=2e-4
    )
    assert seen["ssim"] < 0.99
    assert f'"psnr":{seen["psnr"]},"ssim":{seen["ssim"]}'.encode() in html.render(report)


def test_of_known_errors():
    one = np.ones((8, 8, 3))
    assert likeness(picture(one))["psnr"] == 48.13  # 20 lg 255
    assert likeness(picture(64 * one, 1 / 64)) == likeness(picture(one))
    assert likeness(picture(0 * one)) == {"psnr": None, "ssim": 1.0}


@pytest.mark.parametrize(
    "change",
    [
        {"error": ""},
        {"error": "no base64"},
        {"error": base64.b64encode(zlib.compress(b"\0" * 10)).decode()},
        {"error": base64.b64encode(b"not deflated").decode()},
        {"expected": base64.b64encode(b"no PNG").decode()},
        {"expected": ""},
    ],
    ids=str,
)
def test_what_cannot_be_read_has_none(change):
    broken = msgspec.structs.replace(picture(np.ones((8, 8, 3))), **change)
    assert likeness(broken) == {"psnr": None, "ssim": None}


def test_a_small_or_a_large_picture_has_none():
    for side in (3, 300):
        assert likeness(picture(np.ones((side, side, 3)))) == {"psnr": None, "ssim": None}


def test_a_check_without_a_page_loads_no_skimage():
    code = (
        "import sys, candidates\n"
        "from clip_conformance import check\n"
        f"report = check(candidates.FloorCrop(), select=['{SLUG}'], jobs=1)\n"
        "assert report.pictures and 'skimage' not in sys.modules\n"
        "from clip_conformance.reports import html\n"
        "html.render(report)\n"
        "assert 'skimage' in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parent)
