"""What a change means: files with equal syntax trees have the same effect."""

import ast
import hashlib
import warnings
from collections.abc import Mapping

_UNREADABLE = (SyntaxError, ValueError, RecursionError, MemoryError)
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


def syntax_fault(path: str, source: str) -> str | None:
    """Return what is wrong with a Python source in one sentence, or None. Nothing is run."""
    if not path.endswith(".py"):
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compile(source, path, "exec", dont_inherit=True)
    except SyntaxError as fault:
        return f"{path} line {fault.lineno or 1}: {fault.msg}"
    except (ValueError, RecursionError, MemoryError) as fault:
        return f"{path}: {fault or type(fault).__name__}"
    return None


def _meaning(path: str, text: str) -> str:
    if not path.endswith(".py"):
        return text
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(text)
        for node in ast.walk(tree):
            _drop_docstring(node)
        return ast.dump(tree)
    except _UNREADABLE:
        return text


def _drop_docstring(node: ast.AST) -> None:
    if isinstance(node, _DOCUMENTED) and node.body:
        first = node.body[0]
        if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
            node.body = node.body[1:] if isinstance(first.value.value, str) else node.body
