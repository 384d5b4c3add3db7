"""A process that is there before the training and looks at its checkpoint afterwards.

The evaluator loads a checkpoint where nothing was trained. So does this process: it leaves the
smoke test before the training begins, and costs no second start of the interpreter and of PyTorch.
"""

import contextlib
import os
import signal
import socket
import sys
from collections.abc import Callable

_GO = b"G"
_WHOLE = 2**16


class Apart:
    """Work that is done in a process of its own, which has been waiting since this was made.

    Elsewhere than on Linux, where a process that has threads must not fork, it is done here.
    """

    def __init__(self, work: Callable[[], bytes]) -> None:
        self._work = work
        self._pid = 0
        self._maker = os.getpid()
        if sys.platform != "linux":
            return
        self._channel, theirs = socket.socketpair()
        self._pid = os.fork()
        if self._pid == 0:
            self._channel.close()
            self._serve(theirs)
        theirs.close()

    def _serve(self, channel: socket.socket) -> None:
        """Wait for the word, work, answer and end."""
        code = 1
        try:
            interrupt = signal.signal(signal.SIGINT, signal.SIG_IGN)  # it is for the training
            if channel.recv(1) == _GO:
                signal.signal(signal.SIGINT, interrupt)
                channel.sendall(self._work())
            code = 0
        finally:
            os._exit(code)

    def result(self) -> bytes:
        """Return what the work gives. Where it dies, this process dies as it did."""
        if os.getpid() != self._maker:
            os._exit(0)  # a fork of the training that went on as if it were the training itself
        if not self._pid:
            return self._work()
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # it is for the one that is at work
        parts = []
        with self._channel as channel:
            channel.sendall(_GO)
            while part := channel.recv(_WHOLE):
                parts.append(part)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        return b"".join(parts) or self._die()

    def _die(self) -> bytes:
        try:
            status = os.waitpid(self._pid, 0)[1]
        except ChildProcessError:  # the training has told the kernel to forget its children
            status = 1 << 8
        if os.WIFSIGNALED(status):
            with contextlib.suppress(OSError):  # of SIGKILL there is no other
                signal.signal(os.WTERMSIG(status), signal.SIG_DFL)
            os.kill(os.getpid(), os.WTERMSIG(status))
        os._exit(os.waitstatus_to_exitcode(status) if os.WIFEXITED(status) else 1)
