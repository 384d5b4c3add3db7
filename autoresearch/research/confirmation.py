"""Earning claims: a share of the training time goes into fresh pairs of what was kept."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from autoresearch import policy
from autoresearch.records.tables import Experiment, Study
from autoresearch.records.values import Ending, Purpose, Standing
from autoresearch.registry import Registry
from autoresearch.research.paired_trials import PairedTrials
from autoresearch.research.posterior import StudyPosterior, fit_posterior
from autoresearch.research.recorder import Keep, Recorder
from autoresearch.research.requests import Wanted
from autoresearch.research.trial_recorder import finished
from autoresearch.research.trials import TrialRunner

_FAILURES = 1
_LEFT_IN_DOUBT = (
    "the run ended before it had another pair, and by its one it is more likely no better"
)


@dataclass(frozen=True)
class Confirmation:
    """Names the pair nearest to a claim, and takes back what proves to be none.

    `share` is the part of a study's training time that it may take, 0: nothing is confirmed; what
    is doubtful at a run's end may cost more. `left` returns the seconds until the run's deadline;
    None without one.
    """

    share: float
    registry: Registry
    paired_trials: PairedTrials
    recorder: Recorder
    left: Callable[[], float | None] = lambda: None

    def due(self, study: Study, *, patient: bool = False) -> Wanted:
        """Return what of a pair is to be trained, if it is worth it and the share not spent.

        Where nothing is left to try, what is left of the share may be spent patiently. A keep that
        stands on a single pair in doubt has its further one before the run ends, share or no share.
        """
        posterior, keeps = self._kept(study)
        if self._is_spent(study) and not self._must(study, posterior, keeps, patient=patient):
            return ()
        return self._pair(study, posterior, keeps, epoch=posterior.epoch, patient=patient)

    def doubtful(self, study: Study) -> Wanted:
        """Return what of a further pair is to be trained for keeps that stand on one in doubt."""
        posterior, keeps = self._kept(study)
        if not any(map(self._can_be_paired, self._doubtful(posterior, keeps))):
            return ()
        return self._pair(study, posterior, keeps, epoch=posterior.epoch)

    def earning(self, study: Study, experiment: int) -> Wanted:
        """Return a fresh pair of one keep; none where it has a claim, or none to be hoped for."""
        posterior, keeps = self._kept(study)
        mine = [each for each in keeps if each.row.id == experiment]
        # It may be another day: what one side read that night has no pair on today's machine.
        return self._pair(study, posterior, mine, epoch=None)

    def pair_ended(self, study: Study, experiment: int) -> None:
        """Write the claims after a pair of a keep, and un-keep what was none.

        Scores alone refute a keep: a training that broke, of whichever side, says nothing of it.
        """
        self.recorder.refresh_scores(study, self.registry.experiment(experiment))
        self._take_back(study)

    def end_doubts(self, study: Study) -> None:
        """Take back what a run's end leaves on top, on one pair alone and more likely no better.

        Another may be under it. Nothing is built on what is on top: so nothing is tried anew.
        """
        while tip := self._doubtful_tip(study):
            self.recorder.revoke_keep(study, tip.row, _LEFT_IN_DOUBT)

    def catch_up(self, study: Study) -> None:
        """Take back what fell long ago: the run that should have done so was killed."""
        if self._fallen(study, *self._kept(study)):
            self.record_claims(study)

    def record_claims(self, study: Study) -> None:
        """Write the claims that readings have earned by now, and take back what fell."""
        self.recorder.refresh_scores(study)
        self._take_back(study)

    def _pair(
        self,
        study: Study,
        posterior: StudyPosterior,
        keeps: Sequence[Keep],
        *,
        epoch: int | None,
        patient: bool = False,
    ) -> Wanted:
        """Return what is to be trained of the pair that is most worth it; none where none is."""
        pairable = [each for each in keeps if self._can_be_paired(each)]
        worth = policy.worth_confirming(
            [each.kept for each in pairable],
            posterior.noise,
            posterior.belief.prior,
            epoch=epoch,
            patient=patient,
        )
        if worth is None:
            return ()
        place, seed = worth
        keep = pairable[place].row
        parent = self.registry.experiment(int(keep.parent_id or 0), whole=False)
        return self.paired_trials.pair(study, keep, parent, seed, Purpose.CONFIRMING)

    def _doubtful(self, posterior: StudyPosterior, keeps: Sequence[Keep]) -> list[Keep]:
        """Return the keeps that stand on one pair alone and are more likely no better."""
        if not self.share:
            return []
        kept = [each.kept for each in keeps]
        places = policy.doubtful(kept, posterior.noise, posterior.belief.prior)
        return [keeps[place] for place in places]

    def _doubtful_tip(self, study: Study) -> Keep | None:
        unsure, incumbent = self._doubtful(*self._kept(study)), self.registry.incumbent(study)
        top = incumbent.id if incumbent is not None else None
        return next((each for each in unsure if each.row.id == top), None)

    def _must(
        self, study: Study, posterior: StudyPosterior, keeps: Sequence[Keep], *, patient: bool
    ) -> bool:
        """Whether what is doubtful is to be paired now, whatever the share: the run is to end.

        Its end is near where two trainings for each, and one more, are about all that the
        deadline allows. Asked only once the share is spent: it reads every doubtful keep's trials.
        """
        left = self.left()
        if not patient and left is None:
            return False
        unsure = sum(map(self._can_be_paired, self._doubtful(posterior, keeps)))
        needed = (2 * unsure + 1) * self.registry.quickest(study.number)
        return unsure > 0 and (patient or (left is not None and left <= needed))

    def _is_spent(self, study: Study) -> bool:
        seconds = self.registry.seconds(study)
        return seconds.get(Purpose.CONFIRMING, 0.0) >= self.share * sum(seconds.values())

    def _take_back(self, study: Study) -> None:
        while fallen := self._fallen(study, *self._kept(study)):
            self.recorder.revoke_keep(study, *fallen)

    def _kept(self, study: Study) -> tuple[StudyPosterior, Sequence[Keep]]:
        posterior = fit_posterior(self.registry, study)
        return posterior, self.recorder.keeps(study, posterior)

    def _fallen(
        self, study: Study, posterior: StudyPosterior, keeps: Sequence[Keep]
    ) -> tuple[Experiment, str] | None:
        """Return a keep that falls, or one refuted before that is on top by now, and why.

        It falls by further pairs, or by a guard that a further trial breaks.
        """
        incumbent = self.registry.incumbent(study)
        if incumbent is not None and incumbent.standing is Standing.REFUTED:
            return incumbent, incumbent.claim_reason
        for keep in keeps:
            if broken := self.recorder.broken_guard(keep.row):
                return keep.row, broken
            if _paired_since(keep) and policy.should_unkeep(
                keep.kept, posterior.noise, posterior.belief.prior, posterior.scale
            ):
                return keep.row, f"further pairs: {keep.row.claim_reason}"
        return None

    def _can_be_paired(self, keep: Keep) -> bool:
        # A seed that a side failed on is left out, but one that fails again would take pairs for
        # ever; so would a keep that was pruned in one.
        parent = self.registry.experiment(int(keep.row.parent_id or 0), whole=False)
        for side in (parent, keep.row):
            trials = finished(self.registry, side)
            if sum(each.val_bpb is None for each in trials) > _FAILURES:
                return False
        return not any(each.ending is Ending.PRUNED for each in trials)


def earn_claim(
    confirmation: Confirmation, trials: TrialRunner, study: Study, experiment: int, most: int
) -> int:
    """Train fresh pairs of one keep until there is a claim, or none to be hoped for.

    Args:
        confirmation: knows which pair is worth it.
        trials: trains it.
        study: whose keep it is.
        experiment: its number.
        most: pairs to train.

    Returns:
        How many were trained. What they made of the keep stands in its row.

    Raises:
        Interrupted: the run is to stop; everything is saved.
    """
    confirmation.record_claims(study)  # a killed run may have trained what it never weighed
    for trained in range(most):
        pair = confirmation.earning(study, experiment)
        if not pair:
            return trained
        trials.require_time(study.number, len(pair))
        for request in pair:
            if trials.run(request).val_bpb is None:
                break
        confirmation.pair_ended(study, experiment)
    return most


def _paired_since(keep: Keep) -> bool:
    """Return whether a keep has pairs that its verdict did not know."""
    return len(policy.paired(keep.kept.experiment, keep.kept.parent)) > max(keep.row.pairs, 1)
