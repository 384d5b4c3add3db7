"""What each proposer of a study cost, and what it brought."""

from collections import ChainMap
from collections.abc import Iterable, MutableMapping
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from sqlalchemy import ColumnElement, Integer, case, func, select
from sqlmodel import col

from autoresearch.records.money import CallEnding, CallState
from autoresearch.records.tables import Call, Experiment, Study, Trial
from autoresearch.records.values import Category, Standing, TrialState, Verdict
from autoresearch.records.verdict_counts import VerdictCounts
from autoresearch.registry.database import Database

_Part = dict[str, MutableMapping[str, Any]]  # by proposer, some of its account


@dataclass(frozen=True)
class Spending:
    """One proposer's account. Costs in US dollars, times in seconds, tokens as in `Usage`.

    The baseline is no proposal: it counts for its GPU seconds alone, under its own name.
    `failed` calls ended otherwise than with an answer. `usd` is what calls cost, `reserved_usd`
    the part of it that stands for what nobody reported. `gpu_seconds` are those of its trials,
    scoring included; of a trial without an end they run to its last sign of life.
    `prediction_error` is the mean distance, in bits per byte, between the effect that was
    predicted and the one that was measured, over `predictions` experiments; None without any.
    """

    proposer: str
    experiments: int = 0
    verdicts: VerdictCounts = field(default_factory=VerdictCounts)
    confirmed: int = 0
    predictions: int = 0
    prediction_error: float | None = None
    calls: int = 0
    failed: int = 0
    tokens_in: int = 0
    tokens_cached: int = 0
    tokens_out: int = 0
    usd: float = 0.0
    reserved_usd: float = 0.0
    latency: float = 0.0
    gpu_seconds: float = 0.0

    @property
    def keeps(self) -> int:
        """How many of its experiments are kept."""
        return self.verdicts[Verdict.KEEP]

    @property
    def cached_share(self) -> float | None:
        """The part of the input tokens that came from the provider's cache."""
        return self.tokens_cached / self.tokens_in if self.tokens_in else None


def spending(database: Database, study: Study) -> list[Spending]:
    """Return every proposer's account, in the order of their names."""
    parts = [each(database, study) for each in (_experiments, _verdicts, _calls, _trials)]
    names = sorted({name for part in parts for name in part})
    return [Spending(name, **ChainMap(*(part.get(name, {}) for part in parts))) for name in names]


def _experiments(database: Database, study: Study) -> _Part:
    error = func.abs(col(Experiment.predicted_delta) - col(Experiment.delta))
    query = (
        select(
            col(Experiment.proposer),
            func.count(),
            _count(col(Experiment.standing) == Standing.CONFIRMED),
            func.count(error),
            func.avg(error),
        )
        .where(*_proposed(study))
        .group_by(col(Experiment.proposer))
    )
    names = ("experiments", "confirmed", "predictions", "prediction_error")
    return _named(names, database.all(query))


def _verdicts(database: Database, study: Study) -> _Part:
    proposer, verdict = col(Experiment.proposer), col(Experiment.verdict)
    query = (
        select(proposer, verdict, func.count())
        .where(*_proposed(study))
        .group_by(proposer, verdict)
        .order_by(proposer)
    )
    by_proposer = groupby(database.all(query), key=lambda row: row[0])
    return {
        name: {"verdicts": VerdictCounts.of((verdict, count) for _, verdict, count in rows)}
        for name, rows in by_proposer
    }


def _proposed(study: Study) -> tuple[ColumnElement[bool], ...]:
    return (
        col(Experiment.study_id) == study.id,
        col(Experiment.category) != Category.BASELINE,
    )


def _calls(database: Database, study: Study) -> _Part:
    reserved = case((col(Call.state) == CallState.RESERVED, col(Call.cost_usd)), else_=0.0)
    query = (
        select(
            col(Call.proposer),
            func.count(),
            _count(col(Call.ending) != CallEnding.ANSWERED),
            func.sum(Call.tokens_in),
            func.sum(Call.tokens_cached),
            func.sum(Call.tokens_out),
            func.sum(Call.cost_usd),
            func.sum(reserved),
            func.sum(Call.latency_seconds),
        )
        .where(col(Call.study_id) == study.id)
        .group_by(col(Call.proposer))
    )
    names = (
        "calls", "failed", "tokens_in", "tokens_cached", "tokens_out", "usd", "reserved_usd",
        "latency",
    )  # fmt: skip
    return _named(names, database.all(query))


def _trials(database: Database, study: Study) -> _Part:
    done = col(Trial.state) == TrialState.DONE
    mine = (
        col(Experiment.id) == col(Trial.experiment_id),
        col(Experiment.study_id) == study.id,
    )
    proposer = col(Experiment.proposer)
    taken = func.sum(Trial.total_seconds + Trial.scoring_seconds)
    finished = select(proposer, taken).where(*mine, done).group_by(proposer)
    unfinished = select(proposer, col(Trial.started_at), col(Trial.heartbeat_at))
    seconds = {name: float(total) for name, total in database.all(finished)}
    for name, start, last in database.all(unfinished.where(*mine, ~done)):
        seconds[name] = seconds.get(name, 0.0) + (last - start).total_seconds()
    return {name: {"gpu_seconds": total} for name, total in seconds.items()}


def _count(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.coalesce(func.sum(case((condition, 1), else_=0)), 0, type_=Integer)


def _named(names: tuple[str, ...], rows: Iterable[Any]) -> _Part:
    return {proposer: dict(zip(names, values, strict=True)) for proposer, *values in rows}
