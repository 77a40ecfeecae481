"""ONNX graphs written as formulas: `(x + 0.5) * scale` emits the nodes Add and Mul."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper


class Value:
    """A tensor of the graph; `dtype` is that of its samples. Numbers beside it in a formula take its dtype."""

    def __init__(self, graph: "Graph", node: Any, name: str, dtype: type) -> None:
        self.graph, self.node, self.name, self.dtype = graph, node, name, dtype

    def named(self, name: str) -> "Value":
        """Give the tensor a name of its own; before it is used."""
        self.node.output[0] = self.name = name
        return self

    def cast(self, dtype: type) -> "Value":
        """Convert; a double becomes an integer by truncation."""
        to = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
        return self.graph.op("Cast", self, dtype=dtype, to=to)

    def transposed(self, *axes: int) -> "Value":
        """Permute the axes."""
        return self.graph.op("Transpose", self, perm=axes)

    def _with(self, op: str, other: Any, dtype: type | None = None) -> "Value":
        return self.graph.op(op, self, other, dtype=dtype or self.dtype)

    def __add__(self, other: Any) -> "Value":
        return self._with("Add", other)

    def __sub__(self, other: Any) -> "Value":
        return self._with("Sub", other)

    def __mul__(self, other: Any) -> "Value":
        return self._with("Mul", other)

    def __truediv__(self, other: Any) -> "Value":
        return self._with("Div", other)

    def __floordiv__(self, other: Any) -> "Value":
        # On integers Div truncates, which is floor for the non-negative numbers that these graphs divide.
        return self._with("Div", other)

    def __mod__(self, other: Any) -> "Value":
        return self._with("Mod", other)

    def __lt__(self, other: Any) -> "Value":
        return self._with("Less", other, np.bool_)

    def __gt__(self, other: Any) -> "Value":
        return self._with("Greater", other, np.bool_)

    def __ge__(self, other: Any) -> "Value":
        return self._with("GreaterOrEqual", other, np.bool_)

    def __and__(self, other: Any) -> "Value":
        return self._with("And", other)

    def __or__(self, other: Any) -> "Value":
        return self._with("Or", other)


class Graph:
    """Nodes in the order in which they are written, and the constants that they share."""

    def __init__(self) -> None:
        self._nodes: list[Any] = []
        self._constants: dict[tuple[Any, ...], Any] = {}
        self._inputs: list[Any] = []
        self._outputs: list[Any] = []
        self._section = ""

    @contextmanager
    def section(self, name: str) -> Iterator[None]:
        """Put the name before those of the nodes that are written inside."""
        before, self._section = self._section, f"{self._section}{name}/"
        yield
        self._section = before

    def input(self, name: str, dtype: type, shape: Sequence[int | str]) -> Value:
        """Add an input of the graph; a name in the shape is a length that may change."""
        info = helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(np.dtype(dtype)), list(shape))
        self._inputs.append(info)
        return Value(self, None, name, dtype)

    def output(self, value: Value, shape: Sequence[int | str]) -> None:
        """Make a tensor an output of the graph."""
        kind = helper.np_dtype_to_tensor_dtype(np.dtype(value.dtype))
        self._outputs.append(helper.make_tensor_value_info(value.name, kind, list(shape)))

    def constant(self, value: Any, dtype: type, name: str = "") -> Value:
        """Return a constant; equal ones are stored once."""
        array: NDArray[Any] = np.asarray(value, dtype=dtype)
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self._constants:
            plain = "_".join(f"{item}" for item in array.reshape(-1)[:4].tolist())
            label = name or f"{array.dtype.name}_{plain}".replace("-", "minus_").replace(".", "p")
            if array.ndim:
                label = name or f"{label}_of_{'x'.join(map(str, array.shape))}"
            self._constants[key] = numpy_helper.from_array(array, label)
        return Value(self, None, self._constants[key].name, dtype)

    def op(self, op_type: str, *operands: Any, dtype: type | None = None, **attributes: Any) -> Value:
        """Add a node and return its output.

        Args:
            op_type: an operator of the ONNX standard.
            operands: values; numbers take the dtype of the last value among them, None leaves an input out.
            dtype: that of the output; without, that of the first value.
            attributes: those of the operator.
        """
        values = [operand for operand in operands if isinstance(operand, Value)]
        name = f"{op_type}_{len(self._nodes)}"
        inputs = [
            "" if operand is None
            else operand.name if isinstance(operand, Value)
            else self.constant(operand, values[-1].dtype).name
            for operand in operands
        ]  # fmt: skip
        node = helper.make_node(op_type, inputs, [name], f"{self._section}{name}", **attributes)
        self._nodes.append(node)
        return Value(self, node, name, dtype or values[0].dtype)

    def length(self, value: Value, axis: int) -> Value:
        """Return the length of an axis, an int64 scalar."""
        shape = self.op("Shape", value, dtype=np.int64)
        return self.op("Gather", shape, self.constant(axis, np.int64), axis=0)

    def integers(self, start: Value, stop: Value) -> Value:
        """Return start, start + 1, ... stop - 1 of two int64 scalars, int64 [stop - start]."""
        return self.op("Range", start, stop, 1)

    def item(self, value: Value, index: int) -> Value:
        """Return one element of a tensor of one axis, a scalar."""
        return self.op("Gather", value, self.constant(index, np.int64), axis=0)

    def column(self, value: Value) -> Value:
        """Return [n] as [n, 1]."""
        return self.op("Unsqueeze", value, self.constant([1], np.int64))

    def joined(self, *scalars: Value) -> Value:
        """Return scalars as one tensor of one axis."""
        ones = [self.op("Unsqueeze", scalar, self.constant([0], np.int64)) for scalar in scalars]
        return self.op("Concat", *ones, axis=0)

    def part(self, value: Value, starts: Sequence[Value], stops: Sequence[Value], axes: Sequence[int]) -> Value:
        """Return value[start:stop] on some axes; starts and stops are int64 scalars."""
        return self.op("Slice", value, self.joined(*starts), self.joined(*stops), self.constant(list(axes), np.int64))

    def model(self, name: str, opset: int, text: str, properties: dict[str, str]) -> Any:
        """Return the finished, checked onnx.ModelProto.

        Args:
            name: that of the graph.
            opset: the version of the standard operators.
            text: for a person who opens the file.
            properties: metadata of the file.
        """
        graph = helper.make_graph(self._nodes, name, self._inputs, self._outputs, list(self._constants.values()))
        # IR 8 is as old as opset 18 allows, so that old runtimes read the file.
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8, doc_string=text)
        model.producer_name = "clip-conformance"
        helper.set_model_props(model, properties)
        onnx.checker.check_model(model, full_check=True)
        return model


def floats(values: Sequence[float], shape: Sequence[int]) -> NDArray[np.float32]:
    """Return decimal constants rounded to float32 (NRM-2), in a shape."""
    return np.array(values, dtype=np.float32).reshape(shape)
