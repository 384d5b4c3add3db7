"""Work in a process of its own that starts at once: it is forked from this one, imports and all.

A command under test can so be signalled, killed and read from outside at a hundredth of the price
of a fresh interpreter. That a fresh one starts is shown by `tests/test_cli.py` and `wheel.sh`.
"""

import os
import pty
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NoReturn

from autoresearch import cli

PATIENCE = 800.0  # seconds until something that does not end is taken for a fault


class Forked:
    """A process of this one's kind at work, and what it has written.

    `returncode` is as `subprocess` has it: minus the number of the signal it died by.
    """

    def __init__(
        self,
        act: Callable[[], object],
        *,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        terminal: bool = False,
    ) -> None:
        """Start it; with a `terminal` its streams are those, and it leads a session there."""
        place = Path(tempfile.mkdtemp(prefix="forked-"))
        self._out, self._err = place / "out", place / "err"
        self._out.touch()
        self._err.touch()
        self._status: int | None = None
        sys.stdout.flush()
        sys.stderr.flush()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # this process has threads; what is forked needs none
            self.pid, self.terminal = pty.fork() if terminal else (os.fork(), -1)
        if self.pid == 0:
            self._become(act, cwd, env, terminal=terminal)

    @property
    def out(self) -> str:
        """Return what it has written to its standard output so far."""
        return self._out.read_text("utf-8", "replace")

    @property
    def err(self) -> str:
        """Return what it has written to its standard error so far."""
        return self._err.read_text("utf-8", "replace")

    def until(self, text: str) -> "Forked":
        """Wait until it has said this on its standard error."""
        deadline = time.monotonic() + PATIENCE
        while text not in self.err:
            assert self.poll() is None, f"it ended without {text!r}: {self.out}{self.err}"
            assert time.monotonic() < deadline, f"it never said {text!r}: {self.out}{self.err}"
            time.sleep(0.01)
        return self

    def read_until(self, text: str) -> str:
        """Wait until it has said this on its terminal, and return all that it said there."""
        seen = b""
        while text.encode() not in seen:
            seen += os.read(self.terminal, 65536)
        return seen.decode("utf-8", "replace")

    def send_signal(self, number: int) -> None:
        """Signal it."""
        os.kill(self.pid, number)

    def poll(self) -> int | None:
        """Return how it ended, or None while it is at work."""
        if self._status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self._status = status if pid else None
        return None if self._status is None else os.waitstatus_to_exitcode(self._status)

    def wait(self, seconds: float = PATIENCE) -> int:
        """Return how it ended."""
        deadline = time.monotonic() + seconds
        while (code := self.poll()) is None:
            if time.monotonic() > deadline:
                os.kill(self.pid, signal.SIGKILL)
                msg = f"it does not end: {self.out}{self.err}"
                raise TimeoutError(msg)
            time.sleep(0.005)
        return code

    def _become(
        self,
        act: Callable[[], object],
        cwd: Path | None,
        env: Mapping[str, str] | None,
        *,
        terminal: bool,
    ) -> NoReturn:
        code = 1
        try:
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM):
                signal.signal(number, signal.SIG_DFL)
            signal.signal(signal.SIGINT, signal.default_int_handler)
            streams = ((os.devnull, 0), (self._out, 1), (self._err, 2))
            for path, descriptor in () if terminal else streams:
                opened = os.open(path, os.O_RDWR | os.O_APPEND)
                os.dup2(opened, descriptor)
                os.close(opened)
            sys.stdin, sys.stdout, sys.stderr = open(0), open(1, "w"), open(2, "w")  # noqa: SIM115
            if cwd is not None:
                os.chdir(cwd)
            if env is not None:
                os.environ.clear()
                os.environ.update(env)
                tempfile.tempdir = env.get("TMPDIR", tempfile.tempdir)
            act()
            code = 0
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
            if isinstance(ended.code, str):
                sys.stderr.write(f"{ended.code}\n")
        except BaseException:  # noqa: BLE001 - as the interpreter does at the end of a program
            traceback.print_exc()
        finally:
            try:
                sys.stdout.flush()
                sys.stderr.flush()
            finally:  # whatever became of them: what is forked must never go on as the tests
                os._exit(code)


class Command(Forked):
    """`autoresearch` with these arguments.

    `prepare` is the one that starts a fresh interpreter: the tokenizer is trained by a pool of
    threads, and where this process has used it, what is forked would wait for threads of a pool
    that is not there.
    """

    def __init__(
        self,
        *arguments: str,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        terminal: bool = False,
    ) -> None:
        def act() -> None:
            if arguments[0] == "prepare":
                os.environ["TMPDIR"] = tempfile.gettempdir()
                os.execv(sys.executable, [sys.executable, "-m", "autoresearch", *arguments])
            sys.argv = ["autoresearch", *arguments]
            cli.main()

        super().__init__(act, cwd=cwd, env=env, terminal=terminal)


def autoresearch(
    *arguments: str,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    code: int = 0,
) -> Command:
    """Run `autoresearch` with these arguments to its end, which must be this exit code."""
    done = Command(*arguments, cwd=cwd, env=env)
    assert done.wait() == code, done.out + done.err
    return done
