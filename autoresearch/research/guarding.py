"""Guards: whether an experiment's trials kept their numbers in bounds."""

from collections.abc import Mapping, Sequence

from autoresearch import policy
from autoresearch.config import Settings
from autoresearch.errors import ProjectError
from autoresearch.records.tables import Study, Trial
from autoresearch.records.text import safe_line
from autoresearch.records.values import Verdict
from autoresearch.registry import Registry

Guards = tuple[policy.Guard, ...]


def guards_of(settings: Settings) -> Guards:
    """Return the guards of a project."""
    return tuple(policy.Guard(each.name, each.least, each.most) for each in settings.guard)


def unguarded(trials: Sequence[Trial], guards: Guards) -> policy.Decision | None:
    """Return the verdict on an experiment that breaks a guard on any of its trials; None: none.

    A number that is missing is a broken program's: the baseline gave it.
    """
    for trial in trials:
        if trial.val_bpb is None:
            continue
        if lacks := policy.lacking(guards, trial.gauges):
            return policy.Decision(Verdict.CRASH, None, _missing(lacks, trial.gauges))
        if reason := policy.broken(guards, trial.gauges):
            return policy.Decision(Verdict.DISCARD, None, reason)
    return None


def broken(trials: Sequence[Trial], guards: Guards) -> str:
    """Return how an experiment's trials break a guard; empty where they do not."""
    found = unguarded(trials, guards)
    return found.reason if found else ""


def require_numbers(registry: Registry, study: Study, guards: Guards) -> None:
    """Return if a study's baseline, where it has one, gave a number for every guard.

    Raises:
        ProjectError: a guard names what no trial gives.
    """
    baseline = registry.summary(study).baseline
    trials = registry.trials(baseline) if baseline is not None and guards else []
    for trial in trials:
        if trial.val_bpb is not None and (lacks := policy.lacking(guards, trial.gauges)):
            msg = f"[[guard]] {lacks}: {_missing(lacks, trial.gauges)}"
            raise ProjectError(f"{msg}; mend the guard, or start a new study with --tag")


def _missing(name: str, gauges: Mapping[str, float]) -> str:
    there = safe_line(", ".join(sorted(gauges)), 200) or "nothing else"
    return f"no {name} came with the score, which a guard is set on (there is {there})"
