"""A candidate that ends early is diagnosed by what the canon makes of its last output."""

import numpy as np
import pytest
from PIL import Image

from clip_conformance import check
from clip_conformance.cases import source_of
from clip_conformance.scoring.completion import completed
from clip_fixtures import fixtures
from clip_reference import Stages


@pytest.mark.parametrize("stage", ["resize", "center_crop", "convert_rgb", "to_tensor", "normalize"])
@pytest.mark.parametrize("mode", ["RGB", "L", "P", "RGBA", "LA", "CMYK", "YCbCr", "HSV", "I;16", "1", "F"])
def test_the_canon_is_completed_to_the_canon(stage, mode):
    chosen = [fixture for fixture in fixtures().values() if fixture.mode == mode and fixture.expect != "reject"]
    for fixture in chosen[:6]:
        canon = Stages(source_of(fixture, 224), 224)
        end = completed(stage, getattr(canon, stage), canon, 224)
        assert end.dtype == np.float32
        assert np.array_equal(end, canon.normalize)


def test_what_is_no_image_of_the_stage_is_not_completed():
    canon = Stages(source_of(fixtures()["sides-135x166"], 224), 224)
    crop = canon.center_crop
    assert completed("center_crop", crop.astype(np.float32), canon, 224) is None
    assert completed("center_crop", crop[..., :2], canon, 224) is None
    assert completed("resize", canon.resize[:100], canon, 224) is None
    assert completed("to_tensor", canon.to_tensor[:2], canon, 224) is None
    assert completed("to_tensor", canon.to_tensor[0], canon, 224) is None


class Geometry:
    """Resizes and crops, and leaves the rest to its caller."""

    def resize(self, image):
        width, height = image.size
        short = min(width, height)
        return image.resize((224 * width // short, 224 * height // short), Image.Resampling.BILINEAR)

    def center_crop(self, image):
        left, top = (image.width - 224) // 2, (image.height - 224) // 2
        return image.crop((left, top, left + 224, top + 224))


class UpToTensor(Geometry):
    def resize(self, image):
        width, height = image.size
        short = min(width, height)
        return image.resize((224 * width // short, 224 * height // short), Image.Resampling.BICUBIC)

    def convert_rgb(self, image):
        return image.convert("RGB")

    def to_tensor(self, image):
        return (np.asarray(image).astype(np.float32) / 256).transpose(2, 0, 1)


@pytest.mark.parametrize(
    ("candidate", "stages", "named"),
    [
        (Geometry(), ("resize", "center_crop"), {"filter-bilinear", "crop-floor"}),
        (UpToTensor(), (), {"crop-floor", "scale-256"}),
    ],
)
def test_a_candidate_without_a_float_end_is_diagnosed(candidate, stages, named):
    """Tall images are left out: Pillow from 12.2 on runs their passes in the other order, which is named as well."""
    wide = [s for s, f in fixtures().items() if f.scope == "arrays" and (size := f.size_at(224))[0] >= size[1]]
    summary = check(candidate, stages=stages, select=wide, jobs=1).summary
    assert not summary.passed
    assert {finding.fault for finding in summary.diagnosis} == named
    assert summary.recovered.verdict == "reproduced"
    assert summary.recovered.compared >= len(wide)
