"""Folders of untrusted processes: shown to them, and removed, whatever they made of them."""

import os
import shutil
import subprocess
from contextlib import suppress
from pathlib import Path

_TOOL_SECONDS = 600.0
# Python walks folders by recursion and by whole paths, so one a thousand deep is beyond it.
_TOOLS = (("chmod", "-R", "u+rwx", "--"), ("rm", "-rf", "--"))


def remove(folder: Path) -> bool:
    """Remove a folder with all that is in it, also what is unreadable or very deep.

    Links are removed, never followed. Nothing is raised: what resists is left to the person.
    No process that could write there may be alive any more.

    Args:
        folder: a folder, a file or a link; there may be none.

    Returns:
        Whether nothing is there any more.
    """
    with suppress(OSError):
        if folder.is_symlink() or not folder.is_dir():
            folder.unlink(missing_ok=True)
    if os.path.lexists(folder):
        with suppress(OSError, RecursionError):
            _unlock(folder)
            shutil.rmtree(folder)
    for tool in _TOOLS:
        if os.path.lexists(folder):
            _run(*tool, str(folder.absolute()))
    return not os.path.lexists(folder)


def link_tree(source: Path, target: Path) -> None:
    """Put a folder with all that is in it at a new place; files are linked where that can be done.

    Raises:
        OSError: it cannot be put there.
    """
    shutil.copytree(source, target, symlinks=True, copy_function=_link)


def put_new(draft: Path, path: Path) -> None:
    """Give a finished file its name at once; the draft is gone then, in any case.

    Raises:
        OSError: something has that name, or the folder cannot be written.
    """
    try:
        os.link(draft, path)
    except FileExistsError:
        raise
    except OSError:  # another file system, or one without links
        if os.path.lexists(path):
            raise
        shutil.move(draft, path)
    finally:
        draft.unlink(missing_ok=True)


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError:  # another file system, or one without links
        shutil.copy2(source, target, follow_symlinks=False)


def _unlock(top: Path) -> None:
    """Make every folder in a folder one's own again, outermost first."""
    top.chmod(0o700)
    for folder, names, _ in os.walk(top):
        for name in names:
            inner = Path(folder) / name
            if not inner.is_symlink():
                inner.chmod(0o700)


def _run(*argv: str) -> None:
    with suppress(OSError, subprocess.SubprocessError):
        subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=_TOOL_SECONDS,
            start_new_session=True,  # Ctrl-C is not meant for it
            check=False,
        )
