"""A study's rows as the registry has them, for programs that want all of it."""

from collections.abc import Collection
from dataclasses import dataclass, replace

from autoresearch.records.notes import Note
from autoresearch.records.tables import Call, Experiment, Study, Trial
from autoresearch.registry import Registry


@dataclass(frozen=True)
class StudyRows:
    """What was written of a study; experiments and trials are whole."""

    study: Study
    notes: tuple[Note, ...]
    experiments: tuple[Experiment, ...]
    trials: tuple[Trial, ...]
    calls: tuple[Call, ...]

    @classmethod
    def of(cls, registry: Registry, study: Study) -> "StudyRows":
        """Read them.

        Raises:
            RegistryError: the registry is damaged.
        """
        trials = registry.trials_by_experiment(study, whole=True)
        experiments = tuple(registry.experiments(study, whole=True))
        return cls(
            study=study,
            notes=tuple(registry.notes(study)),
            experiments=experiments,
            trials=tuple(each for row in experiments for each in trials.get(row.id or 0, ())),
            calls=tuple(registry.calls(study)),
        )

    def only(self, numbers: Collection[int]) -> "StudyRows":
        """Return those of these experiments alone; the calls stay all there."""
        return replace(
            self,
            experiments=tuple(each for each in self.experiments if each.id in numbers),
            trials=tuple(each for each in self.trials if each.experiment_id in numbers),
        )
