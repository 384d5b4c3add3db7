"""What a change means: files with equal syntax trees have the same effect."""

import ast
import hashlib
from collections.abc import Mapping

from autoresearch.patching.syntax import parse

_DOCUMENTED = (ast.Module, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def effect_hash(files: Mapping[str, str]) -> str:
    """Return the SHA-256 of the files' meaning, in hex.

    Python files count as syntax trees without docstrings, comments and layout; what does not
    parse, and every other file, counts as its text.
    """
    digest = hashlib.sha256()
    for path in sorted(files):
        for part in (path, _meaning(path, files[path])):
            data = part.encode("utf-8", "surrogatepass")
            digest.update(b"%d:" % len(data) + data)
    return digest.hexdigest()


def _meaning(path: str, text: str) -> str:
    tree = parse(text) if path.endswith(".py") else None
    if tree is None:
        return text
    drop_docstrings(tree)
    try:
        return ast.dump(tree)
    except (RecursionError, ValueError):  # too deep, or an int of over 4,300 digits
        return text


def drop_docstrings(tree: ast.Module) -> None:
    """Take every docstring out of a tree."""
    for node in ast.walk(tree):
        _drop_docstring(node)


def _drop_docstring(node: ast.AST) -> None:
    if isinstance(node, _DOCUMENTED) and node.body:
        first = node.body[0]
        if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
            node.body = node.body[1:] if isinstance(first.value.value, str) else node.body
