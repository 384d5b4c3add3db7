"""A worker that trains in this process: for tests of what is decided, not of how it is trained."""

import json
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from unittest.mock import patch

import autoresearch.runtime
from autoresearch.execution import Host, LocalExecutor, Message, Told, TrialSpec
from autoresearch.records.training import Outcome, Point, Timing
from autoresearch.records.values import Ending, FailureKind
from autoresearch.runtime.launch import kind_of
from autoresearch.runtime.session import Session, TrainData, map_paths
from autoresearch.workers import Assignment, PruneCheck, always, never_pruned
from autoresearch.workers.streams import parse_metric

_KINDS = {"nan": Ending.NAN, "out of memory": Ending.OUT_OF_MEMORY}
SECONDS = 1.0  # what every training takes, by its own account


class _Finished(BaseException):
    """The program handed in its checkpoint."""


class _Raced(BaseException):
    """The program was stopped early."""


@dataclass
class InlineWorker:
    """Runs a stub's `train.py` here, with a real session and no process, no limits, no clock.

    It is for stubs of the tests alone: what they do, they do to this process. Endings are those of
    `LocalWorker` for a program that finishes, raises, ends without finishing or is pruned. Where
    `fault` has an outcome, the training ends with that instead.
    """

    name: str = "inline"
    fault: Callable[[Assignment], Outcome | None] = lambda _assignment: None
    trained: list[Assignment] = field(default_factory=list)

    def prepare(self, place: Path) -> None:
        """It needs nothing."""

    def close(self) -> None:
        """It has nothing to end."""

    def train(
        self,
        assignment: Assignment,
        *,
        on_point: Callable[[Point], None],
        stop: Callable[[], bool],
        prune_check: PruneCheck = never_pruned,
        at_rest: Callable[[], bool] = always,
    ) -> Outcome:
        """Return how the training ended."""
        self.trained.append(assignment)
        if found := self.fault(assignment):
            return found
        if stop():
            return Outcome(Ending.INTERRUPTED, "interrupted")
        assignment.out.mkdir()
        return _Training(assignment, on_point, prune_check).run()


class InlineExecutor(LocalExecutor):
    """Executes a trial when it is submitted, before anything else happens."""

    def submit(self, slot: str, spec: TrialSpec, tell: Callable[[Message], None]) -> None:
        """Execute it here."""
        self._execute(slot, spec, tell)


class ShuffledExecutor(InlineExecutor):
    """Lets trials end in an order of its own: one at each `deal`.

    What they come to is known at once; only that they have ended is told later.
    """

    def __init__(self, hosts: Mapping[str, Host], stop: Callable[[], bool], seed: int = 0) -> None:
        super().__init__(hosts, stop)
        self._dice = Random(seed)
        self._ends: list[tuple[Callable[[Message], None], Message]] = []

    def submit(self, slot: str, spec: TrialSpec, tell: Callable[[Message], None]) -> None:
        """Execute it here, and keep its end back."""

        def hold(message: Message) -> None:
            if isinstance(message, Told):
                tell(message)
            else:
                self._ends.append((tell, message))

        self._execute(slot, spec, hold)

    def deal(self) -> None:
        """Let one of the trials at work end."""
        if self._ends:
            tell, message = self._ends.pop(self._dice.randrange(len(self._ends)))
            tell(message)

    def close(self) -> None:
        """Let all of them end."""
        while self._ends:
            self.deal()


@dataclass
class _Training:
    assignment: Assignment
    on_point: Callable[[Point], None]
    prune_check: PruneCheck
    curve: list[Point] = field(default_factory=list)
    hopeless: str = ""
    kind: str = ""

    def run(self) -> Outcome:
        given = self.assignment
        session = Session(
            seed=given.seed,
            budget=given.budget.training,
            clock=str(given.budget.clock),
            device=given.device,
            out=given.out,
            _hand_over=self._data,
            _send=self._event,
            _metric=self._metric,
        )
        ending, detail, told = self._execute(session)
        return Outcome(
            ending,
            detail,
            failure=FailureKind.MACHINE if self.kind == "machine" else None,
            doubtful=self.kind in ("machine", "doubtful", "out of memory"),
            traceback=told,
            checkpoint=given.out if ending is Ending.FINISHED else None,
            curve=tuple(self.curve),
            log=told.encode(),
            timing=Timing(startup=0.1, training=SECONDS, total=SECONDS + 0.2),
            peak_memory=2**20,
        )

    def _execute(self, session: Session) -> tuple[Ending, str, str]:
        source = (self.assignment.tree / self.assignment.entry).read_text("utf-8")
        try:
            with patch.object(autoresearch.runtime, "open_session", lambda: session):
                exec(compile(source, self.assignment.entry, "exec"), {"__name__": "__main__"})
        except _Finished:
            return Ending.FINISHED, "", ""
        except _Raced:
            return Ending.PRUNED, self.hopeless, ""
        except Exception as fault:  # noqa: BLE001 - whatever the stub does is its outcome
            self.kind = kind_of(fault)
            ending = _KINDS.get(self.kind, Ending.EXCEPTION)
            return ending, _line(fault), traceback.format_exc()
        return Ending.NO_FINISH, "exited without handing in a checkpoint", ""

    def _data(self) -> TrainData:
        return map_paths(lambda: ([*self.assignment.train_files], self.assignment.token_bytes))

    def _event(self, message: dict[str, object]) -> None:
        if message["event"] == "finish":
            raise _Finished

    def _metric(self, values: dict[str, float]) -> None:
        point = parse_metric(json.dumps(values).encode())
        assert point is not None
        self.curve.append(point)
        self.on_point(point)
        self.hopeless = self.prune_check(point) or ""
        if self.hopeless:
            raise _Raced


def _line(fault: BaseException) -> str:
    return f"{type(fault).__name__}: {fault}"
