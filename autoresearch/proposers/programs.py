"""A command's program: finding it, checking that the sandbox shows it, running it to its end.

However much it prints, what is kept is bounded and it never waits for us to read. When `run`
returns, nobody of its process tree is alive, whoever daemonised included (see
`autoresearch.process` for what that rests on).
"""

import os
import shlex
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from autoresearch import process
from autoresearch.errors import ProposerError
from autoresearch.process import Breach, Confined, Exit, signal_name
from autoresearch.records.text import safe_line
from autoresearch.records.training import Limits

Confine = Callable[[Sequence[str], Path], Sequence[str] | Confined]
# Seconds between the interrupt, the termination and the kill.
_PATIENCE = {Breach.TIME: 0.5, Breach.STOPPED: 0.5}
_SECONDS = 30.0  # that the look into a sandbox may take
# Files are opened: Landlock lets a process see files that it may not read.
_LOOK = 'for each; do (: < "$each") 2> /dev/null || echo "$each"; done'


def unconfined(argv: Sequence[str], _folder: Path) -> Sequence[str]:
    """Return a command as it is: for one that runs in no sandbox."""
    return argv


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


@dataclass(frozen=True)
class ProgramResult:
    """How a run went. `late`: its time was up; `stopped`: we were asked to end it.

    `out` and `error` are the ends of its stdout and stderr; they may hold anything.
    """

    exit: Exit
    late: bool
    stopped: bool
    out: str
    error: str

    @property
    def oddity(self) -> str:
        """How it ended, where that was not with exit status 0; else empty."""
        if self.exit.signal is not None:
            return f"ended by {signal_name(self.exit.signal)}"
        if self.exit.code is None:
            return "killed along with its guard"
        return f"exit status {self.exit.code}" if self.exit.code else ""


def run(
    argv: Sequence[str] | Confined,
    *,
    cwd: Path,
    environment: Mapping[str, str],
    told: str,
    timeout: float,
    limits: Limits,
    stop: Callable[[], bool],
    now: Callable[[], float] = time.monotonic,
) -> ProgramResult:
    """Run a command to its end and return how it went.

    Args:
        argv: the command, as it is or as a sandbox made it.
        cwd: its working directory.
        environment: its whole environment.
        told: what it reads on standard input.
        timeout: seconds until its tree is ended.
        limits: of these, the largest file it may write and how much of each stream is kept.
        stop: whether it should end at once; asked some twenty times a second.
        now: the clock, in seconds.

    Raises:
        OSError: it cannot be started at all, for example since `cwd` is gone.
    """
    kept = max(limits.log, 1)
    ran = process.run(
        argv, cwd=cwd, env=environment, told=told.encode("utf-8", "replace"),
        limits=replace(limits, memory=sys.maxsize),  # it is a program of the person's own
        timeout=timeout, stop=stop, kept=kept, patience=_PATIENCE, now=now,
    )  # fmt: skip
    out, error = (said[-kept:].decode("utf-8", "replace") for said in (ran.answer, ran.log))
    late, stopped = ran.breach is Breach.TIME, ran.breach is Breach.STOPPED
    return ProgramResult(ran.exit, late, stopped, out, error)
