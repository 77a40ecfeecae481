"""One static finding on a graph."""

from typing import Any

import msgspec


class LintFinding(msgspec.Struct, frozen=True):
    """What is wrong with a node, before the graph runs.

    `fault` is the id of a known mistake or empty, `node` what a person looks for, `clause` the rule of the standard,
    `problem` the actual and the wanted value, `fix` what to change.
    """

    fault: str
    node: str
    clause: str
    problem: str
    fix: str

    def __str__(self) -> str:
        return f"{self.node}: {self.problem} ({self.clause}); {self.fix}"


def label(node: Any) -> str:
    """Return how a node is named to a person: its operator and its name, or the tensor that it makes."""
    return f'{node.op_type} "{node.name or next(iter(node.output), "")}"'


def attribute(node: Any, name: str, default: Any) -> Any:
    """Return an attribute's value, a string as text; `default` where the node does not have it."""
    from onnx import helper

    for entry in node.attribute:
        if entry.name == name:
            value = helper.get_attribute_value(entry)
            return value.decode() if isinstance(value, bytes) else value
    return default
