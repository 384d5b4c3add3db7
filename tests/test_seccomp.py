"""The filter, run by a small machine of its own, so that every architecture's is looked at."""

import ctypes
import errno
import platform
import struct

import pytest

from autoresearch.sandbox import seccomp

ALLOW = 0x7FFF0000
REFUSE = 0x00050000
AUDIT = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
I386 = 0x40000003
MACHINES = ("x86_64", "aarch64")
CALLS = {
    "read": (0, 63), "ptrace": (101, 117), "clone": (56, 220), "ioctl": (16, 29),
    "socket": (41, 198), "memfd_create": (319, 279), "futex": (202, 98), "execve": (59, 221),
    "keyctl": (250, 219), "bpf": (321, 280), "unshare": (272, 97), "mount": (165, 40),
}  # fmt: skip


def answer(machine: str, call: str | int, *arguments: int, audit: int | None = None) -> int:
    """Return what the filter says of a call, as the kernel would run it."""
    number = CALLS[call][MACHINES.index(machine)] if isinstance(call, str) else call
    filled = [*arguments, *[0] * (6 - len(arguments))]
    data = struct.pack("<iIQ6Q", ctypes.c_int(number).value, audit or AUDIT[machine], 0, *filled)
    program = seccomp.compile_filter(machine, seccomp.LOCAL)
    assert program is not None
    return run(program, data)


def run(program: bytes, data: bytes) -> int:
    accumulator = at = 0
    while True:
        code, yes, no, value = struct.unpack_from("<HBBI", program, 8 * at)
        at += 1
        if code == 0x06:
            return int(value)
        if code == 0x20:
            (accumulator,) = struct.unpack_from("<I", data, value)
            continue
        holds = {
            0x15: accumulator == value,
            0x25: accumulator > value,
            0x45: bool(accumulator & value),
        }[code]
        at += yes if holds else no


@pytest.mark.parametrize("machine", MACHINES)
class TestFilter:
    @pytest.mark.parametrize("call", ["read", "memfd_create", "futex", "execve", "clone", "ioctl"])
    def test_what_training_needs_passes(self, machine: str, call: str) -> None:
        assert answer(machine, call) == ALLOW

    @pytest.mark.parametrize("call", ["ptrace", "keyctl", "bpf", "unshare", "mount"])
    def test_what_escapes_need_is_refused(self, machine: str, call: str) -> None:
        assert answer(machine, call) == REFUSE | errno.EPERM

    def test_every_listed_call_is_refused_and_no_other(self, machine: str) -> None:
        known = seccomp._MACHINES[machine]
        refused = {n for n in range(471) if answer(machine, n) != ALLOW}
        assert refused == {*known.denied.values(), *seccomp._ABSENT, known.socket}

    def test_new_calls_and_those_a_filter_cannot_read_do_not_exist(self, machine: str) -> None:
        for number in (435, 425, 471, 0x40000000, 0x40000000 + 101, 0xFFFFFFFF):
            assert answer(machine, number) == REFUSE | errno.ENOSYS

    def test_threads_and_processes_but_no_namespaces(self, machine: str) -> None:
        assert answer(machine, "clone", 0x3D0F00) == ALLOW  # pthread_create
        assert answer(machine, "clone", 17) == ALLOW  # fork
        for bit in (17, 25, 26, 27, 28, 29, 30):
            assert answer(machine, "clone", 17 | 1 << bit) == REFUSE | errno.EPERM

    def test_terminals_cannot_be_typed_into_whatever_the_high_bits(self, machine: str) -> None:
        for word in (0x5412, 0x541C, 0xFF00000000 + 0x5412):
            assert answer(machine, "ioctl", 0, word) == REFUSE | errno.EPERM
        assert answer(machine, "ioctl", 0, 0x5401) == ALLOW

    def test_sockets_are_local(self, machine: str) -> None:
        assert answer(machine, "socket", 1) == ALLOW
        for family in (2, 10, 16, 17, 38, 40):
            assert answer(machine, "socket", family) == REFUSE | errno.EAFNOSUPPORT

    def test_another_architecture_is_killed(self, machine: str) -> None:
        assert answer(machine, 11, audit=I386) == 0x80000000


def test_an_unknown_machine_has_no_filter() -> None:
    assert seccomp.compile_filter("riscv64", seccomp.LOCAL) is None


@pytest.mark.skipif(platform.machine() not in MACHINES, reason="no filter here")
def test_it_is_small() -> None:
    program = seccomp.compile_filter(platform.machine(), seccomp.NETWORKED)
    assert program is not None
    assert len(program) // 8 < 200
