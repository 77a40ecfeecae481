"""The float end of a graph, read as y = slope * u + offset per channel and compared with CLIP's (TEN, NRM)."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

import clip_spec
from clip_conformance.onnx.finding import LintFinding, label
from clip_conformance.onnx.wiring import STANDARD, Wiring

_CANON = clip_spec.canon()
MEAN = np.array(_CANON.mean)
STD = np.array(_CANON.std)
_MEAN_TEXT, _STD_TEXT = (f"({', '.join(map(str, values))})" for values in (_CANON.mean, _CANON.std))
# (known mistake, what it is, mean, std), all taken for the sample divided by 255.
_CONSTANTS: tuple[tuple[str, str, Any, Any], ...] = (
    ("", "", MEAN, STD),
    ("imagenet-constants", "ImageNet's", np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])),
    ("half-constants", "0.5 and 0.5", np.full(3, 0.5), np.full(3, 0.5)),
    ("normalize-missing", "no mean and std", np.zeros(3), np.ones(3)),
    ("channel-bgr", "CLIP's in the order B, G, R", MEAN[::-1], STD[::-1]),
    ("channel0-constants", "channel 0's for all channels", np.repeat(MEAN[0], 3), np.repeat(STD[0], 3)),
    ("mean-std-swapped", "mean and std exchanged", STD, MEAN),
    ("normalize-twice", "applied twice", MEAN + STD * MEAN, STD * STD),
    ("std-before-mean", "std divides before the mean is subtracted", MEAN * STD, STD),
)
# (known mistake, what the sample is divided by)
_SCALES: tuple[tuple[str, float], ...] = (
    ("", 255.0),
    ("scale-256", 256.0),
    ("scale-missing", 1.0),
    ("scale-twice", 255.0 * 255.0),
)
# Rounding of float32 constants stays below on both ends of the range; five decimals do not.
_SAME = 1e-6
_TYPO = 0.01
_CARRY = {
    *("Identity", "Transpose", "Unsqueeze", "Squeeze", "Reshape", "Flatten", "Slice", "CenterCropPad", "Cast"),
    *("Resize", "Upsample", "Clip", "Round", "Floor", "Dropout", "CastLike"),
}
_INTEGERS = {onnx.TensorProto.UINT8, onnx.TensorProto.INT32, onnx.TensorProto.INT64, onnx.TensorProto.INT8}


@dataclass
class FloatEnd:
    """y = slope * u + offset, float64 [3] each, of the 8-bit sample u; `nodes` do it, from the last to the first."""

    slope: NDArray[np.float64] = field(default_factory=lambda: np.ones(3))
    offset: NDArray[np.float64] = field(default_factory=lambda: np.zeros(3))
    nodes: list[Any] = field(default_factory=list)

    def values(self) -> NDArray[np.float64]:
        """Return y at u = 0 and at u = 255, [2, 3]."""
        return np.stack([self.offset, 255.0 * self.slope + self.offset])

    def before(self, node: Any, constant: NDArray[np.float64], *, first: bool) -> None:
        """Take in the node that comes before those there are; `first`: the constant is its first operand."""
        if node.op_type in ("Add", "Sub"):
            sign = -1.0 if node.op_type == "Sub" and not first else 1.0
            self.offset = self.offset + sign * self.slope * constant
            if node.op_type == "Sub" and first:
                self.slope = -self.slope
        else:
            self.slope = self.slope * (constant if node.op_type == "Mul" else 1.0 / constant)
        self.nodes.append(node)


def read(wiring: Wiring, output: str) -> FloatEnd | None:
    """Return the float end of the tensor `output`, None where it is no chain of Add, Sub, Mul, Div with constants."""
    found = FloatEnd()
    name = output
    while wiring.element(name) != onnx.TensorProto.UINT8:
        node = wiring.producer.get(name)
        if node is None:
            return found if name in wiring.inputs else None
        if node.domain not in STANDARD:
            return None
        if node.op_type in _CARRY:
            name = node.input[0]
            if node.op_type == "Floor" or (node.op_type == "Cast" and wiring.element(node.output[0]) in _INTEGERS):
                name = _without_half(wiring, name)
        elif node.op_type in ("Add", "Sub", "Mul", "Div") and len(node.input) == 2:
            step = _constant(wiring, node)
            if step is None:
                return None
            constant, index = step
            if node.op_type == "Div" and index == 0:
                return None
            found.before(node, constant, first=index == 0)
            name = node.input[1 - index]
        else:
            return None
    return found


def _constant(wiring: Wiring, node: Any) -> tuple[NDArray[np.float64], int] | None:
    """Return the constant operand of a node as [3], and which one it is."""
    for index, name in enumerate(node.input):
        array = wiring.constant(name)
        if array is not None and array.size in (1, 3) and array.dtype.kind in "fiu":
            flat = array.reshape(-1).astype(np.float64)
            if node.op_type == "Div" and not flat.all():
                return None
            return np.broadcast_to(flat, 3).copy(), index
    return None


def _without_half(wiring: Wiring, name: str) -> str:
    """Return what is rounded by floor(x + 0.5): the half is no offset of the float end."""
    node = wiring.producer.get(name)
    if node is not None and is_half(wiring, node):
        constant = _constant(wiring, node)
        assert constant is not None
        return str(node.input[1 - constant[1]])
    return name


def is_half(wiring: Wiring, node: Any) -> bool:
    """Return whether a node adds 0.5."""
    step = _constant(wiring, node) if node.op_type == "Add" and len(node.input) == 2 else None
    return step is not None and bool((step[0] == 0.5).all())


def findings(end: FloatEnd) -> Iterator[LintFinding]:
    """Yield what differs from the canon: the division by 255 (TEN-1), the constants and their order (NRM-1, NRM-2)."""
    if not np.isfinite(end.values()).all() or not end.slope.all():
        return
    best = [(scale, known) for scale in _SCALES for known in _CONSTANTS if _near(end, known[2], known[3], scale[1])]
    if not best:
        yield _unknown(end)
        return
    (scale_fault, divisor), (fault, what, _, _) = best[0]
    if scale_fault:
        actual = "is not divided by 255" if divisor == 1.0 else f"is divided by {divisor:g}"
        fix = "divide once by 255" if divisor != 1.0 else "divide by 255 before the mean is subtracted"
        yield LintFinding(scale_fault, _node(end, ("Div", "Mul"), single=True), "TEN-1", f"the sample {actual}", fix)
    if fault == "normalize-missing":
        wanted = f"the canon subtracts {_MEAN_TEXT} and divides by {_STD_TEXT}"
        yield LintFinding(fault, _node(end), "NRM-1", f"mean and std are missing, {wanted}", "add Sub and Div")
    elif fault:
        clause = "NRM-1" if fault in ("mean-std-swapped", "normalize-twice", "std-before-mean") else "NRM-2"
        id_ = "" if fault == "channel-bgr" else fault  # that mistake swaps the pixels, not the constants
        problem = f"mean and std are {what}; the canon has mean {_MEAN_TEXT}, std {_STD_TEXT}"
        yield LintFinding(id_, _node(end, ("Sub", "Add")), clause, problem, _FIXES.get(fault, "use CLIP's own"))


_FIXES = {
    "channel-bgr": "give them in the order R, G, B",
    "channel0-constants": "give three values, shaped [3, 1, 1]",
    "mean-std-swapped": "subtract the mean, divide by the std",
    "normalize-twice": "normalise once",
    "std-before-mean": "subtract the mean first",
}


def _near(end: FloatEnd, mean: NDArray[np.float64], std: NDArray[np.float64], divisor: float) -> bool:
    wanted = FloatEnd(1.0 / (divisor * std), -mean / std).values()
    return bool((np.abs(end.values() - wanted) <= _SAME * np.maximum(1.0, np.abs(wanted))).all())


def _unknown(end: FloatEnd) -> LintFinding:
    """Return the finding on constants that no known mistake explains: a typo, or others."""
    std = 1.0 / (255.0 * end.slope)
    mean = -end.offset * std
    wrong = []
    typo = True
    for name, got, wanted, text in (("mean", mean, MEAN, _MEAN_TEXT), ("std", std, STD, _STD_TEXT)):
        off = np.abs(got - wanted) > 2e-7 * wanted
        typo &= bool((np.abs(got - wanted) <= _TYPO * wanted).all())
        if off.any():
            wrong.append(f"{name} is {_list(got)}, the canon has {text}")
    fix = "type all eight digits" if typo else "use CLIP's own"
    return LintFinding("", _node(end, ("Sub", "Add")), "NRM-2", " and ".join(wrong), fix)


def _node(end: FloatEnd, kinds: tuple[str, ...] = (), *, single: bool = False) -> str:
    """Return the label of the node that does it; `single`: the first of them in the graph's order."""
    nodes = [node for node in end.nodes if node.op_type in kinds] or end.nodes
    if not nodes:
        return "the float end"
    return label(nodes[-1] if single else nodes[0])


def _list(values: NDArray[np.float64]) -> str:
    """Return numbers with the fewest digits that name the same float32."""
    return f"({', '.join(str(value) for value in values.astype(np.float32))})"
