"""Python sources as syntax trees. Nothing is run."""

import ast
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, wraps
from typing import TypeVar

from autoresearch.patching.lines import MARK

_T = TypeVar("_T")
_BODIES = ("body", "orelse", "handlers", "finalbody", "cases")  # where statements are
_Documented = ast.Module | ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
_LONGEST_KEPT = 2**17  # characters: a tree takes some hundred bytes for each
_KEPT = 8  # the incumbent's sources, and those of the change that is checked


def remembered(function: Callable[[str], _T]) -> Callable[[str], _T]:
    """Return a function of a source that remembers the last ones, but for very long sources."""
    kept = lru_cache(maxsize=_KEPT)(function)

    @wraps(function)
    def look(source: str) -> _T:
        return kept(source) if len(source) <= _LONGEST_KEPT else function(source)

    return look


@dataclass(frozen=True)
class Source:
    """A source's tree, and all nodes of it, outermost first. Shared: never to be changed.

    `meaning` is the tree as a text without docstrings; None where it is too deep for that.
    """

    tree: ast.Module
    nodes: tuple[ast.AST, ...]
    meaning: str | None


@remembered
def read(source: str) -> Source | None:
    """Return the syntax tree of a source; None where it has none.

    Trees of equal texts are made once and shared, as several checks look at the same sources.
    """
    tree = parse(source)
    return Source(tree, tuple(ast.walk(tree)), _meaning(tree)) if tree else None


def nodes(source: str) -> tuple[ast.AST, ...]:
    """Return all nodes of a source, outermost first; none of a broken one."""
    known = read(source)
    return known.nodes if known else ()


def name_of(node: ast.expr) -> str:
    """Return the last part of the name that an expression is: open of os.open; "" for none."""
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def text_of(node: ast.expr) -> str:
    """Return the text that an expression is; "" where it is no constant text."""
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def parse(source: str) -> ast.Module | None:
    """Return a new tree that may be changed; None where a source has none.

    Positions do not count a byte order mark.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(source.removeprefix(MARK))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def syntax_fault(path: str, source: str) -> str | None:
    """Return what is wrong with a Python file's source in one sentence, or None."""
    if not path.endswith(".py"):
        return None
    known = read(source)  # a source without a tree says here why
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            code = known.tree if known else source.removeprefix(MARK)
            compile(code, path, "exec", dont_inherit=True)
    except SyntaxError as fault:
        return f"{path} line {fault.lineno or 1}: {fault.msg}"
    except (ValueError, RecursionError, MemoryError) as fault:
        return f"{path}: {fault or type(fault).__name__}"
    return None


def drop_docstrings(tree: ast.AST) -> list[tuple[_Documented, list[ast.stmt]]]:
    """Take every docstring out of a tree, which may be a statement's.

    Returns:
        What had one, and its body with it.
    """
    queue, found = [tree], list[tuple[_Documented, list[ast.stmt]]]()
    for node in queue:
        if isinstance(node, _Documented) and _has_docstring(node):
            found.append((node, node.body))
            node.body = node.body[1:]
        for name in _BODIES:
            inner = getattr(node, name, ())
            queue.extend(inner if isinstance(inner, list) else ())
    return found


def _has_docstring(node: _Documented) -> bool:
    first = node.body[0].value if node.body and isinstance(node.body[0], ast.Expr) else None
    return isinstance(first, ast.Constant) and isinstance(first.value, str)


def _meaning(tree: ast.Module) -> str | None:
    """Return a tree as a text without docstrings, and leave it as it is."""
    dropped = drop_docstrings(tree)
    try:
        return ast.dump(tree)
    except (RecursionError, ValueError):  # too deep, or an int of over 4,300 digits
        return None
    finally:
        for node, body in dropped:
            node.body = body
