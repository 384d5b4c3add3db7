"""For commands that end at once: what pays only in a longer one is left out.

Collecting garbage is a sixth of what `status` costs, for memory that it soon gives back; threads of
the linear algebra that NumPy brings along are a twentieth, and it multiplies no matrix.
"""

import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager

_THREADS = "OPENBLAS_NUM_THREADS"  # read where NumPy is imported


@contextmanager
def quick(*, really: bool = True) -> Iterator[None]:
    """Collect no garbage and start no such threads meanwhile.

    Args:
        really: whether the command ends at once; of others nothing is changed.
    """
    if not (really and gc.isenabled()):
        yield
        return
    theirs = os.environ.get(_THREADS)
    os.environ.setdefault(_THREADS, "1")
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        if theirs is None:
            del os.environ[_THREADS]
