"""What an exception in a smoke test says: of an accelerator, of the machine, and where it was.

Wordings differ between builds and libraries, so both readings are generous: what may be the
machine's doing is not refused, and whoever is not refused is trained.
"""

import contextlib
import errno
import re
import traceback
from collections.abc import Iterator
from pathlib import Path

from autoresearch.runtime.exhaustion import out_of_memory

ACCELERATOR = "accelerator"
MAX_CAUSES = 100  # of one failure, looked at
MAX_FRAMES = 3
_ABSENCE = re.compile(
    r"cuda|cudnn|cublas|nvidia|nvrtc|nvml|nccl|driver|accelerator|backend|rocm|\bhip\b|\bgpus?\b|\bmps\b"
    r"|triton|not compiled with|not implemented for|dummy base class|available kernel"
    r"|pin(?:ned)?[_ ]memory|(?<![a-z])cpu(?![a-z])",
    re.IGNORECASE,
)
_ABSENT_CODE = re.compile(
    r"[/\\](?:torch[/\\](?:cuda|accelerator|xpu|mps|mtia|backends[/\\]\w+)|triton)(?:[/\\]|\.py)"
)
_SCARCE = {
    errno.ENOSPC: "disk",
    errno.EDQUOT: "disk",
    errno.EIO: "disk",
    errno.ENFILE: "open files",
    errno.EAGAIN: "processes",
    errno.ENOMEM: "memory",
}
_OS_ERROR = re.compile(r"\(os error (\d+)\)")  # how libraries written in Rust say it
_SAID = {
    "processes": re.compile(r"can't start new thread"),
    "workers": re.compile(r"killed by signal: (?:Killed|Bus error)"),
    "shared memory": re.compile(r"unable to \w+ shared memory|out of shared memory"),
    "disk": re.compile(r"No space left on device|Disk quota exceeded"),
}


class FlawError(Exception):
    """The checkpoint loads, but what it says is not what the evaluator needs."""


# The same wherever it runs.
_NEVER_ABSENCE = (NameError, SyntaxError, ModuleNotFoundError, FloatingPointError, FlawError)


def lacking(fault: BaseException) -> str:
    """Return ACCELERATOR where an exception, or one behind it, may come from there being none."""
    for each in _causes(fault):
        if isinstance(each, _NEVER_ABSENCE):
            continue
        frames = (frame for frame, _ in traceback.walk_tb(each.__traceback__))
        names = (frame.f_code.co_filename for frame in frames)
        if hint(str(each)) or any(map(_ABSENT_CODE.search, names)):
            return ACCELERATOR
    return ""


def hint(message: str) -> str:
    """Return ACCELERATOR where a message may speak of there being none."""
    return ACCELERATOR if _ABSENCE.search(message) else ""


def scarce(fault: BaseException, memory: int) -> str:
    """Return what the machine may have too little of, where an exception may come from that.

    Args:
        fault: the exception; those behind it count as well.
        memory: how much a training may use, in bytes. Who fails to get memory while the machine
            has that much to give asked for too much.
    """
    for each in _causes(fault):
        if isinstance(each, FlawError):
            continue
        what = _scarce(each)
        if what and (what != "memory" or _available() < memory):
            return what
    return ""


def _scarce(fault: BaseException) -> str:
    if out_of_memory(fault):
        return "memory"
    message = str(fault)
    number = fault.errno if isinstance(fault, OSError) else None
    if told := _OS_ERROR.search(message):
        number = int(told[1])
    if number in _SCARCE:
        return _SCARCE[number]
    return next((what for what, said in _SAID.items() if said.search(message)), "")


def _available() -> int:
    """Return the bytes of memory that the machine could still give; where that is unknown, 0."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        for line in Path("/proc/meminfo").read_text("ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    return 0


def _causes(fault: BaseException) -> Iterator[BaseException]:
    """Yield an exception and those behind it, up to a bound."""
    queue: list[BaseException | None] = [fault]
    for each in queue:
        if each is not None and len(queue) <= MAX_CAUSES:
            queue += [each.__cause__, each.__context__]
            yield each


def where(told: traceback.TracebackException, tree: Path) -> str:
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
