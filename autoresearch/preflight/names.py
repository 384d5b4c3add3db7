"""What the names in a source mean: `t.time` is ``time.time`` after ``import time as t``.

Scopes are followed as Python does, so a variable that happens to be called `time` is no clock.
Where a name may mean several things, all of them are told.
"""

import ast
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

Meanings = frozenset[str]
Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
Comprehension = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp
_INNER = (Function, ast.ClassDef, Comprehension)
_NAMING = (
    ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
    | ast.ExceptHandler | ast.MatchAs | ast.MatchStar
)  # fmt: skip
NOTHING: Meanings = frozenset()
_BUILTINS = frozenset(
    {"__builtins__", "__import__", "breakpoint", "compile", "eval", "exec", "input"}
)
_IMPORTERS = frozenset({"builtins.__import__", "importlib.__import__", "importlib.import_module"})


@dataclass(frozen=True)
class Mention:
    """A dotted name that a line uses or (`imported`) imports: as long as it can be followed."""

    name: str
    line: int
    imported: bool = False


@dataclass
class _Scope:
    """The names of one scope; those bound to something that is no import mean NOTHING."""

    names: dict[str, Meanings] = field(default_factory=dict)
    of_class: bool = False

    def bind(self, name: str, meaning: str | None = None) -> None:
        known = self.names.get(name, NOTHING)
        self.names[name] = known if meaning is None else known | {meaning}


def mentions(tree: ast.Module) -> list[Mention]:
    """Return everything imported in a source, and every use of it, in the order of reading.

    Raises:
        RecursionError: it is nested too deeply.
    """
    reader = _Reader()
    reader.visit(tree)
    return reader.found


class _Reader(ast.NodeVisitor):
    def __init__(self) -> None:
        self.found: list[Mention] = []
        self._scopes: list[_Scope] = []

    def visit_Module(self, node: ast.Module) -> None:
        self._inside(_Scope(), node.body)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self._visit_all((*node.decorator_list, *node.bases, *node.keywords))
        self._inside(_Scope(of_class=True), node.body)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._function(node, node.body)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        self._function(node, node.body)

    def visit_Lambda(self, node: ast.Lambda) -> None:
        self._function(node, [node.body])

    def visit_ListComp(self, node: ast.ListComp) -> None:
        self._comprehension(node, [node.elt])

    def visit_SetComp(self, node: ast.SetComp) -> None:
        self._comprehension(node, [node.elt])

    def visit_GeneratorExp(self, node: ast.GeneratorExp) -> None:
        self._comprehension(node, [node.elt])

    def visit_DictComp(self, node: ast.DictComp) -> None:
        self._comprehension(node, [node.key, node.value])

    def visit_Import(self, node: ast.Import) -> None:
        self._import({alias.name for alias in node.names}, node)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        if node.level == 0 and node.module:
            parts = {f"{node.module}.{alias.name}" for alias in node.names}
            self._import({node.module, *parts}, node)

    def visit_Name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Load):
            self._note(self._meanings(node), node)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        found = self._meanings(node)
        if not found:
            self.generic_visit(node)
        self._note(found, node)

    def visit_Subscript(self, node: ast.Subscript) -> None:
        # Setting a variable for a library is no look at the environment.
        told = isinstance(node.ctx, ast.Store) and isinstance(node.slice, ast.Constant)
        if not (told and self._meanings(node.value) == {"os.environ"}):
            self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        found = self._meanings(node)
        self._note(found, node)
        self._visit_all(node.args[1:] if found else (node.func, *node.args))
        self._visit_all(node.keywords)

    def _function(self, node: Function, body: Sequence[ast.AST]) -> None:
        """Visit what the scope around a function sees of it, then its own scope."""
        given = node.args
        arguments = [*given.posonlyargs, *given.args, *given.kwonlyargs]
        arguments += [each for each in (given.vararg, given.kwarg) if each is not None]
        outside = [*given.defaults, *(each for each in given.kw_defaults if each is not None)]
        outside += [each.annotation for each in arguments if each.annotation is not None]
        if not isinstance(node, ast.Lambda):
            outside += [*node.decorator_list, *([node.returns] if node.returns else [])]
        self._visit_all(outside)
        scope = _Scope()
        for each in arguments:
            scope.bind(each.arg)
        self._inside(scope, body)

    def _comprehension(self, node: Comprehension, results: Sequence[ast.expr]) -> None:
        self._visit_all([node.generators[0].iter])
        scope = _Scope()
        for each in node.generators:
            _bind_all([each.target], scope)
        later = [each.iter for each in node.generators[1:]]
        self._scopes.append(scope)
        self._visit_all([*later, *(test for each in node.generators for test in each.ifs)])
        self._visit_all(results)
        self._scopes.pop()

    def _inside(self, scope: _Scope, body: Sequence[ast.AST]) -> None:
        # What a function imports into the module's names is used there unseen: it counts at once.
        self.found += _bind_all(body, scope)
        self._scopes.append(scope)
        self._bind_aliases(body, scope)
        self._visit_all(body)
        self._scopes.pop()

    def _bind_aliases(self, body: Sequence[ast.AST], scope: _Scope) -> None:
        for name, value in _assignments(body):
            for meaning in self._meanings(value):
                scope.bind(name, meaning)

    def _meanings(self, node: ast.AST) -> Meanings:
        """Return the dotted names that an expression may stand for."""
        if isinstance(node, ast.Name):
            return self._look_up(node.id)
        if isinstance(node, ast.Attribute):
            return frozenset(f"{base}.{node.attr}" for base in self._meanings(node.value))
        if isinstance(node, ast.Call) and node.args:
            return self._made(node)
        return NOTHING

    def _made(self, node: ast.Call) -> Meanings:
        """Return what `getattr(time, "x")` and `import_module("time")` give."""
        called, first = self._meanings(node.func), node.args[0]
        if called == {"builtins.getattr"} and len(node.args) > 1:
            name = _text(node.args[1])
            # A name made at run time: the whole module is handed on.
            return frozenset(f"{each}.{name}" if name else each for each in self._meanings(first))
        if called and called <= _IMPORTERS:
            name = _text(first)
            if name is None:
                return NOTHING
            return frozenset({name, name.partition(".")[0]} if "." in name else {name})
        return NOTHING

    def _look_up(self, name: str) -> Meanings:
        for depth, scope in enumerate(reversed(self._scopes)):
            if name in scope.names and not (scope.of_class and depth > 0):
                return scope.names[name]
        known = name in _BUILTINS or name == "getattr"
        return frozenset({f"builtins.{name}"}) if known else NOTHING

    def _note(self, names: Iterable[str], node: ast.expr | ast.stmt) -> None:
        self.found += [Mention(name, node.lineno) for name in sorted(names)]

    def _import(self, names: Iterable[str], node: ast.stmt) -> None:
        self.found += [Mention(name, node.lineno, imported=True) for name in sorted(names)]

    def _visit_all(self, nodes: Sequence[ast.AST]) -> None:
        for node in nodes:
            self.visit(node)


def _bind_all(body: Sequence[ast.AST], scope: _Scope) -> list[Mention]:
    """Bind what these statements bind; return what they import under a name of the module's."""
    shared = {
        name
        for node in _own(body)
        if isinstance(node, ast.Global | ast.Nonlocal)
        for name in node.names
    }
    escaped = []
    for node in _own(body):
        for name, meaning in _bindings(node):
            if name not in shared:
                scope.bind(name, meaning)
            elif meaning is not None and isinstance(node, ast.stmt):
                escaped.append(Mention(meaning, node.lineno))
    return escaped


def _bindings(node: ast.AST) -> Iterator[tuple[str, str | None]]:
    """Yield the names that one node binds, with what they mean where they are imported."""
    if isinstance(node, ast.Import):
        for alias in node.names:
            top = alias.name.partition(".")[0]
            yield (alias.asname, alias.name) if alias.asname else (top, top)
    elif isinstance(node, ast.ImportFrom):
        for alias in node.names:
            known = node.level == 0 and node.module
            yield alias.asname or alias.name, f"{node.module}.{alias.name}" if known else None
    elif isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
        yield node.id, None
    elif isinstance(node, _NAMING) and node.name:
        yield node.name, None
    elif isinstance(node, ast.MatchMapping) and node.rest:
        yield node.rest, None


def _own(body: Iterable[ast.AST]) -> Iterator[ast.AST]:
    """Yield the nodes of a scope, outermost first, without those of the scopes inside it."""
    queue = list(body)
    for node in queue:
        yield node
        if not isinstance(node, _INNER):
            queue.extend(ast.iter_child_nodes(node))


def _assignments(body: Iterable[ast.AST]) -> Iterator[tuple[str, ast.expr]]:
    """Yield the plain assignments of a scope: a name and its value."""
    for node in _own(body):
        if isinstance(node, ast.Assign):
            for target in node.targets:
                yield from _single(target, node.value)
        elif isinstance(node, ast.NamedExpr | ast.AnnAssign):
            yield from _single(node.target, node.value)


def _single(target: ast.expr, value: ast.expr | None) -> Iterator[tuple[str, ast.expr]]:
    if isinstance(target, ast.Name) and value is not None:
        yield target.id, value


def _text(node: ast.expr) -> str | None:
    literal = node.value if isinstance(node, ast.Constant) else None
    return literal if isinstance(literal, str) else None
