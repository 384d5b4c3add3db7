"""A project's store of checkpoints: which of them `promote` may still ask for."""

from autoresearch.config import Project
from autoresearch.registry import Registry
from autoresearch.workers.checkpoint_store import CheckpointStore


def checkpoint_store_of(project: Project) -> CheckpointStore:
    """Return where a project keeps checkpoints."""
    return CheckpointStore(project.checkpoints, project.settings.checkpoint_bytes)


def tidy(store: CheckpointStore, registry: Registry) -> None:
    """Remove the checkpoints that nobody will ask for; only with the run lock held.

    Raises:
        RegistryError: the registry is damaged.
    """
    if kept := store.trials():
        store.tidy(registry.worth_shelving(kept), registry.at_work())
        store.secure(registry.worth_shelving(kept, decided=True))
