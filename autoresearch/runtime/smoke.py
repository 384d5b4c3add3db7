"""``python -m autoresearch.runtime.smoke ENTRY REQUEST``: a training in miniature, then a look.

The entry runs as in a trial, from the current folder, but its session counts steps instead of
seconds and ends it at `finish`. Then the checkpoint is loaded as the evaluator does, in a process
that has not trained (`smoke_apart`), and asked for a few predictions (`smoke_checkpoint`).
An `abstract` smoke test has tensors without numbers and ends with its first step. How it went is
JSON lines on the descriptor that the variable AUTORESEARCH_ANSWER_FD names: `began`, `stepped`
with the first step that is logged, then `passed` or `failed`. No accelerator is there, and the
machine may be short of something; a failure that may come from that is told as such (`lacks`,
`scarce`).
Nothing here guards anything: the code under smoke test shares this process.
"""

import contextlib
import functools
import json
import os
import re
import runpy
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from autoresearch import runtime
from autoresearch.runtime import session as sessions
from autoresearch.runtime.arrays import TORCH
from autoresearch.runtime.launch import report
from autoresearch.runtime.serve import import_entry, import_torch
from autoresearch.runtime.smoke_apart import Apart
from autoresearch.runtime.smoke_faults import hint, lacking, scarce, where

ANSWER_FD = "AUTORESEARCH_ANSWER_FD"
NO_FINISH = "no finish"
_NUMBERLESS = re.compile(r"\bmeta\b|NotImplementedError", re.IGNORECASE)
_MAX_SOURCES = 100  # looked at for whether there is PyTorch in them


@dataclass(frozen=True)
class Request:
    """What the harness asks for: `steps` of training on the files in `data`.

    `budget` is in seconds, for show; after `patience` seconds of the budget's clock progress no
    longer waits for steps to be logged. `out` takes the checkpoint. `memory` is how many bytes a
    training may use. `abstract`: tensors have no numbers. `arrays`: what the model gives.
    """

    steps: int
    context: int
    vocab: int
    seed: int
    budget: float
    clock: str
    patience: float
    out: str
    data: str
    token_bytes: int
    memory: int
    abstract: bool = False
    arrays: str = TORCH


@dataclass
class SmokeSession(sessions.Session):
    """A session whose progress is counted in logged steps, and which `finish` ends."""

    steps: int = 1
    patience: float = 30.0
    finished: bool = False
    _taken: int = 0

    @property
    def seconds(self) -> float:
        """Virtual seconds of training: each logged step is an equal share of the budget."""
        # One share more than steps: whoever stops before a step too many still takes them all.
        share = max(self._taken / (self.steps + 1), super().seconds / self.patience)
        return share * self.budget

    def log(self, *, step: int, loss: float, tokens: int) -> None:
        """See `Session`."""
        super().log(step=step, loss=loss, tokens=tokens)
        self._taken = max(self._taken + 1, int(step))

    def finish(self) -> None:
        """See `Session`; the harness would end the process here.

        Raises:
            SystemExit: as the end of the training.
        """
        super().finish()
        self.end()

    def end(self) -> None:
        """End the training, which has shown what it should."""
        self.finished = True
        raise SystemExit(0)


class Abstract(SmokeSession):
    """A session without numbers, which ends with the first step."""

    def start(self) -> sessions.TrainData:
        """See `Session`."""
        from autoresearch.runtime import smoke_torch  # noqa: PLC0415 - it imports PyTorch

        smoke_torch.compute_again()  # the text is there
        return super().start()

    def log(self, *, step: int, loss: float, tokens: int) -> None:
        """See `Session`."""
        del step, loss, tokens
        self.end()

    def finish(self) -> None:
        """See `Session`; nothing is saved that could be handed in."""
        self.end()


def main() -> None:
    """Smoke-test the entry named on the command line."""
    entry, request = sys.argv[1], Request(**json.loads(sys.argv[2]))
    tree = Path.cwd()
    sys.argv = sys.argv[1:2]
    sys.path.insert(0, str(tree))
    answer = int(os.environ.pop(ANSWER_FD))
    os.set_inheritable(answer, False)  # noqa: FBT003 - it takes no keyword
    os.write(answer, _line(event="began"))
    try:
        _prepare_torch(tree, request)
        apart = Apart(lambda: _attempt(tree, request, lambda: _look(tree / entry, request)))
        os.write(
            answer,
            _attempt(tree, request, lambda: _smoke_test(tree, entry, request, apart, answer)),
        )
    finally:
        os._exit(0)  # threads of a broken training must not keep it alive


def _prepare_torch(tree: Path, request: Request) -> None:
    """Import PyTorch, once for this process and the other, where the project uses it."""
    sources = sorted(tree.rglob("*.py"))[:_MAX_SOURCES]
    if not any(b"torch" in each.read_bytes() for each in sources):
        return
    with contextlib.suppress(Exception):  # it will fail in the training, too
        import_torch()
        from autoresearch.runtime import smoke_torch  # noqa: PLC0415 - it imports PyTorch

        smoke_torch.compile_nothing()
        if request.abstract:
            smoke_torch.compute_nothing()


def _attempt(tree: Path, request: Request, work: Callable[[], bytes]) -> bytes:
    """Return the answer, whatever happens."""
    try:
        return work()
    except BaseException as fault:  # noqa: BLE001 - where an interrupt struck is an answer, too
        return _failed(fault, tree, request)


def _failed(fault: BaseException, tree: Path, request: Request) -> bytes:
    told = traceback.TracebackException.from_exception(fault)
    lacks, short = lacking(fault), scarce(fault, request.memory)
    if request.abstract and _NUMBERLESS.search(f"{type(fault).__name__} {fault}"):
        short = "numbers"
    place = where(told, tree)
    answer = json.loads(report(fault, "".join(told.format()), where=place))
    return _line(**answer, lacks=lacks, scarce=short)


def _smoke_test(tree: Path, entry: str, request: Request, apart: Apart, answer: int) -> bytes:
    session = _session(request, answer)
    for module in (runtime, sessions):  # whoever opens a session here gets this one
        vars(module)["open_session"] = lambda **_wishes: session
    end = None
    try:
        runpy.run_path(entry, run_name="__main__")
    except SystemExit as ending:
        if not session.finished and ending.code:
            message = f"it exited with {ending.code!r}"[:1000]
            return _line(event="failed", message=message, lacks=hint(message))
        end = ending  # it holds what the training has made
    if not session.finished:
        return _line(event="failed", kind=NO_FINISH, message="it ended without finish()")
    if request.abstract:
        return _line(event="passed")
    said = apart.result()
    doubted = json.loads(said).get("doubt")
    if doubted:
        _settle(Path(doubted), tree / entry, request)
        said = _line(event="passed")
    del end
    return said


def _session(request: Request, answer: int) -> SmokeSession:
    def hand_over() -> sessions.TrainData:
        return sessions.map_paths(
            lambda: (sorted(Path(request.data).iterdir()), request.token_bytes)
        )

    @functools.cache
    def stepped() -> None:
        os.write(answer, _line(event="stepped"))

    kind = Abstract if request.abstract else SmokeSession
    return kind(
        seed=request.seed,
        budget=request.budget,
        clock=request.clock,
        device="meta" if request.abstract else "cpu",
        out=Path(request.out),
        _hand_over=hand_over,
        _send=lambda _message: None,
        _metric=lambda _metric: stepped(),
        steps=request.steps,
        patience=request.patience,
    )


def _look(program: Path, request: Request) -> bytes:
    """Return what is to be said of the checkpoint; a doubt is for the process that trained."""
    module, out = import_entry(program), Path(request.out)
    if not hasattr(module, "load_model"):
        return _line(event="passed")
    from autoresearch.runtime import (  # noqa: PLC0415 - they import PyTorch
        smoke_checkpoint,
        smoke_doubt,
    )

    doubt = smoke_checkpoint.examine(module, out, request.context, request.vocab, request.arrays)
    if doubt is None:
        return _line(event="passed")
    return _line(event="failed", doubt=str(smoke_doubt.write(doubt, out.parent)))


def _settle(doubted: Path, program: Path, request: Request) -> None:
    """Raise what a doubt says, unless the trained model shows that it is none."""
    from autoresearch.runtime import (  # noqa: PLC0415 - they import PyTorch
        smoke_checkpoint,
        smoke_doubt,
    )

    doubt, module = smoke_doubt.read(doubted), import_entry(program)
    if not smoke_doubt.resolves(
        doubt, lambda: smoke_checkpoint.load(module, Path(request.out), chance=1)
    ):
        raise doubt.flaw()


def _line(**fields: object) -> bytes:
    return json.dumps(fields).encode() + b"\n"


if __name__ == "__main__":
    main()
