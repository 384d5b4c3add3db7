"""The registry: every study, experiment, trial and call, in one SQLite file a project."""

from autoresearch.registry.control import Ask, listening, run_at_work, send
from autoresearch.registry.figures import PruningCounts
from autoresearch.registry.importing import refuse_imported
from autoresearch.registry.lock import RunLock, RunNote
from autoresearch.registry.rows import Decided
from autoresearch.registry.schema import changed_at
from autoresearch.registry.spending import Spending
from autoresearch.registry.store import Registry
from autoresearch.registry.summary import Summary

__all__ = [
    "Ask", "Decided", "PruningCounts", "Registry", "RunLock", "RunNote", "Spending", "Summary",
    "changed_at", "listening", "refuse_imported", "run_at_work", "send",
]  # fmt: skip
