"""How far predictions may differ in a study: measured once, on the baseline, and then kept."""

from collections.abc import Callable

from autoresearch import policy
from autoresearch.records.events import Event, Notice
from autoresearch.records.scores import Allowance, Score, Unscored
from autoresearch.records.tables import Experiment, Study
from autoresearch.registry import Registry


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
