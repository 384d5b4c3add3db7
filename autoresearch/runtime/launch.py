"""``python -m autoresearch.runtime.launch train.py``: run the entry and report how it fails.

The entry runs as ``__main__`` from the current folder. An exception that escapes it is reported
on the control socket, so that a NaN, lack of memory and a plain bug are told apart without
searching the log for words.
"""

import contextlib
import json
import os
import runpy
import socket
import sys
import traceback

from autoresearch.runtime.session import CONTROL_FD

REPORT_CHARACTERS = 16_000


def main() -> None:
    """Run the entry named on the command line."""
    entry = sys.argv[1]
    report = socket.socket(fileno=os.dup(int(os.environ[CONTROL_FD])))
    sys.argv = sys.argv[1:]
    sys.path.insert(0, os.getcwd())  # noqa: PTH109 - a string is what sys.path takes
    try:
        runpy.run_path(entry, run_name="__main__")
    except Exception as fault:  # noqa: BLE001 - whatever escapes is the report
        _report(report, fault)
        traceback.print_exc()
        sys.stderr.flush()
        sys.stdout.flush()
        os._exit(1)  # threads of a broken trial must not keep it alive


def kind_of(fault: BaseException) -> str:
    """Return "nan", "out of memory" or "exception" by the exception's type."""
    if isinstance(fault, FloatingPointError):
        return "nan"
    torch = sys.modules.get("torch")
    exhausted = (MemoryError, getattr(torch, "OutOfMemoryError", MemoryError))
    return "out of memory" if isinstance(fault, exhausted) else "exception"


def _report(control: socket.socket, fault: Exception) -> None:
    message = {
        "event": "failed",
        "kind": kind_of(fault),
        "type": type(fault).__name__,
        "message": str(fault)[:1000],
        "traceback": "".join(traceback.format_exception(fault))[-REPORT_CHARACTERS:],
    }
    with contextlib.suppress(OSError):  # the harness has closed the session: nobody to tell
        control.sendall(json.dumps(message).encode() + b"\n")


if __name__ == "__main__":
    main()
