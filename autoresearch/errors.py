"""Faults of the person or the environment, each one line that says what to do next.

What happens *to an experiment* (a crash, a NaN, a bad patch) is data, never an exception.
"""

import errno
from enum import IntEnum
from pathlib import Path


class ExitCode(IntEnum):
    """What the shell sees."""

    DONE = 0
    FAULT = 1
    USAGE = 2
    BUG = 3
    INTERRUPTED = 130


class AutoresearchError(Exception):
    """A fault with a one-line message; the command line prints it and exits with 1."""

    exit_code = ExitCode.FAULT


class UsageFault(AutoresearchError):  # noqa: N818 - the fault is in how the command was typed
    """An option's value makes no sense."""

    exit_code = ExitCode.USAGE


class ProjectError(AutoresearchError):
    """The directory is no project, or its settings are wrong."""


class CorpusError(AutoresearchError):
    """The corpus cannot be found, read, split or trusted."""


class GitError(AutoresearchError):
    """Git is missing, refuses, or the repository is in no state for the act."""


class GitBusyError(GitError):
    """What stands in git's way may pass by waiting: a lock file, a full disk, a checked out branch.

    The act changed nothing, and may be tried again as it was.
    """


class BranchCheckedOutError(GitBusyError):
    """A branch is checked out, so that moving it would change files under somebody.

    `branch` is its name and `place` the checkout, which may be gone from the disk.
    """

    def __init__(self, message: str, branch: str, place: Path) -> None:
        super().__init__(message)
        self.branch = branch
        self.place = place


class BranchMovedError(GitError):
    """A branch or another ref is elsewhere than expected: someone else moved it."""


class RegistryError(AutoresearchError):
    """The registry is damaged, locked, from a newer version, or has no such row."""


class RegistryBusyError(RegistryError):
    """The registry is locked by another program, or its disk is full: it may pass by waiting."""


class ProposerError(AutoresearchError):
    """The proposer named cannot be built or cannot go on."""


class WorkerError(AutoresearchError):
    """The machine cannot run a trial at all (not: this trial failed)."""


class SlotLostError(AutoresearchError):
    """The machine of a slot is gone, and what was at work there with it: that is run elsewhere."""


class EvaluationError(AutoresearchError):
    """The evaluator itself cannot work (not: this checkpoint failed)."""


class Interrupted(AutoresearchError):  # noqa: N818 - it is no error: the person asked for it
    """The person pressed Ctrl-C or the system sent SIGTERM; everything is saved."""

    exit_code = ExitCode.INTERRUPTED


_PASSING = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE}
)


def is_passing(fault: BaseException) -> bool:
    """Return whether what hinders an act may pass by waiting: a lock, a full disk, no memory."""
    if isinstance(fault, OSError):
        return fault.errno in _PASSING
    return isinstance(fault, (GitBusyError, RegistryBusyError))
