"""The night: what has ended is written down, and what is due is begun, on every slot there is."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from autoresearch.errors import AutoresearchError, Interrupted, SlotLostError
from autoresearch.records.events import WaitCause, Waiting
from autoresearch.records.phases import IdleReason
from autoresearch.records.tables import Study
from autoresearch.records.training import Budget
from autoresearch.records.values import ExperimentState, StudyState
from autoresearch.registry import Registry
from autoresearch.research.agenda import Agenda
from autoresearch.research.alarms import Alarms
from autoresearch.research.backoff import Backoff
from autoresearch.research.control import Control
from autoresearch.research.open_experiments import OpenExperiments
from autoresearch.research.pipeline import ProposalPipeline
from autoresearch.research.recorder import Recorder
from autoresearch.research.schedule import ProposerSchedule
from autoresearch.research.stopping import Stopper
from autoresearch.research.tasks import Done, Tasks
from autoresearch.research.trials import TrialRunner


@dataclass
class Controller:
    """One `run` over one study: the only one who writes its rows, its branch and its ledger.

    `controller_for` puts it together. `budget` is a training's, for who looks on.
    """

    registry: Registry
    trials: TrialRunner
    tasks: Tasks
    agenda: Agenda
    experiments: OpenExperiments
    pipeline: ProposalPipeline
    recorder: Recorder
    schedule: ProposerSchedule
    stopper: Stopper
    control: Control
    backoff: Backoff
    alarms: Alarms
    budget: Budget
    _stranded: bool = field(default=False, init=False)

    @property
    def failed(self) -> bool:
        """Whether the person must mend something: the unchanged project, a key, an account."""
        return self.stopper.baseline_failed(self._study) is not None or self.schedule.faulty

    def run(self) -> str:
        """Work until a rule, the proposers or the person ends it; return why.

        Raises:
            Interrupted: the person stopped it; everything is saved.
        """
        with self.registry.holding(self._study):
            return self._run()

    def _run(self) -> str:
        reason = "interrupted"
        self._enter()
        try:
            while self._turn():
                pass
            self.stopper.raise_if_interrupted()
            reason = self._ends() or self.schedule.end_reason()
            if not self.control.stopping:
                self.agenda.end_doubts()
        except Interrupted as stopped:
            self.stopper.raise_if_interrupted()
            reason = self._ends() or str(stopped)
        except AutoresearchError as fault:
            reason = str(fault)
            raise
        except Exception as fault:
            reason = f"a bug ended it: {type(fault).__name__}"
            raise
        finally:
            self.tasks.close()
            self._leave(reason)
        return reason

    def _turn(self) -> bool:
        """Take in what has happened and begin what is due; return whether there is more to do."""
        self.recorder.follow(self._study)
        if self.control.stopping:
            self.tasks.end_waiting(self._ends())
        self.pipeline.take_in()
        self.experiments.checks.take_in()
        self.experiments.decide()
        begun = self._begin()
        if not self._ends() and not self.control.paused:
            self.pipeline.think()
        if self.agenda.running or self._is_stranded() or self._awaits():
            self.alarms.look()
            for done in self.tasks.turn(self.pipeline.look_seconds, self._idle()):
                self._end(done)
            return True
        return begun or self._goes_on()

    def _awaits(self) -> bool:
        """Whether there is to be an answer: of a proposer, of a check, or of the person.

        Once nothing new is to begin, only what was trained still has its check, and its verdict.
        """
        pending = self.experiments.checks.pending
        if self._ends():
            return pending and bool(self.agenda.undecided()) and not self.backoff.stop()
        return pending or self.control.paused or self.schedule.awaited > 0

    def _begin(self) -> bool:
        """Begin what is due on the slots that are free; return whether anything was."""
        ends, free = bool(self._ends()), self.tasks.free
        spent = self.stopper.all_spent(self._study)
        held = self.stopper.interrupted() or self.control.holds
        if held or not free or (ends and spent):
            return False
        starts = self.agenda.due(
            free,
            ends=ends,
            idle=self.schedule.too_late(self.pipeline.for_thought),
            room=self.stopper.experiments_left(self.agenda.begun),
            paid=self.stopper.money_cap.trials,
            ready=self.experiments.ready,
        )
        for slot, request in starts:
            waited = self.agenda.begin(slot, request)
            self.tasks.start(slot, self.trials.task(request, slot, waited))
        return bool(starts)

    def _end(self, done: Done) -> None:
        """Take in the end of a trial on a slot."""
        over = done.value
        self.agenda.end(done.slot, None if isinstance(over, Exception) else over)
        if isinstance(over, SlotLostError):
            return  # what it was to answer is still wanted, and falls due on another slot
        if isinstance(over, Interrupted):
            self.stopper.stop(self._ends() or str(over))
        elif isinstance(over, Exception):
            raise over

    def _is_stranded(self) -> bool:
        """Whether there is something to do and no slot to do it on; said once."""
        stranded = not self.trials.executor.slots and self._wants_a_slot()
        if stranded and not self._stranded:
            told = "there is no machine to train on; it goes on once there is one"
            self.backoff.on_event(Waiting(told, WaitCause.MACHINE))
        self._stranded = stranded
        return stranded

    def _wants_a_slot(self) -> bool:
        """Whether something could be begun on a slot that came: what a run's end needs, too."""
        left = self.backoff.left
        late = left is not None and left <= self.agenda.quickest
        if late or self.stopper.interrupted() or self.control.stopping:
            return False
        ends = bool(self._ends())
        if ends and self.stopper.all_spent(self._study):
            return False
        idle = self.schedule.too_late(self.pipeline.for_thought)
        thinking = not ends and not self.schedule.is_over
        return thinking or self.agenda.wants(ends=ends, idle=idle)

    def _goes_on(self) -> bool:
        """With nothing at work, and nobody thinking: return whether something is to come."""
        if self._ends():
            return False
        works, study = self.agenda.works, self._study.number
        for wanted in [each.wanted for each in works.values() if each.wanted]:
            few = len(wanted)
            if none := self.trials.too_late(study, few) or self.stopper.money_cap.reached(few):
                self.stopper.stop(none)
                return False
        if works or self.schedule.is_over:
            return bool(works)
        within = self.pipeline.for_thought
        if self.schedule.too_late(within):
            left = self.backoff.left or 0.0
            self.stopper.stop(f"the time is up: no proposal and training fit into {left:.0f} s")
            return False
        pause = self.schedule.seconds_until_ready(within) or 0.0
        if pause > 0:
            told = f"for a proposer, {pause:.0f} s"
            self.backoff.on_event(Waiting(told, WaitCause.PROPOSERS, pause))
            self.tasks.linger(pause, IdleReason.PAUSED, until=lambda: self.control.holds)
        return True

    def _idle(self) -> IdleReason:
        """Return why slots that are free have nothing to do."""
        if self._ends():
            return IdleReason.END
        if self.schedule.awaited:
            return IdleReason.PROPOSALS
        checked = self.experiments.checks.pending and not self.control.paused
        return IdleReason.DECIDING if checked else IdleReason.PAUSED

    def _ends(self) -> str:
        """Return why nothing new is to begin; "" while it may."""
        return self.stopper.reason(self._study, busy=bool(self.agenda.running))

    @property
    def _study(self) -> Study:
        return self.agenda.study

    # --- how it begins and ends

    def _enter(self) -> None:
        """Take up what an earlier run left, with the conclusions that it was killed before."""
        self._set_state(StudyState.RUNNING)
        slots = self.trials.executor.slots
        self.trials.slot_clock.open(slots)
        self.schedule.resume(self.registry.experiments(self._study))
        summary = self.registry.summary(self._study)
        self.backoff.on_event(summary.opened(self.budget, self.schedule.names, slots))
        for row in self.registry.unfinished(self._study):
            if row.state is ExperimentState.OPEN:
                self.experiments.take_up(row)
        self.agenda.catch_up()
        if self.agenda.incumbent:
            self.recorder.refresh_scores(self._study)
            self.agenda.reread()

    def _leave(self, reason: str) -> None:
        with suppress(Interrupted):  # it waits for the registry, and may wait no longer
            self._set_state(StudyState.STOPPED, self.trials.slot_clock.rest())
        summary = self.registry.summary(self._study)
        rows = self.registry.experiments(self._study)
        self.backoff.on_event(summary.stopped(rows, reason))

    def _set_state(self, state: StudyState, idle: Mapping[str, float] | None = None) -> None:
        self.agenda.reread()
        spent = dict(self._study.idle)
        for why, seconds in (idle or {}).items():
            spent[why] = spent.get(why, 0.0) + seconds
        change = {"state": state, "idle": spent}
        self.agenda.study = self.registry.save(self._study.model_copy(update=change))
