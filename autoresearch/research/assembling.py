"""A controller and its parts, put together."""

from collections.abc import Callable, Sequence

from autoresearch.config import Project
from autoresearch.gitrepo import GitRepo
from autoresearch.records.tables import Study
from autoresearch.registry import Registry
from autoresearch.research.admission import Admission, SmokeTestRun
from autoresearch.research.agenda import Agenda
from autoresearch.research.alarms import Alarms
from autoresearch.research.background import BackgroundChecks
from autoresearch.research.backoff import Backoff
from autoresearch.research.briefing import Briefing
from autoresearch.research.confirmation import Confirmation
from autoresearch.research.control import Control
from autoresearch.research.controller import Controller
from autoresearch.research.drift import DriftChecks
from autoresearch.research.guarding import guards_of, require_numbers
from autoresearch.research.like_slots import LikeSlots
from autoresearch.research.open_experiments import OpenExperiments
from autoresearch.research.paired_trials import PairedTrials
from autoresearch.research.pipeline import ProposalPipeline
from autoresearch.research.recorder import Recorder
from autoresearch.research.requesting import ProposalRequests
from autoresearch.research.reversals import Reversals
from autoresearch.research.schedule import Participant, ProposerSchedule
from autoresearch.research.stopping import MoneyCap, Stopper, StopRules
from autoresearch.research.trials import TrialRunner


def controller_for(
    study: Study,
    *,
    project: Project,
    registry: Registry,
    repo: GitRepo,
    trials: TrialRunner,
    participants: Sequence[Participant],
    money_cap: MoneyCap,
    rules: StopRules,
    backoff: Backoff,
    confirm_share: float = 0.0,
    profile: bool = False,
    smoke_test: SmokeTestRun | None = None,
    interrupted: Callable[[], bool] = lambda: False,
    control: Control | None = None,
) -> Controller:
    """Return what runs a study.

    Args:
        study: the one to work on.
        project: with its settings.
        registry: where the study is.
        repo: the project's repository.
        trials: trains and scores.
        participants: the proposers, with their shares of the turns.
        money_cap: the run's money.
        rules: when it ends by itself.
        backoff: its clock, who is told what happens, and what ends a wait.
        confirm_share: of the training time, for further pairs of what was kept.
        profile: whether incumbents are profiled, for briefs.
        smoke_test: tries a change on a small scale; None: nothing is smoke-tested.
        interrupted: whether the person stopped it.
        control: what else they ask of it while it is at work.

    Raises:
        ProjectError: a guard is set on a number that the study's trials do not give.
    """
    settings, tasks = project.settings.policy, trials.tasks()
    control = control or Control()
    control.wake = tasks.wake
    like_slots = LikeSlots(backoff.on_event)
    tasks.fit = like_slots.of
    guards = guards_of(project.settings)
    require_numbers(registry, study, guards)
    recorder = Recorder(registry, repo, backoff.on_event, guards)
    paired_trials = PairedTrials(registry, trials, settings.replicates, guards)
    agenda = Agenda(
        study,
        registry,
        trials,
        paired_trials=paired_trials,
        confirmation=Confirmation(
            confirm_share, registry, paired_trials, recorder, lambda: backoff.left
        ),
        drift_checks=DriftChecks(settings.drift_every, registry, backoff.on_event),
        like_slots=like_slots,
        profiles=profile,
        backoff=backoff,
    )
    stopper = Stopper(rules, registry, trials, money_cap, backoff, interrupted, control)
    briefing = Briefing(registry, repo, project)
    admission = Admission(project, registry, repo, briefing, smoke_test)
    experiments = OpenExperiments(
        registry, agenda, admission, recorder, stopper, backoff, BackgroundChecks(tasks.wake)
    )
    schedule = ProposerSchedule(participants, backoff.clock)
    pipeline = ProposalPipeline(
        registry=registry, agenda=agenda, experiments=experiments, briefing=briefing,
        reversals=Reversals(registry, repo, project.settings.target.editable),
        requests=ProposalRequests(schedule, backoff, tasks.wake, project.keep_fault),
        schedule=schedule, trials=trials, tasks=tasks, stopper=stopper, money_cap=money_cap,
        backoff=backoff, ahead=settings.ahead,
    )  # fmt: skip
    return Controller(
        registry=registry, trials=trials, tasks=tasks, agenda=agenda, experiments=experiments,
        pipeline=pipeline, recorder=recorder, schedule=schedule, stopper=stopper, control=control,
        backoff=backoff, alarms=Alarms(money_cap, schedule, backoff.on_event),
        budget=project.settings.budget(study.budget_seconds),
    )  # fmt: skip
