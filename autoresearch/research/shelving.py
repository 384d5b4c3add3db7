"""A project's shelf of checkpoints: which of them `promote` may still ask for."""

from autoresearch.config import Project
from autoresearch.registry import Registry
from autoresearch.workers.shelf import Shelf


def shelf_of(project: Project) -> Shelf:
    """Return where a project keeps checkpoints."""
    return Shelf(project.checkpoints, project.settings.checkpoint_bytes)


def tidy(shelf: Shelf, registry: Registry) -> None:
    """Remove the checkpoints that nobody will ask for; only with the run lock held.

    Raises:
        RegistryError: the registry is damaged.
    """
    if kept := shelf.trials():
        shelf.tidy(registry.worth_shelving(kept), registry.at_work())
        shelf.secure(registry.worth_shelving(kept, decided=True))
