"""What is read of a study's rows: experiments, trials, readings. Figures are in `figures.py`."""

from collections.abc import Collection, Sequence
from datetime import UTC, datetime

from sqlalchemy import and_, func
from sqlmodel import col, select

from autoresearch.errors import RegistryError
from autoresearch.policy import Scale, scale_of
from autoresearch.records.hardware import Hardware, RanOn
from autoresearch.records.notes import Note
from autoresearch.records.tables import Experiment, Study, Trial
from autoresearch.records.values import (
    UNCOUNTED,
    ExperimentState,
    Purpose,
    Reading,
    Standing,
    TrialState,
    Verdict,
)
from autoresearch.registry import readings
from autoresearch.registry.database import Database, select_rows
from autoresearch.registry.packing import unpack_reals
from autoresearch.registry.readings import Repeat
from autoresearch.registry.rows import MOVING, Decided, StudyRows


class Queries:
    """What can be asked of a registry. One method, one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._rows: StudyRows | None = None

    def _held(self, study: int | None) -> StudyRows | None:
        """Return a study's rows, by its number, where they are held in memory."""
        return self._rows if self._rows is not None and self._rows.study == study else None

    def _rows_of(self, study: Study) -> StudyRows:
        """Return a study's rows for what only a run asks, which holds them; else read for once."""
        return self._held(study.id) or StudyRows(self._database, int(study.id or 0))

    def studies(self) -> list[Study]:
        """Return every study, oldest first."""
        return self._database.all(select(Study).order_by(col(Study.id)))

    def study(self, tag: str | None = None) -> Study | None:
        """Return the study with this tag, or without one the study that was at work last.

        An imported one is never at work.
        """
        if tag is not None and self._rows is not None and self._rows.itself().tag == tag:
            return self._rows.itself()
        query = select(Study).order_by(col(Study.id).desc())
        if tag is not None:
            query = query.where(Study.tag == tag)
        else:
            query = query.where(Study.origin == "")
            last = select(Experiment.study_id).join(Study).where(Study.origin == "")
            if newest := self._database.first(last.order_by(col(Experiment.id).desc())):
                query = query.where(Study.id == newest)
        found: Study | None = self._database.first(query)
        return found

    def imported(self) -> list[Study]:
        """Return the studies that were read from files of the person's, oldest first."""
        return [each for each in self.studies() if each.is_imported]

    def study_of(self, experiment: Experiment) -> Study:
        """Return the study that an experiment belongs to."""
        if held := self._held(experiment.study_id):
            return held.itself()
        found: Study = self._database.first(select(Study).where(Study.id == experiment.study_id))
        return found

    def experiment(self, number: int, *, whole: bool = True) -> Experiment:
        """Return one experiment; unless `whole`, one held in memory without patch and text.

        Raises:
            RegistryError: there is none with this number.
        """
        if not whole and self._rows and (held := self._rows.experiment(number)):
            return held
        query = select(Experiment).where(Experiment.id == number)
        found: Experiment | None = self._database.first(query)
        if found is None:
            last = self.newest()
            known = f"they are 1 to {last}" if last > 1 else "there is 1 alone"
            msg = f"no experiment {number}: {known if last else 'none yet'}"
            raise RegistryError(msg)
        return found

    def newest(self) -> int:
        """Return the number of the newest experiment of all studies; 0 where there is none."""
        return int(self._database.first(select(func.max(Experiment.id))) or 0)

    def experiments(
        self,
        study: Study,
        *,
        last: int | None = None,
        verdict: Verdict | None = None,
        whole: bool = False,
    ) -> list[Experiment]:
        """Return a study's experiments, oldest first; without patch and text unless `whole`."""
        if not whole and (held := self._held(study.id)):
            rows = held.kept() if verdict is Verdict.KEEP else held.experiments()
            if verdict not in (None, Verdict.KEEP):
                rows = [row for row in rows if row.verdict is verdict]
            return rows if last is None else rows[len(rows) - min(last, len(rows)) :]
        query = select_rows(Experiment, whole=whole).where(Experiment.study_id == study.id)
        if verdict is not None:
            query = query.where(Experiment.verdict == verdict)
        found = self._database.all(query.order_by(col(Experiment.id).desc()).limit(last))
        return found[::-1]

    def unfinished(self, study: Study) -> list[Experiment]:
        """Return the experiments that a stopped or killed run left in the middle of something."""
        return self._in_state(study, ExperimentState.OPEN, *MOVING)

    def moving(self, study: Study) -> list[Experiment]:
        """Return the experiments whose verdict the branch has not followed yet."""
        if held := self._held(study.id):
            return held.moving()
        return self._in_state(study, *MOVING)

    def _in_state(self, study: Study, *states: ExperimentState) -> list[Experiment]:
        mine = Experiment.study_id == study.id, col(Experiment.state).in_(states)
        return self._database.all(select(Experiment).where(*mine).order_by(col(Experiment.id)))

    def incumbent(self, study: Study) -> Experiment | None:
        """Return the keep that no other builds on: its commit is the branch's tip.

        It is without patch and text where the study's rows are held in memory.
        """
        if held := self._held(study.id):
            return held.incumbent()
        kept = and_(col(Experiment.study_id) == study.id, col(Experiment.verdict) == Verdict.KEEP)
        built_on = select(Experiment.parent_id).where(kept, col(Experiment.parent_id).is_not(None))
        query = select(Experiment).where(kept, col(Experiment.id).not_in(built_on))
        found: Experiment | None = self._database.first(query.order_by(col(Experiment.id).desc()))
        return found

    def trials(self, experiment: Experiment, *, whole: bool = False) -> list[Trial]:
        """Return an experiment's trials, oldest first; without log and curve unless `whole`."""
        if not whole and (held := self._held(experiment.study_id)):
            return held.trials(int(experiment.id or 0))
        query = select_rows(Trial, whole=whole).where(Trial.experiment_id == experiment.id)
        return self._database.all(query.order_by(col(Trial.id)))

    def trials_by_experiment(
        self, study: Study, *, only: Collection[int] | None = None, whole: bool = False
    ) -> dict[int, list[Trial]]:
        """Return a study's trials by their experiment's number, oldest first; see `trials`.

        With `only` those of these experiments alone, which should be few.
        """
        query = select_rows(Trial, whole=whole).join(Experiment)
        query = query.where(Experiment.study_id == study.id)
        if only is not None:
            query = query.where(col(Trial.experiment_id).in_(only))
        found: dict[int, list[Trial]] = {}
        for trial in self._database.all(query.order_by(col(Trial.id))):
            found.setdefault(trial.experiment_id, []).append(trial)
        return found

    def ran_on(self, study: Study) -> list[RanOn]:
        """Return what a study's trials ran on, oldest first.

        Only those since the machine was last seen to have changed, and of which it is known.
        """
        return self._rows_of(study).ran_on(study.steady_since)

    def newest_hardware(self, study: Study) -> Hardware | None:
        """Return what a study's last trial ran on; None where that is not known."""
        query = select(Trial.hardware).join(Experiment).where(Experiment.study_id == study.id)
        return Hardware.of(self._database.first(query.order_by(col(Trial.id).desc())) or {})

    def readings(self, study: Study) -> dict[int, list[Reading]]:
        """Return every scored trial of a study by its experiment's number, oldest first.

        Those that only looked for drift are left out: they repeat a seed that was read.
        """
        if held := self._held(study.id):
            return held.readings(study)
        return readings.readings(self._database, study)

    def scale(self, study: Study) -> Scale:
        """Return what the policy holds in the unit of a study's metric."""
        best: Sequence[Sequence[Reading]] = ()
        if not study.metric.is_bits_per_byte:  # whose scale hangs on nothing that was read
            best = readings.of_the_best(self._database, study, self.readings(study))
        return scale_of(study.metric, study.device, best, paired=study.seeded)

    def repeats(self, study: Study) -> list[Repeat]:
        """Return every repetition that looked for drift and came to a score, oldest first."""
        return readings.repeats(self._database, study)

    def trained_since(self, study: Study, trial: int, but: Experiment) -> int:
        """Return how many experiments other than `but` were trained after a trial's number."""
        return self._rows_of(study).trained_since(trial, int(but.id or 0))

    def document_bits(self, experiment: Experiment) -> dict[int, tuple[float, ...]]:
        """Return the bits of every val document, by the seed of an experiment's scored trials."""
        query = select(Trial.seed, Trial.doc_bits).where(
            Trial.experiment_id == experiment.id,
            col(Trial.val_bpb).is_not(None),
            Trial.purpose != Purpose.DRIFT,
        )
        found = self._database.all(query)
        return {seed: unpack_reals(packed) for seed, packed in found if packed}

    def worth_shelving(self, trials: Collection[int], *, decided: bool = False) -> list[int]:
        """Return which of these trials' checkpoints `promote` may ask for, most needed first.

        It is the newest of every experiment that was kept and not refuted since, or has no verdict
        yet (`decided` leaves these out); the newest, because an experiment was chosen by its first
        one, whose score flatters it. Baselines, which all others are compared with, go before them,
        then the newer before the older.
        """
        verdict = col(Experiment.verdict)
        kept = verdict == Verdict.KEEP
        query = (
            select(Trial.id, Trial.experiment_id, Experiment.parent_id)
            .join(Experiment)
            .where(
                col(Trial.id).in_(trials),
                col(Trial.val_bpb).is_not(None),
                kept if decided else kept | verdict.is_(None),
                col(Experiment.standing).is_distinct_from(Standing.REFUTED),
            )
        )
        newest: dict[int, tuple[bool, int]] = {}
        for trial, experiment, parent in self._database.all(query.order_by(col(Trial.id))):
            newest[experiment] = (parent is None, trial)
        return [trial for _, trial in sorted(newest.values(), reverse=True)]

    def at_work(self) -> list[int]:
        """Return the trials that are being executed, by their rows."""
        return self._database.all(select(Trial.id).where(Trial.state == TrialState.RUNNING))

    def seconds(self, study: Study) -> dict[Purpose, float]:
        """Return the wall seconds of a study's trials, scoring included, by their purpose."""
        if held := self._held(study.id):
            return held.seconds()
        return readings.seconds(self._database, int(study.id or 0))

    def quickest(self, study: int) -> float:
        """Return the wall seconds of the quickest of a study's last scored trials; 0.0 without."""
        if held := self._held(study):
            return held.quickest()
        return readings.quickest(self._database, study)

    def decided(self, study: Study) -> list[Decided]:
        """Return a study's experiments with a verdict, in the order of these, with readings."""
        return self._rows_of(study).decided(study)

    def since_keep(self, study: Study) -> int:
        """Return how many experiments were trained since the last keep; refused ones cost none.

        A keep that was taken back counts as one: it must not end a run that it had kept alive.
        """
        kept = (Experiment.verdict == Verdict.KEEP) | (Experiment.standing == Standing.REFUTED)
        when = func.coalesce(Experiment.finished_at, Experiment.created_at)
        mine = select(when, Experiment.id).where(Experiment.study_id == study.id)
        newest = mine.where(kept).order_by(when.desc(), col(Experiment.id).desc())
        moment, number = self._database.first(newest) or (datetime.min.replace(tzinfo=UTC), 0)
        later = (when > moment) | ((when == moment) & (col(Experiment.id) > number))
        counted = mine.where(col(Experiment.verdict).not_in(UNCOUNTED), later)
        return len(self._database.all(counted))

    def effects(self, study: Study, *, but: int = 0) -> dict[str, int]:
        """Return the effect hash of every experiment but one, with the first one that had it.

        What waits or is at work is tried already; what became stale may be tried anew.
        """
        return self._rows_of(study).effects(but)

    def notes(self, study: Study) -> list[Note]:
        """Return all that the person told the researcher of a study, oldest first."""
        query = select(Note).where(Note.study_id == study.id)
        return self._database.all(query.order_by(col(Note.id)))
