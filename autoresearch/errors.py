"""Faults of the person or the environment, each one line that says what to do next.

What happens *to an experiment* (a crash, a NaN, a bad patch) is data, never an exception.
"""

from enum import IntEnum


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


class RegistryError(AutoresearchError):
    """The registry is damaged, locked, from a newer version, or has no such row."""


class ProposerError(AutoresearchError):
    """The proposer named cannot be built or cannot go on."""


class WorkerError(AutoresearchError):
    """The machine cannot run a trial at all (not: this trial failed)."""


class EvaluationError(AutoresearchError):
    """The evaluator itself cannot work (not: this checkpoint failed)."""


class Interrupted(AutoresearchError):  # noqa: N818 - it is no error: the person asked for it
    """The person pressed Ctrl-C or the system sent SIGTERM; everything is saved."""

    exit_code = ExitCode.INTERRUPTED
