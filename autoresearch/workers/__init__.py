"""Workers execute trials. One Protocol, one implementation a file."""

from autoresearch.workers.base import Assignment, Worker
from autoresearch.workers.local import LocalWorker

__all__ = ["Assignment", "LocalWorker", "Worker"]
