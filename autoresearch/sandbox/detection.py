"""Which sandbox this machine offers: each level is tried for real, the strongest first."""

import os
import platform
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from autoresearch.devices import Access, unpinned
from autoresearch.process import Exit, launch
from autoresearch.records.training import Limits
from autoresearch.runtime import restrict
from autoresearch.sandbox import paths
from autoresearch.sandbox.base import PASSED_THROUGH, Sandbox
from autoresearch.sandbox.bubblewrap import Bubblewrap
from autoresearch.sandbox.landlock import Landlock
from autoresearch.sandbox.plain import Unsealed
from autoresearch.sandbox.seccomp import NETWORKED, compile_filter

_PATIENCE = 120.0  # seconds: a busy machine must not be taken for one without a sandbox
_OLDEST = (0, 8)
_NO_DEVICE = Access()
# The probe exits with 64, so that it is no code of bwrap's, plus a bit for each of these.
_LEAKS = (
    "it reads files outside",
    "it reaches the network",
    "it signals us",
    "no filter is loaded",
)
_PROBE = """
import os, sys, _socket
def tries(act):
    try:
        act()
    except OSError:
        return 0
    return 1
secret, port, supervisor = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
with open("/proc/self/status", encoding="utf-8", errors="replace") as file:
    unfiltered = "Seccomp:\\t2" not in file.read()
open("written", "w").close()
leaks = tries(lambda: os.open(secret, os.O_RDONLY))
leaks += 2 * tries(lambda: _socket.socket(2, 1).connect(("127.0.0.1", port)))
leaks += 4 * tries(lambda: os.kill(supervisor, 0))
os._exit(64 + leaks + 8 * unfiltered)
"""


@dataclass(frozen=True)
class Detection:
    """The sandbox to use, and for each stronger level a line that says why not and what helps."""

    sandbox: Sandbox
    notes: tuple[str, ...] = ()


def detect(
    environment: Mapping[str, str], hidden: Sequence[Path] = (), access: Access | None = None
) -> Sandbox:
    """Return the strongest sandbox that holds here; see `examine`."""
    return examine(environment, hidden, access).sandbox


def examine(
    environment: Mapping[str, str], hidden: Sequence[Path] = (), access: Access | None = None
) -> Detection:
    """Return the strongest sandbox that holds on this machine, and why no stronger one does.

    Takes some 60 ms: a process is started in it that tries to get out.

    Args:
        environment: the supervisor's; processes get the few variables that they need.
        hidden: what must stay out of reach, even if it is in the system's folders.
        access: to the accelerator; to every one if None.
    """
    access = unpinned(environment) if access is None else access
    inherited = {name: environment[name] for name in PASSED_THROUGH if name in environment}
    notes: list[str] = []
    for offer in (bubblewrap, landlock):
        sandbox = offer(inherited, tuple(hidden), access)
        fault = sandbox if isinstance(sandbox, str) else probe(sandbox)
        if not isinstance(sandbox, str) and not fault:
            return Detection(sandbox, tuple(notes))
        notes.append(fault)
    return Detection(Unsealed(inherited, access=access), tuple(notes))


def bubblewrap(
    inherited: Mapping[str, str],
    hidden: tuple[Path, ...],
    access: Access = _NO_DEVICE,
) -> Bubblewrap | str:
    """Return this level, not yet tried, or why this machine does not offer it."""
    if sys.platform != "linux":
        return "bubblewrap: there is none for this system"
    program = shutil.which("bwrap", path=inherited.get("PATH", os.defpath))
    if program is None:
        return "bubblewrap is not installed: apt install bubblewrap (or dnf, pacman, zypper)"
    version = _version(program)
    if version < _OLDEST:
        return f"bubblewrap {'.'.join(map(str, version))} is too old: 0.8 or later is needed"
    seccomp = compile_filter(platform.machine(), NETWORKED)
    if seccomp is None:
        return f"bubblewrap: no filter of system calls is known for {platform.machine()}"
    return Bubblewrap(
        inherited, program, seccomp, sys.executable, tuple(paths.interpreter(inherited)), hidden,
        access=access,
    )  # fmt: skip


def _version(program: str) -> tuple[int, ...]:
    answer = subprocess.run(
        [program, "--version"], capture_output=True, text=True, check=False, env={}
    ).stdout
    words = answer.split() or ["0"]
    return tuple(int(each) for each in words[-1].split(".") if each.isdigit())


def landlock(
    inherited: Mapping[str, str],
    hidden: tuple[Path, ...],
    access: Access = _NO_DEVICE,
) -> Landlock | str:
    """Return this level, not yet tried, or why this machine does not offer it."""
    if sys.platform != "linux" or not restrict.version():
        return "Landlock: this kernel has none, or it is switched off"
    if compile_filter(platform.machine(), ()) is None:
        return f"Landlock: no filter of system calls is known for {platform.machine()}"
    base = (*paths.interpreter(inherited), *paths.system(network=False))
    real = [Path(os.path.realpath(each)) for each in hidden]
    if any(each.is_relative_to(os.path.realpath(shown)) for each in real for shown in base):
        return "Landlock cannot hide what lies among the system's or the interpreter's files"
    return Landlock(inherited, sys.executable, tuple(paths.interpreter(inherited)), access=access)


def probe(sandbox: Sandbox) -> str:
    """Run a process in a sandbox that tries to get out; return what is wrong, or ""."""
    with tempfile.TemporaryDirectory() as folder, socket.create_server(("127.0.0.1", 0)) as server:
        secret, scratch = Path(folder, "secret"), Path(folder, "scratch")
        secret.touch()
        scratch.mkdir()
        words = [str(secret), str(server.getsockname()[1]), str(os.getpid())]
        argv = [sys.executable, "-I", "-S", "-c", _PROBE, *words]
        exit_, errors = _run(sandbox, argv, scratch)
    if exit_.code == 64:
        return ""
    if exit_.code is not None and 64 < exit_.code < 80:
        leaks = [leak for bit, leak in enumerate(_LEAKS) if (exit_.code - 64) >> bit & 1]
        return f"{sandbox.name} does not hold here: {', '.join(leaks)}"
    return f"{sandbox.name} does not work here: {' '.join(_advice(errors)) or exit_}"


def _run(sandbox: Sandbox, argv: Sequence[str], scratch: Path) -> tuple[Exit, str]:
    limits = Limits()
    with ExitStack() as held:
        errors = held.enter_context(tempfile.TemporaryFile())
        guarded = launch(
            sandbox.command(argv, readable=(), writable=(scratch,), limits=limits),
            cwd=scratch,
            env=sandbox.environment(scratch, limits),
            stderr=errors.fileno(),
        )
        held.enter_context(guarded)
        exit_ = guarded.wait(_PATIENCE) or guarded.kill()
        errors.seek(0)
        return exit_, errors.read(2000).decode("utf-8", "replace")


def _advice(errors: str) -> Iterator[str]:
    """Yield the last line that a failing sandbox wrote to stderr, and what to do about it."""
    lines = errors.strip().splitlines()
    if lines:
        yield lines[-1][:200]
    if "ermission" in errors or "not permitted" in errors or "namespace" in errors:
        switches = () if any(map(os.path.exists, _CONTAINERS)) else _SWITCHES
        yield next((f"({advice})" for path, off, advice in switches if _reads(path) == off), _ELSE)


_SWITCHES = (
    (
        "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
        "1",
        "AppArmor forbids user namespaces: allow bwrap `userns,` in /etc/apparmor.d/bwrap",
    ),
    (
        "/proc/sys/kernel/unprivileged_userns_clone",
        "0",
        "user namespaces are switched off: sysctl kernel.unprivileged_userns_clone=1",
    ),
    (
        "/proc/sys/user/max_user_namespaces",
        "0",
        "user namespaces are switched off: sysctl user.max_user_namespaces=10000",
    ),
)
# Files that container engines put into containers: there the host's switches are out of reach.
_CONTAINERS = ("/.dockerenv", "/run/.containerenv", "/var/run/secrets/kubernetes.io")
_ELSE = (
    "(in a container, start that with rights to make user namespaces and to mount /proc: Docker's "
    "`--security-opt seccomp=unconfined --security-opt apparmor=unconfined "
    "--security-opt systempaths=unconfined`; where a landlord starts it, rent a virtual machine)"
)


def _reads(path: str) -> str:
    try:
        return Path(path).read_text("utf-8").strip()
    except OSError:
        return ""
