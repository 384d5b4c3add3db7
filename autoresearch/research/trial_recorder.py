"""The rows of trials: each is written before its training begins and after it ends."""

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from autoresearch.errors import Interrupted, SlotLostError
from autoresearch.execution import TrialResult
from autoresearch.records.phases import SlotTime
from autoresearch.records.scores import Score, Unscored
from autoresearch.records.tables import Experiment, Trial
from autoresearch.records.training import Outcome
from autoresearch.records.values import Ending, FailureKind, Purpose, TrialState
from autoresearch.registry import Registry
from autoresearch.registry.packing import pack, pack_reals


class TrialRecorder:
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
                experiment_id=experiment.number,
                seed=seed,
                purpose=purpose,
                worker=self._worker,
                state=TrialState.RUNNING,
                started_at=now,
                heartbeat_at=now,
            )
        )

    def end(
        self,
        trial: Trial,
        result: TrialResult,
        failure: FailureKind | None,
        took: SlotTime | None = None,
    ) -> Trial:
        """Write and return the row of a trial that has ended, and whose fault it was, if any's.

        `took` is its time on its slot, where that is its own: a canary's is another trial's.
        """
        done = trial.model_copy(update={**_trained(result.outcome), **_took(took)})
        done.pruned_at, done.failure = result.pruned_at, failure
        if isinstance(result.score, Score):
            done = done.model_copy(update=_scored(result.score))
        elif isinstance(result.score, Unscored):
            done.detail = f"{result.score.cause}: {result.score.reason}"
        return self._finished(done)

    @contextmanager
    def broken_off(
        self, trial: Trial, took: Callable[[], SlotTime | None] = lambda: None
    ) -> Iterator[None]:
        """Write a trial's row where it is broken off, by the end of the run or of its machine.

        `took` returns its time on its slot, and is called in either case.
        """
        try:
            yield
        except (Interrupted, SlotLostError) as why:
            spent, changes = took(), dict[str, object](detail=str(why))
            if isinstance(why, Interrupted):
                changes |= {"ending": Ending.INTERRUPTED, **_took(spent)}
            else:  # it is no idea's fault
                changes |= {"ending": Ending.NOT_STARTED, "failure": FailureKind.MACHINE}
                changes |= _took(spent and spent.spoiled)
            self._finished(trial.model_copy(update=changes))
            raise

    def _finished(self, trial: Trial) -> Trial:
        trial.state, trial.finished_at = TrialState.DONE, self._registry.now()
        return self._registry.save(trial)


def is_finished(trial: Trial) -> bool:
    """Return whether a trial came to an end of its own, with a score or without.

    What the machine or a person broke off is trained again; some were never to be scored.
    """
    return (
        trial.state is TrialState.DONE
        and trial.ending is not Ending.INTERRUPTED
        and trial.failure is not FailureKind.MACHINE
        and trial.purpose.scored
    )


def finished(registry: Registry, experiment: Experiment) -> list[Trial]:
    """Return an experiment's trials that came to an end of their own, oldest first."""
    return [each for each in registry.trials(experiment) if is_finished(each)]


def _trained(outcome: Outcome) -> Mapping[str, object]:
    return {
        "ending": outcome.ending,
        "detail": outcome.detail,
        "startup_seconds": outcome.timing.startup,
        "compile_seconds": outcome.timing.compiling,
        "training_seconds": outcome.timing.training,
        "total_seconds": outcome.timing.total,
        "steps": outcome.steps,
        "tokens": outcome.tokens,
        "hardware": outcome.hardware.stored if outcome.hardware else {},
        "peak_memory": outcome.peak_memory,
        "exit_code": outcome.exit_code,
        "signal": outcome.signal,
        "traceback": outcome.traceback,
        "facts": dict(outcome.facts),
        "profile": [[r.depth, r.share, r.path, r.line, r.text] for r in outcome.profile],
        "curve": [[p.step, p.loss, p.tokens, p.progress, p.seconds] for p in outcome.curve],
        "log": pack(outcome.log),
    }


def _took(took: SlotTime | None) -> Mapping[str, object]:
    if took is None:
        return {}
    return {
        "waiting_seconds": took.waiting,
        "idle_seconds": took.idle,
        "paused_seconds": took.paused,
        "machine_seconds": took.machine,
        "deciding_seconds": took.deciding,
        "slot_seconds": took.on_slot,
    }


def _scored(score: Score) -> Mapping[str, object]:
    return {
        "val_bpb": score.bpb,
        "trust": score.trust,
        "mismatch": score.mismatch,
        "detectable": score.detectable,
        "scoring_seconds": score.seconds,
        "doc_bits": pack_reals(score.doc_bits),
        "numbers": {name: each for name, each in score.numbers.items() if math.isfinite(each)},
    }
