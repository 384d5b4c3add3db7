"""Which trial is wanted, and how it is asked for."""

from dataclasses import dataclass

from autoresearch.config import EvaluationSettings
from autoresearch.execution import TrialSpec
from autoresearch.records.tables import Trial
from autoresearch.records.training import Budget, Limits
from autoresearch.records.values import Purpose


@dataclass(frozen=True)
class TrialSetup:
    """What all trials of a study share; see `TrialSpec`.

    `base_commit` is the person's own code; `tolerance` how far predictions may differ where a study
    has not measured that; `shown` what trials find beside their commit.
    """

    entry: str
    device: str
    corpus: str
    budget: Budget
    limits: Limits
    base_commit: str = ""
    tolerance: float = EvaluationSettings().tolerance
    shown: tuple[str, ...] = ()

    def spec(self, trial: Trial, commit: str) -> TrialSpec:
        """Return what is asked for with a trial's row."""
        return TrialSpec(
            number=trial.number,
            commit=commit,
            entry=self.entry,
            seed=trial.seed,
            device=self.device,
            corpus=self.corpus,
            budget=self.budget,
            limits=self.limits,
            trusted=commit == self.base_commit,
        )


@dataclass(frozen=True)
class Request:
    """A trial that is wanted: of which experiment, on which seed and why.

    `of` is the experiment for whose sake it is run: where that is another, this is the other side
    of its pair.
    """

    experiment: int
    seed: int
    purpose: Purpose
    of: int

    @property
    def code(self) -> tuple[int, int]:
        """The code and the seed: what is trained once, however many wait for it."""
        return self.experiment, self.seed

    @property
    def is_reading(self) -> bool:
        """Whether verdicts rest on it: a repetition and a profile stand beside the readings."""
        return self.purpose not in (Purpose.DRIFT, Purpose.PROFILE)

    @property
    def incumbent(self) -> bool:
        """Whether it is the other side of a pair."""
        return self.experiment != self.of


Wanted = tuple[Request, ...]  # trials still to be run, the most needed first; none are known


def without(wanted: Wanted, request: Request) -> Wanted:
    """Return a group without a trial that begins."""
    return tuple(each for each in wanted if each is not request)


def unclaimed(wanted: Wanted, taken: set[tuple[int, int]]) -> Wanted:
    """Return what of a group nobody else trains already, and note it as taken."""
    found = tuple(each for each in wanted if each.code not in taken)
    taken.update(each.code for each in found)
    return found


def left_of(wanted: Wanted | None, over: Request, of: int | None, *, scored: bool) -> Wanted | None:
    """Return what an experiment's group of trials still needs once a trial is over.

    None where that must be decided anew: its last trial is over, or the trial failed, so that there
    is nothing to compare the others with. A trial that is not of the group changes nothing.

    Args:
        wanted: the trials of the group that have not begun.
        over: the trial that is over.
        of: the experiment that the group is for.
        scored: whether the trial has a score.
    """
    mine = over.of == of or any(each.code == over.code for each in wanted or ())
    if not mine or not wanted:
        return wanted
    return (tuple(each for each in wanted if each.code != over.code) or None) if scored else None
