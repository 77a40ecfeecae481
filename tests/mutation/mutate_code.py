"""The ways in which a source is broken: cosmic-ray's operators, the useful ones of them, and what those leave out."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import cosmic_ray.plugins
from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.operators.operator import Operator
from parso.python.tree import Keyword, Name, String
from parso.tree import NodeOrLeaf

# Of the replacements of an operator by any other, those that yield another number; the rest (a path times a text) are
# type errors, which any test finds.
_KEPT = re.compile(
    r"core/(?:"
    r"ReplaceBinaryOperator_(?:Add_Sub|Sub_Add|Mul_Div|Div_Mul|Mod_Mul|Pow_Mul|FloorDiv_Div|RShift_LShift|LShift_RShift"
    r"|BitAnd_BitOr|BitXor_BitOr|BitXor_BitAnd)"
    r"|ReplaceComparisonOperator_(?:Eq_NotEq|NotEq_Eq|(?:Lt|LtE|Gt|GtE)_(?!Is).*|Is_IsNot|IsNot_Is)"
    r"|ReplaceUnaryOperator_(?:USub_UAdd|Delete_.*)"
    r"|(?!Replace(?:Binary|Comparison|Unary)|Variable|ExceptionReplacer).*)"
)
_OTHER = {"max": "min", "min": "max", "any": "all", "all": "any"}
_STRUCTURE = ("funcdef", "annassign", "tfpdef", "param")


@dataclass(frozen=True)
class Mutant:
    """One broken source: by which operator, what the lines were and are, and the whole text."""

    operator: str
    line: int
    was: str
    now: str
    text: str


class _One(Operator):  # type: ignore[misc]
    """An operator that changes a node in one way."""

    def applies(self, node: Any) -> bool:
        raise NotImplementedError

    def changed(self, node: Any) -> NodeOrLeaf | None:
        raise NotImplementedError

    def mutation_positions(self, node: Any) -> Iterator[tuple[Any, Any]]:
        if self.applies(node):
            yield node.start_pos, node.end_pos

    def mutate(self, node: Any, index: int) -> NodeOrLeaf | None:
        return self.changed(node)

    @classmethod
    def examples(cls) -> tuple[()]:
        return ()


class RemoveStatement(_One):
    """A call, an assignment, a raise inside a function, and nothing in its place."""

    def applies(self, node: Any) -> bool:
        simple = node.parent is not None and node.parent.type == "simple_stmt"
        inside = simple and any(parent.type == "funcdef" for parent in _parents(node))
        return inside and node.type in ("expr_stmt", "atom_expr", "raise_stmt", "keyword") and _code(node) != "pass"

    def changed(self, node: Any) -> NodeOrLeaf:
        return Keyword("pass", node.start_pos, prefix=_prefix(node))


class ReturnNone(_One):
    """`return value` without the value."""

    def applies(self, node: Any) -> bool:
        return node.type == "return_stmt" and _code(node) not in ("return", "return None")

    def changed(self, node: Any) -> NodeOrLeaf:
        return Keyword("return None", node.start_pos, prefix=_prefix(node))


class SwapMembership(_One):
    """`in` and `not in`."""

    def applies(self, node: Any) -> bool:
        if node.parent is None or node.parent.type != "comparison":
            return False
        return _code(node) in ("in", "not in")

    def changed(self, node: Any) -> NodeOrLeaf:
        return Keyword("in" if _code(node) == "not in" else "not in", node.start_pos, prefix=" ")


class AlwaysTrue(_One):
    """A comparison is true."""

    value = "True"

    def applies(self, node: Any) -> bool:
        return bool(node.type == "comparison")

    def changed(self, node: Any) -> NodeOrLeaf:
        return Name(self.value, node.start_pos, prefix=_prefix(node))


class AlwaysFalse(AlwaysTrue):
    """A comparison is false."""

    value = "False"


class NegateFilter(_One):
    """The condition of a comprehension."""

    def applies(self, node: Any) -> bool:
        return node.parent is not None and node.parent.type == "comp_if" and node is node.parent.children[1]

    def changed(self, node: Any) -> NodeOrLeaf:
        return Name(f"not ({_code(node)})", node.start_pos, prefix=" ")


class SwapBuiltin(_One):
    """`max` and `min`, `any` and `all`."""

    def applies(self, node: Any) -> bool:
        return node.type == "name" and node.value in _OTHER and _code(node.get_next_sibling() or node).startswith("(")

    def changed(self, node: Any) -> NodeOrLeaf:
        return Name(_OTHER[node.value], node.start_pos, prefix=node.prefix)


class Unwrap(_One):
    """`f(x)` becomes `x`."""

    def applies(self, node: Any) -> bool:
        if node.type != "atom_expr" or node.parent.type == "simple_stmt":
            return False
        call = node.children[-1]
        if call.type != "trailer" or call.children[0].value != "(" or len(call.children) != 3:
            return False
        named = node.children[0].type == "name" and all(_code(part)[0] == "." for part in node.children[1:-1])
        return bool(named and call.children[1].type not in ("arglist", "argument"))

    def changed(self, node: Any) -> NodeOrLeaf:
        return Name(f"({_code(node.children[-1].children[1])})", node.start_pos, prefix=_prefix(node))


class DropArgument(_One):
    """A call without one of its named arguments, which the callee then fills in by itself."""

    def applies(self, node: Any) -> bool:
        named = node.type == "argument" and len(node.children) == 3 and _code(node.children[1]) == "="
        return bool(named and node.parent.type in ("arglist", "trailer"))

    def changed(self, node: Any) -> NodeOrLeaf:
        # An empty unpacking keeps the commas around it right.
        return Name("**{}", node.start_pos, prefix=_prefix(node))


class EmptyText(_One):
    """A text that is no docstring and no annotation is empty; an empty one is not."""

    def applies(self, node: Any) -> bool:
        if node.type != "string" or node.parent.type in ("simple_stmt", *_STRUCTURE):
            return False
        return not any(parent.type in ("annassign", "subscriptlist") for parent in _parents(node))

    def changed(self, node: Any) -> NodeOrLeaf:
        empty = node.value in ('""', 'b""')
        mark = "b" if node.value.startswith("b") else ""
        return String(f'{mark}"{"?" if empty else ""}"', node.start_pos, prefix=node.prefix)


class NotCaught(_One):
    """An exception, of a module's own as well, that nothing catches any more."""

    def applies(self, node: Any) -> bool:
        clause = next((parent for parent in _parents(node) if parent.type == "except_clause"), None)
        if clause is None or node.type not in ("name", "atom_expr", "power"):
            return False
        return node.parent is clause or node.parent.type in ("atom", "testlist_comp")

    def changed(self, node: Any) -> NodeOrLeaf | None:
        is_alias = node.parent.type == "except_clause" and node is not node.parent.children[1]
        return node if is_alias else Name("FloatingPointError", node.start_pos, prefix=_prefix(node))


class EmptyFormat(_One):
    """An f-string is empty."""

    def applies(self, node: Any) -> bool:
        return bool(node.type == "fstring")

    def changed(self, node: Any) -> NodeOrLeaf:
        return String('""', node.start_pos, prefix=_prefix(node))


OWN: tuple[type[_One], ...] = (
    RemoveStatement,
    ReturnNone,
    SwapMembership,
    AlwaysTrue,
    AlwaysFalse,
    NegateFilter,
    SwapBuiltin,
    Unwrap,
    DropArgument,
    EmptyText,
    EmptyFormat,
    NotCaught,
)


def _is_declared(node: Any) -> bool:
    """Return whether a node is part of a class's heading, or the star of a signature: nothing is computed there."""
    if node.parent is not None and node.parent.type == "parameters" and _code(node) == "*":
        return True
    return any(
        parent.type == "classdef" and node.start_pos < parent.children[-1].start_pos for parent in _parents(node)
    )


def mutants(source: str) -> list[Mutant]:
    """Return every mutant of a source, in the order of its lines; two that read alike are one."""
    operators: list[tuple[str, Operator]] = [
        (name.removeprefix("core/"), cosmic_ray.plugins.get_operator(name)())
        for name in cosmic_ray.plugins.operator_names()
        if _KEPT.fullmatch(name)
    ]
    operators += [(kind.__name__, kind()) for kind in OWN]
    tree, same = get_ast(source), _shape(source)
    found: dict[str | None, Mutant] = {}
    for name, operator in operators:
        places = [node for node in ast_nodes(tree) for _ in operator.mutation_positions(node)]
        for occurrence, node in enumerate(places):
            text = None if _is_declared(node) else mutate_code(source, operator, occurrence)
            if text is not None and (shape := _shape(text)) not in (None, same):
                found.setdefault(shape, _described(name, source, text))
    return sorted(found.values(), key=lambda mutant: mutant.line)


def _described(name: str, source: str, text: str) -> Mutant:
    old, new = source.splitlines(), text.splitlines()
    start = next(at for at in range(min(len(old), len(new))) if old[at] != new[at])
    end = 0
    while end < min(len(old), len(new)) - start and old[-1 - end] == new[-1 - end]:
        end += 1
    was, now = (_joined(lines[start : len(lines) - end]) for lines in (old, new))
    return Mutant(name, start + 1, was, now, text)


def _joined(lines: list[str]) -> str:
    return " ".join(" ".join(lines).split())


def _shape(text: str) -> str | None:
    """Return what two texts have in common that Python reads alike, None of what it cannot read."""
    try:
        return ast.dump(ast.parse(text))
    except SyntaxError:
        return None


def _code(node: Any) -> str:
    return str(node.get_code(include_prefix=False))


def _prefix(node: Any) -> str:
    return str(node.get_first_leaf().prefix)


def _parents(node: Any) -> Iterator[Any]:
    while (node := node.parent) is not None:
        yield node
