"""``python -m autoresearch.runtime.rehearse ENTRY REQUEST``: a training in miniature, then a look.

The entry runs as in a trial, from the current folder, but its session counts steps instead of
seconds and ends it at `finish`. Then the checkpoint is loaded as the evaluator does, and asked
for a few predictions. How it went is one JSON line on the descriptor that the
variable AUTORESEARCH_ANSWER_FD names. No accelerator is there; a failure that may come from that
is told as such (`lacks`), for whoever rehearses what is to run on one.
Nothing here guards anything: the code under rehearsal shares this process.
"""

import json
import os
import re
import runpy
import sys
import traceback
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from autoresearch import runtime
from autoresearch.runtime import session as sessions
from autoresearch.runtime.launch import report
from autoresearch.runtime.serve import import_entry

if TYPE_CHECKING:
    import torch

ANSWER_FD = "AUTORESEARCH_ANSWER_FD"
ROWS = 2
MOVED = 1e-4  # of the largest logit: what rounding may move and the future may not
MAX_FRAMES = 3
MAX_CAUSES = 100  # of one failure, looked at
ACCELERATOR = "accelerator"
# Wordings differ between builds of torch, so this is generous: who is not refused is trained.
_ABSENCE = re.compile(
    r"cuda|cudnn|cublas|nvidia|nvrtc|nvml|nccl|driver|accelerator|backend|rocm|\bhip\b|\bgpus?\b|\bmps\b"
    r"|triton|not compiled with|not implemented for|dummy base class|available kernel"
    r"|pin(?:ned)?[_ ]memory|(?<![a-z])cpu(?![a-z])",
    re.IGNORECASE,
)
_ABSENT_CODE = re.compile(
    r"[/\\](?:torch[/\\](?:cuda|accelerator|xpu|mps|mtia|backends[/\\]\w+)|triton)(?:[/\\]|\.py)"
)
# The same wherever it runs.
_NEVER_ABSENCE = (NameError, SyntaxError, ModuleNotFoundError, FloatingPointError)


@dataclass(frozen=True)
class Request:
    """What the harness asks for: `steps` of training on the files in `data`.

    `budget` is in seconds, for show; after `patience` seconds of the budget's clock progress no
    longer waits for steps to be logged. `out` takes the checkpoint.
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


class FlawError(Exception):
    """The checkpoint loads, but what it says is not what the evaluator needs."""


@dataclass
class Rehearsed(sessions.Session):
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
        self.finished = True
        raise SystemExit(0)


def main() -> None:
    """Rehearse the entry named on the command line."""
    entry, request = sys.argv[1], Request(**json.loads(sys.argv[2]))
    tree = Path.cwd()
    sys.argv = sys.argv[1:2]
    sys.path.insert(0, str(tree))
    answer = int(os.environ.pop(ANSWER_FD))
    os.set_inheritable(answer, False)  # noqa: FBT003 - it takes no keyword
    try:
        os.write(answer, _attempt(tree, entry, request))
    finally:
        os._exit(0)  # threads of a broken training must not keep it alive


def _attempt(tree: Path, entry: str, request: Request) -> bytes:
    """Return the answer, whatever happens."""
    try:
        return _rehearse(tree / entry, entry, request)
    except BaseException as fault:  # noqa: BLE001 - where an interrupt struck is an answer, too
        told = traceback.TracebackException.from_exception(fault)
        lacks = lacking(fault)
        where = _where(told, tree)
        answer = json.loads(report(fault, "".join(told.format()), where=where))
        return _line(**answer, lacks=lacks)


def _rehearse(program: Path, entry: str, request: Request) -> bytes:
    session = _session(request)
    for module in (runtime, sessions):  # whoever opens a session here gets this one
        vars(module)["open_session"] = lambda **_wishes: session
    try:
        runpy.run_path(entry, run_name="__main__")
    except SystemExit as ending:
        if not session.finished and ending.code:
            message = f"it exited with {ending.code!r}"[:1000]
            return _line(event="failed", message=message, lacks=hint(message))
    if not session.finished:
        return _line(event="failed", kind="no finish", message="it ended without finish()")
    examine(import_entry(program), request)
    return _line(event="passed")


def _session(request: Request) -> Rehearsed:
    def hand_over() -> sessions.TrainData:
        return sessions.map_paths(
            lambda: (sorted(Path(request.data).iterdir()), request.token_bytes)
        )

    return Rehearsed(
        seed=request.seed,
        budget=request.budget,
        clock=request.clock,
        device="cpu",
        out=Path(request.out),
        _hand_over=hand_over,
        _send=lambda _message: None,
        _metric=lambda _metric: None,
        steps=request.steps,
        patience=request.patience,
    )


def examine(program: ModuleType, request: Request) -> None:
    """Load the checkpoint and predict; a program without `load_model` has none to load.

    Raises:
        FlawError: the logits are not [B, T, V], not finite, or depend on later tokens. Whatever
            the program raises comes through.
    """
    if not hasattr(program, "load_model"):
        return
    import torch  # noqa: PLC0415 - only a program with a model needs it

    model = program.load_model(Path(request.out), "cpu")
    if isinstance(model, torch.nn.Module):
        model.eval()
    known = request.vocab
    if hasattr(program, "load_tokenizer"):
        known = len(program.load_tokenizer(Path(request.out)).table)
    chance = torch.Generator().manual_seed(0)
    with torch.inference_mode():
        for length in (request.context, request.context // 2 + 1):
            tokens = torch.randint(known, (ROWS, length), generator=chance)
            _check_logits(tokens, model(tokens), known)
        later = tokens.clone()
        later[:, -1] = (later[:, -1] + 1) % known
        _check_order(model(tokens).float(), model(later).float())


def _check_logits(tokens: "torch.Tensor", logits: "torch.Tensor", known: int) -> None:
    shape, wanted = tuple(getattr(logits, "shape", ())), tuple(tokens.shape)
    if len(shape) != 3 or shape[:2] != wanted or shape[2] < known:
        msg = (
            f"the loaded model maps tokens {list(wanted)} to {list(shape)}, "
            f"not to logits {[*wanted, known]}"
        )
        raise FlawError(msg)
    if not bool(logits.isfinite().all()):
        msg = "the loaded model's logits are not finite"
        raise FlawError(msg)


def _check_order(logits: "torch.Tensor", changed: "torch.Tensor") -> None:
    """Raise where another last token moves the predictions before it."""
    moved = (logits - changed)[:, :-1].abs().max() if logits.size(1) > 1 else 0.0
    if float(moved) > MOVED * max(1.0, float(logits.abs().max())):
        msg = "a prediction of the loaded model changes with tokens that come after it"
        raise FlawError(msg)


def lacking(fault: BaseException) -> str:
    """Return ACCELERATOR where an exception, or one behind it, may come from there being none."""
    queue: list[BaseException | None] = [fault]
    for each in queue:
        if each is None or len(queue) > MAX_CAUSES:
            continue
        queue += [each.__cause__, each.__context__]
        if isinstance(each, (FlawError, *_NEVER_ABSENCE)):
            continue
        frames = (frame for frame, _ in traceback.walk_tb(each.__traceback__))
        names = (frame.f_code.co_filename for frame in frames)
        if hint(str(each)) or any(map(_ABSENT_CODE.search, names)):
            return ACCELERATOR
    return ""


def hint(message: str) -> str:
    """Return ACCELERATOR where a message may speak of there being none."""
    return ACCELERATOR if _ABSENCE.search(message) else ""


def _line(**fields: object) -> bytes:
    return json.dumps(fields).encode() + b"\n"


def _where(told: traceback.TracebackException, tree: Path) -> str:
    """Leave only the project's own frames in a traceback; return the last of them, last first."""
    queue: list[traceback.TracebackException | None] = [told]
    for each in queue:
        if each is not None:
            own = [frame for frame in each.stack if _ours(frame.filename, tree)]
            for frame in own:
                frame.filename = frame.filename.removeprefix(f"{tree}/")
            each.stack = traceback.StackSummary.from_list(own)
            queue += [each.__cause__, each.__context__]
    innermost = reversed(told.stack[-MAX_FRAMES:])
    return " < ".join(f"{each.filename} line {each.lineno} in {each.name}" for each in innermost)


def _ours(name: str, tree: Path) -> bool:
    return not name.startswith("<") and (tree / name).is_relative_to(tree)


if __name__ == "__main__":
    main()
