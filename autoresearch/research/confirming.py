"""Earning claims: a share of the training time goes into fresh pairs of what was kept."""

from dataclasses import dataclass

from autoresearch import policy
from autoresearch.records.tables import Experiment, Study
from autoresearch.records.values import Purpose, Verdict
from autoresearch.registry import Registry
from autoresearch.research.books import Books, Keep
from autoresearch.research.comparing import Comparing
from autoresearch.research.remembering import Memory, remember
from autoresearch.research.trials import settled


@dataclass(frozen=True)
class NextPair:
    """The keep that a fresh pair should go to, and the seed."""

    keep: Keep
    seed: int


class Confirming:
    """A chore: trains the pair nearest to a claim, and takes back what proves to be none."""

    def __init__(
        self, share: float, registry: Registry, comparing: Comparing, books: Books
    ) -> None:
        """Build it; `share` of a study's training time is what it may take."""
        self._share = share
        self._registry = registry
        self._comparing = comparing
        self._books = books

    def due(self, study: Study) -> bool:
        """Return whether less than the share was spent, and a pair would be worth it."""
        seconds = self._registry.seconds(study)
        behind = seconds.get(Purpose.CONFIRMING, 0.0) < self._share * sum(seconds.values())
        return behind and self._next(study) is not None

    def do(self, study: Study) -> None:
        """Train one pair and write down what follows.

        Raises:
            Interrupted: the run is to stop; everything is saved.
        """
        if chosen := self._next(study):
            self.pair(study, chosen.keep.row, chosen.seed)

    def pair(self, study: Study, experiment: Experiment, seed: int) -> None:
        """Train a keep and its parent on a seed; write the claims, un-keep what was none.

        Raises:
            Interrupted: the run is to stop; everything is saved.
        """
        parent = self._registry.experiment(int(experiment.parent_id or 0))
        failed = self._comparing.pair(experiment, parent, seed, Purpose.CONFIRMING)
        self._books.settle(study)
        if failed is not None and failed.verdict is not Verdict.DISCARD:
            self._books.take_back(study, experiment, f"on seed {seed}: {failed.reason}")
            return
        memory = remember(self._registry, study)
        for keep in self._books.keeps(study, memory):
            if keep.row.id == experiment.id and self._refuted(keep, memory):
                self._books.take_back(study, keep.row, f"further pairs: {keep.row.claim_reason}")

    def _refuted(self, keep: Keep, memory: Memory) -> bool:
        return policy.should_unkeep(keep.kept, memory.noise, memory.belief.prior)

    def _next(self, study: Study) -> NextPair | None:
        memory = remember(self._registry, study)
        open_ = [each for each in self._books.keeps(study, memory) if self._can_be_paired(each)]
        worth = policy.worth_confirming(
            [each.kept for each in open_], memory.noise, memory.belief.prior
        )
        return NextPair(open_[worth[0]], worth[1]) if worth else None

    def _can_be_paired(self, keep: Keep) -> bool:
        # A parent that failed on a seed fails on it again, and the same pair would be chosen again.
        parent = self._registry.experiment(int(keep.row.parent_id or 0))
        trials = filter(settled, self._registry.trials(parent))
        return all(trial.val_bpb is not None for trial in trials)
