"""What a proposer is shown, and what every proposer can do."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Protocol

from autoresearch.records.values import Category, Change, Proposal, Verdict


@dataclass(frozen=True)
class Past:
    """One finished experiment of the study, as the next proposal may learn from it.

    `change` is what its proposer wrote, word for word, also where it was refused. `constants` are
    the numbers at the top of the entry file that it trained (`patching.numbers` of its commit's
    source); empty where nothing could be trained. Scores in bits per byte; `delta` below zero =
    better than the incumbent of its time. `traceback` is the safe tail of a crash.
    """

    id: int
    proposer: str
    hypothesis: str
    change: Change
    verdict: Verdict
    category: Category = Category.OTHER
    reason: str = ""
    val_bpb: float | None = None
    error: float | None = None
    delta: float | None = None
    traceback: str = ""
    constants: Mapping[str, int | float | bool] = field(
        default_factory=lambda: MappingProxyType({})
    )


@dataclass(frozen=True)
class Brief:
    """All that a proposer is told.

    `files` are the incumbent's editable files and `base_files` those of the study's base commit,
    path to text; `entry` is the one that trains. `number` is the experiment's that is asked for;
    `history` is oldest first and holds every finished experiment of the study, whatever became
    of it. The same brief gives the same proposal from a proposer that does not think.
    """

    study: str
    number: int
    incumbent_id: int
    program: str
    entry: str
    files: Mapping[str, str]
    base_files: Mapping[str, str]
    history: tuple[Past, ...] = ()


class Proposer(Protocol):
    """Suggests one change after another. It holds no state: what it did is in the brief."""

    @property
    def name(self) -> str:
        """Its spec, as given on the command line and kept with every experiment."""

    def propose(self, brief: Brief) -> Proposal | None:
        """Return the next proposal, or None where there is nothing more to try.

        Raises:
            ProposerError: it cannot go on at all.
        """
