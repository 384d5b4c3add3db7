"""How a command ends: whatever went wrong is one line on stderr and an exit code of its own.

A traceback is for whoever mends the program. It is kept in a file, and shown on request.
"""

import errno
import gc
import os
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import NoReturn

from autoresearch.errors import AutoresearchError, ExitCode
from autoresearch.streams import OutputFault, standard_streams

SHOW = "AUTORESEARCH_TRACEBACK"  # set it, and tracebacks are printed, too
STATE = ".autoresearch"
FAULTS = "faults.log"
_SIGNALS = (signal.SIGINT, signal.SIGTERM)
# What the machine refuses and the person can mend; any other refusal is a question to the program.
_MENDS = {
    errno.ENOSPC: "free some space",
    errno.EDQUOT: "free some space",
    errno.EROFS: "make it writable",
    errno.EACCES: "check its permissions",
    errno.EPERM: "check its permissions",
    errno.EIO: "check the disk",
    errno.EMFILE: "raise `ulimit -n`",
    errno.ENFILE: "end other programs",
    errno.EAGAIN: "end other programs",
    errno.ENOMEM: "end other programs",
}


def run(command: Callable[[], object]) -> NoReturn:
    """Run a command to its end, and leave with its exit code: 0, or that of what went wrong."""
    with _interruptible() as struck, standard_streams():
        code = _outcome(command, struck)
    # The interpreter looks once more for garbage before it ends, and the system takes all anyway:
    # a sixth of what a short command costs.
    gc.freeze()
    sys.exit(code)


@contextmanager
def _interruptible() -> Iterator[list[int]]:
    """Let Ctrl-C and SIGTERM end the command, wherever it is; yield those that have struck."""
    struck: list[int] = []

    def interrupt(number: int, _frame: FrameType | None) -> NoReturn:
        struck.append(number)
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in _SIGNALS}
    hook, sys.unraisablehook = sys.unraisablehook, _unraisable
    try:
        yield struck
    finally:
        sys.unraisablehook = hook
        for number, handler in before.items():
            signal.signal(number, handler)


def _unraisable(lost: "sys.UnraisableHookArgs") -> None:
    """Say nothing of what is raised where nobody can catch it, an interrupt or a closed stream."""
    if not issubclass(lost.exc_type, KeyboardInterrupt | OutputFault):
        sys.__unraisablehook__(lost)


def _outcome(command: Callable[[], object], struck: Sequence[int]) -> int:
    try:
        code = _code_of(command)
        sys.stdout.flush()
    except BaseException as fault:  # noqa: BLE001 - this is where everything ends
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_IGN)  # a second Ctrl-C changes nothing any more
        # Struck at an odd place, an interrupt may come here as something else.
        known = isinstance(fault, AutoresearchError) or not struck
        return _told(fault if known else KeyboardInterrupt())
    if code == ExitCode.INTERRUPTED:
        _say("interrupted")
    return code


def _code_of(command: Callable[[], object]) -> int:
    try:
        command()
    except SystemExit as ended:
        if isinstance(ended.code, str):
            _say(ended.code)
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    return ExitCode.DONE


def _told(fault: BaseException) -> int:  # noqa: PLR0911 - a return a kind of fault
    """Say what went wrong; return the exit code."""
    if isinstance(fault, OutputFault) and fault.gone:
        return ExitCode.FAULT  # who read the answer has seen enough
    if isinstance(fault, AutoresearchError):
        return _fail(str(fault), fault.exit_code)
    if isinstance(fault, KeyboardInterrupt):
        return _fail("interrupted", ExitCode.INTERRUPTED)
    if isinstance(fault, MemoryError):
        return _fail("there is not enough memory: end other programs and try again")
    if isinstance(fault, OSError):
        return _refused(fault)
    if isinstance(fault, ImportError):
        return _fail(f"a part cannot be loaded ({fault}): install autoresearch again", trace=fault)
    if (reason := _of_database(fault)) is not None:
        return _fail(f"the registry cannot be used: {reason}; see `autoresearch doctor`")
    return _bug(fault)


def _refused(fault: OSError) -> int:
    if not _here():
        return _fail("the working directory is gone: cd into one that exists")
    if fault.errno not in _MENDS:
        return _bug(fault)
    place = f"{fault.filename}: " if fault.filename else ""
    return _fail(f"{place}{fault.strerror}: {_MENDS[fault.errno]} and try again", trace=fault)


def _here() -> bool:
    try:
        return Path.cwd().is_dir()
    except OSError:
        return False


def _of_database(fault: BaseException) -> str | None:
    # Not imported: without it none of its faults can be.
    known = sys.modules.get("sqlalchemy.exc")
    if known is None or not isinstance(fault, known.DatabaseError):
        return None
    return str(fault.orig)


def _bug(fault: BaseException) -> int:
    said = "".join(traceback.format_exception_only(fault)).strip()
    kept = _keep("".join(traceback.format_exception(fault)))
    where = f"the traceback is in {kept}" if kept else f"{SHOW}=1 shows the traceback"
    return _fail(f"this is a bug in autoresearch, please report it ({where}): {said}", ExitCode.BUG,
                 trace=fault)  # fmt: skip


def _fail(said: str, code: int = ExitCode.FAULT, *, trace: BaseException | None = None) -> int:
    if trace is not None and os.environ.get(SHOW):
        traceback.print_exception(trace)
    _say(said)
    return code


def _say(said: str) -> None:
    from autoresearch.records.text import safe_reason  # noqa: PLC0415 - most commands need it not

    # Some of it may be a stranger's words: a reason, a file's name.
    sys.stderr.write(f"autoresearch: {safe_reason(said, 2000)}\n")


def _keep(trace: str) -> str:
    """Append a traceback to the project's file of them, or one of the system's; return which."""
    for folder in (*_states(), Path(tempfile.gettempdir())):
        path = folder / (FAULTS if folder.name == STATE else f"autoresearch-{os.getuid()}-{FAULTS}")
        with suppress(OSError), path.open("a", encoding="utf-8", errors="backslashreplace") as file:
            file.write(f"{trace}\n")
            return str(path)
    return ""


def _states() -> Iterator[Path]:
    with suppress(OSError):
        here = Path.cwd()
        for each in (here, *here.parents):
            if (each / STATE).is_dir():
                yield each / STATE
                return
