"""The interface of a program: what it prints, how it takes a seed, what data it reads.

Found by its syntax tree. Nothing is run, and what is put together at run time is not found.
"""

import ast
import re
from collections.abc import Iterator

from autoresearch.patching.syntax import name_of, nodes, text_of

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
    calls = (call for call in _calls(source) if name_of(call.func) == "print")
    texts = (" ".join(map(_template, call.args)) for call in calls)
    return tuple(dict.fromkeys(name for text in texts for name in _NAMED.findall(text)))


def seed_taken(source: str) -> str:
    """Return how a source takes a seed: a variable (SEED), arguments (--seed {seed}), or ""."""
    for call in _calls(source):
        words = [each for each in map(text_of, call.args) if each]
        if name_of(call.func) == "add_argument" and "--seed" in words:
            return "--seed {seed}"
        if name_of(call.func) in ("get", "getenv") and words and _SEED.fullmatch(words[0]):
            return words[0]
    read = (each for each in nodes(source) if isinstance(each, ast.Subscript))
    names = (text_of(each.slice) for each in read if name_of(each.value) == "environ")
    return next(filter(_SEED.fullmatch, names), "")


def caches(source: str) -> tuple[str, ...]:
    """Return the folders below ~/.cache that a source names, the outermost one of each."""
    paths = (_path(node) for node in nodes(source) if isinstance(node, ast.expr))
    parts = (path.split("/") for path in paths if path and path.startswith("~/.cache/"))
    return tuple(dict.fromkeys("/".join(each[:3]) for each in parts if len(each) > 2 and each[2]))


def data_read(source: str) -> tuple[str, ...]:
    """Return the constant names of files that a source opens to read, and not to write."""
    return tuple(dict.fromkeys(name for call in _calls(source) if (name := _opened(call))))


def _opened(call: ast.Call) -> str:
    reads = name_of(call.func) in _READERS
    if name_of(call.func) == "open":
        named = [each.value for each in call.keywords if each.arg == "mode"]
        reads = all(text_of(each).startswith("r") for each in (*named, *call.args[1:2]))
    return text_of(call.args[0]) if reads and call.args else ""


def _calls(source: str) -> Iterator[ast.Call]:
    calls = (node for node in nodes(source) if isinstance(node, ast.Call))
    return iter(sorted(calls, key=lambda call: (call.lineno, call.col_offset)))


def _template(node: ast.expr) -> str:
    """Return the text that an argument is printed as, with `_VALUE` for every inserted value."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=values):
            return "".join(map(_template, values))
        case ast.BinOp(left=left, op=ast.Mod()) if text := text_of(left):
            return _PERCENT.sub(_VALUE, text)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return _template(left) + _template(right)
        case ast.Call(func=ast.Attribute(value=value, attr="format")) if text := text_of(value):
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
            if name_of(function) == "home" and not arguments:
                return "~"
            if name_of(function) in ("expanduser", "Path"):
                inner = arguments or (
                    [function.value] if isinstance(function, ast.Attribute) else []
                )
                return _joined(inner)
            return _joined(arguments) if name_of(function) == "join" else ""
    return ""


def _joined(inner: list[ast.expr]) -> str:
    parts = [_path(node) for node in inner]
    return "/".join(parts) if parts and all(parts) else ""
