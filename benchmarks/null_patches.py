"""Changes to a source that change nothing: other spellings with the same meaning, made by rule.

Each differs from the source and from the others in its syntax tree, so that nothing that knows
repeats by their effect takes them for one; each touches lines of its own, so that they apply in
any order; none adds or removes a line that counts for more than the price of one.
"""

import ast
import keyword
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from autoresearch.patching import effect_hash

Nodes = Sequence[ast.AST]
_FLIPPED = {ast.Lt: ">", ast.Gt: "<", ast.LtE: ">=", ast.GtE: "<="}


@dataclass(frozen=True)
class Null:
    """One null change: its kind, and the whole source with it."""

    kind: str
    source: str


@dataclass(frozen=True)
class Splice:
    """Text for what lies on one line (counted from 1) from column `start` to `stop` (in bytes)."""

    line: int
    start: int
    stop: int
    text: str


Change = tuple[Splice, ...]


def null_patches(source: str, count: int, seed: int = 0) -> list[Null]:
    """Return so many null changes of the source, kinds taking turns, places drawn by the seed.

    Raises:
        ValueError: the source has not enough places.
    """
    dice, found, taken = random.Random(seed), list[Null](), set[int]()
    seen = {effect_hash({"x.py": source})}
    waiting = {name: _shuffled(rule(_nodes(source), source), dice) for name, rule in RULES.items()}
    while len(found) < count:
        if not any(waiting.values()):
            msg = f"only {len(found)} places for null changes"
            raise ValueError(msg)
        for kind, changes in waiting.items():
            made = _next(source, changes, taken, seen)
            if made is not None and len(found) < count:
                found.append(Null(kind, made))
    dice.shuffle(found)
    return found


def _next(source: str, changes: list[Change], taken: set[int], seen: set[str]) -> str | None:
    """Return the source with the next change whose lines are free; take them, and those beside."""
    while changes:
        change = changes.pop()
        lines = {each.line for each in change}
        around = {line + by for line in lines for by in (-2, -1, 0, 1, 2)}
        made = spliced(source, change)
        effect = effect_hash({"x.py": made})
        if not around & taken and effect not in seen and _fits(made):
            taken |= lines
            seen.add(effect)
            return made
    return None


def spliced(source: str, change: Change) -> str:
    """Return the source with the pieces of a change put in."""
    lines = source.encode().splitlines(keepends=True)
    for each in sorted(change, key=lambda each: (each.line, each.start), reverse=True):
        old = lines[each.line - 1]
        lines[each.line - 1] = old[: each.start] + each.text.encode() + old[each.stop :]
    return b"".join(lines).decode()


def _fits(source: str) -> bool:
    return all(len(line) <= 110 for line in source.splitlines())


def _shuffled(changes: Iterator[Change], dice: random.Random) -> list[Change]:
    listed = list(changes)
    dice.shuffle(listed)
    return listed


def _nodes(source: str) -> Nodes:
    """Return the nodes that lie on one line each; what is inside an f-string has no true place."""
    tree = ast.parse(source)
    inside = {
        part
        for node in ast.walk(tree)
        if isinstance(node, ast.JoinedStr)
        for part in ast.walk(node)
    }
    return [
        node
        for node in ast.walk(tree)
        if node not in inside and getattr(node, "lineno", 0) == getattr(node, "end_lineno", -1)
    ]


# --- the rules


def _other_numbers(nodes: Nodes, source: str) -> Iterator[Change]:
    """0.95 becomes (0.95 * 1), inside functions: constants of the module stay constants."""
    lines = source.splitlines()
    for node in nodes:
        if isinstance(node, ast.Constant) and type(node.value) in (int, float):
            inside = lines[node.lineno - 1].startswith("    ")
            yield from [(_splice(node, f"({_text(node, source)} * 1)"),)] if inside else []


def _other_comparisons(nodes: Nodes, source: str) -> Iterator[Change]:
    """`a < b` becomes `b > a`."""
    for node in nodes:
        if isinstance(node, ast.Compare) and len(node.ops) == 1:
            flipped = _FLIPPED.get(type(node.ops[0]))
            if flipped and not _walrus(node):
                right, left = _text(node.comparators[0], source), _text(node.left, source)
                yield (_splice(node, f"{right} {flipped} {left}"),)


def _other_factors(nodes: Nodes, source: str) -> Iterator[Change]:
    """`a * b` becomes `(b) * (a)`: exactly equal in floating point."""
    for node in nodes:
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
            left, right = _text(node.left, source), _text(node.right, source)
            yield (_splice(node, f"({right}) * ({left})"),)


def _other_arguments(nodes: Nodes, source: str) -> Iterator[Change]:
    """`f(a=1, b=2)` becomes `f(b=2, a=1)`."""
    for node in nodes:
        if isinstance(node, ast.Call) and len(node.keywords) > 1:
            first, second = node.keywords[-2:]
            if first.arg and second.arg and first.lineno == second.lineno:
                yield (
                    _splice(first, _text(second, source)),
                    _splice(second, _text(first, source)),
                )


def _other_conditions(nodes: Nodes, source: str) -> Iterator[Change]:
    """`a if c else b` becomes `b if not (c) else a`."""
    for node in nodes:
        if isinstance(node, ast.IfExp):
            body, test, other = (_text(x, source) for x in (node.body, node.test, node.orelse))
            yield (_splice(node, f"{other} if not ({test}) else {body}"),)


def _other_names(_nodes: Nodes, source: str) -> Iterator[Change]:
    """A name that one function alone assigns gets another."""
    for function in ast.walk(ast.parse(source)):
        if isinstance(function, ast.FunctionDef) and not _inner(function):
            for name in sorted(_assigned(function)):
                uses = [
                    node
                    for node in ast.walk(function)
                    if isinstance(node, ast.Name) and node.id == name
                ]
                yield tuple(_splice(node, f"{name}_here") for node in uses)


def _dead_branches(nodes: Nodes, source: str) -> Iterator[Change]:
    """A branch that is never taken, before a return."""
    for node in nodes:
        if isinstance(node, ast.Return) and source.splitlines()[node.lineno - 1].startswith("    "):
            pad = " " * node.col_offset
            yield (Splice(node.lineno, 0, 0, f"{pad}assert not False\n"),)


RULES: dict[str, Callable[[Nodes, str], Iterator[Change]]] = {
    "a number spelled otherwise": _other_numbers,
    "a comparison turned round": _other_comparisons,
    "factors in another order": _other_factors,
    "keyword arguments in another order": _other_arguments,
    "a condition turned round": _other_conditions,
    "a local name changed": _other_names,
    "a branch that is never taken": _dead_branches,
}


def _splice(node: ast.AST, text: str) -> Splice:
    line, start, stop = (getattr(node, x) for x in ("lineno", "col_offset", "end_col_offset"))
    return Splice(line, start, stop, text)


def _text(node: ast.expr | ast.keyword, source: str) -> str:
    if node.lineno != node.end_lineno:
        return ast.get_source_segment(source, node) or ""
    # As `ast` does it, but for splitting the whole source for every node.
    line = _lines(source)[node.lineno - 1]
    return line[node.col_offset : node.end_col_offset].decode()


@lru_cache(maxsize=2)
def _lines(source: str) -> list[bytes]:
    return [line.encode() for line in source.split("\n")]


def _walrus(node: ast.AST) -> bool:
    return any(isinstance(part, ast.NamedExpr) for part in ast.walk(node))


def _inner(function: ast.FunctionDef) -> bool:
    """Whether a scope inside could see the function's names, or an f-string holds them."""
    kinds = (ast.FunctionDef, ast.Lambda, ast.ClassDef, ast.JoinedStr)
    return any(isinstance(n, kinds) for n in ast.walk(function) if n is not function)


def _assigned(function: ast.FunctionDef) -> set[str]:
    """Return the names that statements of the function bind and nothing else does."""
    stored = {
        target.id
        for node in ast.walk(function)
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    arguments = {each.arg for each in ast.walk(function) if isinstance(each, ast.arg)}
    return {name for name in stored - arguments if not keyword.iskeyword(f"{name}_here")}
