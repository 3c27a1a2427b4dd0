"""YAML that runs nothing: the tags of Python that configs have, read as the plain data meant."""

import ast
import operator
from typing import Any

import yaml  # type: ignore[import-untyped]

__all__ = ["PlainLoader"]

_OPERATORS = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul,
              ast.Div: operator.truediv, ast.FloorDiv: operator.floordiv, ast.Pow: operator.pow}
_LARGEST_POWER = 64


def _evaluate(node: ast.AST, names: dict[str, Any]) -> Any:
    """The value of an expression of numbers, lists and comprehensions; ValueError for any other."""
    if isinstance(node, ast.Expression):
        return _evaluate(node.body, names)
    if isinstance(node, ast.Constant) and isinstance(node.value, (int, float)):
        return node.value
    if isinstance(node, ast.Name) and node.id in names:
        return names[node.id]
    if isinstance(node, (ast.List, ast.Tuple)):
        return [_evaluate(entry, names) for entry in node.elts]
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -_evaluate(node.operand, names)
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        sides = [_evaluate(side, names) for side in (node.left, node.right)]
        if all(isinstance(side, (int, float)) for side in sides) and not (
                isinstance(node.op, ast.Pow) and max(map(abs, sides)) > _LARGEST_POWER):
            return _OPERATORS[type(node.op)](*sides)
    if isinstance(node, ast.ListComp) and len(node.generators) == 1:
        [loop] = node.generators
        if isinstance(loop.target, ast.Name) and not loop.ifs:
            return [_evaluate(node.elt, {**names, loop.target.id: value})
                    for value in _evaluate(loop.iter, names)]
    raise ValueError("it is more than numbers and lists")


def _construct_expression(loader: Any, node: yaml.Node) -> Any:
    [text] = loader.construct_sequence(node)
    try:
        return _evaluate(ast.parse(text, mode="eval"), {})
    except (SyntaxError, ValueError, TypeError, ArithmeticError) as error:
        raise yaml.constructor.ConstructorError(
            None, None, f"{text!r} is not computed: {error}; write its value",
            node.start_mark) from error


def _construct_tuple(loader: Any, node: yaml.Node) -> tuple:
    return tuple(loader.construct_sequence(node))


class PlainLoader(yaml.SafeLoader):
    """PyYAML's safe loader, which also reads tuples and sums; any other tag of Python is an error
    with its line."""


# detectron2's Base-RetinaNet.yaml computes the sizes of its anchors so.
PlainLoader.add_constructor("tag:yaml.org,2002:python/object/apply:eval", _construct_expression)
# mmengine writes tuples so, and detectron2 in LazyConfigs.
PlainLoader.add_constructor("tag:yaml.org,2002:python/tuple", _construct_tuple)
