"""What stands between untrusted code and the machine: trials, model servers, preflight, commands.

Three levels, of which `detect` takes the strongest that this machine offers and that holds when
it is tried: bubblewrap (`sealed`), Landlock, and plain process limits (both `unsealed`). Each
module's text lists what its level does not cover. `examine` also tells why a stronger one is
absent. All share the guard (`autoresearch.process`), the environment without keys, and the limits.
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
