"""Whether a change could fail at full size only, since a smoke test gives constants toy values.

Found by syntax tree; nothing is run.
"""

import ast
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from autoresearch.patching import numbers
from autoresearch.patching.syntax import read

_INNER = (ast.stmt, ast.ExceptHandler, ast.match_case)


@dataclass(frozen=True)
class _Statement:
    """A statement without those inside it: its syntax tree as text, and the names that it uses."""

    tree: str
    names: frozenset[str]


def bears_on(before: Mapping[str, str], after: Mapping[str, str], toy: Collection[str]) -> bool:
    """Return whether a change may fail at the project's own size alone.

    It may if it gives a constant in `toy` another value or uses it otherwise, adds a check, or
    changes another constant that is checked or used beside one of them.

    Args:
        before: the incumbent's editable files, path to text.
        after: the same files with the change.
        toy: the constants that have other values in a smoke test.
    """
    if not toy:
        return False
    hidden = frozenset(toy)
    was, now = Counter(_statements(before, hidden)), Counter(_statements(after, hidden))
    changed = _changed_constants(before, after)
    return bool(now - was) or any(changed & each.names for each in now)


def _changed_constants(before: Mapping[str, str], after: Mapping[str, str]) -> frozenset[str]:
    paths = [path for path in after if path.endswith(".py") and after[path] != before.get(path)]
    pairs = ((numbers(before.get(path, "")), numbers(after[path])) for path in paths)
    return frozenset(name for old, new in pairs for name in new if new[name] != old.get(name))


def _statements(files: Mapping[str, str], hidden: frozenset[str]) -> Iterator[_Statement]:
    """Yield the statements that check something or use one of these names."""
    for path, text in files.items():
        source = read(text) if path.endswith(".py") else None
        for node in source.nodes if source else ():
            if isinstance(node, ast.stmt):
                statement = _statement(node, hidden)
                if statement:
                    yield statement


def _statement(node: ast.stmt, hidden: frozenset[str]) -> _Statement | None:
    own = [each for each in ast.iter_child_nodes(node) if not isinstance(each, _INNER)]
    names = frozenset(name for each in own for name in _names(each))
    checks = isinstance(node, ast.Assert | ast.Raise)
    if not checks and not names & hidden:
        return None
    try:
        tree = " ".join([type(node).__name__, *map(ast.dump, own)])
    except (RecursionError, ValueError):  # too deep, or an int of over 4,300 digits
        return None
    return _Statement(tree, names)


def _names(node: ast.AST) -> Iterator[str]:
    for each in ast.walk(node):
        if isinstance(each, ast.Name):
            yield each.id
        elif isinstance(each, ast.Attribute):
            yield each.attr
