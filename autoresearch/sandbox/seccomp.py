"""A seccomp filter, written by hand: refuses what no training needs and many escapes use.

`compile_filter` makes classic BPF (an array of `struct sock_filter`) of the lists below. It is a
deny-list, since torch, CUDA and Python use some two hundred calls that change with every release;
calls newer than the lists are answered with ENOSYS, which libraries know how to handle.

Numbers: arch/x86/entry/syscalls/syscall_64.tbl and include/uapi/asm-generic/unistd.h of Linux.
"""

import errno
import struct
from collections.abc import Iterable
from dataclasses import dataclass

_HIGHEST = 470  # the last call known here (listns, Linux 6.19); those of x32 lie far above it

# Since 5.x all architectures number alike.
_COMMON = {
    "pidfd_getfd": 438, "open_tree": 428, "move_mount": 429, "fsopen": 430, "fsconfig": 431,
    "fsmount": 432, "fspick": 433, "mount_setattr": 442, "quotactl_fd": 443, "memfd_secret": 447,
    "open_tree_attr": 467,
}  # fmt: skip
_X86_64 = {
    # other processes' memory, the kernel's keys, its observers
    "ptrace": 101, "process_vm_readv": 310, "process_vm_writev": 311, "kcmp": 312,
    "add_key": 248, "request_key": 249, "keyctl": 250,
    "bpf": 321, "perf_event_open": 298, "userfaultfd": 323, "lookup_dcookie": 212, "syslog": 103,
    "fanotify_init": 300, "fanotify_mark": 301,
    # mounts, namespaces, files by handle
    "mount": 165, "umount2": 166, "pivot_root": 155, "chroot": 161, "setns": 308, "unshare": 272,
    "open_by_handle_at": 304, "name_to_handle_at": 303, "quotactl": 179, "nfsservctl": 180,
    "uselib": 134, "ustat": 136, "sysfs": 139, "_sysctl": 156,
    # the machine itself
    "kexec_load": 246, "kexec_file_load": 320, "init_module": 175, "finit_module": 313,
    "delete_module": 176, "create_module": 174, "query_module": 178, "get_kernel_syms": 177,
    "reboot": 169, "swapon": 167, "swapoff": 168, "acct": 163, "settimeofday": 164,
    "clock_settime": 227, "clock_adjtime": 305, "adjtimex": 159, "sethostname": 170,
    "setdomainname": 171, "iopl": 172, "ioperm": 173, "modify_ldt": 154, "vhangup": 153,
}  # fmt: skip
_GENERIC = {
    "ptrace": 117, "process_vm_readv": 270, "process_vm_writev": 271, "kcmp": 272,
    "add_key": 217, "request_key": 218, "keyctl": 219,
    "bpf": 280, "perf_event_open": 241, "userfaultfd": 282, "lookup_dcookie": 18, "syslog": 116,
    "fanotify_init": 262, "fanotify_mark": 263,
    "mount": 40, "umount2": 39, "pivot_root": 41, "chroot": 51, "setns": 268, "unshare": 97,
    "open_by_handle_at": 265, "name_to_handle_at": 264, "quotactl": 60, "nfsservctl": 42,
    "kexec_load": 104, "kexec_file_load": 294, "init_module": 105, "finit_module": 273,
    "delete_module": 106, "reboot": 142, "swapon": 224, "swapoff": 225, "acct": 89,
    "settimeofday": 170, "clock_settime": 112, "clock_adjtime": 266, "adjtimex": 171,
    "sethostname": 161, "setdomainname": 162, "vhangup": 58,
}  # fmt: skip
# Answered with ENOSYS, so that callers fall back: glibc from clone3, whose flags a filter cannot
# see, to clone.
_ABSENT = (425, 426, 427, 435)  # io_uring_setup, io_uring_enter, io_uring_register, clone3
_NAMESPACES = 0x7E020000  # CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET
_TERMINAL = (0x5412, 0x541C)  # TIOCSTI and TIOCLINUX type into a terminal

_UNIX, _INET, _INET6, _NETLINK = 1, 2, 10, 16
LOCAL = (_UNIX,)
NETWORKED = (_UNIX, _INET, _INET6, _NETLINK)

_LOAD, _EQUAL, _GREATER, _ANY_BIT, _RETURN = 0x20, 0x15, 0x25, 0x45, 0x06
_KILL, _ALLOW, _ERRNO = 0x80000000, 0x7FFF0000, 0x00050000
_NUMBER, _ARCHITECTURE, _FIRST, _SECOND = 0, 4, 16, 24  # offsets in struct seccomp_data


@dataclass(frozen=True)
class _Machine:
    """An architecture: its audit number, calls to refuse, and calls whose arguments decide."""

    audit: int
    denied: dict[str, int]
    clone: int
    ioctl: int
    socket: int


_MACHINES = {
    "x86_64": _Machine(0xC000003E, _X86_64 | _COMMON, clone=56, ioctl=16, socket=41),
    "aarch64": _Machine(0xC00000B7, _GENERIC | _COMMON, clone=220, ioctl=29, socket=198),
}


def compile_filter(machine: str, families: Iterable[int]) -> bytes | None:
    """Return the filter for a machine; None if the machine is not known.

    Args:
        machine: the architecture as `platform.machine()` names it; calls of any other (32 bits)
            kill the process.
        families: the kinds of sockets that may be made.
    """
    known = _MACHINES.get(machine)
    if known is None:
        return None
    program = [
        _load(_ARCHITECTURE),
        *_unless(_EQUAL, known.audit, _KILL),
        _load(_NUMBER),
        *_if(_GREATER, _HIGHEST, _ERRNO | errno.ENOSYS),
        *(each for number in _ABSENT for each in _if(_EQUAL, number, _ERRNO | errno.ENOSYS)),
        *(
            each
            for number in sorted(known.denied.values())
            for each in _if(_EQUAL, number, _ERRNO | errno.EPERM)
        ),
        *_call(known.clone, _FIRST, _if(_ANY_BIT, _NAMESPACES, _ERRNO | errno.EPERM)),
        *_call(
            known.ioctl,
            _SECOND,
            [each for word in _TERMINAL for each in _if(_EQUAL, word, _ERRNO | errno.EPERM)],
        ),
        *_call(
            known.socket,
            _FIRST,
            [
                *(each for family in families for each in _if(_EQUAL, family, _ALLOW)),
                _return(_ERRNO | errno.EAFNOSUPPORT),
            ],
        ),
        _return(_ALLOW),
    ]
    return b"".join(program)


def _call(number: int, argument: int, rules: list[bytes]) -> list[bytes]:
    """Return code that applies rules to one argument of one call, and allows it if none returns."""
    block = [_load(argument), *rules, _return(_ALLOW)]
    return [_jump(_EQUAL, number, 0, len(block)), *block]


def _if(test: int, value: int, answer: int) -> list[bytes]:
    return [_jump(test, value, 0, 1), _return(answer)]


def _unless(test: int, value: int, answer: int) -> list[bytes]:
    return [_jump(test, value, 1, 0), _return(answer)]


def _load(offset: int) -> bytes:
    return _instruction(_LOAD, 0, 0, offset)


def _jump(test: int, value: int, yes: int, no: int) -> bytes:
    return _instruction(test, yes, no, value)


def _return(answer: int) -> bytes:
    return _instruction(_RETURN, 0, 0, answer)


def _instruction(code: int, yes: int, no: int, value: int) -> bytes:
    return struct.pack("<HBBI", code, yes, no, value)
