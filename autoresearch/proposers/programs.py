"""Finds a command's program, and checks that the sandbox shows it."""

import os
import shlex
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from autoresearch.errors import ProposerError
from autoresearch.process import Confined
from autoresearch.proposers.execution import run
from autoresearch.records.text import safe_line
from autoresearch.records.training import Limits

Confine = Callable[[Sequence[str], Path], Sequence[str] | Confined]
_SECONDS = 30.0
# Files are opened: Landlock lets a process see files that it may not read.
_LOOK = 'for each; do (: < "$each") 2> /dev/null || echo "$each"; done'


def find_program(command: str, environment: Mapping[str, str]) -> tuple[str, ...]:
    """Return the words of a command, the first of them the full path of its program.

    Raises:
        ProposerError: it is no command line, or its program is not there.
    """
    try:
        words = shlex.split(command)
    except ValueError as fault:
        msg = f"command:{command}: {str(fault).lower()}"
        raise ProposerError(msg) from None
    program = words[0] if words else ""
    if program.startswith("~/"):
        program = environment.get("HOME", "~") + program.removeprefix("~")
    path = shutil.which(program, path=environment.get("PATH", os.defpath))
    if path is None:
        what = f"there is no program {safe_line(program, 80)} on PATH: install it first"
        msg = f"command:{command}: {what if program else 'which program?'}"
        raise ProposerError(msg)
    return (str(Path(path).absolute()), *words[1:])


def refuse_hidden(
    command: str, argv: Sequence[str], environment: Mapping[str, str], confine: Confine
) -> None:
    """Check that the sandbox shows what a command needs to start.

    That is its program, the interpreter that its first line names, and files and folders among its
    words.

    Raises:
        ProposerError: the sandbox hides one of them.
    """
    named = (word.partition("=")[2] if word.startswith("-") else word for word in argv[1:])
    needed = [argv[0], *_interpreter(argv[0], environment), *named]
    paths = [each for each in needed if each.startswith("/") and os.access(each, os.R_OK)]
    if hidden := _hidden(paths, environment, confine):
        msg = (
            f"command:{command}: the sandbox hides {safe_line(hidden[0], 120)} from it (it shows "
            "the home folder, the project and the system's programs): move it into the home "
            "folder, or set sandbox = false under [command]"
        )
        raise ProposerError(msg)


def _interpreter(program: str, environment: Mapping[str, str]) -> list[str]:
    """Return the program that the first line of a script names, if it names one."""
    try:
        with open(program, "rb") as file:  # noqa: PTH123 - a str
            first = file.readline(500)
    except OSError:
        return []
    words = first[2:].decode("utf-8", "replace").split() if first.startswith(b"#!") else []
    if words and Path(words[0]).name == "env":
        named = (word for word in words[1:] if not word.startswith("-") and "=" not in word)
        words = [
            shutil.which(word, path=environment.get("PATH", os.defpath)) or "" for word in named
        ]
    return words[:1]


def _hidden(paths: Sequence[str], environment: Mapping[str, str], confine: Confine) -> list[str]:
    """Return which of these paths are not there in the sandbox."""
    try:
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as place:
            folder = Path(place).resolve()
            ran = run(
                confine(["/bin/sh", "-c", _LOOK, "sh", *paths], folder),
                cwd=folder,
                environment={"PATH": environment.get("PATH", os.defpath)},
                told="",
                timeout=_SECONDS,
                limits=Limits(log=64 * 1024),
                stop=lambda: False,
            )
    except OSError:
        return []  # that nothing can be started is reported when the program is run
    return ran.out.splitlines()
