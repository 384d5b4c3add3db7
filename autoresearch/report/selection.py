"""Which experiments of a study are asked for, and in which order."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from autoresearch.records.values import Category
from autoresearch.report.values import ExperimentReport

SHOWN = 30  # experiments, where nobody says how many
_LAST = float("inf")


class Order(StrEnum):
    """What experiments are sorted by: the oldest, the best score or effect, the dearest first."""

    NUMBER = "number"
    SCORE = "score"
    EFFECT = "effect"
    SECONDS = "seconds"
    COST = "cost"

    def key(self, row: ExperimentReport) -> float:
        """Return by what a row is sorted; what is not known comes last."""
        match self:
            case Order.NUMBER:
                return row.number
            case Order.SCORE:
                return row.bpb.mean if row.bpb else _LAST
            case Order.EFFECT:
                return row.delta.mean if row.delta else _LAST
            case Order.SECONDS:
                return -row.seconds
            case Order.COST:
                return -row.cost.usd


@dataclass(frozen=True)
class Selection:
    """What is asked for: `proposer` is the beginning of its name, `since` when it was opened.

    `last` are the newest so many of them; None: so many as there is room for, which may be `most`
    (None: all).
    """

    kept: bool = False
    proposer: str = ""
    category: Category | None = None
    since: datetime | None = None
    last: int | None = None
    order: Order = Order.NUMBER
    most: int | None = SHOWN

    def of(self, rows: Iterable[ExperimentReport]) -> tuple[ExperimentReport, ...]:
        """Return those of a study's experiments, oldest first, that are asked for."""
        found = self.fitting(rows)
        if self.last is not None:
            found = found[-self.last :]
        if not self.newest:
            found.sort(key=self.order.key)
        most = len(found) if self.last is not None or self.most is None else self.most
        return tuple(found[max(len(found) - most, 0) :] if self.newest else found[:most])

    @property
    def newest(self) -> bool:
        """Whether the newest are shown, where there is no room for all."""
        return self.order is Order.NUMBER

    def fitting(self, rows: Iterable[ExperimentReport]) -> list[ExperimentReport]:
        """Return all experiments of this kind, as many as there are, oldest first."""
        return [each for each in rows if self._fits(each)]

    def _fits(self, row: ExperimentReport) -> bool:
        return (
            (row.kept or not self.kept)
            and row.proposer.startswith(self.proposer)
            and self.category in (None, row.category)
            and (self.since is None or row.opened >= self.since)
        )
