"""What a run does beside trying ideas: work that falls due, before the next idea is asked for."""

from typing import Protocol

from autoresearch.records.tables import Study


class Chore(Protocol):
    """Something that falls due now and then. Doing a piece of it must make it less due."""

    def attend(self, study: Study) -> bool:
        """Do a piece of it, at most a pair of trainings, if it is due; return whether it was.

        Raises:
            Interrupted: the run is to stop; everything is saved.
        """
        ...
