"""An experiment beside its incumbent: trained on the same seeds until the policy has a verdict."""

from autoresearch import policy
from autoresearch.records.tables import Experiment, Study, Trial
from autoresearch.records.values import Purpose, Reading, Verdict
from autoresearch.registry import Registry
from autoresearch.research.remembering import remember
from autoresearch.research.trials import TrialRunner


class Comparing:
    """Trains pairs and asks the policy what they say."""

    def __init__(self, registry: Registry, trials: TrialRunner) -> None:
        self._registry = registry
        self._trials = trials

    def verdict(self, study: Study, experiment: Experiment) -> policy.Decision:
        """Return the verdict on an experiment that has its commit.

        Raises:
            Interrupted: see `TrialRunner.run`; what was trained stays.
        """
        incumbent = self._registry.incumbent(study)
        if incumbent is None:
            return self._baseline(experiment)
        seed, purpose = self._readings(incumbent)[-1].seed, Purpose.SCREENING
        while True:
            if failure := self.pair(experiment, incumbent, seed, purpose):
                return failure
            judged = policy.judge(
                self._readings(experiment),
                self._readings(incumbent),
                belief=remember(self._registry, study).belief,
                lines=experiment.lines_added - experiment.lines_removed,
            )
            if isinstance(judged, policy.Decision):
                return judged
            seed, purpose = judged.seed, Purpose.PAIR

    def pair(
        self, experiment: Experiment, incumbent: Experiment, seed: int, purpose: Purpose
    ) -> policy.Decision | None:
        """Train both on a seed, unless they were; return the verdict if one came to no score.

        Raises:
            Interrupted: see `TrialRunner.run`.
        """
        trial = self._trials.run(experiment, seed, purpose)
        if trial.val_bpb is None:
            return _failure(trial)
        if self._trials.run(incumbent, seed, purpose, incumbent=True).val_bpb is None:
            reason = f"the incumbent failed on seed {seed}: there is no fair comparison"
            return policy.Decision(Verdict.DISCARD, None, reason)
        return None

    def _baseline(self, experiment: Experiment) -> policy.Decision:
        trial = self._trials.run(experiment, policy.FIRST_SEED, Purpose.BASELINE)
        if trial.val_bpb is None:
            return _failure(trial)
        return policy.Decision(Verdict.KEEP, None, "the baseline")

    def _readings(self, experiment: Experiment) -> list[Reading]:
        return [
            Reading(trial.seed, trial.val_bpb, trial.steps)
            for trial in self._registry.trials(experiment)
            if trial.val_bpb is not None
        ]


def _failure(trial: Trial) -> policy.Decision:
    """Return the verdict of a trial that has no score."""
    ended = trial.ending.verdict if trial.ending else None
    if ended is None:  # it finished, and the evaluator refused its checkpoint
        return policy.Decision(Verdict.DISQUALIFIED, None, trial.detail)
    return policy.Decision(ended, None, f"{trial.ending}: {trial.detail}")
