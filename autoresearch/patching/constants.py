"""The capital constants at the top of a source: found by syntax tree, set by replacing bytes."""

import ast
import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from autoresearch.patching.syntax import read

Number = int | float | bool
Literal = int | float | bool | str

_NAME = re.compile(r"[A-Z][A-Z0-9_]*")
_MARK = b"\xef\xbb\xbf"  # a byte order mark, which the syntax tree's positions do not count
_LINE_END = re.compile(rb"\r\n|\r|\n")
# Longer integers are no constants: no search spans them, and Python will not print any length.
_MAX_DIGITS = 32


@dataclass(frozen=True)
class Constant:
    """A module-level `NAME = literal`; `span` is where the literal lies in the UTF-8 bytes."""

    name: str
    value: Literal
    span: tuple[int, int]


def constants(source: str) -> list[Constant]:
    """Return the constants of a Python source in order; none of a broken source.

    They are capital names bound once, at module level, to an int, float, bool or str literal: also
    to negative ones, and to powers and products of ints such as 2**16, which people write. An int
    of more than 32 digits, or a float that is not finite (1e400), is left out.
    """
    known = read(source)
    if known is None:
        return []
    data = source.encode("utf-8", "surrogatepass")
    first = len(_MARK) if data.startswith(_MARK) else 0
    starts = [first, *(end.end() for end in _LINE_END.finditer(data))]
    bound = _bound(known.nodes)
    found = []
    for name, expression in _assignments(known.tree):
        value = _value(expression)
        if value is not None and bound[name] == 1:
            found.append(Constant(name, value, _span(expression, starts)))
    return found


def numbers(source: str) -> dict[str, Number]:
    """Return the constants that are numbers or truth values, name to value."""
    return {each.name: each.value for each in constants(source) if not isinstance(each.value, str)}


def set_constants(source: str, values: Mapping[str, Literal]) -> str:
    """Return the source with constants set; every other byte stays, comments included.

    Raises:
        ValueError: the source has no such constant, or a value is not finite.
    """
    known = {each.name: each for each in constants(source)}
    if missing := [name for name in values if name not in known]:
        msg = f"the source has no constant {', '.join(missing)}"
        raise ValueError(msg)
    data = source.encode("utf-8", "surrogatepass")
    for name in sorted(values, key=lambda name: known[name].span, reverse=True):
        start, end = known[name].span
        if repr(known[name].value) != repr(values[name]):
            data = data[:start] + _render(values[name]).encode() + data[end:]
    return data.decode("utf-8", "surrogatepass")


def _render(value: Literal) -> str:
    if isinstance(value, float) and not math.isfinite(value):
        msg = f"{value} cannot be written as a literal"
        raise ValueError(msg)
    return ascii(value) if isinstance(value, str) else repr(value)


def _assignments(tree: ast.Module) -> Iterator[tuple[str, ast.expr]]:
    for statement in tree.body:
        targets: list[ast.expr] = []
        if isinstance(statement, ast.Assign):
            targets = statement.targets
        elif isinstance(statement, ast.AnnAssign):
            targets = [statement.target]
        if isinstance(statement, ast.Assign | ast.AnnAssign) and len(targets) == 1:
            target, value = targets[0], statement.value
            if isinstance(target, ast.Name) and _NAME.fullmatch(target.id) and value is not None:
                yield target.id, value


def _bound(nodes: Iterable[ast.AST]) -> Counter[str]:
    """Return how often each name is bound or unbound, or said to be of the module."""
    names = (node for node in nodes if isinstance(node, ast.Name))
    bound = Counter(node.id for node in names if not isinstance(node.ctx, ast.Load))
    bound.update(name for node in nodes if isinstance(node, ast.Global) for name in node.names)
    return bound


def _value(node: ast.expr) -> Literal | None:
    try:
        return _literal(node)
    except RecursionError:  # nobody writes a constant that deep
        return None


def _literal(node: ast.expr) -> Literal | None:
    if isinstance(node, ast.Constant):
        value = node.value
        return value if isinstance(value, bool | int | float | str) and _handy(value) else None
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
        inner = _literal(node.operand)
        if isinstance(inner, bool | str) or inner is None:
            return None
        return -inner if isinstance(node.op, ast.USub) else inner
    return _folded(node) if isinstance(node, ast.BinOp) else None


def _folded(node: ast.BinOp) -> int | None:
    left, right = _literal(node.left), _literal(node.right)
    if type(left) is not int or type(right) is not int or right < 0:
        return None
    if isinstance(node.op, ast.Mult):
        value = left * right
    elif isinstance(node.op, ast.Pow) and right * math.log10(abs(left) + 1) <= _MAX_DIGITS:
        value = int(left**right)
    else:
        return None
    return value if _handy(value) else None


def _handy(value: Literal) -> bool:
    """Return whether a value can be written as a literal, compared, and searched around."""
    if isinstance(value, float):
        return math.isfinite(value)
    return not isinstance(value, int) or abs(value) < 10**_MAX_DIGITS


def _span(node: ast.expr, starts: list[int]) -> tuple[int, int]:
    end_line, end_column = node.end_lineno or node.lineno, node.end_col_offset or 0
    return starts[node.lineno - 1] + node.col_offset, starts[end_line - 1] + end_column
