"""The one place where what hostile text makes of parsers and readers becomes a refusal.

A proposal may be any text: an integer of more digits than Python prints, an expression that is too
deep for its parser, a name that is too long for a file. Whatever looks at it may raise, and what is
raised is about the proposal: it must end no run, nor every later run that finds the row again.
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
# Of what the system says, these are about a name in the proposal; all else is about the machine.
_NAMES = frozenset(
    {errno.EINVAL, errno.EILSEQ, errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.ENOTDIR}
)


def answered(judge: Callable[P, T]) -> Callable[P, T | Rejection]:
    """Return what looks at a proposal, with a Rejection as its answer where it raises.

    A fault of the machine or the repository is raised all the same: a full disk refuses nobody.
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
    said = safe_reason(f"{type(fault).__name__}: {fault}".rstrip(": "), 250)
    return Rejection(f"it cannot be read ({said})")
