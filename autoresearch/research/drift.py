"""Looking for drift: now and then the incumbent is trained again on a seed that it has."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from autoresearch import policy
from autoresearch.records.events import Event, Notice
from autoresearch.records.hardware import Hardware, RanOn
from autoresearch.records.tables import Experiment, Study, Trial
from autoresearch.records.values import Purpose, Reading
from autoresearch.registry import Registry
from autoresearch.research.posterior import fit_posterior
from autoresearch.research.requests import Request
from autoresearch.research.trial_recorder import finished

# After so long a machine may be another one; but long trainings are not half of them repetitions.
_A_WHILE = timedelta(hours=3)
_TRAININGS = 10


@dataclass(frozen=True)
class DriftChecks:
    """Says, after so many trainings, whether the machine is the one it was.

    What the incumbent read on another machine is unfair to whatever is compared with it: faster,
    and everything looks better. `every` counts the experiments trained since the incumbent was last
    trained itself; 0 is never. Hours make as much of a difference: a study may go on another day.
    """

    every: int
    registry: Registry
    on_event: Callable[[Event], None]

    def moved(self, study: Study) -> bool:
        """Let rest what was read on other hardware, as trials say; return whether there was any."""
        change = _other_hardware(self.registry.ran_on(study))
        if change:
            self._rest(study, *change)
        return change is not None

    def begin_with(self, study: Study, trial: Trial) -> None:
        """Let rest what was read before a trial, whose kind of hardware is the usual from it on."""
        self._rest(study, trial.number, "most slots are of another kind than before")

    def set_aside(self, study: Study, trial: Trial) -> None:
        """Let what a trial read be compared with nothing: its slot is not like the others."""
        told = f"trial {trial.number} ran on a slot that is not like the others"
        self._rest(study, trial.number, told, trial.number + 1)

    def catch_up(self, study: Study) -> bool:
        """Let rest what a killed run did not; return whether there was anything.

        What was read on several kinds of hardware is not sorted any more: all of it rests.
        """
        ran_on = self.registry.ran_on(study)
        if not any(each.hardware.unlike(ran_on[-1].hardware) for each in ran_on):
            return False
        self._rest(study, ran_on[-1].trial + 1, "the last run's slots were of several kinds")
        return True

    def due(self, study: Study) -> Request | None:
        """Return the incumbent's trial to repeat if its newest reading has grown old, else None."""
        incumbent = self.registry.incumbent(study)
        if not self.every or incumbent is None:
            return None
        last = finished(self.registry, incumbent)
        then = _newest(study, last)
        if then is None or not self._is_old(study, incumbent, last[-1]):
            return None
        number = incumbent.number
        return Request(number, then.seed, Purpose.DRIFT, of=number)

    def _is_old(self, study: Study, incumbent: Experiment, last: Trial) -> bool:
        ended = last.finished_at
        long = max(_A_WHILE, _TRAININGS * timedelta(seconds=last.total_seconds))
        if ended is not None and self.registry.now() - ended > long:
            return True
        return self.registry.trained_since(study, last.number, incumbent) >= self.every

    def missed(self, study: Study) -> Trial | None:
        """Return the incumbent's last repetition if nothing was decided since it ended.

        What it says of the machine may then be known to nobody: its run was killed.
        """
        incumbent = self.registry.incumbent(study)
        last = finished(self.registry, incumbent) if incumbent else []
        again = last[-1] if last and last[-1].purpose is Purpose.DRIFT else None
        if again is None or again.finished_at is None:
            return None
        decided = (row.finished_at for row in self.registry.experiments(study) if row.finished_at)
        return None if any(each > again.finished_at for each in decided) else again

    def ended(self, study: Study, again: Trial) -> None:
        """Take a repetition in: where the machine has changed, its readings are let rest."""
        of = self.registry.experiment(again.experiment_id, whole=False)
        before = finished(self.registry, of)
        then = _newest(study, [each for each in before if each.seed == again.seed])
        if again.val_bpb is None:
            said = f"the incumbent, trained again on seed {again.seed}, came to no score"
            self.on_event(Notice(f"{said}: {again.ending}: {again.detail}"))
        elif then is not None:
            noise = fit_posterior(self.registry, study).noise
            found = policy.drift(_reading(again), _reading(then), noise, study.metric)
            if found.changed:
                told = f"the incumbent (experiment {of.id}), trained again on the same seed, "
                self._rest(study, again.number, told + found.description)

    def _rest(self, study: Study, first: int, told: str, again: int | None = None) -> None:
        """Let rest what was read before a trial, by its number: the first on another machine.

        Where that is one trial alone, `again` is the first after it. What rests already, does.
        """
        study = self.registry.study(study.tag) or study  # trials write what they measured into it
        firsts = (first,) if again is None else (first, again)
        changes = [each - 1 for each in firsts if each - 1 > study.steady_since]
        if not changes:
            return
        all_changes = [*study.machine_changes, *changes]
        self.registry.save(study.model_copy(update={"machine_changes": all_changes}))
        if first - 1 in changes:
            told = f"the machine has changed: {told}; the next comparison is on a fresh seed, with "
            self.on_event(Notice(f"{told}both sides trained"))


def _other_hardware(ran_on: Sequence[RanOn]) -> tuple[int, str] | None:
    """Return the first trial that ran on something else than the one before it, and what that is.

    A card's power limit may change in the middle of a night, and not only the card. Each slot is
    held against itself: where it changes on one of two cards, the two differ from then on.
    """
    before: dict[str, Hardware] = {}
    for each in ran_on:
        told = before.get(each.worker, each.hardware).unlike(each.hardware)
        if told:
            return each.trial, "; ".join(told)
        before[each.worker] = each.hardware
    return None


def _newest(study: Study, trials: list[Trial]) -> Trial | None:
    """Return the newest reading that comparisons rest on, None where there is none."""
    for trial in reversed(trials):
        scored = trial.val_bpb is not None and trial.purpose is not Purpose.DRIFT
        if scored and trial.number > study.steady_since:
            return trial
    return None


def _reading(trial: Trial) -> Reading:
    assert trial.val_bpb is not None
    return Reading(trial.seed, trial.val_bpb, trial.steps)
