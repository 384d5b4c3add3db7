"""``python -m autoresearch.runtime.profiler train.py cuda``: a training, and where its time goes.

The entry runs as `launch` runs it. From `session.start()` on a thread looks every few milliseconds
at the stack of the main thread, as far as it lies in the project's own files, and gives the time
since its last look to that stack. What lies before the first logged step or after the last one is
left out. At `session.finish()`, or once the budget is over, the shares go to the harness as one
``profile`` message: rows of depth, share, path and line, each below the one that calls it.

A GPU works off what it is told while the program is elsewhere: here it is waited for at every
kernel, so that the line that is seen is the line that takes the time.
"""

import os
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from types import FrameType

from autoresearch import runtime
from autoresearch.runtime import launch
from autoresearch.runtime import session as sessions

MAX_ROWS = 20
_EVERY_SECONDS = 0.003
_LEAST_SHARE = 0.03
_NEARLY_ALL = 0.9
_SAYING = threading.Lock()


@dataclass(frozen=True, order=True)
class Place:
    """A line that is being executed; `function` is where its function begins."""

    path: str
    function: int
    line: int


Stack = tuple[Place, ...]  # outermost first
Row = tuple[int, float, str, int]


class Sampler:
    """Looks at one thread, and counts its stacks in seconds, step by step."""

    def __init__(self, thread: int) -> None:
        """Build it; `thread` is the number of the one to look at."""
        self._thread = thread
        self._root = os.getcwd() + os.sep  # noqa: PTH109 - a string is what frames hold
        self._steps: list[dict[Stack, float]] = [defaultdict(float)]
        self._last = time.perf_counter()

    def look(self) -> None:
        """Give the time since the last look to the stack as it is now."""
        frame = sys._current_frames().get(self._thread)  # noqa: SLF001 - documented
        now, stack = time.perf_counter(), self._stack(frame)
        self._steps[-1][stack] += now - self._last
        self._last = now

    def step(self) -> None:
        """Note the end of a step: a new count begins."""
        self._steps.append(defaultdict(float))

    def seconds(self) -> Mapping[Stack, float]:
        """Return the seconds of every stack over all whole steps but the first, if there are any.

        A first step may compile or allocate what later ones find ready.
        """
        total: dict[Stack, float] = defaultdict(float)
        for step in self._steps[1:-1] or self._steps:
            for stack, spent in step.items():
                total[stack] += spent
        return total

    def _stack(self, frame: FrameType | None) -> Stack:
        found = list[Place]()
        while frame is not None:
            code = frame.f_code
            path = _own(code.co_filename, self._root)
            place = Place(path, code.co_firstlineno, frame.f_lineno or 0)
            # A generator and the line that it stands on are one place.
            if path and not (found and (path, place.line) == (found[-1].path, found[-1].line)):
                found.append(place)
            frame = frame.f_back
        return tuple(reversed(found))


@dataclass
class _Node:
    """A line, with all that it called."""

    seconds: float = 0.0
    below: dict[tuple[str, int], "_Node"] = field(default_factory=dict)


def rows(seconds: Mapping[Stack, float], most: int = MAX_ROWS) -> list[Row]:
    """Return the lines that take time as a tree, in the order of the program.

    In place of a line that does little but call another line that other one is told. A function
    that calls no other of the project's and is called from several lines counts for these.

    Args:
        seconds: by stack.
        most: rows; the smallest are left out.
    """
    total = sum(seconds.values())
    if total <= 0:
        return []
    found = list(_told(_tree(seconds), total, 0))
    least = sorted((share for _, share, _, _ in found), reverse=True)[:most][-1:]
    return [row for row in found if row[1] >= max(least, default=0.0)][:most]


def _tree(seconds: Mapping[Stack, float]) -> _Node:
    helpers, root = _helpers(seconds), _Node()
    for stack, spent in seconds.items():
        node = root
        for place in stack:
            if (place.path, place.function) in helpers:
                break
            node = node.below.setdefault((place.path, place.line), _Node())
            node.seconds += spent
    return root


def _helpers(stacks: Mapping[Stack, float]) -> set[tuple[str, int]]:
    """Return the functions that are called from several lines and call none of the project's."""
    callers: dict[tuple[str, int], set[Place]] = defaultdict(set)
    calling = set[tuple[str, int]]()
    for stack in stacks:
        for caller, called in pairwise(stack):
            callers[called.path, called.function].add(caller)
            calling.add((caller.path, caller.function))
    return {each for each, known in callers.items() if len(known) > 1} - calling


def _told(node: _Node, total: float, depth: int) -> Iterator[Row]:
    for place, each in sorted(node.below.items()):
        if each.seconds >= _LEAST_SHARE * total:
            (path, line), found = _telling(place, each, total)
            yield depth, round(found.seconds / total, 3), path, line
            yield from _told(found, total, depth + 1)


def _telling(place: tuple[str, int], node: _Node, total: float) -> tuple[tuple[str, int], _Node]:
    """Return a line, or instead of one that does little but call another line that other one."""
    busy = [(at, each) for at, each in node.below.items() if each.seconds >= _LEAST_SHARE * total]
    if len(busy) == 1 and busy[0][1].seconds >= _NEARLY_ALL * node.seconds:
        return _telling(*busy[0], total)
    return place, node


@dataclass
class Profiled(sessions.Session):
    """A session that is sampled from its start to its finish or the end of its budget."""

    sampler: Sampler = field(kw_only=True)
    _over: threading.Event = field(default_factory=threading.Event)

    def start(self) -> sessions.TrainData:
        """See `Session`."""
        data = super().start()
        threading.Thread(target=self._sample, name="profiler", daemon=True).start()
        return data

    def log(self, *, step: int, loss: float, tokens: int) -> None:
        """See `Session`."""
        super().log(step=step, loss=loss, tokens=tokens)
        self.sampler.step()

    def finish(self) -> None:
        """See `Session`."""
        self._tell()
        super().finish()

    def _sample(self) -> None:
        while not self._over.wait(_EVERY_SECONDS):
            self.sampler.look()  # once at least, however busy the machine is
            if self.progress >= 1:
                break
        self._tell()

    def _tell(self) -> None:
        with _SAYING:
            if not self._over.is_set():
                self._over.set()
                self._send({"event": "profile", "rows": rows(self.sampler.seconds())})


def main() -> None:
    """Run the entry named on the command line."""
    os.environ["CUDA_LAUNCH_BLOCKING"] = "1"
    sampler, opened = Sampler(threading.get_ident()), sessions.open_session
    for module in (runtime, sessions):  # whoever opens a session here gets this one
        vars(module)["open_session"] = lambda **wishes: Profiled(
            **vars(opened(**wishes)), sampler=sampler
        )
    launch.main()


def _own(filename: str, root: str) -> str:
    """Return a file's path in the project, "" for one elsewhere."""
    if filename.startswith(root):
        return filename[len(root) :]
    return "" if filename.startswith(("/", "<")) else filename


if __name__ == "__main__":
    main()
