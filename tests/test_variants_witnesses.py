"""The resamplers of other libraries that a diagnosis knows, held against those libraries themselves."""

from dataclasses import replace

import numpy as np
import pytest

from clip_conformance.diagnosis.kernels import Axis, Geometry
from clip_conformance.diagnosis.resampling import resample
from clip_conformance.diagnosis.variant import CANON
from clip_fixtures import build, fixtures

FIXTURES = fixtures()
N = 224
# Shrunk by a fraction, by a whole number, enlarged, and both at once.
SIZES = [("down-500-noise", (224, 224)), ("down-500-noise", (125, 250)), ("sides-100x80", (280, 224))]
SIZES += [("up-100-step", (224, 224)), ("sides-100x80", (100, 224))]


def own(pixels, size, variant):
    height, width = pixels.shape[:2]
    axes = Geometry(Axis(width, size[0], 0.0, width), Axis(height, size[1], 0.0, height))

    def read(left, top, right, bottom):
        return pixels[top:bottom, left:right]

    return resample(read, axes, (0, 0, *size), variant, 255.0)


@pytest.mark.parametrize(("slug", "size"), SIZES)
def test_pooled_areas_are_torchs(slug, size):
    torch = pytest.importorskip("torch")
    pixels = np.asarray(build(FIXTURES[slug], N))
    planes = torch.from_numpy(pixels.astype(np.float64)).permute(2, 0, 1)
    want = torch.nn.functional.adaptive_avg_pool2d(planes, size[::-1]).permute(1, 2, 0).numpy()
    got = own(pixels, size, replace(CANON, filter="pool", between="none", samples="float"))
    # Weights have 22 fraction bits.
    assert np.abs(got - want).max() < 1e-3


@pytest.mark.parametrize(("slug", "size"), SIZES[:-1])
@pytest.mark.parametrize(("kernel", "flag"), [("area", "INTER_AREA"), ("lanczos4", "INTER_LANCZOS4")])
def test_filters_of_opencv_are_opencvs(slug, size, kernel, flag):
    cv2 = pytest.importorskip("cv2")
    pixels = np.asarray(build(FIXTURES[slug], N))
    want = cv2.resize(pixels, size, interpolation=getattr(cv2, flag)).astype(np.float64)
    variant = replace(CANON, filter=kernel, antialias=False, edge="replicated", between="none", samples="rounded")
    got = own(pixels, size, variant)
    # OpenCV's fixed point has 11 fraction bits, which turns ties; another kernel is tens of levels away on noise.
    assert np.abs(got - want).max() <= 1
