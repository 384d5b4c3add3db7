"""The registry: every study, experiment, trial and call, in one SQLite file a project."""

from autoresearch.registry.at_work import RunNote
from autoresearch.registry.control import Ask, listening, run_at_work, send
from autoresearch.registry.deciding import Decided
from autoresearch.registry.importing import refuse_imported
from autoresearch.registry.lock import RunLock
from autoresearch.registry.pruning import PruningCounts
from autoresearch.registry.schema import changed_at
from autoresearch.registry.spending import Spending
from autoresearch.registry.store import Registry
from autoresearch.registry.summary import Summary

__all__ = [
    "Ask", "Decided", "PruningCounts", "Registry", "RunLock", "RunNote", "Spending", "Summary",
    "changed_at", "listening", "refuse_imported", "run_at_work", "send",
]  # fmt: skip
