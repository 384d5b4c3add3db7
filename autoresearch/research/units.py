"""The units of a study's scores: its baseline says which, and how much each of them weighs."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from autoresearch.records.events import Notice
from autoresearch.records.scores import Score, Unscored
from autoresearch.records.tables import Experiment
from autoresearch.registry import Registry
from autoresearch.registry.packing import pack_counts, unpack_counts


@dataclass
class StudyUnits:
    """Writes down the units of a study's baseline, and holds those of later scores against them.

    `on_event` is told once that units are not those of the baseline.
    """

    registry: Registry
    on_event: Callable[[Notice], None]
    _told: bool = field(default=False, init=False)

    def comparable(
        self, experiment: Experiment, score: Score | Unscored | None
    ) -> Score | Unscored | None:
        """Return what a scoring gave, without units where they are others than the baseline's.

        The first score of a baseline says which they are. For bits per byte the corpus does.

        Raises:
            RegistryError: the registry is damaged.
        """
        study = self.registry.study_of(experiment)
        if not isinstance(score, Score) or study.metric.is_bits_per_byte:
            return score
        if self._is_first(experiment):
            weights = pack_counts(score.doc_bytes)
            self.registry.save(study.model_copy(update={"doc_bytes": weights}))
            return score
        return self._held_against(study.doc_bytes, experiment, score)

    def on_test(self, experiment: Experiment, score: Score) -> Score:
        """Return a score on test as `comparable` does one on val; a study's first says the units.

        Raises:
            RegistryError: the registry is damaged.
        """
        study = self.registry.study_of(experiment)
        if study.metric.is_bits_per_byte:
            return score
        if study.test_bytes is None:
            weights = pack_counts(score.doc_bytes)
            self.registry.save(study.model_copy(update={"test_bytes": weights}))
            return score
        return self._held_against(study.test_bytes, experiment, score)

    def _held_against(self, known: bytes | None, experiment: Experiment, score: Score) -> Score:
        weights = unpack_counts(known)
        if score.doc_bytes == weights:
            return score
        if not self._told:
            self._told = True
            self.on_event(Notice(_told(experiment, len(score.doc_bytes), len(weights))))
        return replace(score, doc_bits=(), doc_bytes=())

    def _is_first(self, experiment: Experiment) -> bool:
        """Return whether nothing of a baseline was scored yet; its row is written after this."""
        scored = (each.val_bpb is not None for each in self.registry.trials(experiment))
        return experiment.parent_id is None and not any(scored)


def _told(experiment: Experiment, units: int, known: int) -> str:
    what = (
        f"{units} units, the first score's {known}" if units != known else "units of other weights"
    )
    return (
        f"experiment {experiment.id}'s score has {what}: such scores are not compared unit by "
        "unit; an evaluator should print the same units in the same order every time"
    )
