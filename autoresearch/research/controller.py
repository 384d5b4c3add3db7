"""The night: what has ended is written down, and what is due is begun, on every slot there is."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from autoresearch import policy
from autoresearch.config import Project
from autoresearch.errors import AutoresearchError, Interrupted
from autoresearch.gitrepo import GitRepo
from autoresearch.proposers import Brief, Remaining
from autoresearch.records.events import Waiting
from autoresearch.records.tables import Experiment, Study, Trial
from autoresearch.records.text import counted
from autoresearch.records.values import (
    UNCOUNTED,
    ExperimentState,
    Proposal,
    Purpose,
    Rejection,
    StudyState,
    Verdict,
)
from autoresearch.registry import Registry
from autoresearch.research import telling
from autoresearch.research.books import Books
from autoresearch.research.briefing import Briefing
from autoresearch.research.comparing import Comparing
from autoresearch.research.confirming import Confirming
from autoresearch.research.drift import Drifting
from autoresearch.research.opening import BASELINE, Opening, Rehearse
from autoresearch.research.patience import Patience
from autoresearch.research.plan import Pace, State, Wanted, plan, proposals_wanted
from autoresearch.research.profiling import seed_to_profile
from autoresearch.research.proposing import Made, Proposing
from autoresearch.research.purse import Purse
from autoresearch.research.recording import settled
from autoresearch.research.reversing import Reversing
from autoresearch.research.rota import Rota, Seat
from autoresearch.research.tasks import Done
from autoresearch.research.trials import PROFILE_PARTS, Request, TrialRunner

_TURN_SECONDS = 10.0  # after so long what is due is looked at again, though nothing has happened
_LAST = 4  # proposals whose time says how long the next one takes


@dataclass(frozen=True)
class StopRules:
    """When a run ends by itself. `deadline` is on the run's own clock; None means never.

    `experiments` and `patience` count those that were trained. A proposer of which only refusals
    come ends the run all the same: it is asked no more after a few in a row (`rota.MOST_REFUSALS`).
    """

    deadline: float | None = None
    experiments: int | None = None
    patience: int | None = None


@dataclass
class _Work:
    """An experiment without a verdict: whether its trials have begun, and which it still needs.

    `wanted` is None while that is not known: after each of its trials. `resumed` was being trained
    when a run was stopped: it stays beside its parent, and comes before what is new.
    """

    row: Experiment
    begun: bool
    resumed: bool = False
    wanted: Wanted | None = None


@dataclass(frozen=True)
class _Running:
    """A trial at work, and since when on the run's clock."""

    request: Request
    since: float

    def ends(self, trial: float) -> float:
        """Return when it will be over, if a whole one takes so many seconds."""
        short = self.request.purpose is Purpose.PROFILE
        return self.since + (trial / PROFILE_PARTS if short else trial)


class Controller:
    """One `run` over one study: the only one who writes its rows, its branch and its ledger."""

    def __init__(
        self,
        study: Study,
        *,
        project: Project,
        registry: Registry,
        repo: GitRepo,
        trials: TrialRunner,
        seats: Sequence[Seat],
        purse: Purse,
        rules: StopRules,
        patience: Patience,
        confirm_share: float = 0.0,
        profile: bool = False,
        rehearse: Rehearse | None = None,
        interrupted: Callable[[], bool] = lambda: False,
    ) -> None:
        self.study = study
        self._budget = project.settings.budget(study.budget_seconds)
        self._registry = registry
        self._trials = trials
        self._tasks = trials.tasks()
        settings, see = project.settings.policy, patience.see
        self._comparing = Comparing(registry, trials, settings.replicates)
        self._books = Books(registry, repo, see)
        self._confirming = Confirming(
            confirm_share, registry, self._comparing, self._books, lambda: patience.left
        )
        self._drifting = Drifting(settings.drift_every, registry, see)
        self._reversing = Reversing(registry, repo, project.settings.target.editable)
        self._briefing = Briefing(registry, repo, project)
        self._opening = Opening(project, registry, repo, self._briefing, rehearse)
        self._rota = Rota(seats, patience.clock)
        self._proposing = Proposing(self._rota, patience, self._tasks.wake, project.keep_fault)
        self._purse = purse
        self._rules = rules
        self._patience = patience
        self._see = see
        self._interrupted = interrupted
        self._works: dict[int, _Work] = {}
        self._running: dict[str, _Running] = {}
        self._pair: tuple[int, Wanted] | None = (
            None  # a confirming one: for which keep, what is left
        )
        self._ahead = settings.ahead
        self._profiles = profile
        self._thought: list[float] = []
        self._stopping = ""
        self._finished = 0
        self._trained = 0  # what was refused before training is none of those that were asked for

    def run(self) -> str:
        """Work until a rule, the proposers or the person ends it; return why.

        Raises:
            Interrupted: the person stopped it; everything is saved.
        """
        reason = "interrupted"
        self._enter()
        try:
            while self._turn():
                pass
            self._raise_if_interrupted()
            reason = self._ending() or self._rota.why()
        except Interrupted as stopped:
            self._raise_if_interrupted()
            reason = self._ending() or str(stopped)
        except AutoresearchError as fault:
            reason = str(fault)
            raise
        finally:
            self._tasks.close()
            self._leave(reason)
        return reason

    @property
    def failed(self) -> bool:
        """Whether the person must mend something: the unchanged project, a key, an account."""
        return self._baseline_failed() is not None or self._rota.faulty

    def _turn(self) -> bool:
        """Take in what has happened and begin what is due; return whether there is more to do."""
        self._books.follow(self.study)
        for made in self._proposing.answers():
            self._admit(made)
        self._decide()
        begun = self._begin()
        self._think()
        if self._running or (self._rota.thinks and not self._ending()):
            for done in self._tasks.turn(_TURN_SECONDS):
                self._end(done)
            return True
        return begun or self._goes_on()

    def _goes_on(self) -> bool:
        """With nothing at work, and nobody thinking: return whether something is to come."""
        if self._ending():
            return False
        for wanted in [each.wanted for each in self._works.values() if each.wanted]:
            if late := self._trials.too_late(int(self.study.id or 0), len(wanted)):
                self._stopping = late
                return False
        if self._works or self._rota.over:
            return bool(self._works)
        pause = self._rota.pause() or 0.0
        if pause > 0:
            self._see(Waiting(f"for a proposer, {pause:.0f} s"))
            self._patience.linger(pause)
        return True

    # --- what has ended

    def _end(self, done: Done[Trial]) -> None:
        """Take in the end of a trial on a slot."""
        request = self._running.pop(done.slot).request
        work = self._works.get(request.of)
        if work is not None and (not work.wanted or isinstance(done.value, Exception)):
            work.wanted = None
        if isinstance(done.value, Interrupted):
            self._stopping = self._ending() or str(done.value)
        elif isinstance(done.value, Exception):
            raise done.value
        elif request.purpose is Purpose.DRIFT:
            self._drifting.ended(self.study, done.value)
            self._reread()
        elif request.purpose is Purpose.CONFIRMING:
            self._end_pair(request.of, done.value)
        elif work is not None and done.value.val_bpb is None:
            work.wanted = None  # what it was to be compared with is of no use any more

    def _end_pair(self, keep: int, trial: Trial) -> None:
        """Weigh a keep anew once both sides of its pair are there, or one came to no score."""
        if self._pair is not None and (trial.val_bpb is None or not self._pair[1]):
            self._pair = None
        if self._pair is None and not self._is_busy(keep):
            self._confirming.ended(self.study, keep)
            self._reread()

    def _is_busy(self, of: int) -> bool:
        return any(each.request.of == of for each in self._running.values())

    def _decide(self) -> None:
        """Write the verdicts that are earned, and learn what the others still need."""
        for number, work in sorted(self._works.items()):
            if number not in self._works or not work.begun or work.wanted or self._is_busy(number):
                continue
            found = self._comparing.step(self.study, work.row)
            if isinstance(found, tuple) and not self._is_overtaken(work.row):
                work.wanted = found
            else:
                self._close(work.row, found if isinstance(found, policy.Decision) else None)

    def _is_overtaken(self, row: Experiment) -> bool:
        """Whether another was kept since it was opened."""
        incumbent = self._registry.incumbent(self.study)
        return None not in (incumbent, row.parent_id) and incumbent.id != row.parent_id  # type: ignore[union-attr]

    def _close(self, row: Experiment, decision: policy.Decision | None) -> None:
        """Write a verdict; None: in doubt beside a parent that is no longer the best."""
        good = decision is None or decision.verdict is Verdict.KEEP
        if good and self._is_overtaken(row):
            decision = self._again(row, decision)
        assert decision is not None
        self._books.close(self.study, row, decision)
        self._works.pop(int(row.id or 0), None)
        self._reread()
        self._finished += 1
        self._trained += decision.verdict not in UNCOUNTED

    def _again(self, row: Experiment, decision: policy.Decision | None) -> policy.Decision:
        """Try a late winner on the incumbent, as a new experiment; return the old one's end.

        No further trial is spent on the old comparison, and the branch holds only code that was
        trained.
        """
        incumbent = self._registry.incumbent(self.study)
        assert incumbent is not None
        found = decision or policy.Decision(Verdict.STALE, None, "")
        told = f"promising beside experiment {row.parent_id}, but {incumbent.id} was kept meanwhile"
        fits = self._opening.rebased(self.study, row, incumbent)
        if isinstance(fits, Rejection):
            told = f"{told}, and on top of that it does not fit: {fits.reason}"
        else:
            again = self._open(fits, incumbent)
            told = f"{told}: tried on top of that as experiment {again}"
        return policy.Decision(
            Verdict.STALE, found.effect, told, found.measured, found.pairs, found.chances
        )

    # --- proposals

    def _admit(self, made: Made) -> None:
        """Make a row of a proposal, and check it."""
        incumbent = self._registry.incumbent(self.study)
        self._thought = [*self._thought[1 - _LAST :], made.seconds]
        number = self._open(made.proposal, incumbent, made.turn.control)
        self._rota.judged(made.turn.seat, refused=number not in self._works)

    def _open(self, proposal: Proposal, incumbent: Experiment | None, control: str = "") -> int:
        """Make a row of a proposal and a commit of its change, or refuse it; return its number."""
        row = self._opening.open(self.study, proposal, incumbent, control)
        self._take_up(row)
        return int(row.id or 0)

    def _take_up(self, row: Experiment) -> None:
        """Let an open experiment wait for its turn, if its change holds."""
        self._see(telling.experiment_opened(row))
        trials = self._registry.trials(row)
        begun = any(map(settled, trials))
        checked = self._patience.through(partial(self._opening.commit, self.study, row))
        if isinstance(checked, Rejection):
            self._close(row, policy.Decision(Verdict.INVALID, None, checked.reason))
        else:
            self._works[int(row.id or 0)] = _Work(checked, begun, resumed=bool(trials))

    def _keep_up(self, work: _Work) -> bool:
        """Put what waits on top of the incumbent; return whether it fits, and drop it if not."""
        incumbent = self._registry.incumbent(self.study)
        if incumbent is None or work.resumed or work.row.parent_id in (None, incumbent.id):
            return True
        rebase = partial(self._opening.rebase, self.study, work.row, incumbent)
        found = self._patience.through(rebase)
        if not isinstance(found, Rejection):
            work.row = found
            return True
        told = f"experiment {incumbent.id} was kept before its turn came: {found.reason}"
        self._close(work.row, policy.Decision(Verdict.STALE, None, told))
        return False

    def _think(self) -> None:
        """Have as many proposals thought of as slots will come free meanwhile."""
        if self._ending() or (self._works and self._registry.incumbent(self.study) is None):
            return
        incumbent = self._registry.incumbent(self.study)
        if incumbent is None:
            self._open(BASELINE, None)
            return
        through, study = self._patience.through, self.study

        def check(made: Proposal) -> Rejection | None:
            # What was paid for is not lost because it cannot be looked at now.
            return through(partial(self._opening.check, study, made, incumbent))

        for _ in range(self._proposals_wanted()):
            self._trials.executor.prepare()
            back = through(partial(self._reversing.next, study, incumbent))
            if back is not None:
                self._open(back, incumbent)
            elif not self._proposing.ask(partial(through, partial(self._brief, incumbent)), check):
                return

    def _proposals_wanted(self) -> int:
        now, trial = self._patience.clock(), self._registry.quickest(int(self.study.id or 0))
        ends = [max(each.ends(trial) - now, 1e-3) for each in self._running.values()]
        return proposals_wanted(
            [*ends, *(0.0 for _ in self._tasks.free)],
            waiting=sum(not each.begun for each in self._works.values()),
            thinking=self._rota.thinks,
            pace=Pace(max(self._thought, default=0.0), trial),
            ahead=self._ahead,
            room=self._room(),
        )

    def _room(self) -> int | None:
        """How many experiments may still begin; None: any number."""
        if self._rules.experiments is None:
            return None
        begun = sum(each.begun for each in self._works.values())
        return max(self._rules.experiments - self._trained - begun, 0)

    def _brief(self, incumbent: Experiment) -> Brief:
        rows = [each.row for each in self._works.values()]
        return self._briefing.brief(self.study, incumbent, self._remaining(), rows)

    def _remaining(self) -> Remaining:
        rules, left = self._rules, self._patience.left
        return Remaining(
            seconds=left,
            experiments=None if rules.experiments is None else rules.experiments - self._trained,
            usd=self._purse.left,
            training=self._registry.quickest(int(self.study.id or 0)) or None,
        )

    # --- what begins

    def _begin(self) -> bool:
        """Begin what is due on the slots that are free; return whether anything was."""
        if self._interrupted() or not self._tasks.free:
            return False
        starts = plan(self._state())
        for slot, request in starts:
            self._start(slot, request)
        return bool(starts)

    def _state(self) -> State:
        ends, free = bool(self._ending()), self._tasks.free
        begun = [each.wanted for each in self._works.values() if each.begun and each.wanted]
        # What could not begin in any case is not looked for.
        spare = len(free) - sum(map(len, begun))
        drift = self._drift() if spare > 0 and not ends else ()
        confirming = self._confirm(ends=ends) if spare > len(drift) else ()
        spare -= len(drift) + len(confirming)
        profile = self._profile() if spare > 0 and not ends else ()
        spare -= len(profile)
        return State(
            free=free,
            slots=len(self._trials.executor.slots),
            comparing=begun,
            drift=drift,
            confirming=confirming,
            profile=profile,
            waiting=self._waiting(spare) if spare > 0 and not ends else (),
            room=self._room(),
            seconds=self._registry.quickest(int(self.study.id or 0)),
            left=self._patience.left,
        )

    def _drift(self) -> Wanted:
        if any(each.request.purpose is Purpose.DRIFT for each in self._running.values()):
            return ()
        if self._drifting.moved(self.study):
            self._reread()
        due = self._drifting.due(self.study)
        return (due,) if due else ()

    def _profile(self) -> Wanted:
        """Return the incumbent's short training under a profiler, where briefs lack its profile."""
        incumbent = self._registry.incumbent(self.study) if self._profiles else None
        if incumbent is None or self._trials.too_late(int(self.study.id or 0), 2):
            return ()
        if any(each.request.purpose is Purpose.PROFILE for each in self._running.values()):
            return ()
        seed, number = seed_to_profile(self._registry, incumbent), int(incumbent.id or 0)
        return () if seed is None else (Request(number, seed, Purpose.PROFILE, of=number),)

    def _confirm(self, *, ends: bool) -> Wanted:
        """Return what of a confirming pair is to be trained now; one pair is at work at a time."""
        if self._pair is not None:
            return self._pair[1]
        if any(each.request.purpose is Purpose.CONFIRMING for each in self._running.values()):
            return ()
        if any(each.resumed and not each.begun for each in self._works.values()):
            return ()  # its parent must not be taken back meanwhile
        if ends and (self._purse.empty() or self._baseline_failed()):
            return ()
        done = self._rota.over and not self._works
        self._confirming.catch_up(self.study)
        wanted = (
            self._confirming.doubtful(self.study)
            if ends
            else self._confirming.due(self.study, patient=done)
        )
        self._pair = (wanted[0].of, wanted) if wanted else None
        return wanted

    def _waiting(self, most: int) -> list[Wanted]:
        """Return what experiments that wait need first, of so many at most."""
        found = list[Wanted]()
        for work in [each for _, each in sorted(self._works.items()) if not each.begun]:
            if len(found) < most and self._keep_up(work):
                wanted = self._comparing.step(self.study, work.row)
                if isinstance(wanted, policy.Decision):
                    self._close(work.row, wanted)
                else:
                    work.wanted = wanted
                    found.append(wanted)
        return found

    def _start(self, slot: str, request: Request) -> None:
        if self._pair is not None and request in self._pair[1]:
            self._pair = (self._pair[0], _without(self._pair[1], request))
        elif (work := self._works.get(request.of)) is not None:
            work.begun, work.wanted = True, _without(work.wanted or (), request)
        self._running[slot] = _Running(request, self._patience.clock())
        self._tasks.start(slot, self._trials.task(request, slot))

    # --- how it ends

    def _ending(self) -> str:
        """Return why nothing new is to begin; "" while it may."""
        self._stopping = self._stopping or self._stop_reason() or ""
        return self._stopping

    def _stop_reason(self) -> str | None:
        if self._interrupted():
            return "interrupted"
        return self._baseline_failed() or self._rule_reached() or self._purse.empty()

    def _rule_reached(self) -> str | None:
        rules, done = self._rules, self._trained
        if rules.deadline is not None and self._patience.clock() >= rules.deadline:
            return "the time is up"
        if late := self._trials.too_late(int(self.study.id or 0)):
            return late
        if rules.experiments is not None and done >= rules.experiments:
            return f"{counted(done, 'experiment')} {'is' if done == 1 else 'are'} done"
        if rules.patience is not None and self._registry.since_keep(self.study) >= rules.patience:
            return f"no improvement in {counted(rules.patience, 'experiment')}"
        return None

    def _baseline_failed(self) -> str | None:
        if not self._finished or self._registry.incumbent(self.study) is not None:
            return None
        last = self._registry.experiments(self.study, last=1)[0]
        see = f"autoresearch status {last.id} --log"
        return f"the baseline failed ({last.reason}): see `{see}`, mend it, commit and run again"

    def _raise_if_interrupted(self) -> None:
        if self._interrupted():
            msg = "interrupted; everything is saved, and `autoresearch run` continues"
            raise Interrupted(msg)

    def _reread(self) -> None:
        self._trials.tidy()
        self.study = self._registry.study(self.study.tag) or self.study

    def _enter(self) -> None:
        self._set_state(StudyState.RUNNING)
        self._rota.resume(self._registry.experiments(self.study))
        summary = self._registry.summary(self.study)
        self._see(telling.study_opened(summary, self._budget, self._rota.names))
        for row in self._registry.unfinished(self.study):
            if row.state is ExperimentState.OPEN:
                self._take_up(row)

    def _leave(self, reason: str) -> None:
        with suppress(Interrupted):  # it waits for the registry, and may wait no longer
            self._set_state(StudyState.STOPPED)
        self._see(telling.study_stopped(self._registry.summary(self.study), reason))

    def _set_state(self, state: StudyState) -> None:
        self._reread()
        self.study = self._registry.save(self.study.model_copy(update={"state": state}))


def _without(wanted: Wanted, request: Request) -> Wanted:
    return tuple(each for each in wanted if each is not request)
