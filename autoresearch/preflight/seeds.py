"""What a source does to the seed, found by syntax tree.

A training takes its seed from its session and hands it on as it is. Counted is everything else:
other values under a seed's name, arithmetic on the seed, generators seeded with anything but it.
"""

import ast
import builtins
import re
from collections.abc import Iterator
from dataclasses import dataclass

_SEED = re.compile(r"(?:.*_)?seeds?\d*", re.IGNORECASE)
_SEEDING = frozenset(
    {"manual_seed", "manual_seed_all", "seed", "seed_all", "set_seed", "seed_everything"}
    | {"default_rng", "RandomState", "SeedSequence", "Random", "PRNGKey", "Philox", "PCG64"}
)
_ARITHMETIC = frozenset({"abs", "divmod", "hash", "max", "min", "pow", "round"})
_SETTERS = frozenset({"setattr", "__setattr__"})


@dataclass(frozen=True)
class Touch:
    """A place where the seed is touched, as it is written there."""

    text: str
    line: int


def slots(tree: ast.Module) -> set[tuple[str, int]]:
    """Return where calls are handed the seed by position: the call's name and the position."""
    return {
        (ast.unparse(node.func), place)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and not hasattr(builtins, _tail(node.func))
        for place, value in enumerate(node.args)
        if _plain(value)
    }


def touches(tree: ast.Module, known: set[tuple[str, int]]) -> list[Touch]:
    """Return every place that does more with the seed than to hand it on.

    Args:
        tree: the source.
        known: where the incumbent hands the seed on (`slots`): a literal there replaces it.

    Raises:
        RecursionError: it is nested too deeply.
    """
    found = []
    for node in ast.walk(tree):
        for part in _touching(node, known):
            line = getattr(part, "lineno", getattr(node, "lineno", 1))
            found.append(Touch(ast.unparse(part), line))
    return found


def _touching(node: ast.AST, known: set[tuple[str, int]]) -> Iterator[ast.AST]:
    if isinstance(node, ast.Call):
        yield from _in_call(node, known)
    elif isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign | ast.NamedExpr):
        if _assigns(node):
            yield node
    elif isinstance(node, ast.For | ast.AsyncFor | ast.comprehension):
        if any(map(_named, ast.walk(node.target))):
            yield node.target
    elif isinstance(node, ast.arguments):
        yield from _defaults(node)
    elif any(map(_plain, _operands(node))):
        yield node


def _in_call(node: ast.Call, known: set[tuple[str, int]]) -> Iterator[ast.AST]:
    name, handed_on = _tail(node.func), any(map(_plain, node.args))
    values = [*node.args, *(each.value for each in node.keywords)]
    faults = (
        name in _SEEDING and not (values and all(map(_plain, values))),
        name in _ARITHMETIC and isinstance(node.func, ast.Name) and handed_on,
        name in _SETTERS and any(map(_seed_text, node.args)),
        not handed_on and _replaced(node, known),
    )
    if any(faults):
        yield node
    for keyword in node.keywords:
        if keyword.arg and _SEED.fullmatch(keyword.arg) and not _plain(keyword.value):
            yield keyword


def _replaced(node: ast.Call, known: set[tuple[str, int]]) -> bool:
    """Return whether a literal stands where the incumbent hands the seed on."""
    places = [place for place, value in enumerate(node.args) if _literal(value)]
    return bool(places) and any((ast.unparse(node.func), place) in known for place in places)


def _assigns(node: ast.Assign | ast.AnnAssign | ast.AugAssign | ast.NamedExpr) -> bool:
    """Return whether something that is not the seed gets a seed's name."""
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    if not any(_named(each) for target in targets for each in _targets(target)):
        return False
    if isinstance(node, ast.AugAssign):
        return True
    return node.value is not None and not _plain(node.value)


def _targets(target: ast.expr) -> Iterator[ast.expr]:
    if isinstance(target, ast.Tuple | ast.List):
        for each in target.elts:
            yield from _targets(each)
    else:
        yield target


def _defaults(node: ast.arguments) -> Iterator[ast.AST]:
    last = [*node.posonlyargs, *node.args][-len(node.defaults) :] if node.defaults else []
    pairs = [*zip(last, node.defaults, strict=True)]
    pairs += [
        (arg, value) for arg, value in zip(node.kwonlyargs, node.kw_defaults, strict=True) if value
    ]
    for argument, value in pairs:
        if _SEED.fullmatch(argument.arg) and not _plain(value):
            yield ast.keyword(argument.arg, value, lineno=argument.lineno)


def _operands(node: ast.AST) -> list[ast.expr]:
    if isinstance(node, ast.BinOp):
        return [node.left, node.right]
    if isinstance(node, ast.UnaryOp):
        return [node.operand]
    if isinstance(node, ast.BoolOp):
        return node.values
    if isinstance(node, ast.Compare):
        return [node.left, *node.comparators]
    return [node.body, node.orelse] if isinstance(node, ast.IfExp) else []


def _named(node: ast.AST) -> bool:
    return bool(_SEED.fullmatch(_tail(node)))


def _plain(node: ast.AST) -> bool:
    """Return whether this is the seed as it was given: `seed`, `session.seed`, `int(seed)`."""
    if isinstance(node, ast.Call) and _tail(node.func) == "int" and len(node.args) == 1:
        return _plain(node.args[0])
    return _named(node) and not _tail(node).isupper()


def _literal(node: ast.expr) -> bool:
    """Return whether this is a number written down, or a constant that is one."""
    if isinstance(node, ast.BinOp):
        return _literal(node.left) and _literal(node.right)
    if isinstance(node, ast.UnaryOp):
        return _literal(node.operand)
    number = isinstance(node, ast.Constant) and isinstance(node.value, int | float)
    return number or (_named(node) and _tail(node).isupper())


def _seed_text(node: ast.expr) -> bool:
    value = node.value if isinstance(node, ast.Constant) else None
    return isinstance(value, str) and bool(_SEED.fullmatch(value))


def _tail(node: ast.AST) -> str:
    if isinstance(node, ast.Name):
        return node.id
    return node.attr if isinstance(node, ast.Attribute) else ""
