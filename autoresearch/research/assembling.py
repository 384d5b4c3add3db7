"""A controller and its parts, put together."""

from collections.abc import Callable, Sequence

from autoresearch.config import Project
from autoresearch.gitrepo import GitRepo
from autoresearch.records.tables import Study
from autoresearch.registry import Registry
from autoresearch.research.agenda import Agenda
from autoresearch.research.alarms import Alarms
from autoresearch.research.books import Books
from autoresearch.research.comparing import Comparing
from autoresearch.research.confirming import Confirming
from autoresearch.research.control import Control
from autoresearch.research.controller import Controller
from autoresearch.research.drift import Drifting
from autoresearch.research.ending import Ending, StopRules
from autoresearch.research.guarding import guards_of, require_numbers
from autoresearch.research.ideas import Ideas
from autoresearch.research.opening import Rehearse
from autoresearch.research.patience import Patience
from autoresearch.research.purse import Purse
from autoresearch.research.rota import Rota, Seat
from autoresearch.research.trials import TrialRunner


def controller_for(
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
    control: Control | None = None,
) -> Controller:
    """Return what runs a study.

    Args:
        study: the one to work on.
        project: with its settings.
        registry: where the study is.
        repo: the project's repository.
        trials: trains and scores.
        seats: the proposers, with their shares of the turns.
        purse: the run's money.
        rules: when it ends by itself.
        patience: its clock, who is told what happens, and what ends a wait.
        confirm_share: of the training time, for further pairs of what was kept.
        profile: whether incumbents are profiled, for briefs.
        rehearse: tries a change on a small scale; None: nothing is rehearsed.
        interrupted: whether the person stopped it.
        control: what else they ask of it while it is at work.

    Raises:
        ProjectError: a guard is set on a number that the study's trials do not give.
    """
    settings, tasks = project.settings.policy, trials.tasks()
    control = control or Control()
    control.wake = tasks.wake
    guards = guards_of(project.settings)
    require_numbers(registry, study, guards)
    books = Books(registry, repo, patience.see, guards)
    comparing = Comparing(registry, trials, settings.replicates, guards)
    agenda = Agenda(
        registry,
        trials,
        comparing=comparing,
        confirming=Confirming(confirm_share, registry, comparing, books, lambda: patience.left),
        drifting=Drifting(settings.drift_every, registry, patience.see),
        profiles=profile,
        clock=patience.clock,
    )
    rota = Rota(seats, patience.clock)
    ideas = Ideas(
        project, registry, repo, rota=rota, patience=patience, wake=tasks.wake, rehearse=rehearse
    )
    ending = Ending(
        rules, registry=registry, trials=trials, purse=purse, patience=patience,
        interrupted=interrupted, control=control,
    )  # fmt: skip
    return Controller(
        study,
        registry=registry,
        trials=trials,
        tasks=tasks,
        agenda=agenda,
        ideas=ideas,
        books=books,
        rota=rota,
        ending=ending,
        control=control,
        purse=purse,
        patience=patience,
        alarms=Alarms(purse, rota, patience.see),
        budget=project.settings.budget(study.budget_seconds),
        ahead=settings.ahead,
    )
