"""A project's own command as a process: what it is given, where it runs, what it may reach."""

import shlex
import shutil
import subprocess
import sys
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

from autoresearch.process import ResourceLimits, launch, open_pipe
from autoresearch.process.resource_limits import FolderUsage, usage
from autoresearch.sandbox import Sandbox
from autoresearch.sandbox.data import OUT_VARIABLE, DataLink, place, strip
from autoresearch.workers.base import Assignment

EVENTS_VARIABLE = "AUTORESEARCH_EVENTS_FD"
_SHELL = "/bin/sh"
_SEED = "{seed}"
_PYTHON = "{python}"
_SHIMS = "shims"  # of pyenv, asdf, mise: a folder of scripts that start what lies beside it
# Without a network: programs that would wait long for one do as well with what is there.
_OFFLINE = {"UV_OFFLINE": "1", "HF_HUB_OFFLINE": "1", "WANDB_MODE": "offline"}


@dataclass(frozen=True)
class CommandRun:
    """How a project's command is run.

    Attributes:
        command: a line for the shell; see `with_python`.
        seed: the name of the variable that takes the seed, or arguments that hold {seed}, which
            are put behind the command; "" where it takes none.
        total: wall seconds after which it is ended, start-up and all.
        collect: files of its tree that are wanted when it has ended well; none of them is there
            before, be it committed or not.
        data: what it is shown beside its commit.
        hidden: globs of committed files that it must not have.
        network: whether it may use the network.
    """

    command: str
    seed: str = ""
    total: float = 600.0
    collect: tuple[str, ...] = ()
    data: tuple[DataLink, ...] = ()
    hidden: tuple[str, ...] = ()
    network: bool = False

    def line(self, seed: int) -> str:
        """Return the line for the shell."""
        command = with_python(self.command)
        return f"{command} {self.seed.replace(_SEED, str(seed))}" if _SEED in self.seed else command

    def variables(self, seed: int) -> dict[str, str]:
        """Return the variable that takes the seed, if one does."""
        return {self.seed: str(seed)} if self.seed and _SEED not in self.seed else {}

    def program(self, search: str | None) -> Path | None:
        """Return the program that the command begins with, if it is one of the search path.

        Of a version manager's it is all that lies below the manager's folder.
        """
        with suppress(ValueError):
            words = (each for each in shlex.split(self.command) if "=" not in each)
            word = next(words, "")
            found = shutil.which(word, path=search) if "/" not in word else None
            if found:
                folder = Path(found).parent
                return folder.parent if folder.name == _SHIMS else Path(found)
        return None


def with_python(line: str) -> str:
    """Return a line for the shell with the interpreter that runs this in place of {python}."""
    return line.replace(_PYTHON, shlex.quote(sys.executable))


class CommandProcess:
    """A running command. `events` and `log` are our ends of what it says."""

    def __init__(self, sandbox: Sandbox, run: CommandRun, assignment: Assignment) -> None:
        """Lay out its tree and start it; do not wait.

        Raises:
            OSError: the tree cannot be written, or the machine cannot start a process.
        """
        _lay_out(run, assignment)
        before = _used(assignment)
        environment = _environment(sandbox, run, assignment)
        with ExitStack() as ours, ExitStack() as theirs:
            self.events, events = open_pipe(ours, theirs)
            self.log, log = open_pipe(ours, theirs)
            program = run.program(environment.get("PATH"))
            self.tree = ours.enter_context(
                launch(
                    sandbox.command(
                        (_SHELL, "-c", run.line(assignment.seed)),
                        readable=[*(each.source for each in run.data), *filter(None, [program])],
                        writable=[assignment.tree, assignment.scratch],
                        limits=assignment.limits,
                        network=run.network,
                        devices=assignment.device != "cpu",
                    ),
                    cwd=assignment.tree,
                    env={**environment, EVENTS_VARIABLE: str(events)},
                    pass_fds=(events,),
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    file_size=assignment.limits.file_size,
                )
            )
            folders = (assignment.tree, assignment.scratch)
            self.usage_limits = ResourceLimits(
                self.tree, assignment.limits, *folders, before=before
            )
            self._held = ours.pop_all()

    def close(self) -> None:
        """Kill it, with all that it started, and close the streams."""
        self._held.close()


def _lay_out(run: CommandRun, assignment: Assignment) -> None:
    strip(assignment.tree, run.hidden)
    for path in run.collect:  # what is read later must be of this trial
        strip(assignment.tree, (path,))
    place(run.data, assignment.tree, assignment.scratch)
    assignment.out.mkdir(mode=0o700)


def _used(assignment: Assignment) -> FolderUsage:
    parts = [usage(each, 2**31) for each in (assignment.tree, assignment.scratch)]
    return FolderUsage(sum(each.size for each in parts), sum(each.entries for each in parts))


def _environment(sandbox: Sandbox, run: CommandRun, assignment: Assignment) -> dict[str, str]:
    """Return the command's environment: the sandbox's, and what it is told by variables.

    Caches are where programs look for them below its home, so that those shown to it are found.
    """
    tree, given = assignment.tree, sandbox.environment(assignment.scratch, assignment.limits)
    del given["XDG_CACHE_HOME"]
    # An environment in which the project is installed as a link to the person's checkout must not
    # make that the code which is trained.
    given["PYTHONPATH"] = f"{tree / 'src'}:{tree}" if (tree / "src").is_dir() else str(tree)
    given |= {} if run.network else _OFFLINE
    if (tree / ".venv").exists():  # the person's, read-only: `uv run` takes it as it is
        given |= {"UV_NO_SYNC": "1", "UV_PYTHON_DOWNLOADS": "never"}
    return {**given, OUT_VARIABLE: str(assignment.out), **run.variables(assignment.seed)}
