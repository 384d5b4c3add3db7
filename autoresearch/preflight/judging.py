"""What a rehearsal's end means, in words that are safe to print."""

import json
import signal
from collections.abc import Mapping
from dataclasses import dataclass

from autoresearch.preflight.running import Breach, Ran
from autoresearch.process import signal_name
from autoresearch.records.text import safe_line, safe_reason, safe_text
from autoresearch.runtime.rehearse import ACCELERATOR, FlawError, hint

TIME, MEMORY, NO_FINISH, SIGNAL = "time", "memory", "no finish", "signal"
# These fail the same at any size.
SIZELESS = frozenset(
    {"ImportError", "ModuleNotFoundError", "NameError", "UnboundLocalError"}
    | {FlawError.__name__, MEMORY, NO_FINISH}
)
# These may be a busy machine's doing, and be otherwise another time.
_UNLUCKY = frozenset({"", TIME, MEMORY, SIGNAL, "MemoryError", "OSError", "BlockingIOError"})
_NOT_ITS_OWN = frozenset(
    {signal.SIGKILL, signal.SIGTERM}
)  # the system lacks memory, or is asked to
_REHEARSAL = "the rehearsal "
_UNKNOWN = {
    ACCELERATOR: "needs an accelerator, and has none",
    SIGNAL: "was killed from outside",
}


@dataclass(frozen=True)
class Verdict:
    """How one rehearsal went. `seconds` are of the wall.

    `reason` is one line where it failed, empty where it passed, and None where nothing can be
    said; `kind` is the exception's type, or TIME, MEMORY, NO_FINISH, SIGNAL, ACCELERATOR.
    """

    reason: str | None
    detail: str = ""
    kind: str = ""
    seconds: float = 0.0

    @property
    def settled(self) -> bool:
        """Whether another rehearsal of the same files would end the same."""
        return self.reason == "" or self.kind not in _UNLUCKY

    @property
    def doubt(self) -> str:
        """Why nothing is refused by the rehearsals of an incumbent with this verdict: one line."""
        unknown = _UNKNOWN.get(self.kind, "cannot be run on this machine")
        why = (self.reason or unknown).removeprefix(_REHEARSAL)
        return safe_line(f"changes are not rehearsed: the incumbent's own rehearsal {why}", 300)


def judge(
    ran: Ran, *, memory: int, timeout: float, scale: str, accelerator: bool = False
) -> Verdict:
    """Return what became of a rehearsal.

    Args:
        ran: how the process went.
        memory: its limit, in bytes.
        timeout: its limit, in seconds.
        scale: how small the project was made, in words.
        accelerator: whether trainings run on one, so that its absence says nothing of them.
    """
    answer = _answer(ran.answer)
    reason, kind = _fault(ran, answer)
    died = kind == SIGNAL and hint(ran.log.decode("utf-8", "replace"))
    if accelerator and ACCELERATOR in (answer.get("lacks"), died):
        return Verdict(None, kind=ACCELERATOR, seconds=ran.seconds)
    if ran.breach is Breach.TIME:
        where = f"; it was at {answer['where']}" if answer.get("where") else ""
        reason, kind = f"did not end within {timeout:g} s{where}", TIME
    elif ran.breach is Breach.MEMORY:
        reason, kind = f"used more than {memory / 2**30:.3g} GiB", MEMORY
    if not reason:
        return Verdict(reason, kind=kind, seconds=ran.seconds)
    told = answer.get("traceback") or ran.log
    tail = safe_text(told, lines=40, size=3000)
    return Verdict(
        safe_reason(f"{_REHEARSAL}{reason}", 300),
        f"Rehearsed on the CPU, with {safe_line(scale, 600)}:\n{tail}",
        kind,
        ran.seconds,
    )


def _fault(ran: Ran, answer: Mapping[str, str]) -> tuple[str | None, str]:
    """Return what is wrong ("" nothing, None unknown) and its kind, of one that ended by itself."""
    if answer.get("event") == "passed":
        return "", ""
    if answer.get("event") == "failed":
        return _told(answer)
    if ran.exit.signal is not None:
        unknown = ran.exit.signal in _NOT_ITS_OWN
        return (None if unknown else f"died by {signal_name(ran.exit.signal)}"), SIGNAL
    if ran.exit.code is None:  # its guard was killed
        return None, SIGNAL
    if ran.exit.code == 0:
        return "ended without finish()", NO_FINISH
    return f"ended with exit code {ran.exit.code}", "exit"


def _told(answer: Mapping[str, str]) -> tuple[str, str]:
    kind = answer.get("type") or answer.get("kind") or "exit"
    message = answer.get("message", "")
    if kind in (NO_FINISH, "exit"):
        return f"failed: {message}", kind
    place = f" at {safe_line(answer['where'], 130)}" if answer.get("where") else ""
    said = message if kind == FlawError.__name__ else f"{kind}: {message}".rstrip(": ")
    # The place may be long, and what was said is what matters.
    return f"failed{place}: {said}", kind


def _answer(data: bytes) -> dict[str, str]:
    """Return the last answer that is one; the code under rehearsal could write there, too."""
    for line in reversed(data.splitlines()):
        try:
            fields = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(fields, dict) and fields.get("event") in ("passed", "failed"):
            return {name: each for name, each in fields.items() if isinstance(each, str)}
    return {}
