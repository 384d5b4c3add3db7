"""``python -m autoresearch.runtime.standby``: PyTorch in memory, waiting for a trial to be told.

It is started before its trial's turn, and has seen nothing of any: no tree, seed or data. Its order
comes down the control socket, one line of JSON, ahead of the session's hello: the tree, the entry,
the device. Then it goes on as `launch` does. Where the tree would notice that PyTorch is there, it
becomes a `launch` that has imported nothing: the tree brings a module of a name that is taken by
then, or touches its environment before it imports PyTorch, which reads that as it is imported.
"""

import ast
import contextlib
import os
import socket
import sys
from collections.abc import Iterator
from importlib import machinery

from autoresearch.runtime import launch
from autoresearch.runtime.session import CONTROL_FD, receive_line

_SETTINGS = frozenset({"environ", "environb", "putenv", "unsetenv", "ctypes", "setrlimit"})
_MOST_FILES = 200


def main() -> None:
    """Import PyTorch, wait for the order and carry it out."""
    with contextlib.suppress(Exception):  # a project without it, or a broken one: its trial tells
        import torch  # noqa: F401, PLC0415 - it stays in memory
    with socket.socket(fileno=os.dup(int(os.environ[CONTROL_FD]))) as control:
        try:
            order = receive_line(control)
        except ConnectionError:
            return  # it was never needed
    os.chdir(order["tree"])
    entry, device = str(order["entry"]), str(order["device"])
    if would_notice(os.getcwd()):  # noqa: PTH109 - quick to call
        module = "autoresearch.runtime.launch"
        os.execv(sys.executable, [sys.executable, "-P", "-m", module, entry, device])  # noqa: S606
    sys.argv = ["launch", entry, device]
    launch.main()


def would_notice(tree: str) -> bool:
    """Return whether the code of a tree may do something else because PyTorch was imported."""
    taken = {name.partition(".")[0] for name in sys.modules}
    if any(map(taken.__contains__, _importable(tree))):
        return True
    paths = list(_python_files(tree))
    return len(paths) > _MOST_FILES or any(map(_sets_up, paths))


def _importable(tree: str) -> Iterator[str]:
    """Yield the names under which something at the top of a tree may be imported."""
    with os.scandir(tree) as found:
        entries = list(found)
    for entry in entries:
        if entry.name.endswith(tuple(machinery.all_suffixes())) or entry.is_dir():
            yield entry.name.partition(".")[0]


def _python_files(tree: str) -> Iterator[str]:
    for folder, _, names in os.walk(tree):
        yield from (os.path.join(folder, name) for name in names if name.endswith(".py"))  # noqa: PTH118


def _sets_up(path: str) -> bool:
    """Return whether a file touches its process's settings before it imports PyTorch."""
    try:
        with open(path, "rb") as file:  # noqa: PTH123
            body = ast.parse(file.read()).body
        for statement in body:
            if _imports_torch(statement):
                return False
            if any(map(_names_a_setting, ast.walk(statement))):
                return True
    except Exception:  # noqa: BLE001 - what cannot be read, the trial itself is to find out
        return True
    return False


def _imports_torch(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.ImportFrom):
        return (statement.module or "").partition(".")[0] == "torch"
    names = statement.names if isinstance(statement, ast.Import) else []
    return any(each.name.partition(".")[0] == "torch" for each in names)


def _names_a_setting(node: ast.AST) -> bool:
    if isinstance(node, ast.Import):
        return any(each.name in _SETTINGS for each in node.names)
    if isinstance(node, ast.ImportFrom):
        return node.module in _SETTINGS or any(each.name in _SETTINGS for each in node.names)
    name = node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")
    return name in _SETTINGS


if __name__ == "__main__":
    main()
