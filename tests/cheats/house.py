"""A house worth robbing: what lies beside a trial on a real machine, and what happened to it."""

import hashlib
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.cheats.fates import Fate

# Holds the secret as a supervisor holds the documents: in its memory and in an open file.
_NEIGHBOUR = """
import sys, time
secret = open(sys.argv[1], "rb").read()
held = open(sys.argv[1], "rb")
print(id(secret), held.fileno(), flush=True)
time.sleep(600)
"""


class House:
    """Sealed text, a registry, a repository, a neighbour process and two sockets that listen."""

    def __init__(self) -> None:
        self._secret = secrets.token_hex(16)
        self._root = Path(tempfile.mkdtemp(prefix="house-"))
        self._val = self._write("home/corpora/sealed/val.txt", self._secret)
        self._registry = self._write("project/.autoresearch/registry.db", "rows")
        self._head = self._write("project/.git/refs/heads/main", "0" * 40)
        self._startup = self._write("home/.local/lib/site.txt", "")
        self._tcp = socket.create_server(("127.0.0.1", 0))
        self._unix = socket.socket(socket.AF_UNIX)
        # A test's own folder may have a longer name than a socket can.
        self._bus = Path(tempfile.mkdtemp(prefix="bus-", dir="/tmp")) / "bus"
        self._unix.bind(str(self._bus))
        self._unix.listen()
        self._neighbour = subprocess.Popen(
            [sys.executable, "-c", _NEIGHBOUR, str(self._val)], stdout=subprocess.PIPE, text=True
        )
        assert self._neighbour.stdout is not None
        self._at, self._descriptor = map(int, self._neighbour.stdout.readline().split())
        self._before = self._digest()

    def names(self) -> dict[str, object]:
        """Return where everything is: a thief may know."""
        return {
            "VAL": self._val,
            "REGISTRY": self._registry,
            "GIT": self._head.parents[2],
            "STARTUP": self._startup.parent,
            "PORT": self._tcp.getsockname()[1],
            "BUS": self._bus,
            "NEIGHBOUR": self._neighbour.pid,
            "AT": self._at,
            "DESCRIPTOR": self._descriptor,
        }

    def harm(self, fate: Fate) -> str:
        """Return what was done to the house, in one word; nothing if nothing was."""
        told = fate.outcome.log.decode("utf-8", "replace") + str(dict(fate.outcome.facts))
        if self._secret in told:
            return "read"
        if self._digest() != self._before:
            return "changed"
        if any(self._was_reached(each) for each in (self._tcp, self._unix)):
            return "network"
        time.sleep(0.05)
        return "killed" if self._neighbour.poll() is not None else ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._neighbour.kill()
        self._neighbour.communicate()
        self._tcp.close()
        self._unix.close()
        shutil.rmtree(self._bus.parent)

    def _write(self, name: str, text: str) -> Path:
        path = self._root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def _digest(self) -> str:
        found = hashlib.sha256()
        for path in sorted(self._root.rglob("*")):
            found.update(str(path).encode() + (path.read_bytes() if path.is_file() else b""))
        return found.hexdigest()

    def _was_reached(self, listener: socket.socket) -> bool:
        listener.setblocking(False)
        try:
            listener.accept()[0].close()
        except BlockingIOError:
            return False
        return True
