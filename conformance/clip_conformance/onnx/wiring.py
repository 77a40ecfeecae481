"""Who makes and who uses each tensor of a graph; parts of a graph as graphs of their own.

This module imports onnx; import it inside a function.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

# The names of the domain of the standard operators.
STANDARD = ("", "ai.onnx")
# Constants that more nodes than this compute are left alone; folding them is the runtime's business.
_FOLDED_NODES = 40


class Wiring:
    """The tensors of a model's graph by name.

    The model's own functions are inlined. `nodes` in the order of the file, `producer` and `consumers` by tensor,
    `initializers` by name, `inputs` without the initializers that old files list among them, `types` as far as they are
    known without running the graph.
    """

    def __init__(self, model: Any) -> None:
        self.model = model = _inlined(model)
        graph = model.graph
        self.nodes: list[Any] = list(graph.node)
        self.initializers: dict[str, Any] = {tensor.name: tensor for tensor in graph.initializer}
        self._sparse: dict[str, Any] = {tensor.values.name: tensor for tensor in graph.sparse_initializer}
        known = {*self.initializers, *self._sparse}
        self.inputs: dict[str, Any] = {info.name: info for info in graph.input if info.name not in known}
        self.outputs: list[str] = [info.name for info in graph.output]
        self.producer: dict[str, Any] = {name: node for node in self.nodes for name in node.output if name}
        self.consumers: dict[str, list[Any]] = {}
        for node in self.nodes:
            for name in uses(node):
                self.consumers.setdefault(name, []).append(node)
        self._constants: dict[str, NDArray[Any] | None] = {}
        self._types: dict[str, Any] | None = None

    @property
    def types(self) -> dict[str, Any]:
        """The types that shape inference finds, by tensor; empty where it fails."""
        if self._types is None:
            try:
                graph = onnx.shape_inference.infer_shapes(self.model).graph
            except Exception:  # a graph that only its own runtime understands
                graph = self.model.graph
            infos = [*graph.input, *graph.output, *graph.value_info]
            self._types = {info.name: info.type.tensor_type for info in infos if info.type.HasField("tensor_type")}
        return self._types

    def element(self, name: str) -> int:
        """Return the element type of a tensor (onnx.TensorProto.UINT8 ...), 0 where it is not known."""
        tensor = self.initializers.get(name)
        return int(tensor.data_type if tensor is not None else getattr(self.types.get(name), "elem_type", 0))

    def shape(self, name: str) -> list[int | None] | None:
        """Return the lengths of a tensor, None for one that may change; None where the rank is not known."""
        info = self.types.get(name)
        if info is None or not info.HasField("shape"):
            return None
        return [dim.dim_value if dim.HasField("dim_value") else None for dim in info.shape.dim]

    def behind(self, targets: Sequence[str], stop: Sequence[str] = ()) -> tuple[list[Any], set[str]]:
        """Return the nodes that make the targets, in the file's order, and the names that none of them makes.

        The walk does not go beyond the tensors of `stop`; these are among the names where they are reached.
        """
        seen: set[str] = set()
        found: set[int] = set()
        waiting = list(targets)
        while waiting:
            name = waiting.pop()
            if name in seen:
                continue
            seen.add(name)
            node = self.producer.get(name)
            if node is not None and name not in stop:
                found.add(id(node))
                waiting.extend(uses(node))
        nodes = [node for node in self.nodes if id(node) in found]
        made = {name for node in nodes for name in node.output} - set(stop)
        return nodes, {name for name in seen if name not in made}

    def part(self, inputs: Sequence[Any], targets: Sequence[str]) -> Any | None:
        """Return the graph from `inputs` (ValueInfoProto) to the tensors `targets` as a model of its own.

        None where the targets depend on something else than the inputs and constants.
        """
        given = [info.name for info in inputs]
        nodes, ends = self.behind(targets, given)
        if ends - {*given, *self.initializers, *self._sparse} or not ends & set(given):
            return None
        if any(name in given for node in nodes for name in node.output):
            return None  # the same node makes an input and something else
        model = onnx.ModelProto(ir_version=self.model.ir_version)
        model.opset_import.extend(self.model.opset_import)
        model.functions.extend(self.model.functions)  # where they could not be inlined
        graph = model.graph
        graph.name = self.model.graph.name or "part"
        graph.node.extend(nodes)
        graph.input.extend(inputs)
        graph.output.extend(onnx.ValueInfoProto(name=name) for name in targets)
        graph.initializer.extend(tensor for name, tensor in self.initializers.items() if name in ends)
        graph.sparse_initializer.extend(tensor for name, tensor in self._sparse.items() if name in ends)
        return model

    def constant(self, name: str) -> NDArray[Any] | None:
        """Return the value of a tensor that does not depend on the image, else None."""
        if name not in self._constants:
            self._constants[name] = self._folded(name) if name else None
        return self._constants[name]

    def _folded(self, name: str) -> NDArray[Any] | None:
        if name in self.initializers:
            array: NDArray[Any] = numpy_helper.to_array(self.initializers[name])
            return array
        nodes, ends = self.behind([name])
        if not nodes or len(nodes) > _FOLDED_NODES or ends - set(self.initializers):
            return None
        graph = onnx.helper.make_graph(
            nodes, "constant", [], [onnx.ValueInfoProto(name=name)], [self.initializers[end] for end in ends]
        )
        try:
            from onnx.reference import ReferenceEvaluator

            model = onnx.helper.make_model(graph, opset_imports=self.model.opset_import)
            return np.asarray(ReferenceEvaluator(model).run(None, {})[0])
        except Exception:  # an operator that only its own runtime knows
            return None


def _inlined(model: Any) -> Any:
    """Return a model whose own functions are part of its graph, so that their nodes are seen."""
    if not model.functions:
        return model
    from onnx import inliner

    try:
        return inliner.inline_local_functions(model)
    except Exception:  # the runtime may do better
        return model


def uses(node: Any) -> Iterator[str]:
    """Yield the names that a node reads, those that its inner graphs take from outside among them."""
    yield from filter(None, node.input)
    for attribute in node.attribute:
        for inner in [attribute.g, *attribute.graphs] if attribute.type in _GRAPHS else []:
            made = {info.name for info in [*inner.input, *inner.initializer]}
            for child in inner.node:
                yield from (name for name in uses(child) if name not in made)
                made |= set(child.output)
            yield from (info.name for info in inner.output if info.name not in made)


_GRAPHS = (onnx.AttributeProto.GRAPH, onnx.AttributeProto.GRAPHS)
