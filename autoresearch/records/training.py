"""What a training may use, and what executing it gave."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from autoresearch.records.hardware import Hardware
from autoresearch.records.values import Clock, Ending, FailureKind

# A trial on the CPU clock that the machine keeps from its cores is ended after so many times its
# limit by the wall: where no more than a sixteenth of its time comes through, nothing is won by
# waiting, and what keeps itself from the cores must end.
MOST_STARVED = 4.0


@dataclass(frozen=True)
class Budget:
    """How long a trial may take. All in seconds.

    `training` counts on `clock` from the hand-over of the data; `grace` is what finishing may
    take beyond it; `startup` caps (by the wall) everything before the hand-over.
    """

    training: float
    clock: Clock
    startup: float = 300.0
    grace: float = 5.0

    @property
    def wall_limit(self) -> float:
        """Wall seconds of training after which a trial hangs, whatever its clock says.

        A CPU-seconds clock stands still while a process sleeps, so it needs a second limit; a
        busy neighbour slows a process at most about fourfold on the machines measured. What the
        system tells of a trial's waiting for a core does not count; see `MOST_STARVED`.
        """
        slack = 1.0 if self.clock is Clock.WALL else 4.0
        return self.training * slack + self.grace + (30.0 if self.clock is Clock.CPU else 0.0)


@dataclass(frozen=True)
class Limits:
    """What a trial may use. Bytes; `threads` is for the numeric libraries.

    `disk` is all its files together, `entries` their number; `descriptors` are of one process.
    """

    threads: int = 1
    memory: int = 16 * 2**30
    file_size: int = 8 * 2**30
    log: int = 4 * 2**20
    disk: int = 20 * 2**30
    processes: int = 2048
    descriptors: int = 16384
    entries: int = 50_000


@dataclass(frozen=True)
class Point:
    """One structured metric from the training loop: for display and for the curve."""

    step: int
    loss: float
    tokens: int
    progress: float
    seconds: float


@dataclass(frozen=True)
class Timing:
    """Seconds by phase: wall seconds of start-up and in total; training on the budget's clock.

    `compiling` is the part of start-up that PyTorch's compiler took, by the trial's own account;
    None where it gave none.
    """

    startup: float = 0.0
    training: float = 0.0
    total: float = 0.0
    compiling: float | None = None


@dataclass(frozen=True)
class ProfileRow:
    """A line of the program and its share of a step's time, 0 to 1, with all that it calls.

    It is called by the nearest row above it with a smaller `depth`. The numbers are the training
    process's own word; `path` may be hostile, and so may `text`, what the line says in the commit.
    """

    depth: int
    share: float
    path: str
    line: int
    text: str = ""


@dataclass(frozen=True)
class Outcome:
    """What executing a trial gave, whatever it was.

    `detail` is one safe line for a person; `traceback` the tail told to the next proposal;
    `log` the capped raw bytes of stdout and stderr (hostile: escape before showing);
    `checkpoint` a folder holding model.safetensors and config.json, only if FINISHED;
    `failure` whose fault it seems that it did not finish (None: it did, or no fault is known);
    `doubtful` that an IDEA's may be the machine's after all: it pays to look at the machine;
    `facts` what the training process said of itself (parameters, resolved constants): display;
    `hardware` what it ran on, where it came so far; `profile` where its time went, if that was
    asked for.
    """

    ending: Ending
    detail: str = ""
    failure: FailureKind | None = None
    doubtful: bool = False
    traceback: str = ""
    checkpoint: Path | None = None
    curve: tuple[Point, ...] = ()
    log: bytes = b""
    timing: Timing = Timing()
    peak_memory: int = 0
    exit_code: int | None = None
    signal: int | None = None
    facts: Mapping[str, float | int | str | bool] = field(
        default_factory=lambda: MappingProxyType({})
    )
    hardware: Hardware | None = None
    profile: tuple[ProfileRow, ...] = ()

    def __post_init__(self) -> None:
        """Take the ending's word for whose fault it is where nothing else was said."""
        if self.failure is None:
            object.__setattr__(self, "failure", self.ending.failure)

    @property
    def steps(self) -> int:
        """Optimizer steps taken, as last reported."""
        return self.curve[-1].step if self.curve else 0

    @property
    def tokens(self) -> int:
        """Training tokens consumed, as last reported."""
        return self.curve[-1].tokens if self.curve else 0
