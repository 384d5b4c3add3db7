"""Model servers that start warm: forked from a process that has PyTorch in memory, and no more.

Importing PyTorch is by far the dearest part of a scoring that is as small as a test's, and two
servers do it for each. For tests of what an evaluator accepts and refuses, not of what a server
can reach: the code of a tree has a process of its own here, too, but no sandbox, and limits on
memory and files do not hold.

Run as a program, `warm.py PORT-OF-A-SOCKET`, this is that process. What is started under a guard
in a server's place hands its descriptor over, waits, and ends as the server ended; when it is
killed, so is the server.
"""

import array
import atexit
import contextlib
import functools
import gc
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

# What runs in a server's place. It keeps no end of the server's channel: that its end is noticed.
PROXY = """
import array, json, os, signal, socket, sys
place, channel, *argv = sys.argv[1:]
line = socket.socket(socket.AF_UNIX)
line.connect(place)
told = json.dumps({"argv": [channel, *argv], "cwd": os.getcwd(), "env": dict(os.environ)}) + "\\n"
passed = array.array("i", [int(channel)])
line.sendmsg([b"\\0"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, passed)])
line.sendall(told.encode())
os.close(int(channel))
ended = int(line.recv(64) or b"1")
if ended < 0:
    os.kill(os.getpid(), -ended)
os._exit(ended)
"""


@functools.cache
def address() -> str:
    """Start the process that servers are forked from, once; return where it listens."""
    place = Path(tempfile.mkdtemp(prefix="warm-", dir="/tmp")) / "socket"
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(place))
    listener.listen(64)
    life, ours = os.pipe()
    root = str(Path(__file__).parent.parent)
    process = subprocess.Popen(
        [sys.executable, "-P", __file__, str(listener.fileno())],
        pass_fds=(listener.fileno(),),
        stdin=life,
        env={**os.environ, "PYTHONPATH": root, "PYTHONDONTWRITEBYTECODE": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(life)
    listener.close()

    def end() -> None:
        os.close(ours)
        process.wait()
        place.unlink()
        place.parent.rmdir()

    atexit.register(end)
    return str(place)


def command(argv: Sequence[str]) -> list[str]:
    """Return what to run in place of a model server's command line."""
    module = argv.index("autoresearch.runtime.serve")
    return [argv[0], "-I", "-S", "-c", PROXY, address(), *argv[module + 1 :]]


def main() -> None:
    """Fork a server for whoever asks, until standard input ends."""
    import torch  # noqa: F401, PLC0415 - that is what it is for

    gc.freeze()  # a server's look for garbage would copy all of it
    listener = socket.socket(fileno=int(sys.argv[1]))
    bell, ringer = socket.socketpair()
    ringer.setblocking(False)
    signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
    signal.set_wakeup_fd(ringer.fileno(), warn_on_full_buffer=False)
    servers: dict[socket.socket, int] = {}
    while True:
        ready, _, _ = select.select([sys.stdin, listener, bell, *servers], [], [])
        if sys.stdin in ready:
            return
        if bell in ready:
            bell.recv(4096)
            _tell_ends(servers)
        if listener in ready:
            line, _ = listener.accept()
            try:
                servers[line] = _start(line)
            except (IndexError, ValueError, OSError):  # it was killed before it had said what
                line.close()
        for line in [each for each in servers if each in ready]:  # nobody wants to know any more
            os.kill(servers[line], signal.SIGKILL)
            line.close()
            del servers[line]


def _tell_ends(servers: dict[socket.socket, int]) -> None:
    """Say on its line how each server ended that has."""
    ended = dict(iter(_reap, (0, 0)))
    for line, server in [*servers.items()]:
        if server in ended:
            with contextlib.suppress(OSError):  # it was killed meanwhile
                line.send(str(os.waitstatus_to_exitcode(ended[server])).encode())
            line.close()
            del servers[line]


def _reap() -> tuple[int, int]:
    try:
        return os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        return 0, 0


def _start(line: socket.socket) -> int:
    descriptors = array.array("i")
    _, extra, _, _ = line.recvmsg(1, socket.CMSG_SPACE(descriptors.itemsize))
    descriptors.frombytes(extra[0][2])
    with line.makefile() as words:
        told = json.loads(words.readline())
    server = os.fork()
    if server == 0:
        _serve(line, descriptors[0], told)
    os.close(descriptors[0])
    return server


def _serve(line: socket.socket, channel: int, told: Mapping[str, object]) -> NoReturn:
    code = 1
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        line.close()
        argv, env = list(map(str, told["argv"])), dict(told["env"])  # type: ignore[call-overload] # JSON
        number = int(argv[0])
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        if number != channel:
            os.dup2(channel, number)
            os.close(channel)
        os.chdir(str(told["cwd"]))
        os.environ.clear()
        os.environ.update(env)
        sys.argv = ["serve", *argv]
        runpy.run_module("autoresearch.runtime.serve", run_name="__main__", alter_sys=True)
        code = 0
    finally:
        os._exit(code)


if __name__ == "__main__":
    main()
