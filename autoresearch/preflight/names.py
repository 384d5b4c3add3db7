"""What the names in a source mean: `t.time` is ``time.time`` after ``import time as t``.

Scopes are followed as Python does, so a variable that happens to be called `time` is no clock.
Where a name may mean several things, all of them are told, up to a bound: the time that a source
takes grows with its length and no faster.
"""

import ast
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from autoresearch.preflight.scopes import (
    NOTHING,
    Comprehension,
    Function,
    Meanings,
    Scope,
    assignments,
    bind_all,
    joined,
    own,
    short,
)

_BUILTINS = frozenset(
    {"__builtins__", "__import__", "breakpoint", "compile", "eval", "exec", "input"}
)
MAX_SCOPES = 100  # in each other: as many as Python allows by indentation
_SETTERS = frozenset({"os.environ.setdefault", "os.environ.update"})
_IMPORTERS = frozenset({"builtins.__import__", "importlib.__import__", "importlib.import_module"})


@dataclass(frozen=True)
class Mention:
    """The dotted names that a line may use or (`imported`) imports: as far as they are followed."""

    names: Meanings
    line: int
    imported: bool = False


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
        self._scopes: list[Scope] = []
        self._worked_out: dict[ast.AST, Meanings] = {}

    def visit_Module(self, node: ast.Module) -> None:
        self._inside(Scope(), node.body)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self._visit_all((*node.decorator_list, *node.bases, *node.keywords))
        self._inside(Scope(of_class=True), node.body)

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
        self._import((short(alias.name) for alias in node.names), node)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        if node.level == 0 and node.module:
            module = short(node.module)
            self._import({module, *(joined(module, alias.name) for alias in node.names)}, node)

    def visit_Name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Load):
            self._note(self._meanings(node), node)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        found = self._meanings(node)
        self._note(found, node)
        if not found:
            self.visit(_innermost(node))

    def visit_Expr(self, node: ast.Expr) -> None:
        call = node.value
        if isinstance(call, ast.Call) and self._sets(call):
            self._visit_all((*call.args, *call.keywords))
        else:
            self.generic_visit(node)

    def _sets(self, call: ast.Call) -> bool:
        """Return whether a call, its result unused, sets variables whose names stand there."""
        called = self._meanings(call.func)
        given = [*call.args[:1], *(each.value for each in call.keywords if each.arg is None)]
        names = [
            name for each in given for name in (each.keys if isinstance(each, ast.Dict) else [each])
        ]
        return bool(called) and called <= _SETTERS and all(map(_text, names))

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
        scope = Scope()
        for each in arguments:
            scope.bind(each.arg)
        self._inside(scope, body)

    def _comprehension(self, node: Comprehension, results: Sequence[ast.expr]) -> None:
        self._visit_all([node.generators[0].iter])
        scope = Scope()
        for each in node.generators:
            bind_all(own([each.target]), scope)
        later = [each.iter for each in node.generators[1:]]
        self._scopes.append(scope)
        self._visit_all([*later, *(test for each in node.generators for test in each.ifs)])
        self._visit_all(results)
        self._scopes.pop()

    def _inside(self, scope: Scope, body: Sequence[ast.AST]) -> None:
        # What a function imports into the module's names is used there unseen: it counts at once.
        nodes = own(body)
        escaped = bind_all(nodes, scope)
        self.found += [Mention(frozenset({name}), line) for name, line in escaped]
        self._scopes.append(scope)
        if len(self._scopes) > MAX_SCOPES:
            raise RecursionError
        self._bind_aliases(nodes, scope)
        self._visit_all(body)
        self._scopes.pop()

    def _bind_aliases(self, nodes: Sequence[ast.AST], scope: Scope) -> None:
        for name, value in assignments(nodes):
            scope.bind(name, *self._meanings(value))
        self._worked_out.clear()  # with fewer aliases known

    def _meanings(self, node: ast.AST) -> Meanings:
        """Return the dotted names that an expression may stand for."""
        if isinstance(node, ast.Name):
            return self._look_up(node.id)
        if not isinstance(node, ast.Attribute | ast.Call):
            return NOTHING
        if node not in self._worked_out:  # each only once: they stand in each other
            self._worked_out[node] = self._parts(node)
        return self._worked_out[node]

    def _parts(self, node: ast.Attribute | ast.Call) -> Meanings:
        if isinstance(node, ast.Attribute):
            return frozenset(joined(base, node.attr) for base in self._meanings(node.value))
        return self._made(node) if node.args else NOTHING

    def _made(self, node: ast.Call) -> Meanings:
        """Return what `getattr(time, "x")` and `import_module("time")` give."""
        called, first = self._meanings(node.func), node.args[0]
        if called == {"builtins.getattr"} and len(node.args) > 1:
            name = _text(node.args[1])
            # A name made at run time: the whole module is handed on.
            return frozenset(joined(each, name) if name else each for each in self._meanings(first))
        if called and called <= _IMPORTERS:
            name = _text(first)
            if name is None:
                return NOTHING
            return frozenset({short(name), name.partition(".")[0]})
        return NOTHING

    def _look_up(self, name: str) -> Meanings:
        for depth, scope in enumerate(reversed(self._scopes)):
            if name in scope.names and not (scope.of_class and depth > 0):
                return scope.names[name]
        known = name in _BUILTINS or name == "getattr"
        return frozenset({f"builtins.{name}"}) if known else NOTHING

    def _note(self, names: Meanings, node: ast.expr) -> None:
        if names:
            self.found.append(Mention(names, node.lineno))

    def _import(self, names: Iterable[str], node: ast.stmt) -> None:
        self.found.append(Mention(frozenset(names), node.lineno, imported=True))

    def _visit_all(self, nodes: Sequence[ast.AST]) -> None:
        for node in nodes:
            self.visit(node)


def _innermost(node: ast.expr) -> ast.expr:
    """Return what the attributes are looked up in."""
    while isinstance(node, ast.Attribute):
        node = node.value
    return node


def _text(node: ast.expr | None) -> str | None:
    literal = node.value if isinstance(node, ast.Constant) else None
    return literal if isinstance(literal, str) else None
