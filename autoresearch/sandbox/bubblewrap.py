"""bubblewrap and a seccomp filter: the level at which scores are `sealed`.

A process sees the system's programs and libraries, the interpreter and its packages, the CPU's
description and what `command` names, all read-only but for what is writable; an empty /tmp and
/dev/shm of bounded size, its own /proc, no other home, no network. It has namespaces of its own
(user, pid, network, ipc, uts, cgroup), no capabilities, no way to new privileges, a filter of
system calls, limits on processes, open files and file sizes. All die with its first process.

What it does not cover.
- Faults of the kernel or of an accelerator's driver, whose whole interface is let through where
  `devices` is asked for, though of the cards only one is (where it could not be told which, all);
  other processes on the same card share its memory and its time.
- Memory is polled and the trial killed, not bounded: the limit can be overrun for a quarter of a
  second, and memory files (memfd, /tmp, /dev/shm: the latter bounded) count only where mapped.
- The disk under what is writable is polled for size and number of files, once a second.
- Root: the process keeps root's number, though no right of root's; file permissions do not bind
  it, the read-only mounts do. Its processes are bounded by a control group; where none can be
  made (in most containers) by the poll alone, which a fork bomb may outrun. Run as a user.
- The CPU, its caches and the memory bus are shared: it can slow others down, and measure them. It
  starts on the cores of its slot, and may move to others.
- When the supervisor and the guard are both killed in the milliseconds of a launch, a process
  of bubblewrap's own may stay behind, waiting; nothing of ours or of the trial's runs in it.
- /usr and the interpreter's folder are readable as a whole: secrets do not belong there.
- With `network`: the whole network and every local abstract socket. For command proposers only.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from autoresearch.devices import Access
from autoresearch.process import LIFELINE, Confined
from autoresearch.records.training import Limits
from autoresearch.records.values import Trust
from autoresearch.sandbox import paths
from autoresearch.sandbox.base import Scrubbed
from autoresearch.sandbox.paths import Mode

_TMP_BYTES = 256 * 2**20
# Root without any right of root's may still write here (bubblewrap covers them for others).
_SWITCHES = tuple(f"/proc/{name}" for name in ("sys", "sysrq-trigger", "irq", "bus", "fs", "acpi"))
_NAMESPACES = ("user", "pid", "ipc", "uts", "cgroup-try")
_FILTER, _PASSWD, _GROUP, _SWITCH = "<filter>", "<passwd>", "<group>", "<nsswitch>"
# A user database that names nobody else.
_IDENTITY = (
    *("--ro-bind-data", _PASSWD, "/etc/passwd", "--ro-bind-data", _GROUP, "/etc/group"),
    *("--ro-bind-data", _SWITCH, "/etc/nsswitch.conf"),
)


@dataclass(frozen=True)
class Bubblewrap(Scrubbed):
    """See the module's text.

    `program` is bwrap, `seccomp` the filter it loads, `python` runs the second stage, `base` are
    files of the interpreter; `hidden` is never shown, though it lie in something that is.
    """

    program: str
    seccomp: bytes
    python: str
    base: tuple[Path, ...]
    hidden: tuple[Path, ...] = ()
    trust: Trust = Trust.SEALED
    name: str = "bubblewrap"

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
        limits = limits or Limits()
        wrapper = [
            self.program,
            *(f"--unshare-{each}" for each in (*_NAMESPACES, *(() if network else ("net",)))),
            *("--disable-userns", "--die-with-parent", "--new-session", "--cap-drop", "ALL"),
            *("--proc", "/proc", "--dev", "/dev"),
            *(word for path in _SWITCHES for word in ("--ro-bind-try", path, path)),
            *_memory("/dev/shm", limits.memory // 4),  # noqa: S108 - its own
            *_memory("/tmp", _TMP_BYTES),  # noqa: S108 - its own
            *_shown([*self.base, *paths.system(network=network)], self.hidden, readable, writable),
            *(_accelerator(self.access) if devices else ()),
            *_IDENTITY,
            *("--remount-ro", "/dev", "--remount-ro", "/", "--seccomp", _FILTER, "--"),
            *(self.python, "-I", "-S", str(paths.CONFINE)),
            *("processes", str(limits.processes), "files", str(limits.descriptors)),
            *("lifeline", LIFELINE, "--"),
        ]
        files = self._files(network=network)
        return Confined(tuple(argv), tuple(wrapper), files, limits.processes)

    def _files(self, *, network: bool) -> dict[str, bytes]:
        user, group = os.getuid(), os.getgid()
        return {
            _FILTER: self.seccomp,
            _PASSWD: f"trial:x:{user}:{group}::/:/bin/sh\n".encode(),
            _GROUP: f"trial:x:{group}:\n".encode(),
            _SWITCH: b"passwd: files\ngroup: files\nhosts: files %s\n" % (b"dns" * network),
        }


def _shown(
    base: Sequence[Path],
    hidden: Sequence[Path],
    readable: Sequence[Path],
    writable: Sequence[Path],
) -> list[str]:
    """Return the arguments that show files, and the links on the way to them."""
    wanted = [(path, Mode.READ) for path in (*base, paths.RUNTIME, *readable)]
    wanted += [(path, Mode.WRITE) for path in writable]
    wanted += [(path, Mode.HIDDEN) for path in hidden if path.exists()]
    shown, links = paths.layout(wanted)
    words: list[str] = []
    for path, mode in shown:
        words += _mount(str(path), mode)
    for link in links:
        words += ["--symlink", link.target, str(link.at)]
    for path, mode in shown:
        words += ["--remount-ro", str(path)] if mode is Mode.HIDDEN and path.is_dir() else []
    return words


def _mount(path: str, mode: Mode) -> list[str]:
    if mode is Mode.HIDDEN and not Path(path).is_dir():
        return ["--ro-bind", os.devnull, path]
    if mode is Mode.HIDDEN:
        return ["--perms", "0500", "--tmpfs", path]
    return ["--bind" if mode is Mode.WRITE else "--ro-bind", path, path]


def _memory(path: str, size: int) -> list[str]:
    return ["--perms", "1777", "--size", str(size), "--tmpfs", path]


def _accelerator(access: Access) -> list[str]:
    words = ["--ro-bind", "/sys", "/sys"]  # without it CUDA ends with error 304
    for path in map(str, access.nodes):
        words += ["--dev-bind-try", path, path]
    return words
