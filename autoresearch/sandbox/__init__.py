"""What untrusted code runs in: trials, model servers, smoke tests, command proposers.

There are three levels: bubblewrap (`sealed`), Landlock, and plain process limits (both `unsealed`).
`detect` takes the strongest one that this machine offers and that holds when it is tried; `examine`
also says why no stronger one does. The docstring of each level's module lists what it does not
cover. All levels share the guard (`autoresearch.process`), the environment without keys, and the
limits.
"""

from autoresearch.sandbox.base import THRIFT, Sandbox
from autoresearch.sandbox.bubblewrap import Bubblewrap
from autoresearch.sandbox.detection import Detection, detect, examine
from autoresearch.sandbox.landlock import Landlock
from autoresearch.sandbox.plain import Unsealed

__all__ = [
    "THRIFT",
    "Bubblewrap",
    "Detection",
    "Landlock",
    "Sandbox",
    "Unsealed",
    "detect",
    "examine",
]
