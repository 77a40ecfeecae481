"""Files that are no ONNX candidate, and packages that are missing: one line each."""

import sys
from collections.abc import Callable

import pytest
from click.testing import CliRunner

from clip_conformance import check
from clip_conformance.candidates import resolve
from clip_conformance.cli.onnx import build_onnx
from clip_conformance.errors import UsageError

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from onnx import TensorProto, helper  # noqa: E402

from clip_conformance.onnx.build import build  # noqa: E402


def graph_of(shape: list[object], dtype: int = TensorProto.UINT8, opset: int = 18, count: int = 1) -> object:
    inputs = [helper.make_tensor_value_info(f"x{index}", dtype, shape) for index in range(count)]
    nodes = [helper.make_node("Cast", ["x0"], ["y0"], to=TensorProto.FLOAT)]
    if count > 1:
        nodes += [helper.make_node("Cast", ["x1"], ["y1"], to=TensorProto.FLOAT)]
        nodes += [helper.make_node("Add", ["y0", "y1"], ["y"])]
    out = helper.make_tensor_value_info("y" if count > 1 else "y0", TensorProto.FLOAT, None)
    graph = helper.make_graph(nodes, "g", inputs, [out])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def no_outputs() -> object:
    model = graph_of(["h", "w", 3])
    del model.graph.output[:]  # type: ignore[attr-defined]
    return model


def external() -> object:
    model = build(224)
    tensor = next(tensor for tensor in model.graph.initializer if tensor.name == "mean")
    onnx.external_data_helper.set_external_data(tensor, "weights.bin")
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    return model


def unknown_operator(domain: str = "example") -> object:
    model = graph_of(["h", "w", 3])
    model.graph.node[0].domain = domain  # type: ignore[attr-defined]
    model.opset_import.append(helper.make_opsetid(domain, 1))  # type: ignore[attr-defined]
    return model


def dangling_output() -> object:
    model = graph_of(["h", "w", 3])
    model.graph.output[0].name = "nothing"  # type: ignore[attr-defined]
    return model


REFUSED: list[tuple[str, Callable[[], object], str]] = [
    ("text", lambda: b"import onnx\nprint('hello')\n", "is not an ONNX file"),
    ("empty", lambda: b"", "holds no graph"),
    ("truncated", lambda: build(224).SerializeToString()[:5000], "only the beginning of one"),
    ("zeros", lambda: bytes(400), "is not an ONNX file"),
    ("float", lambda: graph_of(["h", "w", 3], TensorProto.FLOAT), "is float; the suite feeds uint8"),
    ("int64", lambda: graph_of(["h", "w", 3], TensorProto.INT64), "begin the graph with a Cast"),
    ("fixed", lambda: graph_of([224, 224, 3]), "export it with dynamic height and width"),
    ("fixed-width", lambda: graph_of(["h", 224, 3]), "[h, 224, 3]"),
    ("fixed-batch", lambda: graph_of([1, 480, 640, 3]), "dynamic height and width"),
    ("channels-first", lambda: graph_of([3, "h", "w"]), "begin the graph with a Transpose"),
    ("channels-first-batch", lambda: graph_of(["b", 3, "h", "w"]), "begin the graph with a Transpose"),
    ("batch-of-8", lambda: graph_of([8, "h", "w", 3]), "export it with a batch of 1"),
    ("four-channels", lambda: graph_of(["h", "w", 4]), "let it take RGB"),
    ("flat", lambda: graph_of(["n"]), "let it take one image"),
    ("two-inputs", lambda: graph_of(["h", "w", 3], count=2), "2 inputs (x0, x1)"),
    ("no-outputs", no_outputs, "no output"),
    ("dangling", dangling_output, "no node makes the output nothing"),
    ("no-opset", lambda: onnx.ModelProto(graph=graph_of(["h", "w", 3]).graph), "holds no graph"),  # type: ignore[attr-defined]
    ("opset", lambda: graph_of(["h", "w", 3], opset=99), "opset 99 is newer than"),
    ("operator", unknown_operator, "refuses the graph"),
    ("extensions", lambda: unknown_operator("ai.onnx.contrib"), "onnxruntime-extensions"),
    ("external", external, "external data cannot be read"),
]


@pytest.mark.parametrize(("name", "content", "words"), REFUSED, ids=[entry[0] for entry in REFUSED])
def test_what_is_no_candidate_is_one_line(tmp_path, name, content, words):
    data = content()
    path = tmp_path / f"{name}.onnx"
    path.write_bytes(data if isinstance(data, bytes) else data.SerializeToString())
    with pytest.raises(UsageError) as caught:
        resolve.load(f"onnx:{path}")
    message = str(caught.value)
    assert words in message
    assert str(path) in message
    assert "\n" not in message
    assert len(message.replace(str(path), "")) < 400


@pytest.mark.parametrize("target", ["onnx:", "onnx:missing.onnx", "onnx:/tmp"])
def test_no_file(target):
    with pytest.raises(UsageError, match="no file"):
        resolve.load(target)


def test_the_command_says_it_in_one_line(tmp_path):
    path = tmp_path / "text.onnx"
    path.write_text("hello")
    with pytest.raises(UsageError, match="is not an ONNX file") as caught:
        check(f"onnx:{path}", scopes=["arrays"], select=["pin-noise"], jobs=1)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("package", ["onnx", "onnxruntime"])
def test_a_missing_package_is_named(monkeypatch, package, tmp_path):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(UsageError, match=r"needs onnxruntime and onnx; pip install 'clip-conformance\[onnx\]'"):
        resolve.load(f"onnx:{tmp_path / 'model.onnx'}")


def test_build_onnx_names_the_missing_package(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "onnx", None)
    for name in ("build", "expressions"):
        monkeypatch.delitem(sys.modules, f"clip_conformance.onnx.{name}")
    with pytest.raises(UsageError, match=r"pip install 'clip-conformance\[onnx\]'"):
        CliRunner().invoke(build_onnx, [str(tmp_path / "x.onnx")], catch_exceptions=False)
