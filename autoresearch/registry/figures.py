"""Figures of a study: what it spent, what its slots did, what its proposers brought."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, case, func, or_
from sqlmodel import SQLModel, col, select

from autoresearch import policy
from autoresearch.records.arms import Trained
from autoresearch.records.notes import Note
from autoresearch.records.tables import Call, Experiment, Study, Trial
from autoresearch.records.values import (
    UNCOUNTED,
    Category,
    Ending,
    FailureKind,
    Purpose,
    Standing,
    TrialState,
    Verdict,
)
from autoresearch.records.verdict_counts import VerdictCounts
from autoresearch.registry.database import BODIES, select_rows, without
from autoresearch.registry.queries import Queries
from autoresearch.registry.spending import Spending, spending
from autoresearch.registry.summary import Summary, seconds_at_work

_REVISION_LENGTH = 16  # characters


@dataclass(frozen=True)
class PruningCounts:
    """Of a study's pruned trials: how many were stopped, how many ran on as an audit.

    `saved_seconds` are on the budget's clock; `kept` of the audited experiments were kept.
    """

    stopped: int = 0
    saved_seconds: float = 0.0
    audited: int = 0
    kept: int = 0


class Figures(Queries):
    """What is summed up of a study, mostly to be shown. One method, one transaction a query."""

    def revision(self, study: Study) -> str:
        """Return a short hash of a study's rows, another one once more can be told of it.

        The heartbeat of a trial at work is left out, and so are the large columns of a finished
        trial, which stay as they are.
        """
        experiment = col(Experiment.study_id) == study.id
        trials = select(Trial.id, Trial.state, Trial.ending, Trial.val_bpb).join(Experiment)
        calls = select(func.count(), func.max(Call.id), func.sum(Call.cost_usd))
        queries = (
            _columns(Study).where(col(Study.id) == study.id),
            _columns(Experiment).where(experiment).order_by(col(Experiment.id)),
            trials.where(experiment).order_by(col(Trial.id)),
            calls.where(col(Call.study_id) == study.id),
            _columns(Note).where(col(Note.study_id) == study.id),
        )
        found = [list(map(tuple, self._database.all(query))) for query in queries]
        return hashlib.sha256(repr(found).encode()).hexdigest()[:_REVISION_LENGTH]

    def summary(self, study: Study) -> Summary:
        """Return a study in numbers."""
        mine = Experiment.study_id == study.id
        verdicts = select(Experiment.verdict, func.count()).where(mine)
        counts = self._database.all(verdicts.group_by(col(Experiment.verdict)))
        confirmed = select(func.count()).where(mine, Experiment.standing == Standing.CONFIRMED)
        kept = select(Experiment).where(mine, Experiment.verdict == Verdict.KEEP)
        return Summary(
            study=study,
            verdicts=VerdictCounts.of(counts),
            confirmed=int(self._database.first(confirmed)),
            unfinished=sum(count for verdict, count in counts if verdict is None),
            baseline=self._database.first(kept.order_by(col(Experiment.id))),
            incumbent=self.incumbent(study),
            at_work=seconds_at_work(self._database, study),
        )

    def duty(self, study: Study) -> policy.Duty | None:
        """Return what became of the time of a study's slots; None before a trial has ended.

        The time of a canary is in what its slot's next trial says of the machine.
        """
        of = select(Experiment.id).where(Experiment.study_id == study.id)
        mine = (
            col(Trial.experiment_id).in_(of),
            Trial.state == TrialState.DONE,
            Trial.purpose != Purpose.CANARY,
        )
        known = col(Trial.slot_seconds).is_not(None)
        lost = col(Trial.ending) == Ending.INTERRUPTED
        training = col(Trial.total_seconds) - col(Trial.startup_seconds)
        sums = (
            col(Trial.idle_seconds),
            col(Trial.paused_seconds),
            col(Trial.machine_seconds),
            col(Trial.deciding_seconds),
            col(Trial.slot_seconds),
            col(Trial.startup_seconds),
            training,
            # A clock that counts the seconds of several threads may count more than there were.
            func.min(col(Trial.training_seconds), training),
            col(Trial.scoring_seconds),
        )
        columns: list[Any] = [*map(func.sum, sums), lost]
        rows = self._database.all(select(*columns).where(*mine, known).group_by(lost))
        experiments = func.count(col(Trial.experiment_id).distinct())
        ended = ~lost & col(Trial.failure).is_distinct_from(FailureKind.MACHINE)
        trained = self._database.first(select(experiments).where(*mine, known, ended))
        unknown = self._database.first(select(func.count()).where(*mine, ~known))
        phases = [policy.Phases(*row) for row in rows]
        return policy.duty(phases, study.idle, trained=int(trained), unknown=int(unknown))

    def calls(self, study: Study, *, whole: bool = False) -> list[Call]:
        """Return a study's calls, oldest first; without what was answered unless `whole`."""
        return self._calls(col(Call.study_id) == study.id, whole=whole)

    def calls_of(self, experiment: Experiment, *, whole: bool = False) -> list[Call]:
        """Return the calls that an experiment came of, oldest first; `whole` as for `calls`."""
        own = col(Call.experiment_id) == experiment.id
        return self._calls(or_(own, col(Call.id) == experiment.call_id), whole=whole)

    def _calls(self, condition: ColumnElement[bool], *, whole: bool) -> list[Call]:
        query = select_rows(Call, whole=whole).where(condition)
        return self._database.all(query.order_by(col(Call.id)))

    def made_by(self, made: Sequence[Call]) -> dict[int, list[int]]:
        """Return the experiments that each of these calls has made, by its number."""
        query = select(Experiment.call_id, Experiment.id).order_by(col(Experiment.id))
        rows = self._database.all(
            query.where(col(Experiment.call_id).in_([call.id for call in made]))
        )
        found = {int(call.id or 0): [call.experiment_id] for call in made if call.experiment_id}
        for call, experiment in rows:
            found.setdefault(call, []).append(experiment)
        return found

    def spending(self, study: Study) -> list[Spending]:
        """Return what each proposer of a study cost and brought, in the order of their names."""
        return spending(self._database, study)

    def trained(self, study: Study) -> list[Trained]:
        """Return what a study's trained experiments say of their proposers, in no order.

        The baseline is nobody's idea, and nor is a take-back. A replayed folder names each of its
        files, and is one proposer.
        """
        if study.is_imported:
            return []
        proposer, standing = col(Experiment.proposer), col(Experiment.standing)
        columns: list[Any] = [
            case((proposer.like("patches:%"), "patches"), else_=proposer),
            col(Experiment.control),
            col(Experiment.seconds),
            (col(Experiment.verdict) == Verdict.KEEP) & standing.is_distinct_from(Standing.REFUTED),
            standing.is_not_distinct_from(Standing.CONFIRMED),
            col(Experiment.delta),
            col(Experiment.delta_error),
            col(Experiment.predicted_delta),
        ]
        query = select(*columns).where(
            col(Experiment.study_id) == study.id,
            col(Experiment.verdict).is_not(None),
            col(Experiment.verdict).not_in(UNCOUNTED),
            col(Experiment.category) != Category.BASELINE,
            col(Experiment.reverts_id).is_(None),
        )
        return [Trained(*row) for row in self._database.all(query)]

    def pruning_counts(self, study: Study) -> PruningCounts:
        """Return what stopping hopeless trials early saved a study, and what its audit found.

        An audit without a verdict yet is left out.
        """
        mine = (
            col(Experiment.id) == col(Trial.experiment_id),
            col(Experiment.study_id) == study.id,
            col(Trial.state) == TrialState.DONE,
            col(Trial.pruned_at).is_not(None),
        )
        left = func.coalesce(func.sum(study.budget_seconds - col(Trial.training_seconds)), 0.0)
        stopped = select(func.count(), left).where(*mine, col(Trial.ending) == Ending.PRUNED)
        audited = select(func.count()).where(
            *mine,
            col(Trial.ending).not_in((Ending.PRUNED, Ending.INTERRUPTED)),
            col(Experiment.verdict).is_not(None),
        )
        kept = audited.where(col(Experiment.verdict) == Verdict.KEEP)
        count, seconds = self._database.first(stopped)
        ran_on, won = int(self._database.first(audited)), int(self._database.first(kept))
        return PruningCounts(int(count), float(seconds), ran_on, won)

    def curves(self, study: Study, *, after: int = 0) -> list[Trial]:
        """Return a study's scored trials after a number, oldest first, with curves, no other bulk.

        Those that only looked for drift are left out: they are no rivals of what was on their seed.
        """
        query = (
            select(Trial)
            .join(Experiment, col(Experiment.id) == col(Trial.experiment_id))
            .where(col(Experiment.study_id) == study.id, col(Trial.id) > after)
            .where(col(Trial.val_bpb).is_not(None), Trial.purpose != Purpose.DRIFT)
            .order_by(col(Trial.id))
        )
        return self._database.all(query.options(*without(Trial, ("log", "doc_bits", "traceback"))))


def _columns(table: type[SQLModel]) -> Any:
    """Return the query of a table's columns, the long ones aside."""
    columns = table.__table__.columns  # type: ignore[attr-defined]  # every table has it
    return select(*(each for each in columns if each.name not in BODIES.get(table, ())))
