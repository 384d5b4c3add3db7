"""The interface of a program: what it prints, how it takes a seed, what data it reads.

Found by its syntax tree. Nothing is run, and what is put together at run time is not found.
"""

import ast
import re
from collections.abc import Iterator

from autoresearch.patching.syntax import read

_READERS = frozenset(
    {"open", "load", "load_file", "loadtxt", "genfromtxt", "fromfile", "memmap"}
    | {"read_csv", "read_json", "read_parquet"}
)
_VALUE = "\0"  # stands for a value that is inserted
_NAMED = re.compile(rf"^[ \t]*([A-Za-z_](?:[\w ./@%-]{{0,60}}[\w%])?):[ \t]*{_VALUE}", re.MULTILINE)
_PERCENT = re.compile(r"%[-+ #0-9.]*[a-zA-Z]")
_BRACES = re.compile(r"\{[^{}]*\}")
_SEED = re.compile(r"(?:[A-Z0-9]+_)*SEED")


def printed(source: str) -> tuple[str, ...]:
    """Return the names of the `name: value` lines that a source prints, in its order."""
    calls = (call for call in _calls(source) if _name(call.func) == "print")
    texts = (" ".join(map(_template, call.args)) for call in calls)
    return tuple(dict.fromkeys(name for text in texts for name in _NAMED.findall(text)))


def seed_taken(source: str) -> str:
    """Return how a source takes a seed: a variable (SEED), arguments (--seed {seed}), or ""."""
    for call in _calls(source):
        words = [each for each in map(_text, call.args) if each]
        if _name(call.func) == "add_argument" and "--seed" in words:
            return "--seed {seed}"
        if _name(call.func) in ("get", "getenv") and words and _SEED.fullmatch(words[0]):
            return words[0]
    read = (each for each in _nodes(source) if isinstance(each, ast.Subscript))
    names = (_text(each.slice) for each in read if _name(each.value) == "environ")
    return next(filter(_SEED.fullmatch, names), "")


def caches(source: str) -> tuple[str, ...]:
    """Return the folders below ~/.cache that a source names, the outermost one of each."""
    paths = (_path(node) for node in _nodes(source) if isinstance(node, ast.expr))
    parts = (path.split("/") for path in paths if path and path.startswith("~/.cache/"))
    return tuple(dict.fromkeys("/".join(each[:3]) for each in parts if len(each) > 2 and each[2]))


def data_read(source: str) -> tuple[str, ...]:
    """Return the constant names of files that a source opens to read, and not to write."""
    return tuple(dict.fromkeys(name for call in _calls(source) if (name := _opened(call))))


def _opened(call: ast.Call) -> str:
    named = [each.value for each in call.keywords if each.arg == "mode"]
    modes = (
        [_text(each) for each in (*named, *call.args[1:2])] if _name(call.func) == "open" else []
    )
    reads = _name(call.func) in _READERS and all(each.startswith("r") for each in modes)
    return _text(call.args[0]) if reads and call.args else ""


def _nodes(source: str) -> tuple[ast.AST, ...]:
    known = read(source)
    return known.nodes if known else ()


def _calls(source: str) -> Iterator[ast.Call]:
    calls = (node for node in _nodes(source) if isinstance(node, ast.Call))
    return iter(sorted(calls, key=lambda call: (call.lineno, call.col_offset)))


def _name(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _text(node: ast.expr) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def _template(node: ast.expr) -> str:
    """Return the text that an argument is printed as, with `_VALUE` for every inserted value."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=values):
            return "".join(map(_template, values))
        case ast.BinOp(left=left, op=ast.Mod()) if text := _text(left):
            return _PERCENT.sub(_VALUE, text)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return _template(left) + _template(right)
        case ast.Call(func=ast.Attribute(value=value, attr="format")) if text := _text(value):
            return _BRACES.sub(_VALUE, text)
    return _VALUE


def _path(node: ast.expr) -> str:
    """Return the path that an expression makes of constants and the home folder, else ""."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.BinOp(left=left, op=ast.Div(), right=right):
            return _joined([left, right])
        case ast.Call(func=function, args=arguments):
            if _name(function) == "home" and not arguments:
                return "~"
            if _name(function) in ("expanduser", "Path"):
                inner = arguments or (
                    [function.value] if isinstance(function, ast.Attribute) else []
                )
                return _joined(inner)
            return _joined(arguments) if _name(function) == "join" else ""
    return ""


def _joined(nodes: list[ast.expr]) -> str:
    parts = [_path(node) for node in nodes]
    return "/".join(parts) if parts and all(parts) else ""
