"""Executing a trial once: a clean workspace, a capped training, a sealed score."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from autoresearch.errors import Interrupted
from autoresearch.gitrepo import GitRepo
from autoresearch.process import remove
from autoresearch.records.events import Event, Scoring, TrialPoint
from autoresearch.records.scores import Score, Unscored
from autoresearch.records.tables import Trial
from autoresearch.records.training import Budget, Limits, Outcome, ProfileRow
from autoresearch.records.values import Ending
from autoresearch.research.patience import Patience
from autoresearch.research.racing import Heat
from autoresearch.research.recording import Attempt
from autoresearch.workers import Assignment, Worker, unraced

_SHARE = 30  # a profile's budget is this part of a trial's
_LEAST_SECONDS = 3.0
_TEXT = 90  # characters of a line


@dataclass(frozen=True)
class TrialSetup:
    """What all trials of a study share."""

    entry: str
    device: str
    budget: Budget
    limits: Limits
    train_files: tuple[Path, ...]
    token_bytes: int
    work: Path


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
            outcome = self._train(trial, commit, place, self.setup.budget, heat=heat)
            score = None
            if outcome.checkpoint is not None:
                score = self._score(trial, commit, place, outcome.checkpoint, again)
                if isinstance(score, Score):
                    scored(outcome.checkpoint)
        return Attempt(outcome, score, heat.condemned_at if heat else None)

    def train(
        self, trial: Trial, commit: str, budget: Budget, *, profiled: bool = False
    ) -> Outcome:
        """Train a commit on a budget of its own, perhaps under the profiler, and score nothing.

        Raises:
            Interrupted: the run is to stop.
        """
        with self._place(trial) as place:
            return self._train(trial, commit, place, budget, profiled=profiled)

    def profile(self, trial: Trial, commit: str) -> Outcome:
        """Train a commit for a moment under the profiler; its lines are told with their text.

        Raises:
            Interrupted: the run is to stop.
        """
        whole = self.setup.budget
        short = max(whole.training / _SHARE, _LEAST_SECONDS)
        budget = replace(whole, training=min(whole.training, short))
        outcome = self.train(trial, commit, budget, profiled=True)
        files = self.patience.through(lambda: self.repo.read_files(commit, ("**/*.py",)))
        return replace(outcome, profile=quoted(outcome.profile, files))

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
        self,
        trial: Trial,
        commit: str,
        place: Path,
        budget: Budget,
        *,
        heat: Heat | None = None,
        profiled: bool = False,
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
                profiled=profiled,
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


def quoted(rows: Sequence[ProfileRow], files: Mapping[str, str]) -> tuple[ProfileRow, ...]:
    """Return the rows with what their lines say; none where one of them is in no file."""
    lines = {row.path: files.get(row.path, "").split("\n") for row in rows}
    found = [
        replace(row, text=lines[row.path][row.line - 1].strip()[:_TEXT])
        for row in rows
        if row.path in files and row.line <= len(lines[row.path])
    ]
    return tuple(found) if len(found) == len(rows) else ()


def _make(scratch: Path) -> None:
    remove(scratch.parent)
    scratch.mkdir(parents=True, mode=0o700)
