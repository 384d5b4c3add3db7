"""What the end of a process says of the trial that it was."""

import signal
from dataclasses import dataclass

from autoresearch.process import Exit, signal_name
from autoresearch.records.values import Ending, FailureKind

# The signals of code that broke by itself.
CRASHES = (signal.SIGSEGV, signal.SIGABRT, signal.SIGFPE, signal.SIGILL, signal.SIGSYS)
OOM_KILLED = "the system ran out of memory, and killed a process of it"


@dataclass(frozen=True)
class Failed:
    """How a trial failed; the last two as in `Outcome`."""

    ending: Ending
    detail: str
    failure: FailureKind | None = None
    doubtful: bool = False


def failure_of(exit_: Exit, *, ran_out_of_memory: bool) -> Failed:
    """Return how a trial failed whose process ended so, and said nothing of it.

    Args:
        exit_: no exit with 0.
        ran_out_of_memory: the kernel killed processes for want of memory meanwhile.
    """
    if ran_out_of_memory and exit_.signal not in CRASHES:
        return Failed(Ending.OUT_OF_MEMORY, OOM_KILLED, doubtful=True)
    if exit_.signal is not None:
        fault = FailureKind.IDEA if exit_.signal in CRASHES else FailureKind.MACHINE
        died = f"died by {signal_name(exit_.signal)}"
        return Failed(Ending.SIGNAL, died, fault, doubtful=True)
    if exit_.code is None:
        killed = "its guard was killed, and it with it"
        return Failed(Ending.SIGNAL, killed, FailureKind.MACHINE, doubtful=True)
    return Failed(Ending.EXCEPTION, f"exited with code {exit_.code}", doubtful=True)
