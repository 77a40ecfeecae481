"""An ONNX graph with the preprocessing inside as a candidate: load it, find its stages, run it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

import clip_spec
from clip_conformance.candidates.adapters import ORDER
from clip_conformance.candidates.results import IMAGE_STAGES
from clip_conformance.errors import UsageError
from clip_spec import StageId

PREFIX = "onnx:"
PROVIDER = "CPUExecutionProvider"
# Samples of this size and less are not on the scale 0..255 but on 0..1; overshoot stays below.
_UNIT_PEAK = 2.0
_NEEDS = "onnx:... needs onnxruntime and onnx; pip install 'clip-conformance[onnx]'"


@dataclass(frozen=True)
class OnnxModel:
    """A graph that can be run on RGB images.

    `model` (onnx.ModelProto) is the part of the file that makes the stages; `values` the tensor of every stage that it
    exposes; `input` the tensor that takes the image, uint8 [H, W, 3] or, where `batched`, [1, H, W, 3].
    """

    path: str
    model: Any
    session: Any
    values: dict[StageId, str]
    input: str
    batched: bool

    def run(self, rgb: NDArray[np.uint8]) -> dict[StageId, NDArray[Any]]:
        """Return every stage's tensor as the graph has it, for uint8 [H, W, 3]."""
        names = list(dict.fromkeys(self.values.values()))
        outputs = dict(
            zip(names, self.session.run(names, {self.input: rgb[None] if self.batched else rgb}), strict=True)
        )
        return {stage: outputs[name] for stage, name in self.values.items()}


def load(path: str) -> OnnxModel:
    """Return the graph of a file, ready to run.

    Raises:
        UsageError: it cannot be run on images of any size, or onnx or onnxruntime is missing; one line.
    """
    try:
        import onnx
        import onnxruntime  # noqa: F401 - open_session needs it

        from clip_conformance.onnx.wiring import Wiring
    except ImportError as error:
        raise UsageError(_NEEDS) from error
    wiring = Wiring(_read(Path(path), onnx))
    values = stage_values(wiring)
    if not values:
        raise UsageError(f"{path}: the graph has no output; name the tensor that the model takes `normalize`")
    if len(wiring.producer.keys() & set(values.values())) < len(set(values.values())):
        missing = sorted(set(values.values()) - wiring.producer.keys())
        raise UsageError(f"{path}: no node makes the output {', '.join(missing)}; export the graph again")
    info = _image_input(path, wiring, values, onnx)
    part = wiring.part([info], list(dict.fromkeys(values.values())))
    assert part is not None
    shape = info.type.tensor_type.shape.dim if info.type.tensor_type.HasField("shape") else ()
    session = open_session(path, part)
    return OnnxModel(path, part, session, values, info.name, len(shape) == 4)


def stage_values(wiring: Any) -> dict[StageId, str]:
    """Return the tensor of every stage that a graph (a Wiring) exposes, in the canon's order.

    A tensor is a stage where it, or the node that makes it, is named `resize` or `stage.resize` and so on. Where no
    tensor is named normalize, the first output that is not named after a stage is it.
    """
    names = {f"{prefix}{stage}": stage for stage in ORDER for prefix in ("", "stage.")}
    found: dict[StageId, str] = {}
    for node in wiring.nodes:
        if node.name in names and node.output:
            found[names[node.name]] = node.output[0]
    for name in [*wiring.producer, *wiring.outputs]:  # a tensor's own name goes before its node's
        if name in names:
            found[names[name]] = name
    rest = [name for name in wiring.outputs if name and name not in found.values()]
    if "normalize" not in found and rest:
        found["normalize"] = rest[0]
    return {stage: found[stage] for stage in ORDER if stage in found}


def open_session(path: str, model: Any) -> Any:
    """Return an onnxruntime session for a model, on the CPU and one thread.

    Raises:
        UsageError: the runtime refuses the graph.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4  # what is an error is raised as well
    try:
        return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=[PROVIDER])
    except Exception as error:
        raise UsageError(
            f"{path}: onnxruntime {onnxruntime.__version__} refuses the graph; export it again for this runtime, or "
            f"upgrade the runtime: {_line(error)}"
        ) from error


def _line(error: Exception) -> str:
    """Return an exception of the runtime or of protobuf as one line without its frame."""
    text = " ".join(str(error).replace("[ONNXRuntimeError] : ", "").split())
    return text if len(text) <= 200 else f"{text[:197]}..."


def _read(path: Path, onnx: Any) -> Any:
    """Return the model of a file, with the data that lie beside it."""
    if not path.is_file():
        raise UsageError(f"no file {path}")
    advice = "give the .onnx file that an exporter wrote"
    try:
        model = onnx.load_model_from_string(path.read_bytes())
    except Exception as error:
        raise UsageError(f"{path} is not an ONNX file, or only the beginning of one; {advice}") from error
    if not model.HasField("graph") or not model.opset_import:
        raise UsageError(f"{path} is not an ONNX file: it holds no graph; {advice}")
    _check_opsets(path, model, onnx)
    try:
        onnx.external_data_helper.load_external_data_for_model(model, str(path.parent))
    except Exception as error:
        raise UsageError(
            f"{path}: its external data cannot be read ({_line(error)}); put the data file beside it, or save the "
            "model in one file"
        ) from error
    return model


def _check_opsets(path: Path, model: Any, onnx: Any) -> None:
    newest = onnx.defs.onnx_opset_version()
    for entry in model.opset_import:
        if entry.domain in ("", "ai.onnx") and entry.version > newest:
            raise UsageError(
                f"{path}: opset {entry.version} is newer than {newest}, which is what the installed onnx knows; "
                "pip install -U onnx onnxruntime, or export with an older opset"
            )
        if entry.domain == "ai.onnx.contrib":
            raise UsageError(
                f"{path}: it needs the operators of onnxruntime-extensions, which are not loaded here; wrap it in a "
                "Python callable that makes the session, and check that"
            )


def _image_input(path: str, wiring: Any, values: dict[StageId, str], onnx: Any) -> Any:
    """Return the input that takes the image (a ValueInfoProto).

    Raises:
        UsageError: there is not exactly one, or it does not take uint8 [H, W, 3] of any size.
    """
    _, ends = wiring.behind(list(values.values()))
    inputs = [info for name, info in wiring.inputs.items() if name in ends]
    named = ", ".join(info.name for info in inputs)
    if len(inputs) != 1:
        what = f"{len(inputs)} inputs ({named})" if inputs else "no input"
        raise UsageError(f"{path}: the preprocessing takes {what}; the suite feeds one, the image uint8 [H, W, 3]")
    info = inputs[0]
    where = f"{path}: input {info.name!r}"
    kind = info.type.tensor_type
    if kind.elem_type != onnx.TensorProto.UINT8:
        dtype = onnx.TensorProto.DataType.Name(kind.elem_type).lower()
        raise UsageError(f"{where} is {dtype}; the suite feeds uint8 [H, W, 3]: begin the graph with a Cast")
    if not kind.HasField("shape"):
        return info
    dims = [dim.dim_value if dim.HasField("dim_value") else dim.dim_param or "?" for dim in kind.shape.dim]
    where += f" is [{', '.join(map(str, dims))}]"
    if len(dims) not in (3, 4):
        raise UsageError(f"{where}; the suite feeds [H, W, 3]: let it take one image")
    if dims[-3] == 3 and dims[-1] != 3:
        raise UsageError(f"{where}; the suite feeds [H, W, 3]: begin the graph with a Transpose")
    if isinstance(dims[-1], int) and dims[-1] != 3:
        raise UsageError(f"{where}; the suite feeds [H, W, 3]: let it take RGB")
    if isinstance(dims[-3], int) or isinstance(dims[-2], int):
        raise UsageError(f"{where}; the suite feeds images of any size: export it with dynamic height and width")
    if len(dims) == 4 and isinstance(dims[0], int) and dims[0] != 1:
        raise UsageError(f"{where}; the suite feeds one image: export it with a batch of 1")
    return info


class GraphAdapter:
    """A graph, ready for one n_px: satisfies the protocol Adapter.

    The graph takes RGB, so an image of another mode is converted before, and `convert_rgb` leads the stages. `alone`
    are the stages whose input is a tensor of the graph too: they are run as a graph of their own. `notes` are the
    findings of the lint.
    """

    def __init__(self, model: OnnxModel, n_px: int) -> None:
        self._model = model
        exposed = tuple(stage for stage in ORDER if stage in model.values and stage != "convert_rgb")
        early: tuple[StageId, ...] = ("convert_rgb",) if set(IMAGE_STAGES) & set(model.values) else ()
        self.stages: tuple[StageId, ...] = (*early, *exposed)
        try:
            outputs = {stage: tensor for stage, tensor in model.run(_probe(n_px)).items() if _is_tensor(tensor)}
        except Exception:  # the cases of the run will say so, one by one
            outputs = {}
        self._parts = _parts(model, outputs)
        self.alone: tuple[StageId, ...] = tuple(
            stage for stage in ORDER if stage in self._parts or (stage == "resize" and stage in outputs)
        )
        self.notes: tuple[str, ...] = (*_size_note(outputs, n_px), *_lint(model))

    @property
    def environment(self) -> dict[str, str]:
        """What decides this candidate's pixels beside the versions of onnx and onnxruntime."""
        return {"onnxruntime:provider": PROVIDER}

    def run(self, image: Any) -> dict[StageId, Any]:
        """Return the outputs of all stages for a Pillow image or uint8 [H, W, 3]."""
        tensors = self._model.run(_rgb(image))
        outputs = {stage: _canonical(tensor, stage) for stage, tensor in tensors.items()}
        if "center_crop" in outputs:
            outputs.setdefault("convert_rgb", outputs["center_crop"])  # the crop of an RGB image
        return outputs

    def run_stage(self, stage: StageId, image: Any) -> Any:
        """Return one stage's output on the canon's input for it: a Pillow image, or float32 [3, H, W]."""
        if stage == "resize" and stage in self.alone:
            return self.run(image)[stage]
        if stage not in self._parts:
            raise NotImplementedError(f"the graph has no tensor that {stage} alone could start from")
        value = image if isinstance(image, np.ndarray) and image.dtype == np.float32 else _rgb(image)
        return _canonical(self._parts[stage].run(value), stage)


@dataclass(frozen=True)
class _Part:
    """One stage as a graph of its own; `like` is a tensor that the whole graph has at its input."""

    session: Any
    like: NDArray[Any]

    def run(self, value: NDArray[Any]) -> NDArray[Any]:
        """Return the stage's tensor for uint8 [H, W, 3] or float32 [3, H, W]."""
        turned = value
        if (value.dtype == np.uint8) == _channels_first(self.like):
            turned = value.transpose(2, 0, 1) if value.dtype == np.uint8 else value.transpose(1, 2, 0)
        batch = turned[None] if self.like.ndim == 4 else turned
        return self.exactly(np.ascontiguousarray(batch, dtype=self.like.dtype))

    def exactly(self, tensor: NDArray[Any]) -> NDArray[Any]:
        """Return the stage's tensor for one of the graph's own."""
        output: NDArray[Any] = self.session.run(None, {self.session.get_inputs()[0].name: tensor})[0]
        return output


def _parts(model: OnnxModel, outputs: dict[StageId, NDArray[Any]]) -> dict[StageId, _Part]:
    """Return the stages that can be cut out of the graph, proved on the tensors of one image."""
    found: dict[StageId, _Part] = {}
    for stage in outputs:
        before = _before(stage, outputs)
        if before is None:
            continue
        like = outputs[before]
        peak = float(np.max(np.abs(like.astype(np.float64)), initial=0.0))
        if (before == "to_tensor") != (peak <= _UNIT_PEAK) or like.ndim not in (3, 4) or 3 not in like.shape:
            continue  # on another scale, or no image: the canon's samples mean something else there
        session = _cut(model, before, stage, like)
        if session is None:
            continue
        part = _Part(session, like)
        try:
            again = part.exactly(like)
        except Exception:  # what it depends on is not in the tensor alone
            continue
        if np.array_equal(again, outputs[stage]):
            found[stage] = part
    return found


def _before(stage: StageId, outputs: dict[StageId, NDArray[Any]]) -> StageId | None:
    """Return the exposed stage whose output is the input of `stage`; RGB needs no conversion, so that one may lack."""
    index = ORDER.index(stage)
    before: StageId | None = ORDER[index - 1] if index else None
    if before == "convert_rgb" and before not in outputs:
        before = "center_crop"
    return before if before in outputs else None


def _cut(model: OnnxModel, before: StageId, stage: StageId, like: NDArray[Any]) -> Any | None:
    """Return a session from the tensor of one stage to that of the next, None where the graph has no such part."""
    from onnx import helper

    from clip_conformance.onnx.wiring import Wiring

    lengths = [1 if like.ndim == 4 and axis == 0 else None for axis in range(like.ndim)]
    kind = helper.np_dtype_to_tensor_dtype(like.dtype)
    info = helper.make_tensor_value_info(model.values[before], kind, lengths)
    part = Wiring(model.model).part([info], [model.values[stage]])
    if part is None:
        return None
    try:
        return open_session(model.path, part)
    except UsageError:
        return None


def _probe(n_px: int) -> NDArray[np.uint8]:
    """Return an image whose samples take all values, larger than n_px on both sides, uint8 [H, W, 3]."""
    rows, columns, bands = np.ogrid[: n_px + 35, : n_px + 90, :3]
    image: NDArray[np.uint8] = ((rows * (bands + 1) + columns * (3 - bands)) % 256).astype(np.uint8)
    return image


def _rgb(image: Any) -> NDArray[np.uint8]:
    if isinstance(image, Image.Image):
        image = image.convert("RGB")
    return np.ascontiguousarray(image)


def _is_tensor(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.dtype.kind in "buif"


def _channels_first(array: NDArray[Any]) -> bool:
    return bool(array.shape[-1] != 3 and array.shape[-3] == 3)


def _canonical(tensor: NDArray[Any], stage: StageId) -> NDArray[Any]:
    """Return a stage's tensor without its batch axis; an image stage as [H, W, 3]. The dtype stays the graph's."""
    if not _is_tensor(tensor):
        return tensor  # a sequence or a map; what reads it says so
    array = tensor[0] if tensor.ndim == 4 and len(tensor) == 1 else tensor
    if stage in IMAGE_STAGES and array.ndim == 3 and _channels_first(array):
        array = array.transpose(1, 2, 0)
    return array


def _size_note(outputs: dict[StageId, NDArray[Any]], n_px: int) -> tuple[str, ...]:
    """Return a hint where the graph is made for another model."""
    final = outputs.get("normalize")
    if final is None or final.ndim not in (3, 4) or n_px in final.shape:
        return ()
    names = [known.name for known in clip_spec.models() if known.n_px in final.shape]
    advice = f"; made for --model {names[0]}?" if names else ""
    return (f"the graph makes {list(final.shape)}, the model takes {[3, n_px, n_px]}{advice}",)


def _lint(model: OnnxModel) -> tuple[str, ...]:
    from clip_conformance.onnx.lint import lint

    try:
        return tuple(str(finding) for finding in lint(model.model, model.values.get("normalize", "")))
    except Exception as error:  # a graph that runs is scored, whatever the lint makes of it
        return (f"a defect of the lint, please report it: {type(error).__name__}: {_line(error)}",)
