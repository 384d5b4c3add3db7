"""Whether a change takes away what the evaluator and the worker need of the entry."""

import ast
from collections.abc import Iterator, Mapping

from autoresearch.patching.syntax import read
from autoresearch.records.proposals import Rejection

_NEEDED = {
    "main": "training is under it",
    "load_model": "the evaluator rebuilds the model with it",
}
_CALLS = {
    "start": "without it no data are handed over",
    "finish": "without it no checkpoint is handed in",
}


def broken(before: Mapping[str, str], after: Mapping[str, str], entry: str) -> Rejection | None:
    """Return what the evaluator or the worker would miss after a change; None where nothing.

    Only what the incumbent has can be missed.

    Args:
        before: the incumbent's editable files, path to text.
        after: the same files with the change.
        entry: the program that a trial runs.
    """
    old_source, new_source = read(before.get(entry, "")), read(after.get(entry, ""))
    if old_source is None or new_source is None:
        return None
    old, new = old_source.tree, new_source.tree
    for name, why in _NEEDED.items():
        if name in {*_top_names(old)} and not {name, "*"} & {*_top_names(new)}:
            return Rejection(f"{entry} has no {name}() at its top level any more: {why}")
    if _has_guard(old) and not _has_guard(new):
        return Rejection(f'{entry} has no `if __name__ == "__main__":` any more')
    kept, had = {*_attributes(after)}, {*_attributes(before)}
    for name, why in _CALLS.items():
        if name in had and name not in kept:
            return Rejection(f"nothing calls the session's {name}() any more: {why}")
    return None


def _top_names(tree: ast.Module) -> Iterator[str]:
    """Yield what a source binds at its top level, also under `if` and `try`."""
    queue: list[ast.AST] = [*tree.body]
    for node in queue:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.alias):
            yield node.asname or node.name
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        else:
            queue.extend(ast.iter_child_nodes(node))


def _has_guard(tree: ast.Module) -> bool:
    return any(
        isinstance(part, ast.Name) and part.id == "__name__"
        for node in tree.body
        if isinstance(node, ast.If)
        for part in ast.walk(node.test)
    )


def _attributes(files: Mapping[str, str]) -> Iterator[str]:
    for path, text in files.items():
        source = read(text) if path.endswith(".py") else None
        for node in source.nodes if source else ():
            if isinstance(node, ast.Attribute):
                yield node.attr
