"""Where a step of the incumbent spends its time: looked at once for each, beside its trials."""

from dataclasses import dataclass

from autoresearch.records.tables import Experiment, Study, Trial
from autoresearch.records.values import Ending, Purpose, TrialState
from autoresearch.registry import Registry
from autoresearch.research.trials import TrialRunner


@dataclass(frozen=True)
class Profiling:
    """A chore: trains a new incumbent for a moment under a profiler, so that briefs can tell.

    Nothing is scored or compared, and a failure is no matter: then there is no profile.
    """

    enabled: bool
    registry: Registry
    trials: TrialRunner

    def attend(self, study: Study) -> bool:
        """Profile the incumbent if that was never done; return whether it was done now.

        Raises:
            Interrupted: the run is to stop; everything is saved.
        """
        incumbent = self.registry.incumbent(study) if self.enabled else None
        if incumbent is None:
            return False
        seed = _due(self.registry.trials(incumbent))
        if seed is None or self.trials.too_late(int(study.id or 0), 2):
            return False
        return self.trials.profile(incumbent, seed)


def profiled(registry: Registry, experiment: Experiment) -> Trial | None:
    """Return the trial in which an experiment was profiled; None where it was not, or in vain."""
    found = [each for each in registry.trials(experiment) if each.profile]
    return found[-1] if found else None


def _due(trials: list[Trial]) -> int | None:
    """Return a seed that the program came through; None where it was profiled, or never scored."""
    done = any(
        each.purpose is Purpose.PROFILE
        and each.state is TrialState.DONE
        and each.ending is not Ending.INTERRUPTED
        for each in trials
    )
    seeds = [each.seed for each in trials if each.val_bpb is not None]
    return None if done or not seeds else seeds[-1]
