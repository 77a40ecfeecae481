"""ONNX candidates: how a graph is opened and run, and that the built graph is the canon."""

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import clip_reference
import clip_spec
from clip_conformance import check
from clip_conformance.cli.onnx import build_onnx
from clip_conformance.errors import UsageError
from clip_conformance.onnx.candidate import GraphAdapter, OnnxModel, load
from clip_conformance.scoring.compare import compare
from clip_conformance.scoring.levels import level_of
from clip_fixtures import build as make
from clip_fixtures import fixtures

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from onnx import TensorProto, helper, numpy_helper, parser  # noqa: E402

from clip_conformance.onnx.build import build  # noqa: E402
from clip_conformance.onnx.wiring import Wiring  # noqa: E402

ARRAYS = [fixture for fixture in fixtures().values() if fixture.scope == "arrays"]


@pytest.fixture(scope="module")
def exact(tmp_path_factory: pytest.TempPathFactory) -> OnnxModel:
    path = tmp_path_factory.mktemp("exact") / "exact.onnx"
    onnx.save(build(224), path)
    return load(str(path))


@pytest.fixture(scope="module")
def by_operator(tmp_path_factory: pytest.TempPathFactory) -> OnnxModel:
    path = tmp_path_factory.mktemp("operator") / "resize.onnx"
    onnx.save(build(224, resize_op=True), path)
    return load(str(path))


# The exact graph.


@pytest.mark.clause("SIZ-1", "RSZ-3", "RSZ-6", "RSZ-7", "RSZ-8", "RSZ-9", "CRP-1", "NRM-3")
@pytest.mark.parametrize("n_px", clip_spec.sizes())
def test_the_exact_graph_is_the_canon(n_px, tmp_path):
    onnx.save(build(n_px), tmp_path / "exact.onnx")
    model = load(str(tmp_path / "exact.onnx"))
    chosen = ARRAYS if n_px == 224 else [f for f in ARRAYS[::5] if "4000" not in f.slug]
    for fixture in chosen:
        image = make(fixture, n_px)
        got = model.run(np.asarray(image))
        trace = clip_reference.trace(image, n_px) if "scroll" not in fixture.slug else None
        assert np.array_equal(bits(got["normalize"]), bits(clip_reference.preprocess(image, n_px))), fixture.slug
        if trace is not None:
            assert np.array_equal(got["center_crop"], trace.center_crop), fixture.slug
            assert np.array_equal(bits(got["to_tensor"]), bits(trace.to_tensor)), fixture.slug


@pytest.mark.clause("RSZ-4", "RSZ-11")
@pytest.mark.parametrize("size", [(16777219, 1), (1, 16777219), (400, 8000), (8000, 400), (1000, 1)])
def test_the_exact_graph_computes_only_what_the_crop_keeps(exact, size):
    """2^24 + 3 samples: the scale shows that the length goes through float32."""
    image = np.random.default_rng(1).integers(0, 256, (*size, 3), dtype=np.uint8)
    assert np.array_equal(bits(exact.run(image)["normalize"]), bits(clip_reference.preprocess(image)))


def test_the_exact_graph_is_exact_in_another_runtime():
    from onnx.reference import ReferenceEvaluator

    evaluator = ReferenceEvaluator(build(224))
    for slug in ("sides-97x83", "down-256-noise", "tiny-3", "crop-right-3", "sides-1x64"):
        image = make(fixtures()[slug], 224)
        (got,) = evaluator.run(["normalize"], {"image": np.asarray(image)})
        assert np.array_equal(bits(got), bits(clip_reference.preprocess(image))), slug


@pytest.mark.clause("INP-2", "INP-6")
@pytest.mark.parametrize("size", [(0, 5), (5, 0), (0, 0), (13378, 13378)])
def test_a_built_graph_refuses_what_the_canon_refuses(exact, size):
    with pytest.raises(Exception, match="rejected_by_INP-2_or_INP-6"):
        exact.run(np.empty((*size, 3), dtype=np.uint8))


def test_the_operators_graph_is_equivalent_but_for_one_strip(by_operator):
    levels = {"exact": 0, "equivalent": 0}
    for fixture in ARRAYS:
        image = make(fixture, 224)
        got, trace = by_operator.run(np.asarray(image)), clip_reference.trace(image)
        found = {
            level_of(stage, "cumulative", compare(stage, got[stage], getattr(trace, stage)))
            for stage in ("resize", "center_crop")
        }
        if fixture.slug == "tall-scroll":
            assert "close" in found
            assert "divergent" not in found
        else:
            assert found <= {"exact", "equivalent"}, fixture.slug
            levels["equivalent" if "equivalent" in found else "exact"] += 1
    assert levels["exact"] > 40
    assert levels["equivalent"] > 40


def bits(array: np.ndarray) -> np.ndarray:
    assert array.dtype == np.float32
    return array.view(np.uint32)


# Stages, together and alone.


def test_the_stages_of_the_built_graphs(exact, by_operator):
    one, two = GraphAdapter(exact, 224), GraphAdapter(by_operator, 224)
    assert one.stages == ("convert_rgb", "center_crop", "to_tensor", "normalize")
    assert one.alone == ("to_tensor", "normalize")
    assert two.stages == ("convert_rgb", "resize", "center_crop", "to_tensor", "normalize")
    assert two.alone == ("resize", "center_crop", "to_tensor", "normalize")
    assert one.notes == two.notes == ()


@pytest.mark.parametrize("slug", ["crop-right-3", "photo-chelsea"])
def test_a_stage_alone_is_the_canon_on_the_canons_input(by_operator, slug):
    adapter, trace = GraphAdapter(by_operator, 224), clip_reference.trace(make(fixtures()[slug], 224))
    crop = adapter.run_stage("center_crop", Image.fromarray(trace.resize))
    assert np.array_equal(crop, trace.center_crop)
    assert np.array_equal(
        bits(adapter.run_stage("to_tensor", Image.fromarray(trace.convert_rgb))), bits(trace.to_tensor)
    )
    assert np.array_equal(bits(adapter.run_stage("normalize", trace.to_tensor)), bits(trace.normalize))
    assert adapter.run_stage("resize", make(fixtures()[slug], 224)).shape == trace.resize.shape
    with pytest.raises(NotImplementedError, match="convert_rgb"):
        adapter.run_stage("convert_rgb", Image.fromarray(trace.convert_rgb))


def test_other_modes_are_converted_first(exact):
    adapter = GraphAdapter(exact, 224)
    image = (
        make(fixtures()["rgba-noise"], 224)
        if "rgba-noise" in fixtures()
        else Image.new("RGBA", (300, 250), (9, 8, 7, 6))
    )
    outputs = adapter.run(image)
    assert np.array_equal(outputs["normalize"], clip_reference.preprocess(image.convert("RGB")))
    assert np.array_equal(outputs["convert_rgb"], outputs["center_crop"])
    assert np.array_equal(adapter.run(np.asarray(image.convert("RGB")))["normalize"], outputs["normalize"])


# A float crop in a batch, channels first, whose inner nodes are named.
LAYOUT = """
<ir_version: 8, opset_import: ["" : 18]>
layout (uint8[1,h,w,3] image) => (float[1,3,n,n] pixels) <
    int64[2] corner = {0, 0}, int64[2] end = {224, 224}, int64[2] axes = {2, 3},
    float unit = {%s}, float rest = {%s}, float[1,3,1,1] mean = {0.5, 0.5, 0.5}
> {
    planes = Transpose<perm = [0, 3, 1, 2]>(image)
    floats = Cast<to = 1>(planes)
    scaled = Mul(floats, unit)
    cut = Slice(scaled, corner, end, axes)
    tensor = Div(cut, rest)
    pixels = Sub(tensor, mean)
}
"""


def layout(unit: str, rest: str) -> object:
    model = parser.parse_model(LAYOUT % (unit, rest))
    for node in model.graph.node:
        node.name = {"cut": "stage.center_crop", "tensor": "stage.to_tensor"}.get(node.output[0], "")
    return model


def test_named_inner_tensors_are_stages_in_any_layout(tmp_path):
    model = load(written(tmp_path, layout("1.0", "255.0")))
    adapter = GraphAdapter(model, 224)
    assert adapter.stages == ("convert_rgb", "center_crop", "to_tensor", "normalize")
    assert adapter.alone == ("to_tensor", "normalize")
    image = make(fixtures()["pin-noise"], 224)
    outputs = adapter.run(image)
    assert outputs["center_crop"].dtype == np.float32
    assert np.array_equal(outputs["center_crop"], np.asarray(image))
    assert outputs["normalize"].shape == (3, 224, 224)
    trace = clip_reference.trace(image)
    assert np.array_equal(adapter.run_stage("to_tensor", Image.fromarray(trace.convert_rgb)), trace.to_tensor)
    assert np.array_equal(adapter.run_stage("normalize", trace.to_tensor), trace.to_tensor - np.float32(0.5))


def test_a_tensor_on_another_scale_is_no_place_to_start_from(tmp_path):
    adapter = GraphAdapter(load(written(tmp_path, layout("0.00392156862745098", "1.0"))), 224)
    assert adapter.alone == ("normalize",)


def test_a_graph_without_names_is_a_black_box(tmp_path):
    model = build(224)
    for tensor in model.graph.output:
        if tensor.name == "normalize":
            tensor.name = "pixel_values"
    for node in model.graph.node:
        node.output[:] = [
            {"normalize": "pixel_values", "center_crop": "a", "to_tensor": "b"}.get(n, n) for n in node.output
        ]
        node.input[:] = [{"center_crop": "a", "to_tensor": "b"}.get(name, name) for name in node.input]
    del model.graph.output[:2]
    adapter = GraphAdapter(load(written(tmp_path, model)), 224)
    assert adapter.stages == ("normalize",)
    assert adapter.alone == ()
    image = make(fixtures()["photo-chelsea"], 224)
    assert np.array_equal(adapter.run(image)["normalize"], clip_reference.preprocess(image))


def test_what_follows_the_preprocessing_is_not_run(tmp_path):
    """A whole model: a second input, and a head that this runtime cannot run."""
    model = build(224)
    model.graph.input.append(helper.make_tensor_value_info("tokens", TensorProto.INT64, [1, 77]))
    model.graph.node.append(helper.make_node("NoSuchOperator", ["normalize", "tokens"], ["features"], domain="example"))
    model.opset_import.append(helper.make_opsetid("example", 1))
    del model.graph.output[:]
    model.graph.output.append(helper.make_tensor_value_info("features", TensorProto.FLOAT, [1, 512]))
    found = load(written(tmp_path, model))
    assert found.values["normalize"] == "normalize"
    assert found.input == "image"


def test_a_graph_for_another_size_gets_a_hint(exact):
    assert GraphAdapter(exact, 336).notes == (
        "the graph makes [3, 224, 224], the model takes [3, 336, 336]; made for --model RN50?",
    )


def test_a_graph_that_fails_on_an_image_is_still_a_candidate(tmp_path):
    model = parser.parse_model(
        '<ir_version: 8, opset_import: ["" : 18]> g (uint8[h,w,3] image) => (float[a] normalize)'
        "<int64[2] wanted = {1, 2}> { f = Cast<to = 1>(image) normalize = Reshape(f, wanted) }"
    )
    adapter = GraphAdapter(load(written(tmp_path, model)), 224)
    assert adapter.alone == ()
    with pytest.raises(Exception, match="Reshape"):
        adapter.run(Image.new("RGB", (5, 5)))


def test_an_output_that_is_no_tensor_is_an_error_of_each_case(tmp_path):
    model = parser.parse_model(
        '<ir_version: 8, opset_import: ["" : 18]> g (uint8[h,w,3] image) => (seq(float[a,b,c]) normalize)'
        "{ f = Cast<to = 1>(image) normalize = SequenceConstruct(f, f) }"
    )
    report = check(f"onnx:{written(tmp_path, model)}", scopes=["arrays"], select=["pin-noise"], jobs=1)
    (case,) = report.cases
    assert case.status == "error"
    assert "a list of 2 items; return one image" in case.message


def test_a_defect_of_the_lint_costs_no_candidate(exact, monkeypatch):
    monkeypatch.setattr("clip_conformance.onnx.lint.lint", lambda *_: 1 // 0)
    adapter = GraphAdapter(exact, 224)
    assert adapter.notes == (
        "a defect of the lint, please report it: ZeroDivisionError: integer division or modulo by zero",
    )
    assert adapter.alone


def written(folder: Path, model: object) -> str:
    path = folder / "model.onnx"
    path.write_bytes(model.SerializeToString())  # type: ignore[attr-defined]
    return str(path)


# The engine and the command.


def test_check_takes_a_graph(tmp_path):
    path = tmp_path / "exact.onnx"
    result = CliRunner().invoke(build_onnx, [str(path), "--model", "ViT-B/32"])
    assert result.exit_code == 0, result.output
    assert f"clip-conformance check onnx:{path} --model ViT-B/32 --scope arrays --require exact" in result.output
    report = check(f"onnx:{path}", scopes=["arrays"], select=["pin-n*", "sides-[1-6]*"], require="exact", jobs=1)
    assert report.passed
    assert report.header.environment["onnxruntime:provider"] == "CPUExecutionProvider"
    assert {"onnx", "onnxruntime"} <= report.header.environment.keys()
    assert report.header.stages == ["center_crop", "convert_rgb", "to_tensor", "normalize"]


def imagenet() -> object:
    model = build(224)
    for tensor in model.graph.initializer:
        if tensor.name in ("mean", "std"):
            values = [0.485, 0.456, 0.406] if tensor.name == "mean" else [0.229, 0.224, 0.225]
            tensor.CopyFrom(numpy_helper.from_array(np.float32(values).reshape(3, 1, 1), tensor.name))
    return model


def test_the_report_carries_the_findings(tmp_path):
    path = written(tmp_path, imagenet())
    report = check(f"onnx:{path}", scopes=["arrays"], select=["pin-noise", "crop-right-2"], jobs=1)
    assert report.summary.blame == ["normalize"]
    assert any("NRM-2" in note for note in report.header.notes)


def test_one_graph_serves_one_model(tmp_path):
    path = written(tmp_path, build(224))
    with pytest.raises(UsageError, match="made for one n_px"):
        check(f"onnx:{path}", model="all", scopes=["arrays"], select=["pin-noise"], jobs=1)
    with pytest.raises(UsageError, match="name it with --model"):
        CliRunner().invoke(build_onnx, [path, "--model", "all"], catch_exceptions=False)


def test_build_onnx_with_the_operator(tmp_path):
    path = tmp_path / "resize.onnx"
    result = CliRunner().invoke(build_onnx, [str(path), "--model", "RN50x4", "--resize-op"])
    assert "288 x 288 by the operator Resize" in result.output
    assert load(str(path)).values["resize"] == "resize"


# Wiring.


def test_what_an_inner_graph_reads_counts():
    """The branches of If read tensors of the graph around them."""
    model = parser.parse_model(
        '<ir_version: 8, opset_import: ["" : 18]> g (bool flag, float[n] x, float[n] z) => (float[n] y) {'
        "  a = Abs(x) b = Neg(x)"
        "  y = If (flag) <then_branch = t () => (float[n] p) { p = Relu(a) }, else_branch = e () => (float[n] q) "
        "{ q = Add(b, z) }> }"
    )
    nodes, ends = Wiring(model).behind(["y"])
    assert [node.op_type for node in nodes] == ["Abs", "Neg", "If"]
    assert ends == {"flag", "x", "z"}


def test_a_part_that_depends_on_more_is_none():
    wiring = Wiring(build(224))
    crop = helper.make_tensor_value_info("center_crop", TensorProto.UINT8, [None, None, None])
    part = wiring.part([crop], ["normalize"])
    assert part is not None
    assert [node.op_type for node in part.graph.node] == ["Transpose", "Cast", "Div", "Sub", "Div"]
    assert {tensor.name for tensor in part.graph.initializer} >= {"mean", "std"}
    assert wiring.part([crop], ["normalize", "n_px"]) is None
    assert np.array_equal(
        numpy_helper.to_array(wiring.initializers["mean"]).reshape(-1), np.float32(clip_spec.canon().mean)
    )
