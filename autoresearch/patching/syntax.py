"""Python sources as syntax trees. Nothing is run."""

import ast
import warnings
from dataclasses import dataclass
from functools import lru_cache

_MARK = "\ufeff"  # a byte order mark: Python allows it in a file, not in a string
_LONGEST_KEPT = 2**17  # characters: a tree takes some hundred bytes for each
_KEPT = 8  # the incumbent's sources, and those of the change that is checked


@dataclass(frozen=True)
class Source:
    """A source's tree, and all nodes of it, outermost first. Shared: never to be changed."""

    tree: ast.Module
    nodes: tuple[ast.AST, ...]


def read(source: str) -> Source | None:
    """Return the syntax tree of a source; None where it has none.

    Trees of equal texts are made once and shared, as several checks look at the same sources.
    """
    return _kept(source) if len(source) <= _LONGEST_KEPT else _read(source)


def _read(source: str) -> Source | None:
    tree = parse(source)
    return Source(tree, tuple(ast.walk(tree))) if tree else None


_kept = lru_cache(maxsize=_KEPT)(_read)


def parse(source: str) -> ast.Module | None:
    """Return a new tree that may be changed; None where a source has none.

    Positions do not count a byte order mark.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(source.removeprefix(_MARK))
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
            code = known.tree if known else source.removeprefix(_MARK)
            compile(code, path, "exec", dont_inherit=True)
    except SyntaxError as fault:
        return f"{path} line {fault.lineno or 1}: {fault.msg}"
    except (ValueError, RecursionError, MemoryError) as fault:
        return f"{path}: {fault or type(fault).__name__}"
    return None
