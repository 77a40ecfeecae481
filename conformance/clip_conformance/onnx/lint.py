"""What can be said about a graph before it runs: a known mistake, where it is and what to change.

This module imports onnx; import it inside a function.
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import onnx

from clip_conformance.onnx import float_end
from clip_conformance.onnx.candidate import stage_values
from clip_conformance.onnx.finding import LintFinding, attribute, label
from clip_conformance.onnx.wiring import STANDARD, Wiring

_ANTIALIAS_OPSET = 18
_FLOATS = (onnx.TensorProto.FLOAT, onnx.TensorProto.DOUBLE, onnx.TensorProto.FLOAT16, onnx.TensorProto.BFLOAT16)


def lint(model: Any, output: str = "") -> tuple[LintFinding, ...]:
    """Return the findings on a graph, none for one that conforms.

    Args:
        model: an onnx.ModelProto.
        output: the tensor that the model takes; without, the one that stage_values finds.
    """
    wiring = Wiring(model)
    output = output or stage_values(wiring).get("normalize", "")
    graph = _Graph(wiring, output)
    return tuple(finding for rule in _RULES for finding in rule(graph))


class _Graph:
    """The graph under the lint, as far as the tensor `output` depends on it."""

    def __init__(self, wiring: Wiring, output: str) -> None:
        self.wiring, self.output = wiring, output
        nodes, self.ends = wiring.behind([output] if output else wiring.outputs)
        # What an operator of another domain does is not known, whatever its name.
        self.nodes = [node for node in nodes if node.domain in STANDARD]
        self.resizes = [node for node in self.nodes if node.op_type in ("Resize", "Upsample")]
        self.opset = max((entry.version for entry in wiring.model.opset_import if entry.domain in STANDARD), default=0)

        self._shapes = [node.output[0] for node in self.nodes if node.op_type == "Shape"]

    def arithmetic(self, name: str) -> list[Any]:
        """Return the nodes that compute a tensor from the lengths of others."""
        return self.wiring.behind([name], self._shapes)[0]


class _Attribute(NamedTuple):
    """An attribute of Resize: what it is where it is left out, what conforms, and which mistake another value is."""

    name: str
    default: Any
    conforms: tuple[Any, ...]
    clause: str
    fix: str
    faults: dict[Any, str]
    cubic_only: bool = False


_RESIZE = (
    _Attribute(
        "mode", "nearest", ("cubic",), "RSZ-3", 'set mode="cubic"',
        {"linear": "filter-bilinear", "nearest": "filter-nearest"},
    ),
    _Attribute("antialias", 0, (1,), "RSZ-4", "set antialias=1 (opset 18 or newer)", {0: "no-antialias"}),
    _Attribute(
        "cubic_coeff_a", -0.75, (-0.5,), "RSZ-3", "set cubic_coeff_a=-0.5",
        {-0.75: "cubic-a-0.75", -0.6: "cubic-a-0.6"}, cubic_only=True,
    ),
    _Attribute(
        "exclude_outside", 0, (1,), "RSZ-6", "set exclude_outside=1", {0: "edge-replicated"}, cubic_only=True
    ),
    # pytorch_half_pixel differs for one output sample alone, which no model has.
    _Attribute(
        "coordinate_transformation_mode", "half_pixel", ("half_pixel", "pytorch_half_pixel"), "RSZ-5",
        'set coordinate_transformation_mode="half_pixel"',
        {"align_corners": "align-corners", "asymmetric": "half-pixel-missing"},
    ),
    _Attribute(
        "keep_aspect_ratio_policy", "stretch", ("stretch",), "SIZ-1",
        "compute n_px * long // short in int64 and give both sizes",
        {"not_larger": "letterbox", "not_smaller": "size-rounded"},
    ),
)  # fmt: skip


def _opset(graph: _Graph) -> Iterator[LintFinding]:
    if graph.resizes and graph.opset < _ANTIALIAS_OPSET:
        problem = f"opset is {graph.opset}, where Resize has no antialiasing; the canon needs {_ANTIALIAS_OPSET}"
        yield LintFinding("no-antialias", "graph", "RSZ-4", problem, "export with opset 18 or newer and antialias=1")


def _input(graph: _Graph) -> Iterator[LintFinding]:
    for name in graph.wiring.inputs:
        if name not in graph.ends:
            continue
        where, kind = f'input "{name}"', graph.wiring.element(name)
        if kind not in (0, onnx.TensorProto.UINT8):
            dtype = onnx.TensorProto.DataType.Name(kind).lower()
            problem = f"it is {dtype}, the canon starts from uint8"
            yield LintFinding("", where, "INP-1", problem, "begin the graph with a Cast")
        dims = graph.wiring.shape(name)
        if dims is None or len(dims) not in (3, 4):
            continue
        if dims[-3] == 3 and dims[-1] != 3:
            fix = "begin the graph with a Transpose"
            yield LintFinding("", where, "INP-1", "it is [3, H, W], the canon starts from [H, W, 3]", fix)
            dims = [*dims[-2:], 3]
        if dims[-3] is not None or dims[-2] is not None:
            fix = "export with dynamic height and width"
            yield LintFinding("", where, "SIZ-1", f"its size is fixed to {dims[-3]} x {dims[-2]}, images have any", fix)


def _resize_attributes(graph: _Graph) -> Iterator[LintFinding]:
    for node in graph.resizes:
        cubic = attribute(node, "mode", "nearest") == "cubic"
        for rule in _RESIZE:
            if (rule.cubic_only and not cubic) or (rule.name == "antialias" and graph.opset < _ANTIALIAS_OPSET):
                continue
            given = attribute(node, rule.name, None)
            value = rule.default if given is None else given
            value = round(value, 6) if isinstance(value, float) else value
            if value not in rule.conforms:
                left = ", where it is left out" if given is None else ""
                problem = f"{rule.name} is {value}{left}, the canon needs {rule.conforms[0]}"
                yield LintFinding(rule.faults.get(value, ""), label(node), rule.clause, problem, rule.fix)


def _resize_sizes(graph: _Graph) -> Iterator[LintFinding]:
    for node in graph.resizes:
        scales, sizes = (node.input[index] if len(node.input) > index else "" for index in (2, 3))
        if node.op_type == "Upsample" or graph.opset < 11:
            scales = node.input[1] if len(node.input) > 1 else "scales"
        if not sizes:
            empty = graph.wiring.constant(scales)
            if scales and not (empty is not None and empty.size == 0):
                fix = "compute n_px * long // short in int64 and give it as `sizes`"
                problem = "the input `scales` sets the size through float32, the canon wants integers"
                yield LintFinding("size-scale-first", label(node), "SIZ-1", problem, fix)
            continue
        fixed = _fixed_lengths(graph.wiring, sizes)
        if attribute(node, "keep_aspect_ratio_policy", "stretch") != "stretch":
            continue
        if fixed:
            text = " x ".join(map(str, fixed))
            problem = f"every image is forced to {text}, the canon keeps the aspect ratio"
            fix = "the short side becomes n_px, the long one n_px * long // short"
            yield LintFinding("squash", label(node), "SIZ-1", problem, fix)
        else:
            yield from _float_sizes(graph, node, sizes)


def _fixed_lengths(wiring: Wiring, sizes: str) -> list[int]:
    """Return height and width where the graph gives them as constants, else nothing."""
    node = wiring.producer.get(sizes)
    parts = list(node.input) if node is not None and node.op_type == "Concat" else [sizes]
    lengths: list[int] = []
    for name in reversed(parts):
        value = wiring.constant(name)
        if value is None:
            break
        lengths = [*value.reshape(-1).tolist(), *lengths]
    return lengths[-2:] if len(lengths) >= 2 else []


def _float_sizes(graph: _Graph, node: Any, sizes: str) -> Iterator[LintFinding]:
    """Find the long side computed through floats, and how it becomes an integer."""
    way = graph.arithmetic(sizes)
    floats = [
        step for step in way if step.op_type in ("Mul", "Div") and graph.wiring.element(step.output[0]) in _FLOATS
    ]
    if not floats:
        return
    rounding = {step.op_type for step in way} & {"Round", "Ceil"}
    fault, how = "size-scale-first", "is computed in floating point"
    if "Round" in rounding:
        fault, how = "size-rounded", "is rounded"
    elif "Ceil" in rounding:
        fault, how = "size-ceiled", "is rounded up"
    problem = f"the long side {how}, the canon has n_px * long // short in integers"
    yield LintFinding(fault, label(node), "SIZ-1", problem, f"replace {label(floats[0])} and what follows by int64")


def _passes(graph: _Graph) -> Iterator[LintFinding]:
    """RSZ-8: each pass rounded and clipped to 8 bits. A Resize on uint8 does that by itself in ONNX Runtime."""
    floating = [node for node in graph.resizes if graph.wiring.element(node.output[0]) in _FLOATS]
    if len(graph.resizes) == 1 and floating and len(attribute(floating[0], "axes", [2, 3])) != 1:
        problem = "it resizes both axes at once, without rounding between them; the canon rounds after each"
        fix = "one Resize for the width, then one for the height, Floor(x + 0.5) and Clip to 0..255 after each"
        yield LintFinding("float-between-passes", label(floating[0]), "RSZ-8", problem, fix)
    for node in floating:
        yield from _rounding(graph, node)


def _rounding(graph: _Graph, node: Any) -> Iterator[LintFinding]:
    steps = _after(graph, node)
    kinds = {step.op_type for step in steps}
    cast = any(
        step.op_type == "QuantizeLinear"
        or (step.op_type == "Cast" and graph.wiring.element(step.output[0]) not in (0, *_FLOATS))
        for step in steps
    )
    half = any(float_end.is_half(graph.wiring, step) for step in steps)
    rounded = bool(kinds & {"Round", "QuantizeLinear"}) or (half and (cast or "Floor" in kinds))
    clipped = bool(kinds & {"Clip", "QuantizeLinear"}) or ("Min" in kinds and bool(kinds & {"Max", "Relu"}))
    truncated = cast or bool(kinds & {"Floor", "Ceil"})
    if not rounded and not truncated:
        fault, what = "float-between-passes", "is kept in floating point" + ("" if clipped else ", overshoot included")
        fix = "add Floor(x + 0.5), Clip to 0..255 and Cast to uint8 after it"
        yield LintFinding(fault, label(node), "RSZ-8", f"its result {what}; the canon has 8 bits", fix)
        return
    if not rounded:
        problem, fix = "its result is truncated, the canon rounds", "add 0.5 before it becomes an integer"
        yield LintFinding("truncated-samples", label(node), "RSZ-8", problem, fix)
    if not clipped:
        fault = "wrapped-samples" if cast else ""
        how = "wraps around in the Cast" if cast else "is kept"
        problem = f"its overshoot beyond 0..255 {how}, the canon clips"
        yield LintFinding(fault, label(node), "RSZ-8", problem, "add Clip to 0..255 before the Cast to uint8")


_SAME_SAMPLES = {
    *("Identity", "Transpose", "Unsqueeze", "Squeeze", "Reshape", "Slice", "Gather", "CenterCropPad", "Split"),
    *("Cast", "CastLike", "Round", "Floor", "Ceil", "Clip", "Min", "Max", "Relu", "QuantizeLinear"),
}


def _after(graph: _Graph, node: Any) -> list[Any]:
    """Return the nodes that the result of a Resize goes through before it is computed with."""
    wanted = {id(known) for known in graph.nodes}
    steps: dict[int, Any] = {}
    waiting = [node.output[0]]
    while waiting:
        for user in graph.wiring.consumers.get(waiting.pop(), []):
            known = user.op_type in _SAME_SAMPLES or float_end.is_half(graph.wiring, user)
            if known and id(user) in wanted - steps.keys():
                steps[id(user)] = user
                waiting.extend(user.output)
    return list(steps.values())


def _crop(graph: _Graph) -> Iterator[LintFinding]:
    fix = "offset = d // 2 + (d // 2 % 2) * (d % 2) in int64, then Slice"
    for node in graph.nodes:
        if node.op_type == "CenterCropPad":
            problem = "it rounds the offset of an odd margin down, the canon half to even"
            yield LintFinding("crop-floor", label(node), "CRP-1", problem, fix)
        if node.op_type != "Slice" or len(node.input) < 2:
            continue
        way = graph.arithmetic(node.input[1])
        for half in [step for step in way if _halves(graph.wiring, step)][-1:]:
            before = {id(step) for step in graph.arithmetic(half.output[0])}
            after = {step.op_type for step in way if id(step) not in before}
            # The remainder of the margin, wherever it is taken, or a rounding of the half: an even offset is meant.
            if {step.op_type for step in way} & {"Mod", "BitwiseAnd"} or after & {"Round", "Where", "And"}:
                continue
            up = "crop-half-up" if _one_more(graph.wiring, half) or "Ceil" in after else ""
            problem = f"its offset is half the margin rounded {'up' if up else 'down'} ({label(half)})"
            yield LintFinding(up or "crop-floor", label(node), "CRP-1", f"{problem}, the canon half to even", fix)


def _one_more(wiring: Wiring, half: Any) -> bool:
    """Return whether it is x + 1 that is halved."""
    node = wiring.producer.get(half.input[0])
    values = [wiring.constant(name) for name in node.input] if node is not None and node.op_type == "Add" else []
    return any(value is not None and value.size == 1 and float(value.reshape(-1)[0]) == 1.0 for value in values)


def _halves(wiring: Wiring, node: Any) -> bool:
    """Return whether a node halves: x / 2, x * 0.5, x >> 1."""
    by = {"Div": 2.0, "Mul": 0.5, "BitShift": 1.0}.get(node.op_type)
    value = wiring.constant(node.input[1]) if by is not None and len(node.input) == 2 else None
    return value is not None and value.size == 1 and float(value.reshape(-1)[0]) == by


def _channels(graph: _Graph) -> Iterator[LintFinding]:
    for node in graph.nodes:
        indices = graph.wiring.constant(node.input[1]) if node.op_type == "Gather" else None
        if indices is not None and np.array_equal(indices, [2, 1, 0]) and graph.wiring.constant(node.input[0]) is None:
            problem = "it turns the channels into B, G, R, the canon has R, G, B"
            yield LintFinding("channel-bgr", label(node), "RGB-1", problem, "remove it; the image comes in as RGB")


def _constants(graph: _Graph) -> Iterator[LintFinding]:
    end = float_end.read(graph.wiring, graph.output) if graph.output else None
    if end is not None:
        yield from float_end.findings(end)


def _output(graph: _Graph) -> Iterator[LintFinding]:
    where = f'output "{graph.output}"'
    kind, shape = graph.wiring.element(graph.output), graph.wiring.shape(graph.output)
    if kind not in (0, onnx.TensorProto.FLOAT):
        dtype = onnx.TensorProto.DataType.Name(kind).lower()
        problem = f"it is {dtype}, the canon has float32"
        yield LintFinding("", where, "CNF-1", problem, "compute the float end in float32")
    if shape is not None and len(shape) in (3, 4) and shape[-1] == 3 and shape[-3] != 3:
        text = f"[{', '.join('?' if length is None else str(length) for length in shape)}]"
        problem = f"it is {text}, the canon has channels first"
        yield LintFinding("layout-hwc", where, "TEN-2", problem, "transpose it to [3, n_px, n_px]")


_RULES: tuple[Callable[[_Graph], Iterator[LintFinding]], ...] = (
    _opset, _input, _resize_attributes, _resize_sizes, _passes, _crop, _channels, _constants, _output,
)  # fmt: skip
