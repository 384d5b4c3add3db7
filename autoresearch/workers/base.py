"""What a worker is asked for, and the Protocol it follows."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from autoresearch.records.training import Budget, Limits, Outcome, Point

PruneCheck = Callable[[Point], str | None]


def always() -> bool:
    """Have a trial wait for nothing."""
    return True


def never_pruned(_point: Point) -> str | None:
    """Give no trial up."""
    return None


@dataclass(frozen=True)
class Assignment:
    """One trial to execute.

    `tree` is a clean export of the commit and the trial's working folder; `scratch` is an empty
    private folder that is the caller's to remove; `entry` is the program in `tree`;
    `train_files` are the train split's files, tokens of `token_bytes` bytes each; `trusted` is what
    no proposal has touched: what it compiles is kept for the trials that follow. One that is
    `profiled` is watched for where its time goes, and trains a little slower. A `canary` only shows
    whether the machine can train: what has no short way to do so need not come to its end.
    """

    tree: Path
    scratch: Path
    entry: str
    seed: int
    device: str
    budget: Budget
    limits: Limits
    train_files: tuple[Path, ...]
    token_bytes: int
    trusted: bool = False
    profiled: bool = False
    canary: bool = False

    @property
    def out(self) -> Path:
        """Where the trial leaves its checkpoint; made by the worker."""
        return self.scratch / "out"


class Worker(Protocol):
    """Executes trials, one at a time."""

    def prepare(self, place: Path) -> None:
        """Start in a folder what the next trial can use; do not wait."""

    def close(self) -> None:
        """End what was started and not used. More trials may follow."""

    @property
    def name(self) -> str:
        """Return what the registry calls it."""

    def train(
        self,
        assignment: Assignment,
        *,
        on_point: Callable[[Point], None],
        stop: Callable[[], bool],
        prune_check: PruneCheck = never_pruned,
        at_rest: Callable[[], bool] = always,
    ) -> Outcome:
        """Return how the trial ended; a failure of whatever kind is an outcome, not an exception.

        Args:
            assignment: the trial.
            on_point: told metrics as they come; of those that come at once, the last.
            stop: asked often; true ends the trial as INTERRUPTED.
            prune_check: told every metric; a sentence, why it is hopeless, ends it as PRUNED.
            at_rest: asked often; the trial's clock does not start, nor has it its data, before
                this is true: that nothing else of ours takes anything from it.

        Raises:
            WorkerError: no trial can be run on this corpus.
        """
