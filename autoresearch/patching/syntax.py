"""Python sources as syntax trees. Nothing is run."""

import ast
import warnings

_MARK = "\ufeff"  # a byte order mark: Python allows it in a file, not in a string


def parse(source: str) -> ast.Module | None:
    """Return a source's syntax tree, or None where it has none. Positions leave out a mark."""
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
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compile(source.removeprefix(_MARK), path, "exec", dont_inherit=True)
    except SyntaxError as fault:
        return f"{path} line {fault.lineno or 1}: {fault.msg}"
    except (ValueError, RecursionError, MemoryError) as fault:
        return f"{path}: {fault or type(fault).__name__}"
    return None
