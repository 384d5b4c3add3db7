"""The scopes of a source, the names bound in them, and the dotted names that these stand for."""

import ast
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

Meanings = frozenset[str]
Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
Comprehension = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp
NOTHING: Meanings = frozenset()
MAX_MEANINGS = 32  # of a name; if there are more, only the modules they come from are kept
MAX_PARTS = 8  # of a dotted name; of a longer one, half as many at either end are kept
_INNER = (Function, ast.ClassDef, Comprehension)
_NAMING = (
    ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
    | ast.ExceptHandler | ast.MatchAs | ast.MatchStar
)  # fmt: skip


@dataclass
class Scope:
    """The names of one scope and what they stand for; NOTHING for what is no import."""

    names: dict[str, Meanings] = field(default_factory=dict)
    of_class: bool = False

    def bind(self, name: str, *meanings: str) -> None:
        """Add to what a name may stand for; of very many meanings only their modules are kept."""
        every = self.names.get(name, NOTHING).union(meanings)
        if len(every) > MAX_MEANINGS:
            modules = sorted({each.partition(".")[0] for each in every})
            every = frozenset(modules[:MAX_MEANINGS])
        self.names[name] = every


def bind_all(nodes: Sequence[ast.AST], scope: Scope) -> list[tuple[str, int]]:
    """Bind the names that the nodes of a scope bind in it.

    Returns:
        What they import under a global or nonlocal name, and on which line.
    """
    shared = {
        name for node in nodes if isinstance(node, ast.Global | ast.Nonlocal) for name in node.names
    }
    escaped = []
    for node in nodes:
        for name, meaning in _bindings(node):
            if name not in shared:
                scope.bind(name, *([] if meaning is None else [meaning]))
            elif meaning is not None and isinstance(node, ast.stmt):
                escaped.append((meaning, node.lineno))
    return escaped


def _bindings(node: ast.AST) -> Iterator[tuple[str, str | None]]:
    """Yield the names that one node binds, with what they mean where they are imported."""
    if isinstance(node, ast.Import):
        for alias in node.names:
            top = alias.name.partition(".")[0]
            yield (alias.asname, short(alias.name)) if alias.asname else (top, top)
    elif isinstance(node, ast.ImportFrom):
        module = short(node.module or "") if node.level == 0 else ""
        for alias in node.names:
            yield alias.asname or alias.name, joined(module, alias.name) if module else None
    elif isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
        yield node.id, None
    elif isinstance(node, _NAMING) and node.name:
        yield node.name, None
    elif isinstance(node, ast.MatchMapping) and node.rest:
        yield node.rest, None


def joined(base: str, attribute: str) -> str:
    """Return the dotted name of an attribute."""
    return short(f"{base}.{attribute}")


def short(name: str) -> str:
    """Return a dotted name; of a long one the middle is left out."""
    if name.count(".") < MAX_PARTS:
        return name
    parts, half = name.split("."), MAX_PARTS // 2
    return ".".join([*parts[:half], *parts[-half:]])


def own(body: Iterable[ast.AST]) -> list[ast.AST]:
    """Return the nodes of a scope, outermost first, without those of scopes inside it."""
    queue = list(body)
    for node in queue:
        if not isinstance(node, _INNER):
            queue.extend(ast.iter_child_nodes(node))
    return queue


def assignments(nodes: Iterable[ast.AST]) -> Iterator[tuple[str, ast.expr]]:
    """Yield the plain assignments of a scope: a name and its value."""
    for node in nodes:
        if isinstance(node, ast.Assign):
            for target in node.targets:
                yield from _single(target, node.value)
        elif isinstance(node, ast.NamedExpr | ast.AnnAssign):
            yield from _single(node.target, node.value)


def _single(target: ast.expr, value: ast.expr | None) -> Iterator[tuple[str, ast.expr]]:
    if isinstance(target, ast.Name) and value is not None:
        yield target.id, value
