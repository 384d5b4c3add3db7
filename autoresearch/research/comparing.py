"""An experiment beside its incumbent: trained on the same seeds until the policy has a verdict."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from autoresearch import policy
from autoresearch.records.tables import Experiment, Study, Trial
from autoresearch.records.values import Ending, FailureKind, Purpose, Reading, Verdict
from autoresearch.registry import Registry
from autoresearch.research.remembering import epoch, remember
from autoresearch.research.trials import Request, TrialRunner

# After so many seeds that it failed on, an incumbent is given no fresh one to be compared on.
_FAILURES = 3
_LOSS = 0.01  # bpb that a code may lose where it trains on seeds on which the incumbent fails
# How a program ends that misses a file.
_MAY_LACK = (Ending.EXCEPTION, Ending.NO_FINISH, Ending.BAD_CHECKPOINT, Ending.SIGNAL)


Side = Mapping[int, Trial]  # what a code has trained, by seed


class Comparing:
    """Trains pairs and asks the policy what they say."""

    def __init__(self, registry: Registry, trials: TrialRunner, replicates: int = 1) -> None:
        """Build it; `replicates` is the number of seeds that the baseline is trained on."""
        self._registry = registry
        self._trials = trials
        self._replicates = replicates

    def verdict(self, study: Study, experiment: Experiment) -> policy.Decision:
        """Return the verdict on an experiment that has its commit.

        Raises:
            Interrupted: see `TrialRunner.run`; what was trained stays.
        """
        incumbent = self._registry.incumbent(study)
        if incumbent is None:
            return self._baseline(experiment)
        if incumbent.id != experiment.parent_id:
            reason = f"experiment {experiment.parent_id}, which it builds on, was taken back"
            return policy.Decision(Verdict.DISCARD, None, reason)
        decision = self._compared(study, experiment, incumbent)
        if decision.verdict is not Verdict.DISCARD or _surely_worse(decision):
            return decision
        mended = self._mended(experiment, incumbent)
        return replace(decision, verdict=Verdict.KEEP, reason=mended) if mended else decision

    def _compared(
        self, study: Study, experiment: Experiment, incumbent: Experiment
    ) -> policy.Decision:
        """Train pairs until their scores have a verdict, or the experiment breaks."""
        read = self._readings(study, incumbent)
        seed, purpose = read[-1].seed if read else policy.FIRST_SEED, Purpose.SCREENING
        while True:
            if failure := self.pair(study, experiment, incumbent, seed, purpose):
                return failure
            mine, theirs = (self._readings(study, each) for each in (experiment, incumbent))
            frail = len(self._failed(incumbent)) >= _FAILURES
            if policy.paired(mine, theirs):
                judged = policy.judge(
                    mine,
                    theirs,
                    belief=remember(self._registry, study).belief,
                    lines=experiment.lines_added - experiment.lines_removed,
                    reversal=experiment.is_reversal,
                    last=frail,
                )
                if isinstance(judged, policy.Decision):
                    return judged
                seed, purpose = judged.seed, Purpose.PAIR
            elif frail:
                reason = "the incumbent fails on every fresh seed: there is no fair comparison"
                return policy.Decision(Verdict.DISCARD, None, reason)

    def _mended(self, experiment: Experiment, incumbent: Experiment) -> str:
        """Return that it trains on several seeds on which the incumbent fails; "" where not.

        A code that trains is better than one that often does not, though no score says so. Where
        the incumbent has failed on half of its seeds or more, fresh ones are tried until it is
        sure.
        """
        if self._failed(experiment):  # hopeless, so that its training was stopped early
            return ""
        while True:
            known, failed = self._trials.known(incumbent), self._failed(incumbent)
            if not failed or 2 * len(failed) < len(known):
                return ""
            fresh = max(*known, *self._trials.known(experiment)) + 1
            for seed in [*failed[:_FAILURES], *([fresh] if len(failed) < _FAILURES else [])]:
                if self._run(experiment, seed, Purpose.PAIR).val_bpb is None:
                    return ""
            if len(failed) >= _FAILURES:
                return f"it trains on {_FAILURES} seeds on which the incumbent fails"
            self._run(incumbent, fresh, Purpose.PAIR, incumbent=True)

    def pair(
        self,
        study: Study,
        experiment: Experiment,
        incumbent: Experiment,
        seed: int,
        purpose: Purpose,
    ) -> policy.Decision | None:
        """Train both on a seed, unless they were; return the verdict if the first got no score.

        Where the seed can make no fair pair any more, a fresh one is taken in its place. That the
        incumbent fails is no verdict on the experiment: there is then no pair on that seed.

        Raises:
            Interrupted: see `TrialRunner.run`.
        """
        mine, theirs = self._trials.known(experiment), self._trials.known(incumbent)
        again = (mine, theirs) if purpose is Purpose.CONFIRMING else (theirs,)
        if _unfair(seed, (mine, theirs), again, since=study.steady_since):
            seed = max(*mine, *theirs, seed) + 1
        missing = sum(seed not in side for side in (mine, theirs))
        self._trials.require_time(experiment.study_id, missing)
        trial = self._run(experiment, seed, purpose)
        if trial.val_bpb is None:
            return _failure(trial)
        self._run(incumbent, seed, purpose, incumbent=True)
        return None

    def _run(
        self, experiment: Experiment, seed: int, purpose: Purpose, *, incumbent: bool = False
    ) -> Trial:
        return self._trials.run(Request(int(experiment.id or 0), seed, purpose, incumbent))

    def _failed(self, experiment: Experiment) -> list[int]:
        """Return the seeds on which it came to no score."""
        known = self._trials.known(experiment)
        return [seed for seed, trial in known.items() if trial.val_bpb is None]

    def _baseline(self, experiment: Experiment) -> policy.Decision:
        """Train the baseline. One seed of several may fail: it is told, and the study goes on."""
        first = self._run(experiment, policy.FIRST_SEED, Purpose.BASELINE)
        if first.val_bpb is None:
            return self._unchanged_failure(experiment, first)
        failed = ""
        for seed in range(policy.FIRST_SEED + 1, policy.FIRST_SEED + self._replicates):
            trial = self._run(experiment, seed, Purpose.REPLICATE)
            if trial.val_bpb is None:
                failed += f"; on seed {seed} it failed: {_failure(trial).reason}"
        return policy.Decision(Verdict.KEEP, None, f"the baseline{failed}")

    def _unchanged_failure(self, experiment: Experiment, trial: Trial) -> policy.Decision:
        """Return a failed baseline's verdict, and what its commit lacks, which may be why."""
        failure = _failure(trial)
        if trial.ending not in _MAY_LACK or not (lacks := self._trials.lacks(experiment)):
            return failure
        return replace(failure, reason=f"{failure.reason}; {lacks}")

    def _readings(self, study: Study, experiment: Experiment) -> list[Reading]:
        """Return what the experiment read since the machine was last seen to have changed."""
        read = self._registry.readings(study).get(int(experiment.id or 0), [])
        return [each for each in read if each.epoch == epoch(study)]


def _unfair(seed: int, sides: Sequence[Side], again: Sequence[Side], since: int) -> bool:
    """Return whether a seed can make no fair pair any more: read before a change, or failed on.

    Args:
        seed: which.
        sides: what both have trained.
        again: those of them that may fail and be given another seed: an experiment that has no
            verdict yet gets no second chance.
        since: the number of the last trial before the machine was seen to have changed.
    """
    stale = any(int(side[seed].id or 0) <= since for side in sides if seed in side)
    failed = any(side[seed].val_bpb is None for side in again if seed in side)
    return stale or failed


def _failure(trial: Trial) -> policy.Decision:
    """Return the verdict of a trial that came to an end of its own, without a score."""
    if trial.ending is Ending.RACED:
        return policy.Decision(Verdict.DISCARD, None, trial.detail)
    # What finished and was not scored has its cause in the detail.
    scoring = trial.ending is Ending.FINISHED
    reason = trial.detail if scoring else f"{trial.ending}: {trial.detail}"
    broken = trial.failure is FailureKind.RULE
    return policy.Decision(Verdict.DISQUALIFIED if broken else Verdict.CRASH, None, reason)


def _surely_worse(decision: policy.Decision) -> bool:
    """Return whether an effect is known, and is a loss that training more often cannot outweigh."""
    return decision.effect is not None and decision.effect.mean > _LOSS
