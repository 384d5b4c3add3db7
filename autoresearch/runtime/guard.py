"""The guard: a small process between the supervisor and a process tree, so that nobody survives.

It runs as ``python -I -S guard.py LIFELINE CLOSE FILE_SIZE INNER GROUP -- COMMAND...`` in a
session of its own. LIFELINE is a stream socket to the supervisor: single letters come in
(`INTERRUPT`, `TERMINATE`, `KILL`) and one line of JSON goes out when no process of the tree is
left. End of file on it means that the supervisor died, be it by ``kill -9``: then everything is
killed.

INNER, where it is not empty, is a socket to a second stage that lives in a pid namespace
(`confine.py`): it says `READY` and waits for `GO`, so that a sandbox whose guard died while it was
being set up never runs anything; then requests go to it, and it tells how the command ended.

GROUP, where it is not empty, is a control group that the command joins.

On Linux the guard is the subreaper of the tree: a process that daemonises (setsid, double fork)
becomes the guard's own child, so "no child left" means "no descendant left", and the CPU seconds
of every reaped descendant arrive in the guard's account. Elsewhere only the command's process
group is reached. Modules that import slowly (json, socket) are left out on purpose: the guard's
start is part of the cost of every launch.
"""

import ctypes
import os
import resource
import select
import signal
import sys
import time

INTERRUPT, TERMINATE, KILL = b"I", b"T", b"K"
READY, GO = b"R", b"G"
_SIGNALS = {INTERRUPT: signal.SIGINT, TERMINATE: signal.SIGTERM}
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER, _PR_SET_NO_NEW_PRIVS = 1, 36, 38
_NOT_STARTED = 127  # what a shell says of a command that cannot be run


def main(arguments: list[str]) -> None:
    """Run the command after ``--`` and see its whole tree to the end."""
    lifeline = int(arguments[0])
    passed = [int(each) for each in arguments[1].split(",") if each]
    _control_process(_PR_SET_CHILD_SUBREAPER)
    wake = _wake_on_child()
    inner = _Inner(arguments[3])
    limits = (int(arguments[2]), arguments[4])
    child = _start(arguments[6:], limits, (lifeline, *wake, *inner.open))
    _let_go(passed)
    status = _watch(child, lifeline, wake[0], inner)
    status = _sweep(child, status)
    _report(lifeline, inner.status(status) if inner.used else status)


class _Inner:
    """The socket to a second stage, if there is one. What comes from it may be forged."""

    def __init__(self, descriptor: str) -> None:
        self.open = [int(descriptor)] if descriptor else []
        self.used = bool(descriptor)
        self._heard = b""

    def listen(self) -> None:
        """Take what it says; answer READY."""
        try:
            data = os.read(self.open[0], 64)
        except OSError:
            data = b""
        if not data:
            os.close(self.open.pop())
        elif not self._heard:
            self.tell(GO)
        self._heard = (self._heard + data)[:64]

    def tell(self, letter: bytes) -> bool:
        """Send a letter; return whether there is anybody to send it to."""
        for descriptor in self.open:
            try:  # noqa: SIM105 - contextlib would be imported at every launch for this
                os.write(descriptor, letter)
            except OSError:
                pass
        return self.used

    def status(self, outer: int | None) -> int | None:
        """Return the command's wait status, given the sandbox's own; after its end."""
        while self.open:
            self.listen()
        told = self._heard[1:]
        if told.endswith(b"\n") and told[:-1].isdigit() and int(told) < 2**16:
            return int(told)
        code = 0 if outer is None else outer >> 8
        if not self._heard and code:
            return _NOT_STARTED << 8
        # It was killed in there: a sandbox tells of signals as a shell does.
        return code - 128 if 128 < code <= 128 + 64 else outer


def _wake_on_child() -> tuple[int, int]:
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, signal.SIG_IGN)  # the guard ends when the tree has, not before
    ends = os.pipe()
    for end in ends:
        os.set_blocking(end, False)
    signal.set_wakeup_fd(ends[1], warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
    return ends


def _start(command: list[str], limits: tuple[int, str], ours: tuple[int, ...]) -> int:
    guard = os.getpid()
    child = os.fork()
    if child == 0:
        try:
            _become(command, limits, guard, ours)
        except OSError as fault:
            os.write(2, f"cannot start {command[0]}: {fault}\n".encode())
        finally:
            os._exit(_NOT_STARTED)
    try:  # noqa: SIM105 - contextlib would be imported at every launch for this
        os.setpgid(child, child)  # the child does the same: whoever comes first
    except OSError:
        pass
    return child


def _become(command: list[str], limits: tuple[int, str], guard: int, ours: tuple[int, ...]) -> None:
    file_size, group = limits
    os.setpgid(0, 0)
    signal.set_wakeup_fd(-1)
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD, signal.SIGPIPE):
        signal.signal(each, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())  # a supervisor's thread may block some
    for descriptor in ours:
        os.close(descriptor)
    _limit(resource.RLIMIT_CORE, 0)
    if file_size:
        _limit(resource.RLIMIT_FSIZE, file_size)
    _write("/proc/self/oom_score_adj", "800")  # let the kernel end the tree before the supervisor
    if group:
        _write(f"{group}/cgroup.procs", "0")
    _control_process(_PR_SET_NO_NEW_PRIVS)
    _control_process(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != guard:  # it died before the line above
        os._exit(_NOT_STARTED)
    os.execvp(command[0], command)  # noqa: S606 - a list and no shell, as everywhere


def _limit(what: int, most: int) -> None:
    hard = resource.getrlimit(what)[1]
    if hard != resource.RLIM_INFINITY:
        most = min(most, hard)
    resource.setrlimit(what, (most, most))


def _write(path: str, text: str) -> None:
    try:
        with open(path, "w", encoding="ascii") as file:  # noqa: PTH123 - pathlib is slow to import
            file.write(text)
    except OSError:
        pass


def _control_process(option: int, value: int = 1) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def _let_go(passed: list[int]) -> None:
    """Close what belongs to the command, so that its pipes end when it does."""
    for descriptor in passed:
        os.close(descriptor)
    nothing = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nothing, standard)
    os.close(nothing)


def _watch(child: int, lifeline: int, wake: int, inner: _Inner) -> int | None:
    """Return the command's wait status, or None when the tree must be killed first."""
    while True:
        ready = _readable(lifeline, wake, *inner.open)
        if any(each in ready for each in inner.open):
            inner.listen()
        if wake in ready:
            os.read(wake, 4096)
            status = _reap(child)[0]
            if status is not None:
                return status
        if lifeline in ready:
            requests = _requests(lifeline)
            if not requests or KILL in requests:
                return None
            for letter, number in _SIGNALS.items():
                if letter in requests and not inner.tell(letter):
                    _send(number, -child)


def _readable(*descriptors: int) -> list[int]:
    """Wait until something can be read; return where. `select` knows no descriptor above 1023."""
    poll = select.poll()
    for each in descriptors:
        poll.register(each, select.POLLIN)
    return [each for each, _ in poll.poll()]


def _requests(lifeline: int) -> bytes:
    try:
        return os.read(lifeline, 64)
    except ConnectionError:
        return b""


def _reap(child: int) -> tuple[int | None, int]:
    """Collect every ended child.

    Returns:
        The command's wait status if it is among them, and how many there were; -1 for the
        latter when no child is left at all.
    """
    found, count = None, 0
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return found, -1
        if pid == 0:
            return found, count
        if pid == child:
            found = status
        count += 1


def _sweep(child: int, status: int | None) -> int | None:
    """Kill until no child is left; return the command's wait status."""
    while True:
        if status is None:  # afterwards the group's number may belong to somebody else
            _send(signal.SIGKILL, -child)
        for pid in _children():
            _send(signal.SIGKILL, pid)
        found, count = _reap(child)
        status = status if found is None else found
        if count < 0:
            return status
        if count == 0:  # else at once again: the dead may have left children to us
            time.sleep(0.0005)


def _send(number: int, target: int) -> None:
    try:  # noqa: SIM105 - as above
        os.kill(target, number)
    except OSError:
        pass


def _children() -> list[int]:
    me = os.getpid()
    try:
        with open(f"/proc/self/task/{me}/children", encoding="ascii") as file:  # noqa: PTH123 - as above
            return [int(each) for each in file.read().split()]
    except OSError:  # a kernel built without that file
        return [pid for pid in _processes() if _parent(pid) == me]


def _processes() -> list[int]:
    try:
        return [int(name) for name in os.listdir("/proc") if name.isdigit()]  # noqa: PTH208 - as above
    except OSError:
        return []


def _parent(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:  # noqa: PTH123 - as above
            return int(file.read().rpartition(")")[2].split()[1])
    except (OSError, IndexError):
        return 0


def _report(lifeline: int, status: int | None) -> None:
    code = signaled = "null"
    if status is not None:
        ending = os.waitstatus_to_exitcode(status)
        code, signaled = (str(ending), "null") if ending >= 0 else ("null", str(-ending))
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = used.ru_utime + used.ru_stime
    line = f'{{"code": {code}, "signal": {signaled}, "cpu": {cpu:.6f}}}\n'
    try:  # noqa: SIM105 - as above
        os.write(lifeline, line.encode())
    except OSError:
        pass  # the supervisor is gone: nobody asks any more


if __name__ == "__main__":
    main(sys.argv[1:])
    os._exit(0)  # there is nothing to finalise, and the supervisor waits
