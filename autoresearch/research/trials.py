"""One trial from row to row: a clean workspace, a capped training, a sealed score."""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from autoresearch.errors import Interrupted
from autoresearch.gitrepo import GitRepo
from autoresearch.process import remove
from autoresearch.records.events import (
    Event,
    Notice,
    Scoring,
    TrialPoint,
    TrialScored,
    TrialStarted,
)
from autoresearch.records.scores import Disqualification, Score
from autoresearch.records.tables import Experiment, Trial
from autoresearch.records.training import Budget, Limits, Outcome
from autoresearch.records.values import Ending, Purpose, TrialState
from autoresearch.registry import Registry
from autoresearch.registry.packing import pack, pack_reals
from autoresearch.research.racing import Heat, Racing
from autoresearch.research.shelving import tidy
from autoresearch.workers import Assignment, Worker, unraced
from autoresearch.workers.shelf import Shelf

HEARTBEAT_SECONDS = 10.0


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

    def score(self, tree: Path, checkpoint: Path, scratch: Path) -> Score | Disqualification:
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


class TrialRunner:
    """Runs trials and writes them down, each before it begins and after it ends."""

    def __init__(
        self,
        setup: TrialSetup,
        *,
        registry: Registry,
        repo: GitRepo,
        worker: Worker,
        evaluator: ReadyScorer,
        see: Callable[[Event], None],
        stop: Callable[[], bool],
        broke: Callable[[], str | None] = lambda: None,
        shelf: Shelf | None = None,
        racing: Racing | None = None,
    ) -> None:
        """Build it.

        Args:
            setup: what all trials share.
            registry: where they are written down.
            repo: where their code is.
            worker: who trains.
            evaluator: who scores on val.
            see: told what happens.
            stop: asked often; true ends the trial at work.
            broke: returns why there is no money for a trial.
            shelf: where checkpoints go that `promote` may ask for; None keeps none.
            racing: who stops hopeless trials early; None lets all run.
        """
        self._setup = setup
        self._registry = registry
        self._repo = repo
        self._worker = worker
        self._evaluator = evaluator
        self._see = see
        self._stop = stop
        self._broke = broke
        self._shelf = shelf
        self._racing = racing

    def run(
        self, experiment: Experiment, seed: int, purpose: Purpose, *, incumbent: bool = False
    ) -> Trial:
        """Return this experiment's trial on this seed, from the registry if it was run already.

        To look for drift it is run again, whatever the registry has.

        Args:
            experiment: one with a commit.
            seed: of initialisation and data order.
            purpose: why, for the row and for who looks on.
            incumbent: whether it is the other side of a pair.

        Raises:
            Interrupted: the person or the deadline stopped it, and the trial's row says so; or
                there is no money to begin it.
        """
        known = self.known(experiment) if purpose is not Purpose.DRIFT else {}
        if seed in known:
            return known[seed]
        if reason := self._broke():
            raise Interrupted(reason)
        self._see(TrialStarted(int(experiment.id or 0), seed, purpose, incumbent))
        trial = self._begin(experiment, seed, purpose)
        raced = self._racing is not None and purpose is Purpose.SCREENING and not incumbent
        with self._beating(trial):
            heat = self._racing.heat(experiment, seed) if self._racing and raced else None
            trial = self._conduct(experiment, trial, heat)
        self._see(TrialScored(trial.experiment_id, seed, trial.val_bpb, trial.detail))
        if trial.ending is Ending.INTERRUPTED:
            raise Interrupted(trial.detail)
        return trial

    def prepare(self) -> None:
        """Make ready for scoring while there is something else to wait for; do not wait."""
        self._evaluator.prepare(self._setup.work)

    def close(self) -> None:
        """End what was made ready. More trials may follow."""
        self._evaluator.close()

    def known(self, experiment: Experiment) -> dict[int, Trial]:
        """Return the trial of every seed that `run` would not train again."""
        trials = [each for each in self._registry.trials(experiment) if settled(each)]
        return {each.seed: each for each in trials if each.purpose is not Purpose.DRIFT}

    def lacks(self, experiment: Experiment) -> str:
        """Return in one line what its trials lack of the person's checkout; empty if nothing."""
        found = self._repo.gaps(str(experiment.commit_sha), self._setup.entry)
        return "; ".join(map(str, found[:3]))

    def _begin(self, experiment: Experiment, seed: int, purpose: Purpose) -> Trial:
        now = self._registry.now()
        return self._registry.save(
            Trial(
                experiment_id=int(experiment.id or 0),
                seed=seed,
                purpose=purpose,
                worker=self._worker.name,
                state=TrialState.RUNNING,
                started_at=now,
                heartbeat_at=now,
            )
        )

    def _conduct(self, experiment: Experiment, trial: Trial, heat: Heat | None) -> Trial:
        place = self._setup.work / f"trial-{trial.id}"
        scratch = place / "scratch"
        scratch.mkdir(parents=True, mode=0o700)
        commit = str(experiment.commit_sha)
        try:
            with self._repo.workspace(commit, place / "tree") as tree:
                outcome = self._train(trial, tree, scratch, heat)
            score: Score | Disqualification | None = None
            if outcome.checkpoint is not None and not self._stop():
                self._see(Scoring(trial.experiment_id))
                # A second export: the training process could have written into the first one.
                with self._repo.workspace(commit, place / "tree") as tree:
                    score = self._evaluator.score(tree, outcome.checkpoint, scratch)
                if isinstance(score, Score):
                    self._shelve(trial, outcome.checkpoint)
        finally:
            remove(place)
        trial.condemned_at = heat.condemned_at if heat else None
        done = self._end(trial, outcome, score)
        self.tidy()
        return done

    def tidy(self) -> None:
        """Remove the checkpoints that nobody will ask for."""
        if self._shelf is not None:
            tidy(self._shelf, self._registry)

    def _shelve(self, trial: Trial, checkpoint: Path) -> None:
        if self._shelf is not None and not self._shelf.put(int(trial.id or 0), checkpoint):
            self._see(Notice(f"no room to keep the checkpoint of trial {trial.id} for `promote`"))

    def _train(self, trial: Trial, tree: Path, scratch: Path, heat: Heat | None) -> Outcome:
        assignment = Assignment(
            tree=tree,
            scratch=scratch,
            entry=self._setup.entry,
            seed=trial.seed,
            device=self._setup.device,
            budget=self._setup.budget,
            limits=self._setup.limits,
            train_files=self._setup.train_files,
            token_bytes=self._setup.token_bytes,
        )
        self._evaluator.settle()
        return self._worker.train(
            assignment,
            on_point=lambda point: self._see(TrialPoint(point)),
            stop=self._stop,
            race=heat or unraced,
        )

    @contextmanager
    def _beating(self, trial: Trial) -> Iterator[None]:
        """Tell the registry every few seconds that this run is alive, whatever it waits for."""
        over = threading.Event()

        def beat() -> None:
            while not over.wait(HEARTBEAT_SECONDS):
                self._registry.heartbeat(trial)

        heart = threading.Thread(target=beat, name="heartbeat", daemon=True)
        heart.start()
        try:
            yield
        finally:
            over.set()
            heart.join()

    def _end(self, trial: Trial, outcome: Outcome, score: Score | Disqualification | None) -> Trial:
        done = trial.model_copy(update=_trained(outcome))
        if isinstance(score, Score):
            done = done.model_copy(update=_scored(score))
        elif isinstance(score, Disqualification):
            done.detail = f"{score.rule}: {score.reason}"
        elif outcome.ending is Ending.FINISHED:
            done.ending = Ending.INTERRUPTED
        done.state = TrialState.DONE
        done.finished_at = self._registry.now()
        return self._registry.save(done)


def settled(trial: Trial) -> bool:
    """Return whether a trial came to an end of its own, with a score or without."""
    return trial.state is TrialState.DONE and trial.ending is not Ending.INTERRUPTED


def _trained(outcome: Outcome) -> Mapping[str, object]:
    return {
        "ending": outcome.ending,
        "detail": outcome.detail,
        "startup_seconds": outcome.timing.startup,
        "training_seconds": outcome.timing.training,
        "total_seconds": outcome.timing.total,
        "steps": outcome.steps,
        "tokens": outcome.tokens,
        "peak_memory": outcome.peak_memory,
        "exit_code": outcome.exit_code,
        "signal": outcome.signal,
        "traceback": outcome.traceback,
        "facts": dict(outcome.facts),
        "curve": [[p.step, p.loss, p.tokens, p.progress, p.seconds] for p in outcome.curve],
        "log": pack(outcome.log),
    }


def _scored(score: Score) -> Mapping[str, object]:
    return {
        "val_bpb": score.bpb,
        "trust": score.trust,
        "mismatch": score.mismatch,
        "scoring_seconds": score.seconds,
        "doc_bits": pack_reals(score.doc_bits),
    }
