"""A command line that a sandbox made, and the descriptors that it needs to be started with."""

import os
import socket
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field

LIFELINE = "<lifeline>"


@dataclass(frozen=True)
class Confined:
    """`wrapper` sets up a sandbox and becomes `argv`; `launch` starts it.

    Some words of `wrapper` stand for the number of a descriptor: the keys of `files`, from which
    their contents can be read, and LIFELINE, which is the socket between the guard and a second
    stage that lives in a pid namespace (`autoresearch/runtime/confine.py`). `processes` is how
    many it may be, threads included, where the supervisor is root; 0 is no limit.
    """

    argv: tuple[str, ...]
    wrapper: tuple[str, ...] = ()
    files: Mapping[str, bytes] = field(default_factory=dict)
    processes: int = 0


@dataclass(frozen=True)
class Ready:
    """A command line whose descriptors are open: those that it gets, and the guard's own end."""

    argv: list[str]
    passed: tuple[int, ...]
    inner: int | None


def open_descriptors(confined: Confined, held: ExitStack) -> Ready:
    """Return the command line with numbers for words; `held` closes our ends of what they name."""
    numbers = {word: _memory(contents, held) for word, contents in confined.files.items()}
    inner = None
    if LIFELINE in confined.wrapper:
        guards, theirs = (held.enter_context(end) for end in socket.socketpair())
        inner, numbers[LIFELINE] = guards.fileno(), theirs.fileno()
    wrapper = [str(numbers.get(word, word)) for word in confined.wrapper]
    return Ready([*wrapper, *confined.argv], tuple(numbers.values()), inner)


def _memory(contents: bytes, held: ExitStack) -> int:
    descriptor = os.memfd_create("sandbox")
    held.callback(os.close, descriptor)
    os.write(descriptor, contents)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor
