"""Following a running process tree: what comes down its pipes, and when it has ended."""

import os
import selectors
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from autoresearch.process.guarded import Guarded

TICK_SECONDS = 0.05
DRAIN_SECONDS = 1.0


@dataclass(frozen=True)
class Pipe:
    """A descriptor to read from, and who is given what comes; at most so many bytes at once.

    A pipe that floods must leave time for the clocks.
    """

    descriptor: int
    feed: Callable[[bytes], None]
    most: int = 2**16


def open_pipe(ours: ExitStack, theirs: ExitStack) -> tuple[int, int]:
    """Return a pipe's ends: the one to read from is closed by `ours`, the other by `theirs`."""
    ends = os.pipe()
    for stack, end in zip((ours, theirs), ends, strict=True):
        stack.callback(os.close, end)
    return ends


def supervise(
    tree: Guarded,
    pipes: Sequence[Pipe],
    *,
    tick: Callable[[], None],
    ended: Callable[[], None],
    now: Callable[[], float] = time.monotonic,
) -> None:
    """Read from the pipes until the tree is gone, then what is left in them.

    Args:
        tree: what runs.
        pipes: of those that can be read at once, the first are read first.
        tick: called every few hundredths of a second while it runs; may end it.
        ended: called when no process is left, before the rest is read.
        now: the wall clock, in seconds.
    """
    with selectors.DefaultSelector() as selector:
        for order, pipe in enumerate(pipes):
            os.set_blocking(pipe.descriptor, False)
            selector.register(pipe.descriptor, selectors.EVENT_READ, (order, pipe))
        selector.register(tree, selectors.EVENT_READ)
        tree_key = selector.get_key(tree)
        due = now()
        while True:
            _pump(selector, TICK_SECONDS)
            if now() >= due:
                # Pipes before clocks: what was said in time is honoured, though whoever looks on
                # may have kept us from reading it.
                _pump(selector, 0)
                due = now() + TICK_SECONDS
                if tree.poll() is None:
                    tick()
            if tree.poll() is not None:
                break
        selector.unregister(tree_key.fd)
        ended()
        deadline = time.monotonic() + DRAIN_SECONDS
        while selector.get_map() and time.monotonic() < deadline and _pump(selector, 0):
            pass


def _pump(selector: selectors.BaseSelector, timeout: float) -> bool:
    """Hand on what can be read; return whether there was anything."""
    ready = [key for key, _ in selector.select(timeout) if key.data is not None]
    for key in sorted(ready, key=lambda each: int(each.data[0])):
        pipe: Pipe = key.data[1]
        try:
            data = os.read(key.fd, pipe.most)
        except BlockingIOError:
            continue
        except OSError:
            data = b""
        if data:
            pipe.feed(data)
        else:
            selector.unregister(key.fd)
    return bool(ready)
