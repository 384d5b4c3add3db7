"""What the names in a source stand for: after ``import time as t``, `t.time` is ``time.time``.

Scopes are followed as Python does, so a variable that happens to be called `time` is no clock.
Where a name may stand for several things, all of them are returned, up to a bound, so that the time
taken grows with the length of a source and no faster.
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
    """The dotted names that a line may use or (`imported`) import, each perhaps shortened."""

    names: Meanings
    line: int
    imported: bool = False


def mentions(tree: ast.Module) -> list[Mention]:
    """Return everything imported in a source, and every use of it, in the order of visiting.

    Raises:
        RecursionError: it is nested too deeply.
    """
    reader = _Reader()
    reader.visit(tree)
    return reader.mentions


class _Reader(ast.NodeVisitor):
    def __init__(self) -> None:
        self.mentions: list[Mention] = []
        self._scopes: list[Scope] = []
        self._known: dict[ast.AST, Meanings] = {}

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
        meanings = self._meanings(node)
        self._note(meanings, node)
        if not meanings:
            self.visit(_innermost(node))

    def visit_Expr(self, node: ast.Expr) -> None:
        call = node.value
        if isinstance(call, ast.Call) and self._sets_environment(call):
            self._visit_all((*call.args, *call.keywords))
        else:
            self.generic_visit(node)

    def _sets_environment(self, call: ast.Call) -> bool:
        """Return whether a call sets environment variables whose names are all literals."""
        called = self._meanings(call.func)
        given = [*call.args[:1], *(each.value for each in call.keywords if each.arg is None)]
        names = [
            name for each in given for name in (each.keys if isinstance(each, ast.Dict) else [each])
        ]
        return bool(called) and called <= _SETTERS and all(map(_text, names))

    def visit_Subscript(self, node: ast.Subscript) -> None:
        # To set a variable for a library is not to look at the environment.
        is_set = isinstance(node.ctx, ast.Store) and isinstance(node.slice, ast.Constant)
        if not (is_set and self._meanings(node.value) == {"os.environ"}):
            self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        meanings = self._meanings(node)
        self._note(meanings, node)
        self._visit_all(node.args[1:] if meanings else (node.func, *node.args))
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
        # What a function imports under a global name may be used anywhere: it counts at once.
        nodes = own(body)
        escaped = bind_all(nodes, scope)
        self.mentions += [Mention(frozenset({name}), line) for name, line in escaped]
        self._scopes.append(scope)
        if len(self._scopes) > MAX_SCOPES:
            raise RecursionError
        for name, value in assignments(nodes):
            scope.bind(name, *self._meanings(value))
        self._known.clear()  # worked out while fewer aliases were known
        self._visit_all(body)
        self._scopes.pop()

    def _meanings(self, node: ast.AST) -> Meanings:
        """Return the dotted names that an expression may stand for."""
        if isinstance(node, ast.Name):
            return self._look_up(node.id)
        if not isinstance(node, ast.Attribute | ast.Call):
            return NOTHING
        if node not in self._known:  # each only once, for one contains the other
            if isinstance(node, ast.Attribute):
                bases = self._meanings(node.value)
                self._known[node] = frozenset(joined(base, node.attr) for base in bases)
            else:
                self._known[node] = self._result(node) if node.args else NOTHING
        return self._known[node]

    def _result(self, node: ast.Call) -> Meanings:
        """Return what `getattr(time, "x")` and `import_module("time")` stand for."""
        called, first = self._meanings(node.func), node.args[0]
        if called == {"builtins.getattr"} and len(node.args) > 1:
            name = _text(node.args[1])
            # The name is made at run time: it may be anything of the module.
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
            self.mentions.append(Mention(names, node.lineno))

    def _import(self, names: Iterable[str], node: ast.stmt) -> None:
        self.mentions.append(Mention(frozenset(names), node.lineno, imported=True))

    def _visit_all(self, nodes: Sequence[ast.AST]) -> None:
        for node in nodes:
            self.visit(node)


def _innermost(node: ast.expr) -> ast.expr:
    """Return the expression whose attributes are looked up."""
    while isinstance(node, ast.Attribute):
        node = node.value
    return node


def _text(node: ast.expr | None) -> str | None:
    literal = node.value if isinstance(node, ast.Constant) else None
    return literal if isinstance(literal, str) else None
