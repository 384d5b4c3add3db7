"""Landlock and seccomp by hand, for the second stage where there is no bubblewrap.

Nothing here can be undone by the process or its descendants. See landlock(7), seccomp(2) and
Documentation/userspace-api/landlock.rst of the kernel for the numbers.
"""

import ctypes
import os
import stat
import struct

_LIBC = ctypes.CDLL(None, use_errno=True)
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # the same on every architecture
_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _MODE_FILTER = 38, 22, 2

_CAPABILITIES_V3 = 0x20080522

_EXECUTE, _WRITE, _READ, _LIST = 1, 1 << 1, 1 << 2, 1 << 3
_ALL_V1 = (1 << 13) - 1
_REFER, _TRUNCATE, _IOCTL = 1 << 13, 1 << 14, 1 << 15
_BY_VERSION = ((2, _REFER), (3, _TRUNCATE), (5, _IOCTL))
_SCOPES_VERSION, _SCOPES = 6, 0b11  # abstract sockets and signals
_ON_FILES = _EXECUTE | _WRITE | _READ | _TRUNCATE | _IOCTL
_RIGHTS = {
    "read": _EXECUTE | _READ | _LIST,
    "write": _ALL_V1 | _REFER | _TRUNCATE,
    "list": _LIST,
    "use": _WRITE | _READ | _IOCTL | _LIST,
}


def version() -> int:
    """Return the version of Landlock here, 0 for none."""
    return max(0, int(_LIBC.syscall(_CREATE_RULESET, None, 0, 1)))


def restrict_files(settings: list[tuple[str, str]]) -> None:
    """Give up every right of root's, and all paths but these.

    Args:
        settings: pairs of "read", "write", "list" or "use" and a path; others are ignored.

    Raises:
        OSError: there is no Landlock here.
    """
    _call(_LIBC.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
    _call(_LIBC.capset(struct.pack("=Ii", _CAPABILITIES_V3, 0), bytes(24)))
    known = version()
    handled = _ALL_V1
    for since, right in _BY_VERSION:
        handled |= right if known >= since else 0
    scopes = _SCOPES if known >= _SCOPES_VERSION else 0
    attributes = struct.pack("=QQQ", handled, 0, scopes)[: 24 if scopes else 8]
    ruleset = _call(_LIBC.syscall(_CREATE_RULESET, attributes, len(attributes), 0))
    for kind, path in settings:
        if kind in _RIGHTS:
            _allow(ruleset, path, _RIGHTS[kind] & handled)
    _call(_LIBC.syscall(_RESTRICT_SELF, ruleset, 0))
    os.close(ruleset)


def load_filter(program: bytes) -> None:
    """Load a seccomp filter, an array of `struct sock_filter`.

    Raises:
        OSError: the kernel refuses it.
    """
    buffer = ctypes.create_string_buffer(program, len(program))
    described = struct.pack("@HP", len(program) // 8, ctypes.addressof(buffer))
    _call(_LIBC.prctl(_PR_SET_SECCOMP, _MODE_FILTER, described, 0, 0))


def _allow(ruleset: int, path: str, rights: int) -> None:
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        if not stat.S_ISDIR(os.fstat(place).st_mode):
            rights &= _ON_FILES
        rule = struct.pack("=Qi", rights, place)
        _call(_LIBC.syscall(_ADD_RULE, ruleset, 1, rule, 0))
    finally:
        os.close(place)


def _call(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
