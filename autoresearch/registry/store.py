"""All SQL of the house. One method, one transaction."""

from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from sqlalchemy import ColumnElement, Engine, func, update
from sqlalchemy.exc import DatabaseError
from sqlmodel import Session, SQLModel, col, select

from autoresearch.errors import RegistryError
from autoresearch.records.arms import Trained
from autoresearch.records.money import Caps, GpuPrice
from autoresearch.records.tables import Call, Experiment, Study, Trial
from autoresearch.records.values import (
    ExperimentState,
    Purpose,
    Reading,
    StudyState,
    TrialState,
    Verdict,
)
from autoresearch.registry import readings, schema
from autoresearch.registry.arms import trained
from autoresearch.registry.database import Database, without
from autoresearch.registry.ledger import StudyLedger
from autoresearch.registry.packing import pack, unpack
from autoresearch.registry.racing import Raced, curves, raced
from autoresearch.registry.readings import Repeat
from autoresearch.registry.shelving import worth_shelving
from autoresearch.registry.spending import Spending, spending
from autoresearch.registry.summary import Summary, summarize

__all__ = ["Raced", "Registry", "Spending", "Summary", "pack", "unpack"]

Row = TypeVar("Row", bound=SQLModel)
_UNFINISHED = (ExperimentState.OPEN, ExperimentState.COMMITTING, ExperimentState.WITHDRAWING)
_EXPERIMENT_BODY = ("patch", "change_text", "test_bits")
_TRIAL_BODY = ("log", "doc_bits", "curve", "traceback")
_CALL_BODY = ("answer",)


class Registry:
    """The experiment registry of one project."""

    def __init__(self, engine: Engine, now: Callable[[], datetime]) -> None:
        self._engine = engine
        self._database = Database(engine)
        self.now = now

    @classmethod
    def open(
        cls,
        path: Path,
        *,
        create: bool = False,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> "Registry":
        """Open the registry at `path`.

        Raises:
            RegistryError: there is none (and `create` is false), damaged, from a newer version.
        """
        if create and not path.exists():
            schema.create(path)
        if not path.exists():
            msg = "no experiments yet: start with `autoresearch run`"
            raise RegistryError(msg)
        return cls(schema.connect(path), now)

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()

    def check(self) -> None:
        """Read the whole file.

        Raises:
            RegistryError: it is damaged.
        """
        with self._engine.connect() as connection:
            try:
                answer = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar()
            except DatabaseError as fault:
                answer = str(fault.orig)
        if answer != "ok":
            msg = f"the registry {self._engine.url.database} is damaged ({answer}): restore a copy"
            raise RegistryError(msg)

    def save(self, row: Row) -> Row:
        """Write a row, new or changed, and return it as stored.

        Raises:
            RegistryError: the row is a finished trial, which nothing may change, or disk trouble.
        """
        try:
            with Session(self._engine, expire_on_commit=False) as session:
                if isinstance(row, Trial) and row.id is not None:
                    self._refuse_finished(session, row.id)
                stored = session.merge(row)
                session.commit()
                session.refresh(stored)
                return stored
        except DatabaseError as fault:
            msg = f"cannot write the registry: {fault.orig}"
            raise RegistryError(msg) from None

    def studies(self) -> list[Study]:
        """Return every study, oldest first."""
        return self._database.all(select(Study).order_by(col(Study.id)))

    def study(self, tag: str | None = None) -> Study | None:
        """Return the study with this tag, or without one the study that was at work last."""
        query = select(Study).order_by(col(Study.id).desc())
        if tag is not None:
            query = query.where(Study.tag == tag)
        else:
            last = select(Experiment.study_id).order_by(col(Experiment.id).desc())
            if newest := self._database.first(last):
                query = query.where(Study.id == newest)
        found: Study | None = self._database.first(query)
        return found

    def study_of(self, experiment: Experiment) -> Study:
        """Return the study that an experiment belongs to."""
        found: Study = self._database.first(select(Study).where(Study.id == experiment.study_id))
        return found

    def experiment(self, number: int) -> Experiment:
        """Return one experiment, whole.

        Raises:
            RegistryError: there is none with this number.
        """
        found: Experiment | None = self._database.first(
            select(Experiment).where(Experiment.id == number)
        )
        if found is None:
            last = self._database.first(select(func.max(Experiment.id)))
            msg = f"no experiment {number}: " + (f"they are 1 to {last}" if last else "none yet")
            raise RegistryError(msg)
        return found

    def experiments(
        self,
        study: Study,
        *,
        last: int | None = None,
        verdict: Verdict | None = None,
        whole: bool = False,
    ) -> list[Experiment]:
        """Return a study's experiments, oldest first; without patch and text unless `whole`."""
        query = select(Experiment).where(Experiment.study_id == study.id)
        if verdict is not None:
            query = query.where(Experiment.verdict == verdict)
        if not whole:
            query = query.options(*without(Experiment, _EXPERIMENT_BODY))
        found = self._database.all(query.order_by(col(Experiment.id).desc()).limit(last))
        return found[::-1]

    def unfinished(self, study: Study) -> list[Experiment]:
        """Return the experiments that a stopped or killed run left in the middle of something."""
        query = select(Experiment).where(
            Experiment.study_id == study.id, col(Experiment.state).in_(_UNFINISHED)
        )
        return self._database.all(query.order_by(col(Experiment.id)))

    def incumbent(self, study: Study) -> Experiment | None:
        """Return the last kept experiment: its commit is the branch's tip."""
        kept = self.experiments(study, last=1, verdict=Verdict.KEEP, whole=True)
        return kept[0] if kept else None

    def trials(self, experiment: Experiment, *, whole: bool = False) -> list[Trial]:
        """Return an experiment's trials, oldest first; without log and curve unless `whole`."""
        query = select(Trial).where(Trial.experiment_id == experiment.id)
        if not whole:
            query = query.options(*without(Trial, _TRIAL_BODY))
        return self._database.all(query.order_by(col(Trial.id)))

    def readings(self, study: Study) -> dict[int, list[Reading]]:
        """Return every scored trial of a study by its experiment's number, oldest first.

        Those that only looked for drift are left out: they repeat a seed that was read.
        """
        return readings.readings(self._database, study)

    def repeats(self, study: Study) -> list[Repeat]:
        """Return every repetition that looked for drift and came to a score, oldest first."""
        return readings.repeats(self._database, study)

    def trained_since(self, study: Study, trial: int, but: Experiment) -> int:
        """Return how many experiments other than `but` were trained after a trial's number."""
        return readings.trained_since(self._database, study, trial, but)

    def document_bits(self, experiment: Experiment) -> dict[int, tuple[float, ...]]:
        """Return the bits of every val document, by the seed of an experiment's scored trials."""
        return readings.document_bits(self._database, experiment)

    def worth_shelving(self, trials: Collection[int]) -> list[int]:
        """Return which of these trials' checkpoints `promote` may ask for, most needed first."""
        return worth_shelving(self._database, trials)

    def seconds(self, study: Study) -> dict[Purpose, float]:
        """Return the wall seconds of a study's trials, scoring included, by their purpose."""
        took = func.sum(Trial.total_seconds + Trial.scoring_seconds)
        query = select(Trial.purpose, took).join(Experiment)
        query = query.where(Experiment.study_id == study.id, Trial.state == TrialState.DONE)
        return dict(self._database.all(query.group_by(col(Trial.purpose))))

    def parents(self, study: Study) -> dict[int, int]:
        """Return which incumbent each experiment was compared with."""
        query = select(Experiment.id, Experiment.parent_id).where(
            Experiment.study_id == study.id, col(Experiment.parent_id).is_not(None)
        )
        return dict(self._database.all(query))

    def since_keep(self, study: Study) -> int:
        """Return how many experiments were trained since the last keep; refused ones cost none."""
        last = select(func.max(Experiment.id)).where(
            Experiment.study_id == study.id, Experiment.verdict == Verdict.KEEP
        )
        query = select(func.count()).where(
            Experiment.study_id == study.id,
            Experiment.state == ExperimentState.DONE,
            Experiment.verdict != Verdict.INVALID,
            col(Experiment.id) > (self._database.first(last) or 0),
        )
        return int(self._database.first(query))

    def effects(self, study: Study) -> dict[str, int]:
        """Return the effect hash of every finished experiment, with the first one that had it."""
        query = select(Experiment.effect_hash, func.min(Experiment.id)).where(
            Experiment.study_id == study.id,
            col(Experiment.effect_hash).is_not(None),
            Experiment.state == ExperimentState.DONE,
            Experiment.verdict != Verdict.INVALID,
        )
        return dict(self._database.all(query.group_by(col(Experiment.effect_hash))))

    def summary(self, study: Study) -> Summary:
        """Return a study in numbers."""
        return summarize(self._database, study, self.incumbent(study))

    def ledger(self, study: Study, caps: Caps, *, gpu: GpuPrice | None = None) -> StudyLedger:
        """Return who says whether a study's calls may be made; its run begins now.

        Without a GPU price, or with none an hour, training costs nothing.
        """
        return StudyLedger(self._database, study, caps, gpu=gpu or GpuPrice(), now=self.now)

    def link_calls(self, calls: Sequence[int], experiment: Experiment) -> None:
        """Note which experiment came of calls, by their numbers.

        Raises:
            RegistryError: the registry cannot be written.
        """
        change = update(Call).where(col(Call.id).in_(calls)).values(experiment_id=experiment.id)
        with self._database.alone() as connection:
            connection.execute(change)

    def calls(self, study: Study, *, whole: bool = False) -> list[Call]:
        """Return a study's calls, oldest first; without what was answered unless `whole`."""
        return self._calls(col(Call.study_id) == study.id, whole=whole)

    def calls_of(self, experiment: Experiment, *, whole: bool = False) -> list[Call]:
        """Return the calls that an experiment came of, oldest first; `whole` as for `calls`."""
        return self._calls(col(Call.experiment_id) == experiment.id, whole=whole)

    def has_calls(self, study: Study) -> bool:
        """Return whether any provider was ever asked in a study."""
        return bool(self._database.first(select(Call.id).where(Call.study_id == study.id)))

    def spending(self, study: Study) -> list[Spending]:
        """Return what each proposer of a study cost and brought, in the order of their names."""
        return spending(self._database, study)

    def trained(self, study: Study) -> list[Trained]:
        """Return what a study's trained experiments say of their proposers."""
        return trained(self._database, study)

    def raced(self, study: Study) -> Raced:
        """Return what stopping hopeless trials early saved a study, and what its audit found."""
        return raced(self._database, study)

    def curves(self, study: Study, *, after: int = 0) -> list[Trial]:
        """Return a study's scored trials with their curves, oldest first: those after a number."""
        return curves(self._database, study, after)

    def forget_running(self) -> int:
        """Mark trials that a killed run left running as lost; return how many."""
        running = self._database.all(select(Trial).where(Trial.state == TrialState.RUNNING))
        for trial in running:
            self.save(trial.model_copy(update={"state": TrialState.LOST}))
        for study in self.studies():
            if study.state is StudyState.RUNNING:
                self.save(study.model_copy(update={"state": StudyState.STOPPED}))
        return len(running)

    def heartbeat(self, trial: Trial) -> None:
        """Note that the run at work on this trial is alive; one note missed is no harm."""
        with suppress(DatabaseError), Session(self._engine) as session:
            stored = session.get_one(Trial, trial.id)
            stored.heartbeat_at = self.now()
            session.commit()

    def _calls(self, condition: ColumnElement[bool], *, whole: bool) -> list[Call]:
        query = select(Call).where(condition).order_by(col(Call.id))
        return self._database.all(query if whole else query.options(*without(Call, _CALL_BODY)))

    def _refuse_finished(self, session: Session, number: int) -> None:
        stored = session.get(Trial, number)
        if stored is not None and stored.state is TrialState.DONE:
            msg = f"trial {number} is finished and does not change"
            raise RegistryError(msg)
