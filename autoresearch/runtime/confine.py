"""The second stage of a sandbox: gives up what is left to give up, then runs the command.

It runs as ``python -I -S confine.py SETTING VALUE ... -- COMMAND...``. Settings are

- ``processes N``, ``files N``: how many processes and open files there may be;
- ``read PATH``, ``write PATH``, ``list PATH``, ``use PATH``: by Landlock, what may be read and
  executed, also be written, only have its folders listed, be read and written but not made
  (devices);
- ``filter HEX``: a seccomp filter to load (where bubblewrap does not); turns Landlock on;
- ``lifeline FD``: it is in a pid namespace and FD a socket to the guard. It says READY, waits for
  GO, runs the command as its child, passes requests on and tells its wait status, for the
  namespace's first process makes exit codes of signals. End of file is the guard's death:
  it leaves, and with it everything in the namespace.

Standard library only, and little of it: its start is part of the cost of every launch.
"""

import os
import resource
import select
import signal
import sys

_READY, _GO = b"R", b"G"
_SIGNALS = {ord("I"): signal.SIGINT, ord("T"): signal.SIGTERM}
_NOT_STARTED = 127
_MOST_DESCRIPTORS = 2**16
# Since this kernel a user namespace counts its own processes, not all those of the user.
_COUNTS_APART = (5, 14)


def main(arguments: list[str]) -> None:
    """Confine this process as told and become (or start) the command after ``--``."""
    end = arguments.index("--")
    settings = list(zip(arguments[:end:2], arguments[1:end:2], strict=True))
    command = arguments[end + 1 :]
    _limit(settings)
    known = dict(settings)
    if "filter" in known:
        _restrict(settings, bytes.fromhex(known["filter"]))
    try:
        if "lifeline" in known:
            _supervise(int(known["lifeline"]))
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # Python ignores it, others should not
        os.execvp(command[0], command)  # noqa: S606 - a list and no shell, as everywhere
    except OSError as fault:
        os.write(2, f"cannot start {command[0]}: {fault}\n".encode())
        os._exit(_NOT_STARTED)


def _limit(settings: list[tuple[str, str]]) -> None:
    for name, value in settings:
        if name == "files":
            _at_most(resource.RLIMIT_NOFILE, int(value))
        elif name == "processes" and _release() >= _COUNTS_APART:
            _at_most(resource.RLIMIT_NPROC, int(value))
    _at_most(resource.RLIMIT_CORE, 0)
    _at_most(resource.RLIMIT_MSGQUEUE, 0)


def _at_most(what: int, most: int) -> None:
    hard = resource.getrlimit(what)[1]
    if hard != resource.RLIM_INFINITY:
        most = min(most, hard)
    resource.setrlimit(what, (most, most))


def _release() -> tuple[int, ...]:
    numbers = os.uname().release.split("-")[0].split(".")[:2]
    return tuple(int(each) for each in numbers if each.isdigit())


def _restrict(settings: list[tuple[str, str]], program: bytes) -> None:
    sys.path.insert(0, os.path.dirname(__file__))  # noqa: PTH120 - pathlib is slow to import
    from restrict import load_filter, restrict_files  # type: ignore # noqa: PLC0415 - only where it is needed

    restrict_files(settings)
    load_filter(program)
    del sys.path[0]


def _supervise(lifeline: int) -> None:
    """Run the command as a child to its end and never return; in the child, return."""
    os.write(lifeline, _READY)
    if os.read(lifeline, 1) != _GO:
        os._exit(_NOT_STARTED)
    child = os.fork()
    if child == 0:
        os.close(lifeline)
        os.setpgid(0, 0)  # requests are for it and its children alone
        return
    _let_go(lifeline)
    watched = os.pidfd_open(child)
    poll = select.poll()  # `select` knows no descriptor above 1023
    for each in (lifeline, watched):
        poll.register(each, select.POLLIN)
    while True:
        ready = [each for each, _ in poll.poll()]
        if watched in ready:
            _leave(lifeline, os.waitpid(child, 0)[1])
        letters = os.read(lifeline, 64)
        if not letters:
            os._exit(_NOT_STARTED)
        for letter in letters:
            _pass_on(letter, child)


def _let_go(kept: int) -> None:
    """Close what belongs to the command, so that its channels end when it closes them."""
    os.closerange(3, kept)
    os.closerange(kept + 1, _MOST_DESCRIPTORS)
    nothing = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nothing, standard)
    os.close(nothing)


def _pass_on(letter: int, child: int) -> None:
    try:
        os.killpg(child, _SIGNALS[letter])
    except ProcessLookupError:  # it has not made its group yet, or has left it
        os.kill(child, _SIGNALS[letter])


def _leave(lifeline: int, status: int) -> None:
    try:  # noqa: SIM105 - as above
        os.write(lifeline, b"%d\n" % status)
    except OSError:
        pass
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1:])
