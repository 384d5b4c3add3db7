"""The night: what has ended is written down, and what is due is begun, on every slot there is."""

from collections.abc import Callable, Mapping
from contextlib import suppress

from autoresearch import policy
from autoresearch.errors import AutoresearchError, Interrupted, SlotLostError
from autoresearch.proposers import Brief, Remaining
from autoresearch.records.events import Event, WaitCause, Waiting
from autoresearch.records.phases import IdleReason
from autoresearch.records.proposals import Rejection
from autoresearch.records.tables import Experiment, Study, Trial
from autoresearch.records.training import Budget
from autoresearch.records.values import ExperimentState, Purpose, StudyState, Verdict
from autoresearch.registry import Registry
from autoresearch.research.agenda import Agenda, OpenExperiment
from autoresearch.research.alarms import Alarms
from autoresearch.research.backoff import Backoff
from autoresearch.research.control import Control
from autoresearch.research.money_cap import MoneyCap
from autoresearch.research.pipeline import ProposalPipeline
from autoresearch.research.plan import (
    Pace,
    plan,
    proposals_at_once,
    proposals_wanted,
    until_wanted,
)
from autoresearch.research.recorder import Recorder
from autoresearch.research.requesting import ReceivedProposal
from autoresearch.research.requests import Request, Wanted
from autoresearch.research.schedule import ProposerSchedule
from autoresearch.research.stopping import Stopper
from autoresearch.research.tasks import Done, Tasks
from autoresearch.research.trials import TrialRunner

_TURN_SECONDS = 10.0  # after so long what is due is looked at again, though nothing has happened
_PAST = 0.05  # seconds by which a moment is certainly past


class Controller:
    """One `run` over one study: the only one who writes its rows, its branch and its ledger."""

    def __init__(
        self,
        study: Study,
        *,
        registry: Registry,
        trials: TrialRunner,
        tasks: Tasks[Trial],
        agenda: Agenda,
        pipeline: ProposalPipeline,
        recorder: Recorder,
        schedule: ProposerSchedule,
        ending: Stopper,
        control: Control,
        money_cap: MoneyCap,
        backoff: Backoff,
        alarms: Alarms,
        budget: Budget,
        ahead: int,
    ) -> None:
        """Build it of its parts; `controller_for` does.

        Args:
            study: the one to work on.
            registry: where it is.
            trials: makes tasks of trials.
            tasks: where they are at work.
            agenda: what is open, and what falls due.
            pipeline: has proposals made.
            recorder: writes verdicts.
            schedule: whose turn it is.
            ending: when the run ends.
            control: what the person asks of it meanwhile.
            money_cap: its money.
            backoff: its clock, and who is told what happens.
            alarms: tells what a person may have to act on.
            budget: of a training, for who looks on.
            ahead: how many proposals may be made for slots that are not free yet.
        """
        self.study = study
        self._registry = registry
        self._trials = trials
        self._tasks = tasks
        self._agenda = agenda
        self._pipeline = pipeline
        self._recorder = recorder
        self._schedule = schedule
        self._ending = ending
        self._control = control
        self._money_cap = money_cap
        self._backoff = backoff
        self._on_event: Callable[[Event], None] = backoff.on_event
        self._alarms = alarms
        self._budget = budget
        self._ahead = ahead
        self._stranded = False

    def run(self) -> str:
        """Work until a rule, the proposers or the person ends it; return why.

        Raises:
            Interrupted: the person stopped it; everything is saved.
        """
        with self._registry.holding(self.study):
            return self._run()

    def _run(self) -> str:
        reason = "interrupted"
        self._enter()
        try:
            while self._turn():
                pass
            self._ending.raise_if_interrupted()
            reason = self._ends() or self._schedule.end_reason()
            if not self._control.stopping:
                self._agenda.confirmation.end_doubts(self.study)
        except Interrupted as stopped:
            self._ending.raise_if_interrupted()
            reason = self._ends() or str(stopped)
        except AutoresearchError as fault:
            reason = str(fault)
            raise
        except Exception as fault:
            reason = f"a bug ended it: {type(fault).__name__}"
            raise
        finally:
            self._tasks.close()
            self._leave(reason)
        return reason

    @property
    def failed(self) -> bool:
        """Whether the person must mend something: the unchanged project, a key, an account."""
        return self._ending.baseline_failed(self.study) is not None or self._schedule.faulty

    def _turn(self) -> bool:
        """Take in what has happened and begin what is due; return whether there is more to do."""
        self._recorder.follow(self.study)
        if self._control.stopping:
            self._tasks.end_waiting(self._ends())
        for made in self._pipeline.answers():
            self._admit(made)
        self._decide()
        begun = self._begin()
        self._think()
        to_come = self._schedule.awaited or self._control.paused
        if self._agenda.running or self._is_stranded() or (to_come and not self._ends()):
            self._alarms.look()
            for done in self._tasks.turn(self._turn_seconds(), self._idle()):
                self._end(done)
            return True
        return begun or self._goes_on()

    def _is_stranded(self) -> bool:
        """Whether there is something to do and no slot to do it on; said once."""
        wants = (self._agenda.works or not self._schedule.is_over) and not self._ends()
        stranded = bool(wants) and not self._trials.executor.slots
        if stranded and not self._stranded:
            told = "there is no machine to train on; it goes on once there is one"
            self._on_event(Waiting(told, WaitCause.MACHINE))
        self._stranded = stranded
        return stranded

    def _goes_on(self) -> bool:
        """With nothing at work, and nobody thinking: return whether something is to come."""
        if self._ends():
            return False
        works, study = self._agenda.works, int(self.study.id or 0)
        for wanted in [each.wanted for each in works.values() if each.wanted]:
            if late := self._trials.too_late(study, len(wanted)):
                self._ending.stop(late)
                return False
        if works or self._schedule.is_over:
            return bool(works)
        if self._schedule.too_late(self._for_thought()):
            left = self._backoff.left or 0.0
            self._ending.stop(f"the time is up: no proposal and training fit into {left:.0f} s")
            return False
        pause = self._schedule.seconds_until_ready(self._for_thought()) or 0.0
        if pause > 0:
            self._on_event(Waiting(f"for a proposer, {pause:.0f} s", WaitCause.PROPOSERS, pause))
            self._tasks.linger(pause, IdleReason.PAUSED, until=lambda: self._control.holds)
        return True

    def _idle(self) -> IdleReason:
        """Return why slots that are free have nothing to do."""
        if self._ends():
            return IdleReason.END
        return IdleReason.PROPOSALS if self._schedule.awaited else IdleReason.PAUSED

    def _ends(self) -> str:
        """Return why nothing new is to begin; "" while it may."""
        return self._ending.reason(self.study)

    # --- what has ended

    def _end(self, done: Done[Trial]) -> None:
        """Take in the end of a trial on a slot."""
        trial = None if isinstance(done.value, Exception) else done.value
        request = self._agenda.end(done.slot, trial)
        if trial is not None and self._agenda.drift_checks.moved(self.study):
            self._reread()
        if isinstance(done.value, SlotLostError):
            return  # what it was to answer is still wanted, and falls due on another slot
        if isinstance(done.value, Interrupted):
            self._ending.stop(self._ends() or str(done.value))
        elif isinstance(done.value, Exception):
            raise done.value
        else:
            self._learn(request, done.value)

    def _learn(self, request: Request, trial: Trial) -> None:
        """Draw what conclusions a trial allows beside the verdict that it was for."""
        if request.purpose is Purpose.DRIFT:
            self._agenda.drift_checks.ended(self.study, trial)
            self._reread()
        if (keep := self._agenda.pair_over()) is not None:
            self._agenda.confirmation.pair_ended(self.study, keep)
            self._reread()

    def _decide(self) -> None:
        """Write the verdicts that are earned, and learn what the others still need."""
        for work in self._agenda.undecided():
            found = self._agenda.step(self.study, work)
            if found is not None or self._is_overtaken(work.row):
                self._close(work.row, found)

    def _is_overtaken(self, row: Experiment) -> bool:
        """Whether another was kept since it was opened."""
        incumbent = self._registry.incumbent(self.study)
        return incumbent is not None and row.parent_id not in (None, incumbent.id)

    def _close(self, row: Experiment, decision: policy.Decision | None) -> None:
        """Write a verdict; None: in doubt beside a parent that is no longer the best."""
        good = decision is None or decision.verdict is Verdict.KEEP
        if good and self._is_overtaken(row):
            decision = self._again(row, decision)
        assert decision is not None
        self._recorder.record_verdict(self.study, row, decision)
        work = self._agenda.works.pop(int(row.id or 0), None)
        self._reread()
        self._ending.count(decision.verdict, begun=work is not None and work.begun)

    def _again(self, row: Experiment, decision: policy.Decision | None) -> policy.Decision:
        """Try a late winner on the incumbent, as a new experiment; return the old one's end.

        No further trial is spent on the old comparison, and the branch holds only code that was
        trained.
        """
        incumbent = self._registry.incumbent(self.study)
        assert incumbent is not None
        found = decision or policy.Decision(Verdict.STALE, None, "")
        told = f"promising beside experiment {row.parent_id}, but {incumbent.id} was kept meanwhile"
        again = self._pipeline.repeat_on(self.study, row, incumbent)
        if isinstance(again, Rejection):
            told = f"{told}, and on top of that it does not fit: {again.reason}"
        else:
            if again.id not in self._agenda.works:
                self._take_up(again)
            told = f"{told}: tried on top of that as experiment {again.id}"
        return policy.Decision(
            Verdict.STALE, found.effect, told, found.measured, found.pairs, found.chances
        )

    # --- what begins

    def _admit(self, made: ReceivedProposal) -> None:
        """Make a row of a proposal on what its author was shown, and check it.

        Where another was kept meanwhile, it is put on top of that like all that waits.
        """
        shown = self._registry.experiment(made.incumbent, whole=False)
        row = self._pipeline.open(self.study, made.proposal, shown, made.turn.control)
        self._pipeline.record_check(made, refused=not self._take_up(row))

    def _take_up(self, row: Experiment) -> bool:
        """Let an open experiment wait for its turn; return whether its change holds."""
        found = self._pipeline.admit(self.study, row)
        if isinstance(found, Rejection):
            self._close(row, policy.Decision(Verdict.INVALID, None, found.reason))
            return False
        self._agenda.works[int(row.id or 0)] = found
        return True

    def _begin(self) -> bool:
        """Begin what is due on the slots that are free; return whether anything was."""
        ends, free = bool(self._ends()), self._tasks.free
        spent = self._money_cap.reached() or self._ending.baseline_failed(self.study)
        held = self._ending.interrupted() or self._control.holds
        if held or not free or (ends and spent):
            return False
        state = self._agenda.state(
            self.study,
            free,
            ends=ends,
            idle=self._schedule.too_late(self._for_thought()),
            room=self._ending.experiments_left(self._agenda.begun),
            left=self._backoff.left,
            now=self._backoff.clock(),
            ready=self._ready,
        )
        starts = plan(state)
        for slot, request in starts:
            waited = self._agenda.begin(slot, request, self._backoff.clock())
            self._tasks.start(slot, self._trials.task(request, slot, waited))
        return bool(starts)

    def _ready(self, most: int) -> list[Wanted]:
        """Return what experiments that wait need first, of so many at most."""
        found = list[Wanted]()
        for work in self._agenda.waiting:
            if len(found) == most:
                break
            if self._keep_up(work):
                decision = self._agenda.step(self.study, work)
                if decision is not None:
                    self._close(work.row, decision)
                elif work.wanted:
                    found.append(work.wanted)
        return found

    def _keep_up(self, work: OpenExperiment) -> bool:
        """Put what waits on top of the incumbent; return whether it fits, and drop it if not."""
        incumbent = self._registry.incumbent(self.study)
        fault = self._pipeline.rebase(self.study, work, incumbent) if incumbent else None
        if incumbent is None or fault is None:
            return True
        told = f"experiment {incumbent.id} was kept before its turn came: {fault.reason}"
        self._close(work.row, policy.Decision(Verdict.STALE, None, told))
        return False

    def _think(self) -> None:
        """Have as many proposals thought of as slots will come free meanwhile."""
        if self._ends() or self._control.paused:
            return
        incumbent = self._registry.incumbent(self.study)
        if incumbent is None:
            if not self._agenda.works:
                self._take_up(self._pipeline.baseline(self.study))
            return
        pace, room = self._pace(), self._ending.experiments_left(self._agenda.begun)
        ends = self._slot_ends(pace)
        waiting, thinking = len(self._agenda.waiting), self._schedule.awaited
        wanted = proposals_wanted(
            ends, waiting, thinking, pace, ahead=self._ahead, room=room, left=self._backoff.left
        )
        at_once = proposals_at_once(
            wanted, ends, waiting + thinking, pace, ahead=self._ahead, room=room
        )
        # What is for a slot that is free now, and what is not.
        now = self._tasks.spare - waiting - thinking
        while wanted > 0:
            self._trials.executor.prepare()
            asked = self._reverse(incumbent) or self._pipeline.ask(
                self.study,
                incumbent,
                lambda: self._brief(incumbent),
                wanted,
                at_once,
                self._for_thought(),
                ahead=now <= 0,
            )
            if not asked:
                return
            wanted, now = wanted - asked, now - asked

    def _reverse(self, incumbent: Experiment) -> bool:
        """Take up the reverse of a refuted keep; return whether one was due."""
        back = self._pipeline.reversal(self.study, incumbent)
        if back is not None:
            self._take_up(self._pipeline.open(self.study, back, incumbent))
        return back is not None

    def _for_thought(self) -> float | None:
        """Return how long a proposal may take for a training to fit behind it; None: any time."""
        left = self._backoff.left
        return None if left is None else left - self._registry.quickest(int(self.study.id or 0))

    def _turn_seconds(self) -> float:
        """Return after how long what is due is looked at again, though nothing has happened."""
        pace = self._pace()
        return min(_TURN_SECONDS, until_wanted(self._slot_ends(pace), pace) + _PAST)

    def _pace(self) -> Pace:
        return Pace(self._pipeline.seconds, self._registry.quickest(int(self.study.id or 0)))

    def _slot_ends(self, pace: Pace) -> list[float]:
        """Return in how many seconds each slot will be free; 0 where it is."""
        ends = self._agenda.busy(pace.trial, self._backoff.clock())
        return [*ends, *(0.0 for _ in range(self._tasks.spare))]

    def _brief(self, incumbent: Experiment) -> Brief:
        rows = [each.row for each in self._agenda.works.values()]
        remaining = Remaining(
            seconds=self._backoff.left,
            experiments=self._ending.experiments_left(0),
            usd=self._money_cap.left,
            training=self._registry.quickest(int(self.study.id or 0)) or None,
        )
        return self._pipeline.briefing.brief(self.study, incumbent, remaining, rows)

    # --- how it begins and ends

    def _enter(self) -> None:
        self._set_state(StudyState.RUNNING)
        self._trials.slot_clock.open(self._trials.executor.slots)
        self._schedule.resume(self._registry.experiments(self.study))
        summary = self._registry.summary(self.study)
        slots = self._trials.executor.slots
        self._on_event(summary.opened(self._budget, self._schedule.names, slots))
        for row in self._registry.unfinished(self.study):
            if row.state is ExperimentState.OPEN:
                self._take_up(row)
        self._catch_up()

    def _catch_up(self) -> None:
        """Draw the conclusions that a run was killed before it drew: of repetitions, of pairs."""
        if again := self._agenda.drift_checks.missed(self.study):
            self._agenda.drift_checks.ended(self.study, again)
            self._reread()
        if self._registry.incumbent(self.study):
            self._recorder.refresh_scores(self.study)
            self._reread()

    def _leave(self, reason: str) -> None:
        with suppress(Interrupted):  # it waits for the registry, and may wait no longer
            self._set_state(StudyState.STOPPED, self._trials.slot_clock.rest())
        summary, rows = self._registry.summary(self.study), self._registry.experiments(self.study)
        self._on_event(summary.stopped(rows, reason))

    def _reread(self) -> None:
        self._trials.tidy()
        self.study = self._registry.study(self.study.tag) or self.study

    def _set_state(self, state: StudyState, idle: Mapping[str, float] | None = None) -> None:
        self._reread()
        spent = _sums(self.study.idle, idle or {})
        change = {"state": state, "idle": spent}
        self.study = self._registry.save(self.study.model_copy(update=change))


def _sums(one: Mapping[str, float], other: Mapping[str, float]) -> dict[str, float]:
    return {name: one.get(name, 0.0) + other.get(name, 0.0) for name in {**one, **other}}
