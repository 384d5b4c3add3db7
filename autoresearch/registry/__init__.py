"""The registry: every study, experiment, trial and call, in one SQLite file a project."""

from autoresearch.registry.lock import RunLock
from autoresearch.registry.racing import Raced
from autoresearch.registry.spending import Spending
from autoresearch.registry.store import Registry
from autoresearch.registry.summary import Summary

__all__ = ["Raced", "Registry", "RunLock", "Spending", "Summary"]
