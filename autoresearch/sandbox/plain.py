"""Plain process limits: the honest level where there is neither bubblewrap nor Landlock.

`Unsealed` gives a process a scrubbed environment (no keys, no tokens, nothing of the user's but
the search path), a home and caches of its own, and limits on core dumps and file sizes; the guard
sees to it that nothing survives. This is *not* a sandbox, and scores say so (`Trust.UNSEALED`).

What it does not cover. The code runs as the same user on the same machine, and can
- read any file that the user can read: the sealed documents, keys in dot files;
- write any file that the user can write: the corpus, the registry, the project, start-up files;
- use the network and local sockets (a desktop bus, a container daemon, an ssh agent by its path);
- trace, signal or kill other processes of the user, the supervisor and the guard included;
- read the supervisor's own environment, keys included, in /proc where the system allows it;
- use every accelerator, for one is chosen by a variable alone;
- fill the disk, outside of its scratch folder unnoticed, and the process table (a process that
  forks faster than it is killed wins);
- take memory faster than it is polled, or in files on a memory disk;
- do work that a CPU-seconds clock does not see, in another service or in hidden children that
  live for milliseconds (only the wall limit stands behind it).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from autoresearch.process import Confined
from autoresearch.records.training import Limits
from autoresearch.records.values import Trust
from autoresearch.sandbox.base import Scrubbed


@dataclass(frozen=True)
class Unsealed(Scrubbed):
    """A scrubbed environment and nothing more: see the module's text for what is open."""

    trust: Trust = Trust.UNSEALED
    name: str = "process limits"

    def command(
        self,
        argv: Sequence[str],
        *,
        readable: Sequence[Path],  # noqa: ARG002 - everything is in reach at this level
        writable: Sequence[Path],  # noqa: ARG002 - the same
        limits: Limits | None = None,
        network: bool = False,  # noqa: ARG002 - the same
        devices: bool = False,  # noqa: ARG002 - the same
    ) -> Confined:
        """See `Sandbox`."""
        return Confined(tuple(argv), processes=(limits or Limits()).processes)
