"""Everything that is only read from the registry."""

from collections.abc import Collection, Sequence

from sqlalchemy import and_, func
from sqlmodel import col, select

from autoresearch.errors import RegistryError
from autoresearch.policy import Duty, Scale, scale_of
from autoresearch.records.arms import Trained
from autoresearch.records.hardware import Hardware, RanOn
from autoresearch.records.notes import Note
from autoresearch.records.tables import Call, Experiment, Study, Trial
from autoresearch.records.values import ExperimentState, Purpose, Reading, Verdict
from autoresearch.registry import calls, machines, readings, tried
from autoresearch.registry.arms import trained
from autoresearch.registry.database import Database, without
from autoresearch.registry.deciding import Decided
from autoresearch.registry.phases import duty
from autoresearch.registry.pruning import PruningCounts, curves, pruning_counts
from autoresearch.registry.readings import Repeat
from autoresearch.registry.revision import revision
from autoresearch.registry.rows import EXPERIMENT_BODY, MOVING, TRIAL_BODY, StudyRows
from autoresearch.registry.shelving import at_work, worth_shelving
from autoresearch.registry.spending import Spending, spending
from autoresearch.registry.summary import Summary, summarize


class Queries:
    """What can be asked of a registry. One method, one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._rows: StudyRows | None = None

    def _held(self, study: int | None) -> StudyRows | None:
        """Return a study's rows, by its number, where they are held in memory."""
        return self._rows if self._rows is not None and self._rows.study == study else None

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
        query = select(Experiment).where(Experiment.study_id == study.id)
        if verdict is not None:
            query = query.where(Experiment.verdict == verdict)
        if not whole:
            query = query.options(*without(Experiment, EXPERIMENT_BODY))
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
        query = select(Trial).where(Trial.experiment_id == experiment.id)
        if not whole:
            query = query.options(*without(Trial, TRIAL_BODY))
        return self._database.all(query.order_by(col(Trial.id)))

    def trials_by_experiment(
        self, study: Study, *, only: Collection[int] | None = None, whole: bool = False
    ) -> dict[int, list[Trial]]:
        """Return a study's trials by their experiment's number, oldest first; see `trials`.

        With `only` those of these experiments alone, which should be few.
        """
        query = select(Trial).join(Experiment).where(Experiment.study_id == study.id)
        if only is not None:
            query = query.where(col(Trial.experiment_id).in_(only))
        if not whole:
            query = query.options(*without(Trial, TRIAL_BODY))
        found: dict[int, list[Trial]] = {}
        for trial in self._database.all(query.order_by(col(Trial.id))):
            found.setdefault(trial.experiment_id, []).append(trial)
        return found

    def ran_on(self, study: Study) -> list[RanOn]:
        """Return what a study's trials ran on, oldest first.

        Only those since the machine was last seen to have changed, and of which it is known.
        """
        if held := self._held(study.id):
            return held.ran_on(study.steady_since)
        return machines.ran_on(self._database, study)

    def newest_hardware(self, study: Study) -> Hardware | None:
        """Return what a study's last trial ran on; None where that is not known."""
        return machines.newest_hardware(self._database, study)

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
        if held := self._held(study.id):
            return held.trained_since(trial, int(but.id or 0))
        return readings.trained_since(self._database, study, trial, but)

    def document_bits(self, experiment: Experiment) -> dict[int, tuple[float, ...]]:
        """Return the bits of every val document, by the seed of an experiment's scored trials."""
        return readings.document_bits(self._database, experiment)

    def worth_shelving(self, trials: Collection[int], *, decided: bool = False) -> list[int]:
        """Return which of these trials' checkpoints `promote` may ask for, most needed first.

        `decided` leaves out those of experiments that have no verdict yet.
        """
        return worth_shelving(self._database, trials, decided=decided)

    def at_work(self) -> list[int]:
        """Return the trials that are being executed, by their rows."""
        return at_work(self._database)

    def seconds(self, study: Study) -> dict[Purpose, float]:
        """Return the wall seconds of a study's trials, scoring included, by their purpose."""
        if held := self._held(study.id):
            return held.seconds()
        return readings.seconds(self._database, int(study.id or 0))

    def quickest(self, study: int, last: int = 10) -> float:
        """Return the wall seconds of the quickest of a study's last scored trials; 0.0 without."""
        if held := self._held(study):
            return held.quickest(last)
        return readings.quickest(self._database, study, last)

    def decided(self, study: Study) -> list[Decided]:
        """Return a study's experiments with a verdict, in the order of these, with readings."""
        if held := self._held(study.id):
            return held.decided(study)
        known = self.readings(study)
        rows = (row for row in self.experiments(study) if row.verdict)
        found = [Decided.of(row, known.get(int(row.id or 0), ())) for row in rows]
        return sorted(found, key=lambda each: each.key)

    def since_keep(self, study: Study) -> int:
        """Return how many experiments were trained since the last keep; refused ones cost none.

        A keep that was taken back counts as one: it must not end a run that it had kept alive.
        """
        return tried.since_keep(self._database, study)

    def effects(self, study: Study, *, but: int = 0) -> dict[str, int]:
        """Return the effect hash of every experiment but one, with the first one that had it."""
        if held := self._held(study.id):
            return held.effects(but)
        return tried.effects(self._database, study, but)

    def notes(self, study: Study) -> list[Note]:
        """Return all that the person told the researcher of a study, oldest first."""
        query = select(Note).where(Note.study_id == study.id)
        return self._database.all(query.order_by(col(Note.id)))

    def revision(self, study: Study) -> str:
        """Return a word for the state of a study, another one once more can be told of it."""
        return revision(self._database, study)

    def summary(self, study: Study) -> Summary:
        """Return a study in numbers."""
        return summarize(self._database, study, self.incumbent(study))

    def duty(self, study: Study) -> Duty | None:
        """Return what became of the time of a study's slots; None before a trial has ended."""
        return duty(self._database, study)

    def calls(self, study: Study, *, whole: bool = False) -> list[Call]:
        """Return a study's calls, oldest first; without what was answered unless `whole`."""
        return calls.calls(self._database, study, whole=whole)

    def calls_of(self, experiment: Experiment, *, whole: bool = False) -> list[Call]:
        """Return the calls that an experiment came of, oldest first; `whole` as for `calls`."""
        return calls.calls_of(self._database, experiment, whole=whole)

    def made_by(self, made: Sequence[Call]) -> dict[int, list[int]]:
        """Return the experiments that each of these calls has made, by its number."""
        return calls.made_by(self._database, made)

    def spending(self, study: Study) -> list[Spending]:
        """Return what each proposer of a study cost and brought, in the order of their names."""
        return spending(self._database, study)

    def trained(self, study: Study) -> list[Trained]:
        """Return what a study's trained experiments say of their proposers."""
        return [] if study.is_imported else trained(self._database, study)

    def pruning_counts(self, study: Study) -> PruningCounts:
        """Return what stopping hopeless trials early saved a study, and what its audit found."""
        return pruning_counts(self._database, study)

    def curves(self, study: Study, *, after: int = 0) -> list[Trial]:
        """Return a study's scored trials with their curves, oldest first: those after a number."""
        return curves(self._database, study, after)
