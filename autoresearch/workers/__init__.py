"""Workers execute trials. One Protocol, one implementation a file."""

from autoresearch.workers.base import Assignment, PruneCheck, Worker, always, never_pruned
from autoresearch.workers.command import CommandRun, CommandWorker
from autoresearch.workers.command_process import with_python
from autoresearch.workers.local import LocalWorker

__all__ = [
    "Assignment",
    "CommandRun",
    "CommandWorker",
    "LocalWorker",
    "PruneCheck",
    "Worker",
    "always",
    "never_pruned",
    "with_python",
]
