"""Which modules a Python source imports and which files it reads, by its syntax tree.

Nothing is run.
"""

import ast
from collections.abc import Collection, Iterator

from autoresearch.patching.syntax import name_of, nodes, text_of

_IMPORTERS = frozenset({"import_module", "__import__"})
# Functions that read the file that their first argument names, in Python, NumPy, PyTorch and so on.
_READERS = frozenset(
    {"open", "Path", "load", "load_file", "loadtxt", "fromfile", "from_file", "memmap"}
    | {"genfromtxt", "read_csv", "read_json", "read_parquet", "run_path", "CDLL", "safe_open"}
)


def imported(path: str, source: str) -> set[str]:
    """Return the modules that a source may import, dotted; also names that may be no modules.

    `from a import b` gives "a" and "a.b", since b may be either. Relative imports are named from
    the project's top, by the path of the source.
    """
    return {name for node in nodes(source) for name in _imported(path, node) if name}


def _imported(path: str, node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (each.name for each in node.names)
    elif isinstance(node, ast.ImportFrom):
        package = path.split("/")[:-1]
        above = package[: len(package) - node.level + 1] if node.level else []
        base = ".".join([*above, *([node.module] if node.module else [])])
        yield base
        yield from (f"{base}.{each.name}".lstrip(".") for each in node.names)
    elif isinstance(node, ast.Call):
        yield _first_text(node, _IMPORTERS)


def files_read(source: str) -> set[str]:
    """Return the constant file names that a source gives to functions that read files."""
    calls = (node for node in nodes(source) if isinstance(node, ast.Call))
    return {name for call in calls if (name := _first_text(call, _READERS))}


def _first_text(call: ast.Call, functions: Collection[str]) -> str:
    """Return the constant text that a call gives to one of these functions first, else ""."""
    return text_of(call.args[0]) if call.args and name_of(call.func) in functions else ""
