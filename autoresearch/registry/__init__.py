"""The registry: every study, experiment, trial and call, in one SQLite file a project."""

from autoresearch.registry.lock import RunLock
from autoresearch.registry.store import Registry, Summary

__all__ = ["Registry", "RunLock", "Summary"]
