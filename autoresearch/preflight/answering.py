"""A decorator that turns what hostile text makes parsers and readers raise into a refusal.

A proposal may be any text: an integer of more digits than Python prints, an expression that is too
deep for its parser, a name that is too long for a file. Code that reads it may then raise. The
proposal is to blame, so it is refused: the error must not end the run, nor every later run that
reads the same row again.
"""

import errno
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from autoresearch.errors import AutoresearchError
from autoresearch.records.proposals import Rejection
from autoresearch.records.text import safe_reason

P = ParamSpec("P")
T = TypeVar("T")
# These errors of the system are about a name in the proposal; all others are about the machine.
_NAMES = frozenset(
    {errno.EINVAL, errno.EILSEQ, errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.ENOTDIR}
)


def answered(judge: Callable[P, T]) -> Callable[P, T | Rejection]:
    """Return a function that answers as `judge` does, but with a Rejection where that raises.

    A fault of the machine or the repository is raised all the same: a full disk is no reason to
    refuse.
    """

    @wraps(judge)
    def answer(*args: P.args, **kwargs: P.kwargs) -> T | Rejection:
        try:
            return judge(*args, **kwargs)
        except AutoresearchError:
            raise
        except OSError as fault:
            if fault.errno not in _NAMES:
                raise
            return _unreadable(fault)
        except Exception as fault:  # noqa: BLE001 - whatever it is, the proposal made it
            return _unreadable(fault)

    return answer


def _unreadable(fault: Exception) -> Rejection:
    reason = safe_reason(f"{type(fault).__name__}: {fault}".rstrip(": "), 250)
    return Rejection(f"it cannot be read ({reason})")
