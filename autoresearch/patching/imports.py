"""Which modules a Python source imports and which files it reads, by its syntax tree.

Nothing is run.
"""

import ast
from collections.abc import Iterator, Sequence

from autoresearch.patching.syntax import read

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
    return set(_imported(path, _nodes(source)))


def _imported(path: str, nodes: Sequence[ast.AST]) -> Iterator[str]:
    package = path.split("/")[:-1]
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            yield from filter(
                None, (base, *(f"{base}.{each.name}".lstrip(".") for each in node.names))
            )
        elif isinstance(node, ast.Call) and _called(node) in _IMPORTERS:
            yield from _texts(node)


def files_read(source: str) -> set[str]:
    """Return the constant file names that a source gives to functions that read files."""
    calls = (
        node for node in _nodes(source) if isinstance(node, ast.Call) and _called(node) in _READERS
    )
    return {name for call in calls for name in _texts(call)}


def _nodes(source: str) -> Sequence[ast.AST]:
    known = read(source)
    return known.nodes if known else ()


def _called(call: ast.Call) -> str:
    function = call.func
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def _texts(call: ast.Call) -> Iterator[str]:
    for argument in call.args[:1]:
        if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
            yield argument.value
