"""Executing a trial once: a clean workspace, a capped training, a sealed score."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from autoresearch.errors import Interrupted
from autoresearch.gitrepo import GitRepo
from autoresearch.process import remove
from autoresearch.records.events import Event, Scoring, TrialPoint
from autoresearch.records.scores import Score, Unscored
from autoresearch.records.tables import Trial
from autoresearch.records.training import Budget, Limits, Outcome
from autoresearch.records.values import Ending
from autoresearch.research.patience import Patience
from autoresearch.research.racing import Heat
from autoresearch.research.recording import Attempt
from autoresearch.workers import Assignment, Worker, unraced


@dataclass(frozen=True)
class TrialSetup:
    """What all trials of a study share. `base_commit` is the person's own code."""

    entry: str
    device: str
    budget: Budget
    limits: Limits
    train_files: tuple[Path, ...]
    token_bytes: int
    work: Path
    base_commit: str = ""


class Scorer(Protocol):
    """What turns a checkpoint into a score; see `evaluation.Evaluator`."""

    def score(self, tree: Path, checkpoint: Path, scratch: Path) -> Score | Unscored:
        """Return the score, or why there is none."""
        ...


class ReadyScorer(Scorer, Protocol):
    """A scorer that can make ready for its next score beforehand."""

    def prepare(self, place: Path) -> None:
        """Start in a folder what the next score can use; do not wait."""
        ...

    def settle(self) -> None:
        """Wait until what was started is at rest: a training should have the machine to itself."""
        ...

    def close(self) -> None:
        """End what was started and not used."""
        ...


@dataclass(frozen=True)
class Executing:
    """Trains and scores; writes nothing down. `setup` is what all trials share."""

    setup: TrialSetup
    repo: GitRepo
    worker: Worker
    evaluator: ReadyScorer
    patience: Patience

    def see(self, event: Event) -> None:
        """Tell what happens."""
        self.patience.see(event)

    def execute(
        self,
        trial: Trial,
        commit: str,
        *,
        heat: Heat | None,
        again: Callable[[Unscored], bool],
        scored: Callable[[Path], None],
    ) -> Attempt:
        """Train a commit and score what comes of it.

        Args:
            trial: its row, for the seed and for the name of its folder.
            commit: what is trained.
            heat: stops it early if it is hopeless; None lets it run.
            again: told why there is no score; true has the same checkpoint scored once more.
            scored: given the checkpoint of one that has its score, before it goes.

        Raises:
            Interrupted: the run is to stop.
        """
        with self._place(trial) as place:
            outcome = self._train(trial, commit, place, self.setup.budget, heat)
            score = None
            if outcome.checkpoint is not None:
                score = self._score(trial, commit, place, outcome.checkpoint, again)
                if isinstance(score, Score):
                    scored(outcome.checkpoint)
        return Attempt(outcome, score, heat.condemned_at if heat else None)

    def train(self, trial: Trial, commit: str, budget: Budget) -> Outcome:
        """Train a commit on a budget of its own, and score nothing.

        Raises:
            Interrupted: the run is to stop.
        """
        with self._place(trial) as place:
            return self._train(trial, commit, place, budget, None)

    @contextmanager
    def _place(self, trial: Trial) -> Iterator[Path]:
        place = self.setup.work / f"trial-{trial.id}"
        try:
            self.patience.through(lambda: _make(place / "scratch"))
            yield place
        finally:
            remove(place)

    @contextmanager
    def _workspace(self, commit: str, place: Path) -> Iterator[Path]:
        with ExitStack() as held:
            tree = place / "tree"
            yield self.patience.through(
                lambda: held.enter_context(self.repo.workspace(commit, tree, self.patience.stop))
            )

    def _train(
        self, trial: Trial, commit: str, place: Path, budget: Budget, heat: Heat | None
    ) -> Outcome:
        setup = self.setup
        with self._workspace(commit, place) as tree:
            assignment = Assignment(
                tree=tree,
                scratch=place / "scratch",
                entry=setup.entry,
                seed=trial.seed,
                device=setup.device,
                budget=budget,
                limits=setup.limits,
                train_files=setup.train_files,
                token_bytes=setup.token_bytes,
                trusted=commit == setup.base_commit,
            )
            self.evaluator.settle()
            outcome = self.worker.train(
                assignment,
                on_point=lambda point: self.see(TrialPoint(point)),
                stop=self.patience.stop,
                race=heat or unraced,
            )
        if outcome.ending is Ending.INTERRUPTED:
            raise Interrupted(outcome.detail)
        return outcome

    def _score(
        self,
        trial: Trial,
        commit: str,
        place: Path,
        checkpoint: Path,
        again: Callable[[Unscored], bool],
    ) -> Score | Unscored:
        while True:
            if self.patience.stop():
                msg = "stopped by the person or the deadline"
                raise Interrupted(msg)
            self.see(Scoring(trial.experiment_id))
            # Another export: the training process could have written into the first one.
            with self._workspace(commit, place) as tree:
                found = self.evaluator.score(tree, checkpoint, place / "scratch")
            if isinstance(found, Score) or not again(found):
                return found


def _make(scratch: Path) -> None:
    remove(scratch.parent)
    scratch.mkdir(parents=True, mode=0o700)
