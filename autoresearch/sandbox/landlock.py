"""Landlock and a seccomp filter, where there is no bubblewrap: better than nothing, `unsealed`.

A process can open the files that bubblewrap would show it, and no others; can make no socket but
local ones; can neither trace nor (since Linux 6.12) signal processes outside; has no way to new
privileges, and the same filter of system calls and limits as in bubblewrap.

What it does not cover, for which its scores are `unsealed`:
- local sockets by path: a desktop bus, a container daemon or an agent that listens in a file is
  in reach, and each may be a way out;
- chmod, chown, times and extended attributes of any file of the user's, by path;
- names, times and sizes of files and processes anywhere, by stat, readlink and /proc;
- /dev/shm, which is shared with every process of the user's;
- AMD's other cards, which its driver must be able to open: one is chosen by a variable;
- the process table and memory, as at the plain level: nothing but the guard and the poll;
- on kernels before 6.12 signals to, and abstract sockets of, the user's other processes; before
  6.2 cutting files short.
"""

import platform
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from autoresearch.process import Confined
from autoresearch.records.training import Limits
from autoresearch.records.values import Trust
from autoresearch.sandbox import paths
from autoresearch.sandbox.base import Scrubbed
from autoresearch.sandbox.seccomp import LOCAL, NETWORKED, compile_filter

_NODES = ("null", "zero", "full", "random", "urandom", "tty")
_SHARED = ("/dev/shm",)  # noqa: S108 - DataLoader workers hand their tensors over there


@dataclass(frozen=True)
class Landlock(Scrubbed):
    """See the module's text.

    `python` runs the second stage, `base` are the interpreter's files.
    """

    python: str
    base: tuple[Path, ...]
    trust: Trust = Trust.UNSEALED
    name: str = "Landlock"

    def command(
        self,
        argv: Sequence[str],
        *,
        readable: Sequence[Path],
        writable: Sequence[Path],
        limits: Limits | None = None,
        network: bool = False,
        devices: bool = False,
    ) -> Confined:
        """See `Sandbox`."""
        read = [*self.base, *paths.system(network=network), paths.RUNTIME, *readable]
        use = [Path("/dev") / each for each in _NODES]
        if devices:  # CUDA writes the names of its threads
            read.append(Path("/sys"))
            use += [*self.access.nodes, *self.access.insisted, Path("/proc/self")]
        limits = limits or Limits()
        seccomp = compile_filter(platform.machine(), NETWORKED if network else LOCAL)
        words = [
            *(self.python, "-I", "-S", str(paths.CONFINE)),
            *("files", str(limits.descriptors)),
            *_allowed("read", [*read, Path("/proc")]),
            *_allowed("use", use),
            *_allowed("list", [paths.PACKAGES]),  # Python looks for packages by listing
            *_allowed("write", [*writable, *map(Path, _SHARED)]),
            *("filter", (seccomp or b"").hex(), "--"),
        ]
        return Confined(tuple(argv), tuple(words), processes=limits.processes)


def _allowed(kind: str, allowed: Sequence[Path]) -> list[str]:
    return [word for path in allowed for word in (kind, str(path))]
