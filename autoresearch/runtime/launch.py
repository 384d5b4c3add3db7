"""``python -m autoresearch.runtime.launch train.py cuda``: run the entry, report how it fails.

First the device that was promised is looked for: a program that falls back to the CPU would train
something else. Then the entry runs as ``__main__`` from the current folder. An exception that
escapes it is reported on the control socket, so that a NaN, lack of memory and a plain bug are
told apart without searching the log for words.
"""

import contextlib
import errno
import json
import os
import runpy
import socket
import sys
import traceback
from types import TracebackType

from autoresearch.runtime.accelerator import fault_in_child
from autoresearch.runtime.exhaustion import out_of_memory
from autoresearch.runtime.session import CONTROL_FD

REPORT_CHARACTERS = 16_000
_DEVICE_FAULTS = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.ENODEV, errno.ENXIO, errno.EROFS)
MAX_REPORT_BYTES = 60_000  # the harness ignores messages over 64 KiB


def main() -> None:
    """Run the entry named on the command line."""
    _, entry, device = sys.argv
    control = socket.socket(fileno=os.dup(int(os.environ[CONTROL_FD])))
    sys.argv = [entry]
    if why := fault_in_child(device):
        _turn_back(control, f"no {device} device: {why}")
    sys.path.insert(0, os.getcwd())  # noqa: PTH109 - a string is what sys.path takes
    try:
        runpy.run_path(entry, run_name="__main__")
    except Exception as fault:  # noqa: BLE001 - whatever escapes is the report
        _fail(control, entry, fault)


def _turn_back(control: socket.socket, reason: str) -> None:
    """Report that the device promised is not there, and exit."""
    message = {"event": "failed", "kind": "no device", "type": "", "message": reason[:1000]}
    with contextlib.suppress(OSError):
        control.sendall(json.dumps(message).encode() + b"\n")
    os._exit(1)


def _fail(control: socket.socket, entry: str, fault: Exception) -> None:
    """Report, print and exit with 1, whatever else goes wrong."""
    try:
        text = "".join(traceback.format_exception(type(fault), fault, _from_entry(fault, entry)))
        with contextlib.suppress(OSError):  # the harness has closed the session: nobody to tell
            control.sendall(report(fault, text))
        sys.stderr.write(text)
        sys.stderr.flush()
        sys.stdout.flush()
    finally:
        os._exit(1)  # threads of a broken trial must not keep it alive


def kind_of(fault: BaseException) -> str:
    """Return what a fault is: one of nan, out of memory, machine, doubtful, exception.

    Its type tells; that memory ran out, its message may (`exhaustion`). A "machine" fault is one
    that a device or a disk answers with; a "doubtful" one is raised for an idea's bug and for a
    sick machine alike.
    """
    if isinstance(fault, FloatingPointError):
        return "nan"
    if out_of_memory(fault):
        return "out of memory"
    if isinstance(fault, getattr(sys.modules.get("torch"), "AcceleratorError", ())):
        return "machine"
    if isinstance(fault, OSError) and fault.errno in _DEVICE_FAULTS:
        return "machine"
    doubtful = type(fault) is RuntimeError or isinstance(fault, (OSError, ImportError))
    return "doubtful" if doubtful else "exception"


def report(fault: BaseException, text: str, *, where: str = "") -> bytes:
    """Return the message that tells the harness of a failure, its traceback's end included."""
    text = text[-REPORT_CHARACTERS:]
    while True:
        message = {
            "event": "failed",
            "kind": kind_of(fault),
            "type": type(fault).__name__[:200],
            "message": _ends(str(fault), 1000),
            "traceback": text,
        }
        if where:
            message["where"] = where[:1000]
        line = json.dumps(message).encode() + b"\n"
        if len(line) <= MAX_REPORT_BYTES or not text:
            return line
        text = text[len(text) // 4 + 1 :]  # one character may take twelve bytes


def _ends(text: str, size: int) -> str:
    """Return a text, of a long one both ends: the last line of a message often says most."""
    return text if len(text) <= size else f"{text[: size // 2]}\n…\n{text[-size // 2 :]}"


def _from_entry(fault: BaseException, entry: str) -> TracebackType | None:
    """Return the traceback without the frames that lead to the entry; they tell nobody anything."""
    trace = fault.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename != entry:
        trace = trace.tb_next
    return trace


if __name__ == "__main__":
    main()
