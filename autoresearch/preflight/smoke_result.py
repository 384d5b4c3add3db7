"""What the end of a smoke test means, in words that are safe to print."""

import json
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from autoresearch.process import Breach, Exit, ProcessResult, signal_name
from autoresearch.records.text import safe_line, safe_reason, safe_text
from autoresearch.runtime.smoke import NO_FINISH
from autoresearch.runtime.smoke_faults import ACCELERATOR, FlawError, hint

TIME, MEMORY, SIGNAL = "time", "memory", "signal"
# These fail the same at any size.
SIZELESS = frozenset(
    {"ImportError", "ModuleNotFoundError", "NameError", "UnboundLocalError"}
    | {FlawError.__name__, MEMORY, NO_FINISH}
)
# These may come of a busy machine, and not come again.
_UNLUCKY = frozenset({TIME, MEMORY, SIGNAL, "MemoryError", "OSError", "BlockingIOError"})
# The system killed it, for want of memory or since it was asked to, or the disk was full (a mapped
# file has no room).
_FROM_OUTSIDE = frozenset({signal.SIGKILL, signal.SIGTERM, signal.SIGBUS})
_SMOKE_TEST = "the smoke test "


class SmokeOutcome(Enum):
    """Whether a smoke test was passed, or who is to blame; only a FAULT may refuse a change."""

    PASSED = "passed"
    FAULT = "fault"  # of the code that was smoke-tested
    MACHINE = "machine"  # it could not start the process, lacked something, or killed it
    UNKNOWN = "unknown"  # only an accelerator could tell, or the test was stopped


@dataclass(frozen=True)
class SmokeResult:
    """How one smoke test went. `seconds` are wall seconds, with those in which it was `starved`.

    `reason` is one line that says what failed, where that is known; `kind` is the exception's type,
    or TIME, MEMORY, NO_FINISH, SIGNAL, ACCELERATOR; `early`: it failed before any step was logged.
    """

    outcome: SmokeOutcome
    reason: str = ""
    detail: str = ""
    kind: str = ""
    seconds: float = 0.0
    starved: float = 0.0
    early: bool = False

    @property
    def is_final(self) -> bool:
        """Whether another smoke test of the same files would end the same."""
        fault = self.outcome is SmokeOutcome.FAULT and self.kind not in _UNLUCKY
        return fault or self.outcome is SmokeOutcome.PASSED or self.kind == ACCELERATOR

    @property
    def doubt(self) -> str:
        """Why changes of an incumbent with this result are not smoke-tested, in one line."""
        why = self.reason.removeprefix(_SMOKE_TEST) or "cannot be run on this machine"
        return safe_line(f"changes are not smoke-tested: the incumbent's own smoke test {why}", 300)


def smoke_result(
    ran: ProcessResult, *, memory: int, timeout: float, scale: str, accelerator: bool = False
) -> SmokeResult:
    """Return what became of a smoke test.

    Args:
        ran: how the process went.
        memory: its limit, in bytes.
        timeout: its limit, in seconds.
        scale: how small the project was made, in words.
        accelerator: whether trainings run on one, so that its absence says nothing of them.
    """
    lines = _lines(ran.answer)
    # The last line that tells how it ended.
    ends = (each for each in reversed(lines) if each.get("event") in ("passed", "failed"))
    answer = next(ends, {})
    outcome, reason, kind = _ending(ran, answer)
    died = kind == SIGNAL and hint(ran.log.decode("utf-8", "replace"))
    if accelerator and ACCELERATOR in (answer.get("lacks"), died):
        lacks = "needs an accelerator, and has none"
        return SmokeResult(SmokeOutcome.UNKNOWN, lacks, kind=ACCELERATOR, seconds=ran.seconds)
    if ran.breach is Breach.TIME:
        where = f"; it was at {answer['where']}" if answer.get("where") else ""
        outcome, kind = SmokeOutcome.FAULT, TIME
        reason = f"did not end within {timeout:g} s{where}"
    elif ran.breach is Breach.MEMORY:
        outcome, kind = SmokeOutcome.FAULT, MEMORY
        reason = f"used more than {memory / 2**30:.3g} GiB"
    elif outcome is SmokeOutcome.FAULT and ran.exhausted:
        outcome = SmokeOutcome.MACHINE
    if outcome is SmokeOutcome.FAULT and not lines:  # not even the harness's own code was reached
        outcome, kind = SmokeOutcome.MACHINE, SIGNAL
    if not reason:
        return SmokeResult(outcome, kind=kind, seconds=ran.seconds)
    tail = safe_text(answer.get("traceback") or ran.log, lines=40, size=3000)
    return SmokeResult(
        outcome,
        safe_reason(f"{_SMOKE_TEST}{reason}", 300),
        f"Smoke-tested on the CPU, with {safe_line(scale, 600)}:\n{tail}",
        kind,
        ran.seconds,
        ran.starved,
        early=all(each.get("event") != "stepped" for each in lines),
    )


def _ending(ran: ProcessResult, answer: Mapping[str, str]) -> tuple[SmokeOutcome, str, str]:
    """Return outcome, reason and kind of a smoke test that no limit ended."""
    if answer.get("event") == "passed":
        return SmokeOutcome.PASSED, "", ""
    if answer.get("event") == "failed":
        outcome = SmokeOutcome.MACHINE if answer.get("scarce") else SmokeOutcome.FAULT
        return (outcome, *_failure(answer))
    if ran.exit.signal in _FROM_OUTSIDE or ran.exit == Exit(None, None):
        return SmokeOutcome.MACHINE, "was killed from outside", SIGNAL
    if ran.exit.signal is not None:
        return SmokeOutcome.FAULT, f"died by {signal_name(ran.exit.signal)}", SIGNAL
    if ran.exit.code == 0:
        return SmokeOutcome.FAULT, "ended without finish()", NO_FINISH
    return SmokeOutcome.FAULT, f"ended with exit code {ran.exit.code}", "exit"


def _failure(answer: Mapping[str, str]) -> tuple[str, str]:
    """Return reason and kind of a failure that the harness reported."""
    kind = answer.get("type") or answer.get("kind") or "exit"
    message = answer.get("message", "")
    if kind in (NO_FINISH, "exit"):
        return f"failed: {message}", kind
    place = f" at {safe_line(answer['where'], 130)}" if answer.get("where") else ""
    # The place is kept short, for the message matters more.
    what = message if kind == FlawError.__name__ else f"{kind}: {message}".rstrip(": ")
    return f"failed{place}: {what}", kind


def _lines(data: bytes) -> list[dict[str, str]]:
    """Return the JSON objects that were answered; the code that is tested could write any."""
    objects = []
    for line in data.splitlines():
        try:
            fields = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(fields, dict):
            objects.append({name: each for name, each in fields.items() if isinstance(each, str)})
    return objects
