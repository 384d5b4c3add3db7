"""Starting a process tree that cannot outlive its supervisor, and measuring it.

Every untrusted process of the house starts here. Between it and us stands the guard
(`autoresearch/runtime/guard.py`), which kills what is left when the command ends, when we ask
and when we die. What this does not stop: code of the same user can kill the guard itself. Then
the command dies with it (Linux), and so do the descendants seen so far and those that stayed in
the guard's session; one that left the session unseen in the instant before escapes. In a sandbox
with a pid namespace neither happens: nobody in it sees the guard, and all die with its first.
"""

from autoresearch.process.confined import LIFELINE, Confined
from autoresearch.process.folders import link_tree, put_new, remove
from autoresearch.process.guarded import Exit, Guarded, launch, signal_name
from autoresearch.process.resource_limits import ResourceLimits
from autoresearch.process.running import Breach, ProcessResult, run
from autoresearch.process.starvation import CoreWaits
from autoresearch.process.supervising import Pipe, open_pipe, supervise

__all__ = [
    "LIFELINE",
    "Breach",
    "Confined",
    "CoreWaits",
    "Exit",
    "Guarded",
    "Pipe",
    "ProcessResult",
    "ResourceLimits",
    "launch",
    "link_tree",
    "open_pipe",
    "put_new",
    "remove",
    "run",
    "signal_name",
    "supervise",
]  # fmt: skip
