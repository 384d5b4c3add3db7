"""The one interface of all sandboxes, and the environment that they share."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from autoresearch.devices import Access
from autoresearch.process import Confined
from autoresearch.records.training import Limits
from autoresearch.records.values import Trust

# What a process cannot work without. LD_LIBRARY_PATH finds a driver's libraries; the last one makes
# AMD's consumer cards work with ROCm, by the generation that it names.
PASSED_THROUGH = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "HSA_OVERRIDE_GFX_VERSION")
_THREADS = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)
# Keeps freed memory in the process. Activations and logits are megabytes each; glibc would get such
# blocks from the kernel and give them back every time, which costs a small model a tenth of its
# steps.
THRIFT = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(2**36)}
# A cache for each trial: through a shared one a trial could plant code in the next.
COMPILE_CACHES = {
    "TORCHINDUCTOR_CACHE_DIR": "cache/inductor",
    "TRITON_CACHE_DIR": "cache/triton",
    "CUDA_CACHE_PATH": "cache/cuda",
}
_CACHES = {"XDG_CACHE_HOME": "cache", **COMPILE_CACHES}


class Sandbox(Protocol):
    """One level of protection: how untrusted code is started."""

    @property
    def access(self) -> Access:
        """The accelerator that processes can reach, and how."""

    @property
    def trust(self) -> Trust:
        """How far a score from this sandbox can be believed."""

    @property
    def name(self) -> str:
        """The level's name in messages."""

    def environment(self, scratch: Path, limits: Limits) -> dict[str, str]:
        """Return the whole environment of a process whose private folder is `scratch`."""

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
        """Return the command that runs `argv` with only these files and folders in reach.

        The interpreter and its packages are always readable. Standard streams and the
        descriptors that `launch` passes on stay open.

        Args:
            argv: what to run.
            readable: what it may read; a folder means all in it.
            writable: what it may write, too.
            limits: its processes and memory files; the defaults of `Limits` if None.
            network: let it use the network and the machine's local sockets (a command proposer).
            devices: let it use the accelerator, the one that the sandbox has access to.
        """


@dataclass(frozen=True)
class Scrubbed:
    """What every sandbox does: it lets `inherited` variables through, and none else of the user's.

    `access` is to the accelerator.
    """

    inherited: Mapping[str, str]
    access: Access = field(default_factory=Access, kw_only=True)

    def environment(self, scratch: Path, limits: Limits) -> dict[str, str]:
        """See `Sandbox`: there are no keys, tokens or settings of the user's in it."""
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
        told = {"LANG": "C.UTF-8", **self.inherited, **self.access.variables}
        return told | fixed | THRIFT | threads | caches
