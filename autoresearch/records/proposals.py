"""What a proposer suggests, and what is made of it before it is trained."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from autoresearch.records.values import Category


class ChangeFormat(StrEnum):
    """How a proposal writes its change. An ANSWER is what no change could be read in: kept only."""

    DIFF = "diff"
    BLOCKS = "blocks"
    FILE = "file"
    ANSWER = "answer"


@dataclass(frozen=True)
class Change:
    """A change: a unified diff, SEARCH/REPLACE blocks or a whole file. An answer is never one."""

    format: ChangeFormat
    text: str

    @classmethod
    def none(cls) -> "Change":
        """The empty patch: experiment 1, the baseline."""
        return cls(ChangeFormat.DIFF, "")


@dataclass(frozen=True)
class Notes:
    """What an author writes beside a proposal for its own next turns.

    `later` are ideas, a line each; the second one of experiment 4 is number "4.2" from then on.
    `takes` are the numbers of those that this proposal is, `drops` of those no longer worth trying.
    """

    later: tuple[str, ...] = ()
    takes: tuple[str, ...] = ()
    drops: tuple[str, ...] = ()

    @classmethod
    def of(cls, stored: Mapping[str, list[str]]) -> "Notes":
        """Return notes from what `stored` gave."""
        return cls(*(tuple(stored.get(name, ())) for name in ("later", "takes", "drops")))

    @property
    def stored(self) -> dict[str, list[str]]:
        """These notes for a JSON column; what is empty is left out."""
        told = {"later": self.later, "takes": self.takes, "drops": self.drops}
        return {name: list(texts) for name, texts in told.items() if texts}


NO_NOTES = Notes()


@dataclass(frozen=True)
class Proposal:
    """One suggested change and why. `predicted_delta` is as scores are stored: below zero = better.

    `risk` is what its author thinks may go wrong, `notes` are for its own next turns; `calls` are
    the ledger's numbers of what it cost, `shares` that of a call of another proposal's which made
    this one, too; `reverts` is the number of the keep that it takes back, if
    that is what it does. `fault` is why it was refused already, where it was: it becomes a row, and
    is never trained.
    """

    proposer: str
    hypothesis: str
    change: Change
    category: Category = Category.OTHER
    predicted_delta: float | None = None
    risk: str = ""
    calls: tuple[int, ...] = ()
    shares: int | None = None
    reverts: int | None = None
    fault: str = ""
    notes: Notes = NO_NOTES


@dataclass(frozen=True)
class Patch:
    """A checked change: what the editable files become. Paths are relative to the project.

    `diff` is unified and applies to the incumbent; `effect_hash` is the hash of the normalised
    syntax trees of all editable files, equal for changes with the same effect.
    """

    files: Mapping[str, str]
    diff: str
    effect_hash: str
    lines_added: int
    lines_removed: int


@dataclass(frozen=True)
class Rejection:
    """Why a proposal was refused before any training; `reason` is one line, safe to print.

    `detail` is safe text of several lines that helps to mend it (a traceback), where there is any.
    """

    reason: str
    detail: str = ""
