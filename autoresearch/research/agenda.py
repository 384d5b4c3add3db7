"""What is at work and what is wanted next: the run's open experiments, in memory.

The controller alone writes rows, so what it has in memory is what the registry says.
"""

from collections.abc import Callable
from dataclasses import dataclass

from autoresearch import policy
from autoresearch.records.hardware import Hardware
from autoresearch.records.tables import Experiment, Study, Trial
from autoresearch.records.values import Purpose
from autoresearch.registry import Registry
from autoresearch.research.backoff import Backoff
from autoresearch.research.confirmation import Confirmation
from autoresearch.research.drift import DriftChecks
from autoresearch.research.like_slots import Fit, LikeSlots
from autoresearch.research.paired_trials import PairedTrials
from autoresearch.research.plan import State, plan
from autoresearch.research.profiling import seed_to_profile
from autoresearch.research.requests import Request, Wanted, left_of, unclaimed, without
from autoresearch.research.trial_recorder import is_finished
from autoresearch.research.trials import PROFILE_PARTS, TrialRunner


@dataclass
class OpenExperiment:
    """An experiment without a verdict: whether its trials have begun, and which it still needs.

    `wanted` is None while that is not known: after each of its trials. `resumed` was being trained
    when a run was stopped: it stays beside its parent, and comes before what is new. `since` is
    when what is wanted was known, on the run's clock.
    """

    row: Experiment
    begun: bool
    resumed: bool = False
    wanted: Wanted | None = None
    since: float | None = None


@dataclass(frozen=True)
class Running:
    """A trial at work, and since when on the run's clock."""

    request: Request
    since: float

    def ends(self, trial: float) -> float:
        """Return when it will be over, if a whole one takes so many seconds."""
        short = self.request.purpose is Purpose.PROFILE
        return self.since + (trial / PROFILE_PARTS if short else trial)


class Agenda:
    """Open experiments, trials at work, and what falls due beside them.

    `study` is the one at work, as it was last read; `works` are its open experiments by number,
    `running` the trials by slot.
    """

    def __init__(
        self,
        study: Study,
        registry: Registry,
        trials: TrialRunner,
        *,
        paired_trials: PairedTrials,
        confirmation: Confirmation,
        drift_checks: DriftChecks,
        like_slots: LikeSlots,
        profiles: bool,
        backoff: Backoff,
    ) -> None:
        """Build it; `profiles` says whether incumbents are profiled, `backoff` has the clock."""
        self.study = study
        self._registry = registry
        self._trials = trials
        self._paired_trials = paired_trials
        self._confirmation = confirmation
        self._drift_checks = drift_checks
        self._like_slots = like_slots
        self._profiles = profiles
        self._backoff = backoff
        self.works: dict[int, OpenExperiment] = {}
        self.running: dict[str, Running] = {}
        self._paired: int | None = None  # the keep whose confirming pair has begun
        self._pair: Wanted = ()  # what of that pair is still to begin

    @property
    def begun(self) -> int:
        """How many open experiments have begun."""
        return sum(each.begun for each in self.works.values())

    @property
    def waiting(self) -> list[OpenExperiment]:
        """The open experiments that have not begun, oldest first."""
        return [work for _, work in sorted(self.works.items()) if not work.begun]

    @property
    def incumbent(self) -> Experiment | None:
        """The study's best so far; None before its baseline is kept."""
        return self._registry.incumbent(self.study)

    @property
    def quickest(self) -> float:
        """The seconds that a trial takes at least: those of the quickest of the last; 0 before."""
        return self._registry.quickest(self.study.number)

    def reread(self) -> None:
        """Read the study's row again after a write, and remove checkpoints that it made useless."""
        self._trials.tidy()
        self.study = self._registry.study(self.study.tag) or self.study

    def busy(self) -> list[float]:
        """Return in how many seconds each trial at work will be over, above zero."""
        trial, now = self.quickest, self._backoff.clock()
        return [max(each.ends(trial) - now, 1e-3) for each in self.running.values()]

    def undecided(self) -> list[OpenExperiment]:
        """Return the experiments of which nothing is at work, or known to be wanted."""
        rows = sorted(self.works.items())
        busy = {each.request.of for each in self.running.values()}
        return [work for of, work in rows if work.begun and not work.wanted and of not in busy]

    def due(
        self,
        free: list[str],
        *,
        ends: bool,
        idle: bool,
        room: int | None,
        paid: int | None,
        ready: Callable[[int], list[Wanted]],
    ) -> list[tuple[str, Request]]:
        """Return which trial begins on which slot. What could not in any case is not looked for.

        Args:
            free: the slots with nothing at work.
            ends: nothing new is to begin.
            idle: nobody is left who could propose anything.
            room: how many experiments more may begin.
            paid: how many trials there is money for; None: any number.
            ready: returns what at most so many waiting experiments need.
        """
        seconds, busy = self.quickest, self.busy()
        taken = {each.request.code for each in self.running.values() if each.request.is_reading}
        wanted = [each.wanted for each in self.works.values() if each.begun and each.wanted]
        begun = [unclaimed(each, taken) for each in wanted]
        spare = len(free) - sum(map(len, begun))
        drift = self._drift() if spare > 0 and not ends else ()
        spare -= len(drift)
        confirmation = self._confirm(ends=ends, idle=idle) if spare > 0 else ()
        confirmation = unclaimed(confirmation, taken)
        spare -= len(confirmation)
        profile = self._profile() if spare > 0 and not ends else ()
        spare -= len(profile)
        state = State(
            free=free,
            busy=busy,
            paired_trials=begun,
            drift=drift,
            confirmation=confirmation,
            profile=profile,
            waiting=[unclaimed(each, taken) for each in ready(spare)]
            if spare > 0 and not ends
            else (),
            room=room,
            seconds=seconds,
            left=self._backoff.left,
            paid=paid,
        )
        return plan(state)

    def wants(self, *, ends: bool, idle: bool) -> bool:
        """Whether a trial would begin if there were a slot for it; see `due`."""
        works = [each for each in self.works.values() if each.begun or not ends]
        return bool(works or self._confirm(ends=ends, idle=idle))

    def begin(self, slot: str, request: Request) -> float:
        """Note that a trial begins; return for how many seconds it was wanted."""
        now = self._backoff.clock()
        since: float | None = None
        if request in self._pair:
            self._paired, self._pair = request.of, without(self._pair, request)
        elif (work := self.works.get(request.of)) is not None:
            work.begun, work.wanted = True, without(work.wanted or (), request)
            since = work.since
        self.running[slot] = Running(request, now)
        return 0.0 if since is None else now - since

    def end(self, slot: str, trial: Trial | None) -> None:
        """Note that a trial is over, None: it came to no row of its own.

        What a trial says beside the verdict that it was for, of the machine or of a keep, is
        written down.
        """
        request = self.running.pop(slot).request
        scored = trial is not None and trial.val_bpb is not None
        if request.is_reading:
            for of, work in self.works.items():
                # Without a score, what it was to be compared with is of no use any more.
                work.wanted = left_of(work.wanted, request, of, scored=scored)
            self._pair = left_of(self._pair, request, self._paired, scored=scored) or ()
        if trial is None:
            self._lost(request)
        else:
            self._look_at_hardware(slot, trial)
        if trial is not None and request.purpose is Purpose.DRIFT:
            self._drift_checks.ended(self.study, trial)
            self.reread()
        if self._paired is not None and not self._pair and not self._is_running(Purpose.CONFIRMING):
            over, self._paired = self._paired, None
            if trial is not None:
                self._confirmation.pair_ended(self.study, over)
                self.reread()

    def _look_at_hardware(self, slot: str, trial: Trial) -> None:
        """Let rest what was read on other hardware, and a slot that is not like the others."""
        if self._drift_checks.moved(self.study):
            self.reread()
        ran_on, slots = Hardware.of(trial.hardware), self._trials.executor.slots
        fit = self._like_slots.ran(slot, ran_on, slots)
        if fit is Fit.ODD:
            self._drift_checks.set_aside(self.study, trial)
        elif fit is Fit.NEW:
            self._drift_checks.begin_with(self.study, trial)
        if fit is not Fit.USUAL:
            self.reread()

    def _lost(self, request: Request) -> None:
        """Let an experiment whose only trial went with its slot wait for its turn again."""
        work = self.works.get(request.of)
        if work is not None and not any(
            each.request.of == request.of for each in self.running.values()
        ):
            work.begun = any(map(is_finished, self._registry.trials(work.row)))

    def end_doubts(self) -> None:
        """Take back what a run's own end leaves on top in doubt; see `Confirmation.end_doubts`."""
        self._confirmation.end_doubts(self.study)
        self.reread()

    def catch_up(self) -> None:
        """Take in what a killed run did not: a repetition, or that slots were not alike."""
        if self._drift_checks.catch_up(self.study):
            self.reread()
        if again := self._drift_checks.missed(self.study):
            self._drift_checks.ended(self.study, again)
            self.reread()

    def step(self, work: OpenExperiment) -> policy.Decision | None:
        """Return an experiment's verdict; None where it needs more trials, noted as wanted."""
        found = self._paired_trials.step(self.study, work.row)
        if isinstance(found, policy.Decision):
            return found
        work.wanted = found
        if work.begun or work.since is None:  # who waits for its turn has waited since it was made
            work.since = self._backoff.clock()
        return None

    def _is_running(self, purpose: Purpose) -> bool:
        return any(each.request.purpose is purpose for each in self.running.values())

    def _drift(self) -> Wanted:
        due = None if self._is_running(Purpose.DRIFT) else self._drift_checks.due(self.study)
        return (due,) if due else ()

    def _profile(self) -> Wanted:
        """Return the incumbent's short training under a profiler, where briefs lack its profile."""
        if not self._profiles or self._is_running(Purpose.PROFILE):
            return ()
        incumbent = self.incumbent
        if incumbent is None or self._trials.too_late(self.study.number, 2):
            return ()
        seed, number = seed_to_profile(self._registry, incumbent), incumbent.number
        return () if seed is None else (Request(number, seed, Purpose.PROFILE, of=number),)

    def _confirm(self, *, ends: bool, idle: bool) -> Wanted:
        """Return what of a confirming pair is to be trained now; one pair is at work at a time."""
        if self._paired is not None:
            return self._pair
        if any(each.resumed and not each.begun for each in self.works.values()):
            return ()  # its parent must not be taken back meanwhile
        self._confirmation.catch_up(self.study)
        if ends:
            self._pair = self._confirmation.doubtful(self.study)
        else:
            self._pair = self._confirmation.due(self.study, patient=idle and not self.works)
        return self._pair
