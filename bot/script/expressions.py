"""Expressions of a script: Python's notation, cut down to values, comparisons, arithmetic and a few functions.

Nothing in one can reach beyond the values it is given: there are no attributes, subscripts, calls of anything
but `FUNCTIONS`, loops or names that are not variables. Size and results are bounded.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal, DecimalException, InvalidOperation, localcontext
from functools import lru_cache
from typing import Final

from bot.errors import BotError
from bot.script.functions import FUNCTIONS, Value, as_number, as_text, fail

MAX_CHARS: Final = 500
_MAX_NODES: Final = 200
_MAX_DEPTH: Final = 25
_MAX_TEXT: Final = 2000
_LARGEST: Final = Decimal(10) ** 24
_PLACES: Final = Decimal("1e-9")
_DIGITS: Final = 40

_ALLOWED: Final = (
    ast.Expression,
    ast.Constant,
    ast.Name,
    ast.Load,
    ast.Tuple,
    ast.List,
    ast.BoolOp,
    ast.And,
    ast.Or,
    ast.UnaryOp,
    ast.Not,
    ast.USub,
    ast.UAdd,
    ast.BinOp,
    ast.Add,
    ast.Sub,
    ast.Mult,
    ast.Div,
    ast.Mod,
    ast.Compare,
    ast.Eq,
    ast.NotEq,
    ast.Lt,
    ast.LtE,
    ast.Gt,
    ast.GtE,
    ast.In,
    ast.NotIn,
    ast.IfExp,
    ast.Call,
)


class ExpressionError(BotError):
    """An expression that cannot be read, or that has no value for the values at hand."""


@dataclass(frozen=True, eq=False)
class Expression:
    """A read expression; `names` are the variables it needs, in order."""

    text: str
    names: tuple[str, ...]
    body: ast.expr

    def value(self, variables: Mapping[str, Value]) -> Value:
        """What it comes to; raises `ExpressionError`, which names the expression and never a value."""
        try:
            with localcontext() as context:
                context.prec = _DIGITS
                return _value(self.body, variables)
        except (ArithmeticError, ValueError) as error:
            why = "a number cannot be worked out" if isinstance(error, DecimalException) else str(error)
            raise ExpressionError(f"`{self.text}`: {why}") from error

    def holds(self, variables: Mapping[str, Value]) -> bool:
        """Whether it is true: a text is when it is not empty, a number when it is not 0."""
        return bool(self.value(variables))


@lru_cache(maxsize=4096)
def parse(text: str) -> Expression:
    """An expression from its text; raises `ExpressionError` with what is wrong in it."""
    if len(text) > MAX_CHARS:
        raise ExpressionError(f"longer than {MAX_CHARS} characters")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(text.strip(), mode="eval")
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        raise ExpressionError("cannot be read") from error
    _check_size(tree)
    for node in ast.walk(tree):
        _check_node(node)
    functions = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    named = [node for node in ast.walk(tree) if isinstance(node, ast.Name) and id(node) not in functions]
    named.sort(key=lambda node: (node.lineno, node.col_offset))
    names = tuple(dict.fromkeys(node.id for node in named))
    return Expression(text, names, _exact(tree, text.strip()).body)


def _check_size(tree: ast.Expression) -> None:
    level: list[ast.AST] = [tree]
    depth = nodes = 0
    while level:
        depth, nodes = depth + 1, nodes + len(level)
        if depth > _MAX_DEPTH or nodes > _MAX_NODES:
            raise ExpressionError("too large")
        level = [child for node in level for child in ast.iter_child_nodes(node)]


def _check_node(node: ast.AST) -> None:
    """Raise `ExpressionError` for a node that is not allowed where it stands."""
    if not isinstance(node, _ALLOWED):
        raise ExpressionError(f"{_TITLES.get(type(node).__name__, 'something in it')} cannot be used")
    if isinstance(node, ast.Constant) and type(node.value) not in (str, int, float, bool):
        raise ExpressionError("only texts, numbers, True and False can stand in it")
    if isinstance(node, ast.Call):
        _check_call(node)
    after_in: list[ast.expr] = []
    if isinstance(node, ast.Compare):
        pairs = zip(node.ops, node.comparators, strict=True)
        after_in = [right for operator, right in pairs if isinstance(operator, ast.In | ast.NotIn)]
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Tuple | ast.List) and child not in after_in:
            raise ExpressionError("a list can stand only after `in`")


def _check_call(node: ast.Call) -> None:
    if not isinstance(node.func, ast.Name) or node.func.id not in FUNCTIONS:
        raise ExpressionError(f"there are only the functions {', '.join(sorted(FUNCTIONS))}")
    fewest, most, _ = FUNCTIONS[node.func.id]
    if node.keywords or not fewest <= len(node.args) <= most:
        wanted = str(fewest) if fewest == most else f"{fewest} to {most}"
        raise ExpressionError(f"`{node.func.id}` takes {wanted} values")


_TITLES: Final = {
    "Attribute": "an attribute",
    "Subscript": "a subscript",
    "Lambda": "a lambda",
    "Pow": "a power",
    "FloorDiv": "`//`",
    "Is": "`is`",
    "IsNot": "`is not`",
    "JoinedStr": "an f-string",
    "NamedExpr": "`:=`",
    "Starred": "`*`",
    "keyword": "a named value",
}


class _Exact(ast.NodeTransformer):
    """Puts each number as the decimal that was written, which a float may not hold."""

    def __init__(self, source: str) -> None:
        self._source = source

    def visit_Constant(self, node: ast.Constant) -> ast.Constant:
        if type(node.value) not in (int, float):
            return node
        written = (ast.get_source_segment(self._source, node) or "").replace("_", "")
        try:
            number = Decimal(written) if node.end_lineno == node.lineno else Decimal(str(node.value))
        except InvalidOperation:
            number = Decimal(str(node.value))
        if abs(number) > _LARGEST:
            raise ExpressionError("a number is too large")
        return ast.copy_location(ast.Constant(value=number), node)  # type: ignore[arg-type]


def _exact(tree: ast.Expression, source: str) -> ast.Expression:
    exact = _Exact(source).visit(tree)
    assert isinstance(exact, ast.Expression)
    return exact


def _value(node: ast.expr, variables: Mapping[str, Value]) -> Value:
    found: Value
    match node:
        case ast.Constant(value=bool() | str() | Decimal() as constant):
            found = constant
        case ast.Name(id=name):
            found = variables.get(name, "")
        case ast.BoolOp(op=operator, values=values):
            wanted = isinstance(operator, ast.Or)
            found = wanted if any(bool(_value(each, variables)) is wanted for each in values) else not wanted
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            found = not _value(operand, variables)
        case ast.UnaryOp(op=operator, operand=operand):
            number = as_number(_value(operand, variables))
            found = -number if isinstance(operator, ast.USub) else number
        case ast.BinOp(left=left, op=operator, right=right):
            found = _binary(operator, _value(left, variables), _value(right, variables))
        case ast.IfExp(test=test, body=body, orelse=orelse):
            found = _value(body if _value(test, variables) else orelse, variables)
        case ast.Compare():
            found = _compare(node, variables)
        case ast.Call(func=ast.Name(id=name), args=arguments):
            found = FUNCTIONS[name][2](variables, [_value(each, variables) for each in arguments])
        case _:
            found = fail("something in it cannot be used")
    return _bounded(found)


def _binary(operator: ast.operator, left: Value, right: Value) -> Value:
    if isinstance(operator, ast.Add):
        joined = isinstance(left, str) and isinstance(right, str)
        return f"{left}{right}" if joined else as_number(left) + as_number(right)
    return _arithmetic(operator, as_number(left), as_number(right))


def _arithmetic(operator: ast.operator, left: Decimal, right: Decimal) -> Decimal:
    if isinstance(operator, ast.Div | ast.Mod) and right == 0:
        fail("division by zero")
    match operator:
        case ast.Sub():
            return left - right
        case ast.Mult():
            return left * right
        case ast.Div():
            return left / right
        case _:
            # The sign of the divisor, as people and Python have it.
            return left - right * (left / right).to_integral_value(ROUND_FLOOR)


def _bounded(value: Value) -> Value:
    if isinstance(value, Decimal):
        if not value.is_finite() or abs(value) > _LARGEST:
            return fail("a number is too large")
        return value if value == value.to_integral_value() else value.quantize(_PLACES).normalize()
    if isinstance(value, str) and len(value) > _MAX_TEXT:
        return fail("a text is too long")
    return value


def _compare(node: ast.Compare, variables: Mapping[str, Value]) -> bool:
    left = _value(node.left, variables)
    for operator, comparator in zip(node.ops, node.comparators, strict=True):
        if isinstance(operator, ast.In | ast.NotIn):
            if _within(left, comparator, variables) is isinstance(operator, ast.NotIn):
                return False
            continue
        right = _value(comparator, variables)
        if not _holds(operator, left, right):
            return False
        left = right
    return True


def _within(left: Value, where: ast.expr, variables: Mapping[str, Value]) -> bool:
    if isinstance(where, ast.Tuple | ast.List):
        return any(_equal(left, _value(each, variables)) for each in where.elts)
    return as_text(left) in as_text(_value(where, variables))


def _holds(operator: ast.cmpop, left: Value, right: Value) -> bool:
    if isinstance(operator, ast.Eq | ast.NotEq):
        return _equal(left, right) is isinstance(operator, ast.Eq)
    if "" in (left, right):
        return False
    if isinstance(left, str) and isinstance(right, str):
        before, same = left < right, left == right
    else:
        first, second = as_number(left), as_number(right)
        before, same = first < second, first == second
    match operator:
        case ast.Lt():
            return before
        case ast.LtE():
            return before or same
        case ast.Gt():
            return not before and not same
        case _:
            return not before


def _equal(left: Value, right: Value) -> bool:
    """A number equals a text that says it; all else is compared as text."""
    if isinstance(left, Decimal) or isinstance(right, Decimal):
        try:
            return as_number(left) == as_number(right)
        except ValueError:
            return False
    return as_text(left) == as_text(right)
