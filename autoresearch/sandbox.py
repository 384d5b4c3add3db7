"""What stands between untrusted code and the machine. For now the plainest honest level.

`Unsealed` gives a process a scrubbed environment (no keys, no tokens, nothing of the user's but
the search path), a home and caches of its own, and limits on core dumps and file sizes; the guard
sees to it that nothing survives. This is *not* a sandbox, and scores say so (`Trust.UNSEALED`).

What it does not cover. The code runs as the same user on the same machine, and can
- read any file that the user can read: the sealed documents, keys in dot files;
- write any file that the user can write: the corpus, the registry, the project, start-up files;
- use the network and local sockets (a desktop bus, a container daemon, an ssh agent by its path);
- trace, signal or kill other processes of the user, the supervisor and the guard included;
- read the supervisor's own environment, keys included, in /proc where the system allows it;
- fill the disk, in size or in number of files, and the process table (a process that forks
  faster than it is killed wins);
- take memory faster than it is polled, or in files on a memory disk;
- do work that a CPU-seconds clock does not see, in another service or in hidden children that
  live for milliseconds (only the wall limit stands behind it).

A stronger level implements the same `Sandbox`: `command` wraps argv, `environment` stays.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from autoresearch.records.values import Limits, Trust

# What a process cannot work without. LD_LIBRARY_PATH and CUDA_VISIBLE_DEVICES find the accelerator.
_PASSED_THROUGH = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES")
_THREADS = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)
# Activations and logits are megabytes each. glibc asks the kernel for such blocks and gives them
# back every time, which costs a small model a tenth of its steps: keep them instead.
THRIFT = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(2**36)}
# One cache for each trial: a cache that the next one reads is a way to plant code in it.
_CACHES = {
    "XDG_CACHE_HOME": "cache",
    "TORCHINDUCTOR_CACHE_DIR": "cache/inductor",
    "TRITON_CACHE_DIR": "cache/triton",
    "CUDA_CACHE_PATH": "cache/cuda",
}


class Sandbox(Protocol):
    """How untrusted code is started."""

    @property
    def trust(self) -> Trust:
        """How far a score from this sandbox can be believed."""

    def environment(self, scratch: Path, limits: Limits) -> dict[str, str]:
        """Return the whole environment of a process whose private folder is `scratch`."""

    def command(
        self, argv: Sequence[str], *, readable: Sequence[Path], writable: Sequence[Path]
    ) -> list[str]:
        """Return the command that runs `argv` with only these files and folders in reach.

        The interpreter and its packages are always readable.
        """


@dataclass(frozen=True)
class Unsealed:
    """A scrubbed environment and nothing more: see the module's text for what is open."""

    inherited: Mapping[str, str]
    trust: Trust = Trust.UNSEALED

    def environment(self, scratch: Path, limits: Limits) -> dict[str, str]:
        """See `Sandbox`."""
        fixed = {
            "HOME": str(scratch),
            "TMPDIR": str(scratch),
            "PYTHONHASHSEED": "0",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONUNBUFFERED": "1",  # a trial is killed at its finish: its log must be out by then
            "PYTHONFAULTHANDLER": "1",
        }
        threads = dict.fromkeys(_THREADS, str(limits.threads))
        caches = {name: str(scratch / folder) for name, folder in _CACHES.items()}
        return {"LANG": "C.UTF-8"} | dict(self.inherited) | fixed | THRIFT | threads | caches

    def command(
        self,
        argv: Sequence[str],
        *,
        readable: Sequence[Path],  # noqa: ARG002 - everything is in reach at this level
        writable: Sequence[Path],  # noqa: ARG002 - the same
    ) -> list[str]:
        """See `Sandbox`."""
        return list(argv)


def detect(environment: Mapping[str, str]) -> Sandbox:
    """Return the strongest sandbox this machine offers, given the supervisor's environment."""
    return Unsealed({name: environment[name] for name in _PASSED_THROUGH if name in environment})
