"""What a change means: files with equal syntax trees have the same effect."""

import ast
import hashlib
from collections.abc import Mapping

from autoresearch.patching.syntax import parse, remembered

_BODIES = ("body", "orelse", "handlers", "finalbody", "cases")  # where statements are
_DOCUMENTED = (ast.Module, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def effect_hash(files: Mapping[str, str]) -> str:
    """Return the SHA-256 of the files' meaning, in hex.

    Python files count as syntax trees without docstrings, comments and layout; what does not
    parse, and every other file, counts as its text.
    """
    digest = hashlib.sha256()
    for path in sorted(files):
        text = files[path]
        for part in (path, _said(text) if path.endswith(".py") else text):
            data = part.encode("utf-8", "surrogatepass")
            digest.update(b"%d:" % len(data) + data)
    return digest.hexdigest()


@remembered  # one incumbent is compared with many
def _said(source: str) -> str:
    tree = parse(source)
    if tree is None:
        return source
    drop_docstrings(tree)
    try:
        return ast.dump(tree)
    except (RecursionError, ValueError):  # too deep, or an int of over 4,300 digits
        return source


def drop_docstrings(tree: ast.AST) -> None:
    """Take every docstring out of a tree, which may be a statement's."""
    queue: list[ast.AST] = [tree]
    for node in queue:
        _drop_docstring(node)
        for name in _BODIES:
            inner = getattr(node, name, ())
            queue.extend(inner if isinstance(inner, list) else ())


def _drop_docstring(node: ast.AST) -> None:
    if isinstance(node, _DOCUMENTED) and node.body:
        first = node.body[0]
        if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
            node.body = node.body[1:] if isinstance(first.value.value, str) else node.body
