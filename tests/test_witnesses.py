"""The built-in witnesses: what the suite finds in them, and that their settings are those of the spec."""

import PIL
import pytest

import clip_spec
from clip_conformance import check

pytestmark = pytest.mark.torch
pytest.importorskip("torchvision")
PILLOW = tuple(int(part) for part in PIL.__version__.split(".")[:2])


@pytest.mark.parametrize("name", ["openai", "open-clip"])
def test_the_originals_are_the_canon(name):
    report = check(name)
    if PILLOW < (12, 2):
        assert report.level == "exact"
        assert {stage.level for stage in report.summary.stages.values()} == {"exact"}
    else:
        assert report.summary.blame == ["resize"]
        assert [finding.fault for finding in report.summary.diagnosis] == [
            "pillow-13" if PILLOW >= (13, 0) else "pillow-12.2"
        ]


def test_the_literal_pipeline_is_the_canon_for_every_model():
    report = check("openai", model="all", select=["crop-*", "sides-6*", "rgba-*", "palette-*", "tall-[no]*"])
    assert report.header.n_px == [224, 288, 336, 384, 448]
    assert report.level == "exact" or PILLOW >= (12, 2)


@pytest.mark.clause("CRP-1", "RGB-3")
@pytest.mark.parametrize("name", ["hf-clip", "hf-clip-pil"])
def test_transformers_floors_the_crop_and_lays_alpha_over_white(name):
    summary = check(name, select=["pin-*", "crop-*", "rgba-*", "down-*", "photo-*"]).summary
    assert summary.blame == ["center_crop", "convert_rgb"]
    assert summary.stages["resize"].level == ("equivalent" if name == "hf-clip" else "exact")
    assert summary.stages["normalize"].level == ("equivalent" if name == "hf-clip" else "exact")
    assert "over white" in _alpha_finding(name)


def _alpha_finding(name):
    """Say what happens to a transparent image: white everywhere is transparency laid over white."""
    import numpy as np
    from PIL import Image

    from clip_conformance.candidates.resolve import adapt
    from clip_conformance.witnesses import WITNESSES

    clear = Image.new("RGBA", (224, 224), (10, 20, 30, 0))
    output = adapt(WITNESSES[name].load(), "", 224).run(clear)["convert_rgb"]
    return "over white" if (np.asarray(output) == 255).all() else "otherwise"


@pytest.mark.clause("CNF-3")
def test_torchvisions_uint8_kernel_is_equivalent_on_arrays():
    summary = check("torchvision-tensor", scopes=("arrays",)).summary
    assert summary.level == "equivalent"
    assert summary.stages["resize"].peak in (1, 2)
    assert summary.stages["to_tensor"].level == "equivalent"


@pytest.mark.parametrize("name", ["timm", "opencv", "scikit-image"])
def test_the_others_leave_the_canon_at_the_resize(name):
    pytest.importorskip({"opencv": "cv2", "scikit-image": "skimage"}.get(name, name))
    report = check(name, scopes=("arrays",), select=["pin-*", "crop-right-*", "down-500-*", "photo-*"])
    assert report.level == "divergent"
    assert report.summary.blame == ["resize"]


@pytest.mark.clause("MOD-1", "NRM-2")
def test_open_clips_registry_agrees_with_the_spec():
    open_clip = pytest.importorskip("open_clip")
    canon = clip_spec.canon()
    ours = {model.open_clip for model in clip_spec.models()}
    theirs = {name for name, tag in open_clip.list_pretrained() if tag == "openai" and "quickgelu" not in name}
    assert ours == theirs
    for model in clip_spec.models():
        assert open_clip.get_model_config(model.open_clip)["vision_cfg"]["image_size"] == model.n_px
        registered = open_clip.get_pretrained_cfg(model.open_clip, "openai")
        assert tuple(registered.get("mean", canon.mean)) == canon.mean
        assert tuple(registered.get("std", canon.std)) == canon.std
        assert registered.get("interpolation", "bicubic") == "bicubic"


@pytest.mark.clause("NRM-2")
def test_open_clips_constants_are_the_canons():
    constants = pytest.importorskip("open_clip.constants")
    assert tuple(constants.OPENAI_DATASET_MEAN) == clip_spec.canon().mean
    assert tuple(constants.OPENAI_DATASET_STD) == clip_spec.canon().std


@pytest.mark.clause("MOD-1")
def test_timms_registry_agrees_on_the_side():
    models = pytest.importorskip("timm.models")
    from clip_conformance.witnesses.timm import _MODELS

    for n_px, name in _MODELS.items():
        assert models.get_pretrained_cfg(name).input_size == (3, n_px, n_px)


def test_the_witness_is_the_pipeline_of_open_clips_own_names():
    pytest.importorskip("open_clip")
    from clip_conformance.witnesses.open_clip import make

    for model in clip_spec.models():
        names = [type(element).__name__ for element in make(model.n_px, model=model.open_clip).transforms]
        assert names == ["Resize", "CenterCrop", "MaybeConvertMode", "MaybeToTensor", "Normalize"]
