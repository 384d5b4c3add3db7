"""Python sources as syntax trees. Nothing is run."""

import ast
import warnings
from dataclasses import dataclass
from functools import lru_cache

_MARK = "\ufeff"  # a byte order mark: Python allows it in a file, not in a string
_LONGEST_KEPT = 2**17  # characters: a tree takes some hundred bytes for each
_KEPT = 8  # the incumbent's sources and those of the change that is looked at


@dataclass(frozen=True)
class Source:
    """A source's tree, and all nodes of it, outermost first. Shared: never to be changed."""

    tree: ast.Module
    nodes: tuple[ast.AST, ...]


def read(source: str) -> Source | None:
    """Return a source that is looked at from many sides, or None where it has no tree.

    Its tree is made once for equal texts, as one proposal after another has the same ones.
    """
    return _kept(source) if len(source) <= _LONGEST_KEPT else _read(source)


def _read(source: str) -> Source | None:
    tree = parse(source)
    return Source(tree, tuple(ast.walk(tree))) if tree else None


_kept = lru_cache(maxsize=_KEPT)(_read)


def parse(source: str) -> ast.Module | None:
    """Return a tree of one's own, or None where a source has none. Positions leave out a mark."""
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
