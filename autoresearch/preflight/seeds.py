"""What a source does to the seed, found by syntax tree; nothing is run.

A training takes its seed from its session and passes it on unchanged. Anything else is reported:
other values under a seed's name, arithmetic on the seed, generators seeded with another value.
A tensor or a module with such a name does not count: `self.seeds = nn.Parameter(...)`.
"""

import ast
import builtins
import itertools
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

_SEED = re.compile(r"(?:.*_)?seeds?\d*", re.IGNORECASE)
_SEEDING = frozenset(
    {"manual_seed", "manual_seed_all", "seed", "seed_all", "set_seed", "seed_everything"}
    | {"default_rng", "RandomState", "SeedSequence", "Random", "PRNGKey", "Philox", "PCG64"}
)
_ARITHMETIC = frozenset({"abs", "divmod", "hash", "max", "min", "pow", "round"})
# Functions (written in lower case) that make tensors; what any other makes may be a number.
_TENSORS = frozenset(
    {"empty", "empty_like", "ones", "ones_like", "register_buffer", "zeros", "zeros_like"}
)
_MAX_PARTS = 16  # of a called name; a longer one is no name
_MAX_INTS = 4
_SETTERS = frozenset({"setattr", "__setattr__"})


@dataclass(frozen=True)
class Touch:
    """A place where the seed is altered or replaced, and the code there."""

    text: str
    line: int


def slots(nodes: Iterable[ast.AST]) -> set[tuple[str, int]]:
    """Return where calls are given the seed by position: the call's name and the position."""
    return {
        (_called(node), place)
        for node in nodes
        if isinstance(node, ast.Call) and not hasattr(builtins, _tail(node.func))
        for place, value in enumerate(node.args)
        if _plain(value)
    }


def touches(nodes: Collection[ast.AST], known: set[tuple[str, int]]) -> Iterator[Touch]:
    """Yield every place that does more with the seed than to hand it on.

    Args:
        nodes: all of a source, outermost first.
        known: where the incumbent hands the seed on (`slots`): a literal there replaces it.

    Raises:
        RecursionError: it is nested too deeply.
    """
    tensors = _tensors(nodes)
    for node in nodes:
        for part in _touching(node, known, tensors):
            line = getattr(part, "lineno", getattr(node, "lineno", 1))
            yield Touch(ast.unparse(part), line)


def _tensors(nodes: Iterable[ast.AST]) -> set[str]:
    """Return the attributes of `self` with a seed's name that only get tensors or modules."""
    tensors: dict[str, bool] = {}
    for node in nodes:
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for each in filter(_named, itertools.chain.from_iterable(map(_targets, targets))):
                name = _own_attribute(each)
                tensors[name] = tensors.get(name, True) and _tensor(node.value)
    return {name for name, only in tensors.items() if name and only}


def _own_attribute(node: ast.AST) -> str:
    """Return the name of an attribute of `self`, else ""."""
    own = isinstance(node, ast.Attribute) and _tail(node.value) == "self"
    return _tail(node) if own else ""


def _tensor(value: ast.expr) -> bool:
    """Return whether a value is no number for sure: `Parameter(...)`, `torch.zeros(...)`."""
    called = _tail(value.func) if isinstance(value, ast.Call) else ""
    return called not in _SEEDING and (called in _TENSORS or called[:1].isupper())


def _touching(node: ast.AST, known: set[tuple[str, int]], tensors: set[str]) -> Iterator[ast.AST]:
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
    elif any(_plain(each) and _own_attribute(each) not in tensors for each in _operands(node)):
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
        if keyword.arg and _SEED.fullmatch(keyword.arg) and _other(keyword.value):
            yield keyword


def _replaced(node: ast.Call, known: set[tuple[str, int]]) -> bool:
    """Return whether a call has a literal in a place where the incumbent passes the seed."""
    places = [place for place, value in enumerate(node.args) if _literal(value)]
    return bool(places) and any((_called(node), place) in known for place in places)


def _called(node: ast.Call) -> str:
    """Return the name of what is called, with `()` for a call in it; "" where it has none."""
    parts: list[str] = []
    inner: ast.expr = node.func
    while isinstance(inner, ast.Attribute | ast.Call) and len(parts) < _MAX_PARTS:
        parts.append(inner.attr if isinstance(inner, ast.Attribute) else "()")
        inner = inner.value if isinstance(inner, ast.Attribute) else inner.func
    return ".".join([inner.id, *reversed(parts)]) if isinstance(inner, ast.Name) else ""


def _assigns(node: ast.Assign | ast.AnnAssign | ast.AugAssign | ast.NamedExpr) -> bool:
    """Return whether something that is not the seed gets a seed's name."""
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    if not any(_named(each) for target in targets for each in _targets(target)):
        return False
    if isinstance(node, ast.AugAssign) or any(map(_of_session, targets)):
        return True
    return node.value is not None and _other(node.value)


def _other(value: ast.expr) -> bool:
    """Return whether this may be another number than the seed."""
    return not _plain(value) and not _tensor(value)


def _of_session(target: ast.expr) -> bool:
    return isinstance(target, ast.Attribute) and _tail(target.value) == "session"


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
        if _SEED.fullmatch(argument.arg) and _other(value) and not _none(value):
            yield ast.keyword(argument.arg, value, lineno=argument.lineno)


def _operands(node: ast.AST) -> list[ast.expr]:
    if isinstance(node, ast.BinOp):
        return [node.left, node.right]
    if isinstance(node, ast.UnaryOp):
        return [node.operand]
    if isinstance(node, ast.BoolOp):
        return node.values
    if isinstance(node, ast.Compare):
        compared = [node.left, *node.comparators]
        return [] if any(map(_none, compared)) else compared  # whether there is one at all
    return [node.body, node.orelse] if isinstance(node, ast.IfExp) else []


def _named(node: ast.AST) -> bool:
    return bool(_SEED.fullmatch(_tail(node)))


def _plain(node: ast.AST) -> bool:
    """Return whether an expression is the unchanged seed: `seed`, `session.seed`, `int(seed)`."""
    for _ in range(_MAX_INTS):
        if isinstance(node, ast.Call) and _tail(node.func) == "int" and len(node.args) == 1:
            node = node.args[0]
    return _named(node) and not _tail(node).isupper()


def _literal(node: ast.expr) -> bool:
    """Return whether this is a number written down, or a constant that is one."""
    if isinstance(node, ast.BinOp):
        return _literal(node.left) and _literal(node.right)
    if isinstance(node, ast.UnaryOp):
        return _literal(node.operand)
    number = isinstance(node, ast.Constant) and isinstance(node.value, int | float)
    return number or (_named(node) and _tail(node).isupper())


def _none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _seed_text(node: ast.expr) -> bool:
    value = node.value if isinstance(node, ast.Constant) else None
    return isinstance(value, str) and bool(_SEED.fullmatch(value))


def _tail(node: ast.AST) -> str:
    if isinstance(node, ast.Name):
        return node.id
    return node.attr if isinstance(node, ast.Attribute) else ""
