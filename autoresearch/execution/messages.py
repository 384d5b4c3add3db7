"""What the controller's process and the one that speaks to a cluster tell each other, pickled."""

from dataclasses import dataclass
from pathlib import Path

from autoresearch.execution.hosting import HostFacts, HostPlan
from autoresearch.execution.spec import TrialSpec


@dataclass(frozen=True)
class Begin:
    """Connect to a cluster, and look for hosts on its machines, each with so many CPU cores.

    `gpus`: a host has a GPU of its own. `corpus` holds a corpus's folder, from which it is brought
    to hosts that lack it; None: none lacks it.
    """

    address: str
    plan: HostPlan
    cores: int
    gpus: bool
    corpus: Path | None


@dataclass(frozen=True)
class Accept:
    """Have a slot's host made ready for a study; see `HostPlan.open`."""

    slot: str
    study: str


@dataclass(frozen=True)
class Refuse:
    """Let go of a slot, whose machine is not used."""

    slot: str


@dataclass(frozen=True)
class Code:
    """Make a commit's files known to the cluster; None forgets them."""

    commit: str
    data: bytes | None


@dataclass(frozen=True)
class Submit:
    """Begin a trial on a slot, as a call with a number of its own."""

    slot: str
    call: int
    spec: TrialSpec


@dataclass(frozen=True)
class Cancel:
    """Have a call end as interrupted."""

    slot: str
    call: int


@dataclass(frozen=True)
class Release:
    """Remove what a slot's host holds of a trial."""

    slot: str
    number: int


@dataclass(frozen=True)
class Prepare:
    """Have an idle slot's host make ready for its next scoring."""

    slot: str


@dataclass(frozen=True)
class Fetch:
    """Bring a trial's checkpoint into a new folder here; forget it where that is None."""

    slot: str
    number: int
    folder: Path | None


Command = Begin | Accept | Refuse | Code | Submit | Cancel | Release | Prepare | Fetch


@dataclass(frozen=True)
class Found:
    """There is a machine with a slot; it waits to be accepted or refused."""

    slot: str
    facts: HostFacts


@dataclass(frozen=True)
class Ready:
    """A slot can execute trials."""

    slot: str


@dataclass(frozen=True)
class Gone:
    """A slot is no more, with all that was at work there, until it is `Ready` again."""

    slot: str


@dataclass(frozen=True)
class Told:
    """What a call's host said, pickled; see `serving.HostReport`."""

    slot: str
    call: int
    said: bytes


@dataclass(frozen=True)
class Failed:
    """A call has no result: it was cancelled early, the cluster failed it, or is `full` now."""

    slot: str
    call: int
    reason: str
    full: bool = False


@dataclass(frozen=True)
class Fetched:
    """A checkpoint is where it was wanted, or cannot be brought."""

    folder: Path
    here: bool


@dataclass(frozen=True)
class Forgotten:
    """The cluster had no room any more for a commit's files."""

    commit: str


@dataclass(frozen=True)
class Note:
    """A line for the person."""

    text: str


@dataclass(frozen=True)
class Unreachable:
    """There is no connection to the cluster, for this reason."""

    reason: str


Report = Found | Ready | Gone | Told | Failed | Fetched | Forgotten | Note | Unreachable
