"""What a baseline's first score says of its study: the units, and how far predictions may differ.

Both are measured once and then kept: what each unit of a score weighs, and how much predictions
differ when they are computed again.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from autoresearch import policy
from autoresearch.records.events import Event, Notice
from autoresearch.records.scores import Allowance, Score, Unscored
from autoresearch.records.tables import Experiment, Study
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


def allowance(registry: Registry, tag: str, settled: float) -> Allowance | None:
    """Return how far predictions may differ in the next scoring of a study; None: measure it.

    Nothing but the unchanged project is scored before a study has an incumbent. A study that has
    one and no measurement is older than this, and keeps the tolerance `settled` in its project.

    Raises:
        RegistryError: the registry is damaged.
    """
    study = registry.study(tag)
    if study is None or _unmeasured(registry, study):
        return None
    return study.allowance or Allowance(settled)


def keep_measured(
    registry: Registry,
    experiment: Experiment,
    score: Score | Unscored | None,
    on_event: Callable[[Event], None],
) -> None:
    """Write down what the baseline's scoring measured. Nothing else widens what is allowed.

    A candidate has a parent; and what is known already is not measured again.
    """
    if not isinstance(score, Score) or score.measured is None or experiment.parent_id is not None:
        return
    study, found = registry.study_of(experiment), score.measured
    if not _unmeasured(registry, study):
        return
    changes = {"audit_tolerance": found.tolerance, "audit_noise": found.noise}
    registry.save(study.model_copy(update=changes))
    if policy.at_ceiling(found):
        on_event(Notice(policy.too_noisy(found)))


def _unmeasured(registry: Registry, study: Study) -> bool:
    return study.allowance is None and registry.incumbent(study) is None
