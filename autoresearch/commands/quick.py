"""For commands that end at once: they are over before collecting garbage could pay."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def uncollected(*, quick: bool = True) -> Iterator[None]:
    """Collect no garbage meanwhile: a sixth of what `status` costs, for memory it soon gives back.

    Args:
        quick: whether the command ends at once; of others garbage is collected as ever.
    """
    if not (quick and gc.isenabled()):
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
