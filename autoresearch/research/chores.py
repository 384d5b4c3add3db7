"""What a run does beside trying ideas: work that falls due, before the next idea is asked for."""

from typing import Protocol

from autoresearch.records.tables import Study


class Chore(Protocol):
    """Something that falls due now and then. Doing it must make it less due."""

    def due(self, study: Study) -> bool:
        """Return whether it should be done before the next experiment."""
        ...

    def do(self, study: Study) -> None:
        """Do a piece of it: at most a pair of trainings.

        Raises:
            Interrupted: the run is to stop; everything is saved.
        """
        ...
