"""The rows of trials: each is written before its training begins and after it ends."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from autoresearch.records.scores import Score, Unscored
from autoresearch.records.tables import Experiment, Trial
from autoresearch.records.training import Outcome
from autoresearch.records.values import Ending, FailureKind, Purpose, TrialState
from autoresearch.registry import Registry
from autoresearch.registry.packing import pack, pack_reals

HEARTBEAT_SECONDS = 10.0


@dataclass(frozen=True)
class Attempt:
    """What executing a trial once gave. `score` is None where there was nothing to score."""

    outcome: Outcome
    score: Score | Unscored | None = None
    condemned_at: float | None = None

    @property
    def failure(self) -> FailureKind | None:
        """Whose fault it seems that there is no score; None where there is one, or no fault."""
        return self.score.kind if isinstance(self.score, Unscored) else self.outcome.failure


class Recording:
    """Writes trials into the registry."""

    def __init__(self, registry: Registry, worker: str) -> None:
        """Build it; `worker` is the name of who trains."""
        self._registry = registry
        self._worker = worker

    def begin(self, experiment: Experiment, seed: int, purpose: Purpose) -> Trial:
        """Write and return the row of a trial that is about to begin."""
        now = self._registry.now()
        return self._registry.save(
            Trial(
                experiment_id=int(experiment.id or 0),
                seed=seed,
                purpose=purpose,
                worker=self._worker,
                state=TrialState.RUNNING,
                started_at=now,
                heartbeat_at=now,
            )
        )

    def end(self, trial: Trial, attempt: Attempt, failure: FailureKind | None) -> Trial:
        """Write and return the row of a trial that has ended, and whose fault it was, if any's."""
        done = trial.model_copy(update=_trained(attempt.outcome))
        done.condemned_at, done.failure = attempt.condemned_at, failure
        if isinstance(attempt.score, Score):
            done = done.model_copy(update=_scored(attempt.score))
        elif isinstance(attempt.score, Unscored):
            done.detail = f"{attempt.score.cause}: {attempt.score.reason}"
        return self._finished(done)

    def interrupted(self, trial: Trial, reason: str) -> Trial:
        """Write and return the row of a trial that was given up because the run is to stop."""
        ending = {"ending": Ending.INTERRUPTED, "detail": reason}
        return self._finished(trial.model_copy(update=ending))

    @contextmanager
    def beating(self, trial: Trial) -> Iterator[None]:
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

    def _finished(self, trial: Trial) -> Trial:
        trial.state, trial.finished_at = TrialState.DONE, self._registry.now()
        return self._registry.save(trial)


def settled(trial: Trial) -> bool:
    """Return whether a trial came to an end of its own, with a score or without.

    What the machine or a person broke off is trained again; some were never to be scored.
    """
    return (
        trial.state is TrialState.DONE
        and trial.ending is not Ending.INTERRUPTED
        and trial.failure is not FailureKind.MACHINE
        and trial.purpose.scored
    )


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
        "profile": [[r.depth, r.share, r.path, r.line, r.text] for r in outcome.profile],
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
