"""An experiment beside its parent: what is to be trained until the policy has a verdict."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from autoresearch import policy
from autoresearch.records.tables import Experiment, Study, Trial
from autoresearch.records.values import Ending, FailureKind, Purpose, Reading, Verdict
from autoresearch.registry import Registry
from autoresearch.research.guarding import Guards, unguarded
from autoresearch.research.posterior import epoch, fit_posterior
from autoresearch.research.requests import Request, Wanted
from autoresearch.research.trials import TrialRunner

# After so many seeds that it failed on, an incumbent is given no fresh one to be compared on.
_FAILURES = 3
# How a program ends that misses a file.
_MAY_LACK = (Ending.EXCEPTION, Ending.NO_FINISH, Ending.BAD_CHECKPOINT, Ending.SIGNAL)


Side = Mapping[int, Trial]  # what a code has trained, by seed


@dataclass(frozen=True)
class PairedTrials:
    """Says what an experiment is still to be trained on, or its verdict: from the rows alone.

    `trials` knows what was trained; the baseline is trained on so many seeds as `replicates` says;
    `guards` are what must stay in bounds, whatever the score.
    """

    registry: Registry
    trials: TrialRunner
    replicates: int = 1
    guards: Guards = ()

    def step(self, study: Study, experiment: Experiment) -> policy.Decision | Wanted:
        """Return the verdict on an experiment that has its commit, or the trials it still needs."""
        if experiment.parent_id is None:
            return self._baseline(experiment)
        parent = self.registry.experiment(experiment.parent_id, whole=False)
        if parent.verdict is not Verdict.KEEP:
            reason = f"experiment {parent.id}, which it builds on, was taken back"
            return policy.Decision(Verdict.DISCARD, None, reason)
        broken = self._unguarded(experiment)
        found = broken or self._compared(study, experiment, parent)
        if isinstance(found, tuple) or broken or found.verdict is not Verdict.DISCARD:
            return found
        if _surely_worse(found, self.registry.scale(study)):
            return found
        mended = self._mended(experiment, parent)
        if isinstance(mended, tuple):
            return mended
        return replace(found, verdict=Verdict.KEEP, reason=mended) if mended else found

    def _unguarded(self, experiment: Experiment) -> policy.Decision | None:
        """Return its verdict where a trial broke a guard: no further one could mend that."""
        if not self.guards:
            return None
        return unguarded(list(self.trials.known(experiment).values()), self.guards)

    def _compared(
        self, study: Study, experiment: Experiment, parent: Experiment
    ) -> policy.Decision | Wanted:
        """Return what its pairs say, or the next one; that it broke, where it came to no score."""
        own = self.trials.known(experiment).values()
        hopeless = self._failed(parent)
        for trial in own:
            fails = trial.val_bpb is None and trial.number > study.steady_since
            if fails and trial.seed not in hopeless:
                return _failure(trial)
        mine, theirs = (self._readings(study, each) for each in (experiment, parent))
        frail = len(hopeless) >= _FAILURES
        if not policy.paired(mine, theirs):
            if frail and own:
                reason = "the incumbent fails on every fresh seed: there is no fair comparison"
                return policy.Decision(Verdict.DISCARD, None, reason)
            # The seed that it was trained on stays its seed, whatever its parent reads meanwhile.
            seed = mine[-1].seed if mine else theirs[-1].seed if theirs else policy.FIRST_SEED
            return self.pair(study, experiment, parent, seed, Purpose.SCREENING)
        judged = policy.judge(
            mine,
            theirs,
            belief=fit_posterior(self.registry, study, at=parent).belief,
            lines=experiment.lines_added - experiment.lines_removed,
            reversal=experiment.is_reversal,
            last=frail,
        )
        if isinstance(judged, policy.Decision):
            return judged
        return self.pair(study, experiment, parent, judged.seed, Purpose.PAIR)

    def _mended(self, experiment: Experiment, parent: Experiment) -> str | Wanted:
        """Return that it trains on several seeds on which the parent fails; "" where not.

        A code that trains is better than one that often does not, though no score says so. Where
        the parent has failed on half of its seeds or more, fresh ones are tried until it is sure.
        """
        if self._failed(experiment):  # hopeless, so that its training was stopped early
            return ""
        known, failed = self.trials.known(parent), self._failed(parent)
        if not failed or 2 * len(failed) < len(known):
            return ""
        own = self.trials.known(experiment)
        for seed in failed[:_FAILURES]:
            if seed not in own:
                return (_request(experiment, experiment, seed, Purpose.PAIR),)
        if len(failed) >= _FAILURES:
            return f"it trains on {_FAILURES} seeds on which the incumbent fails"
        spare = [seed for seed in own if seed not in known]
        seed = spare[0] if spare else max(*known, *own) + 1
        sides = (parent,) if spare else (experiment, parent)
        return tuple(_request(experiment, side, seed, Purpose.PAIR) for side in sides)

    def pair(
        self,
        study: Study,
        experiment: Experiment,
        parent: Experiment,
        seed: int,
        purpose: Purpose,
    ) -> Wanted:
        """Return what of a pair is still to be trained, the experiment's side first.

        Where the seed can make no fair pair any more, a fresh one is taken in its place. That the
        parent fails is no verdict on the experiment: there is then no pair on that seed.
        """
        mine, theirs = self.trials.known(experiment), self.trials.known(parent)
        again = (mine, theirs) if purpose is Purpose.CONFIRMING else (theirs,)
        if _unfair(seed, (mine, theirs), again, since=study.steady_since):
            seed = max(*mine, *theirs, seed) + 1
        sides = ((experiment, mine), (parent, theirs))
        return tuple(
            _request(experiment, side, seed, purpose) for side, known in sides if seed not in known
        )

    def _failed(self, experiment: Experiment) -> list[int]:
        """Return the seeds on which it came to no score."""
        known = self.trials.known(experiment)
        return [seed for seed, trial in known.items() if trial.val_bpb is None]

    def _baseline(self, experiment: Experiment) -> policy.Decision | Wanted:
        """Return its trials to come. One seed of several may fail: it is told, and it goes on."""
        known = self.trials.known(experiment)
        first = known.get(policy.FIRST_SEED)
        if first is not None and first.val_bpb is None:
            return self._unchanged_failure(experiment, first)
        if broken := self._unguarded(experiment):
            reason = f"the [[guard]] does not fit the unchanged project: {broken.reason}"
            return replace(broken, reason=reason)
        seeds = range(policy.FIRST_SEED, policy.FIRST_SEED + max(self.replicates, 1))
        missing = tuple(
            _request(
                experiment, experiment, seed,
                Purpose.BASELINE if seed == policy.FIRST_SEED else Purpose.REPLICATE,
            )
            for seed in seeds if seed not in known
        )  # fmt: skip
        if missing:
            return missing
        failed = [known[seed] for seed in seeds if known[seed].val_bpb is None]
        told = [f"; on seed {each.seed} it failed: {_failure(each).reason}" for each in failed]
        return policy.Decision(Verdict.KEEP, None, f"the baseline{''.join(told)}")

    def _unchanged_failure(self, experiment: Experiment, trial: Trial) -> policy.Decision:
        """Return a failed baseline's verdict, and what its commit lacks, which may be why."""
        failure = _failure(trial)
        if trial.ending not in _MAY_LACK or not (lacks := self.trials.lacks(experiment)):
            return failure
        return replace(failure, reason=f"{failure.reason}; {lacks}")

    def _readings(self, study: Study, experiment: Experiment) -> list[Reading]:
        """Return what the experiment read since the machine was last seen to have changed."""
        read = self.registry.readings(study).get(experiment.number, [])
        return [each for each in read if each.epoch == epoch(study)]


def _request(of: Experiment, side: Experiment, seed: int, purpose: Purpose) -> Request:
    return Request(side.number, seed, purpose, of=of.number)


def _unfair(seed: int, sides: Sequence[Side], again: Sequence[Side], since: int) -> bool:
    """Return whether a seed can make no fair pair any more: read before a change, or failed on.

    Args:
        seed: which.
        sides: what both have trained.
        again: those of them that may fail and be given another seed: an experiment that has no
            verdict yet gets no second chance.
        since: the number of the last trial before the machine was seen to have changed.
    """
    stale = any(side[seed].number <= since for side in sides if seed in side)
    failed = any(side[seed].val_bpb is None for side in again if seed in side)
    return stale or failed


def _failure(trial: Trial) -> policy.Decision:
    """Return the verdict of a trial that came to an end of its own, without a score."""
    if trial.ending is Ending.PRUNED:
        return policy.Decision(Verdict.DISCARD, None, trial.detail)
    # What finished and was not scored has its cause in the detail.
    scoring = trial.ending is Ending.FINISHED
    reason = trial.detail if scoring else f"{trial.ending}: {trial.detail}"
    broken = trial.failure is FailureKind.RULE
    return policy.Decision(Verdict.DISQUALIFIED if broken else Verdict.CRASH, None, reason)


def _surely_worse(decision: policy.Decision, scale: policy.Scale) -> bool:
    """Return whether an effect is known, and is a loss that training more often cannot outweigh."""
    return decision.effect is not None and decision.effect.mean > scale.forgiven
