"""`autoresearch run`."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial

import typer

from autoresearch import patching
from autoresearch.commands.fleet import Fleet, fleet_for, refuse_two_places
from autoresearch.commands.notifying import Outlets, notifying
from autoresearch.commands.options import RunOptions
from autoresearch.commands.proposers import chosen, keys_of, makers, participants
from autoresearch.commands.run_context import RunContext, run_context, stop_flag
from autoresearch.commands.stations import require_devices, stations_for
from autoresearch.commands.watching import watching
from autoresearch.config import FIXED, Project, find_project, parse_duration, scrub_git_environment
from autoresearch.errors import ProjectError, UsageFault
from autoresearch.gitrepo import GitRepo
from autoresearch.preflight import SmokeTest
from autoresearch.records.events import Notice, Watcher
from autoresearch.records.tables import Study
from autoresearch.records.text import safe_line
from autoresearch.registry import Ask, listening
from autoresearch.research import StopRules, controller_for, recover
from autoresearch.research.backoff import Backoff
from autoresearch.research.control import Control, HeldLedger


def run(options: RunOptions, begun: Callable[[str], None] | None = None) -> None:
    """Work on a study until a rule, the proposers or the person ends it.

    Args:
        options: as typed.
        begun: called once it is at work, where it leaves the terminal then; see `watching`.
    """
    scrub_git_environment()
    rules, budget = _rules(options), _budget(options.budget)
    project = find_project()
    share = _confirm_share(options.confirm_share, project)
    _refuse_bad_globs(project)
    refuse_two_places(options)
    stations = stations_for(project, options.devices)
    if not options.elsewhere:
        require_devices(project, stations)
    sandbox = stations[0].sandbox
    keys = keys_of(project)
    outlets = Outlets.of(project, keys)
    specs = chosen(options.proposers, keys, options.control)
    proposers = makers(specs, project, keys, sandbox)
    session = not project.settings.target.command
    profile = session and project.settings.llm.profile and any(each.reads_briefs for each in specs)
    with (
        run_context(project, stations) as context,
        fleet_for(options, project, context.task, context.repo, context.registry) as fleet,
    ):
        registry, repo = context.registry, context.repo
        study = _opened(context, options, budget, fleet)
        with (
            stop_flag(context.lock.note_hung_up) as asked,
            watching(project, begun) as onlookers,
            notifying(project, onlookers, outlets) as watcher,
            _controlled(context, asked, watcher) as control,
        ):
            stop = _stop_when(asked, rules.deadline)
            tell = _telling(watcher)
            backoff = Backoff(
                time.monotonic, time.sleep, watcher.on_event, stop, rules.deadline,
                lambda: control.paused,
            )  # fmt: skip
            registry.be_patient(backoff.back_off)
            money_cap = context.money_cap(study, options.max_cost)
            trials = context.trials(study, backoff, money_cap, control.why, fleet)
            ledger = HeldLedger(
                money_cap.ledger, control, partial(trials.too_late, int(study.id or 0))
            )
            smoke_test = SmokeTest(
                project.settings, sandbox=sandbox, work=project.work, stop=stop, tell=tell
            )
            controller = controller_for(
                study, project=project, registry=registry, repo=repo, trials=trials,
                participants=participants(proposers, ledger, stop, tell), money_cap=money_cap,
                rules=rules, backoff=backoff, interrupted=asked.is_set, control=control,
                smoke_test=smoke_test.run if session else None,
                confirm_share=share,
                profile=profile,
            )  # fmt: skip
            reason = controller.run()
            if fleet is not None:
                fleet.bring_home()
    if controller.failed:
        raise ProjectError(reason)
    if begun is None:  # somebody sits at this terminal
        typer.echo("Next: autoresearch status · autoresearch report", err=True)


def _opened(
    context: RunContext, options: RunOptions, budget: float | None, fleet: Fleet | None
) -> Study:
    """Return the study, opened or continued, once what a killed run left is put right."""
    registry, repo, project = context.registry, context.repo, context.project
    repo.identity()
    _warn_of_uncommitted(repo, project)
    end = None if options.hours is None else datetime.now(UTC) + timedelta(hours=options.hours)
    context.lock.note_end(end, options.experiments)
    study = context.study(options.tag, budget, fleet.facts if fleet else None)
    recover(registry, repo, project, study)
    project.make_work()
    _warn_of_changed_rules(repo, study)
    return study


@contextmanager
def _controlled(context: RunContext, asked: threading.Event, watcher: Watcher) -> Iterator[Control]:
    """Yield what follows `stop`, `pause` and `resume` of other terminals."""
    control, tell = Control(), _telling(watcher)

    def take(ask: Ask) -> None:
        match ask:
            case Ask.STOP_NOW:
                asked.set()
                control.wake()
            case Ask.STOP:
                tell("asked to stop: nothing new begins")
                control.stop()
            case Ask.PAUSE | Ask.RESUME:
                paused = ask is Ask.PAUSE
                context.lock.note_paused(paused=paused)
                tell("paused: nothing new begins until it is resumed" if paused else "resumed")
                (control.pause if paused else control.resume)()

    with listening(context.project.control, take, tell):
        yield control


def _telling(watcher: Watcher) -> Callable[[str], None]:
    """Return what tells the person one line."""
    return lambda line: watcher.on_event(Notice(line))


def _refuse_bad_globs(project: Project) -> None:
    for glob in project.settings.target.editable:
        if fault := patching.glob_fault(glob):
            msg = f"autoresearch.toml target editable: {fault}"
            raise ProjectError(msg)


def _rules(options: RunOptions) -> StopRules:
    for name in ("hours", "experiments", "patience", "max_cost"):
        value = getattr(options, name)
        if value is not None and not value > 0:
            msg = f"--{name.replace('_', '-')} {value}: must be above zero"
            raise UsageFault(msg)
    deadline = time.monotonic() + options.hours * 3600 if options.hours else None
    return StopRules(deadline, options.experiments, options.patience)


def _budget(text: str | None) -> float | None:
    try:
        return None if text is None else parse_duration(text)
    except ProjectError as fault:
        msg = f"--budget: {fault}"
        raise UsageFault(msg) from None


def _warn_of_uncommitted(repo: GitRepo, project: Project) -> None:
    settings = project.settings
    if repo.is_dirty((*settings.target.editable, *FIXED)):
        typer.echo(
            "warning: the project has uncommitted changes; a study starts from the commit", err=True
        )
    gaps = repo.gaps(repo.head(), settings.target.entry, settings.sandbox.readable)
    if gaps:
        rest = ", ".join(each.path for each in gaps[1:])
        more = f"; `autoresearch doctor` tells of {rest}, too" if rest else ""
        told = safe_line(f"{gaps[0]}: {gaps[0].mend}{more}", 600)
        typer.echo(f"warning: {told}", err=True)


def _warn_of_changed_rules(repo: GitRepo, study: Study) -> None:
    base, head = repo.read_files(study.base_commit, FIXED), repo.read_files(repo.head(), FIXED)
    changed = sorted(name for name in {*base, *head} if base.get(name) != head.get(name))
    if changed:
        typer.echo(
            f"warning: study {study.tag} is pinned to {study.base_commit[:7]}: later changes to "
            f"{', '.join(changed)} are no part of it; --tag starts a new one",
            err=True,
        )


def _confirm_share(asked: float | None, project: Project) -> float:
    if asked is None:
        return project.settings.policy.confirm_share
    if not 0 <= asked < 1:
        msg = f"--confirm-share {asked:g}: must be 0 or more, and below 1"
        raise UsageFault(msg)
    return asked


def _stop_when(asked: threading.Event, deadline: float | None) -> Callable[[], bool]:
    def stop() -> bool:
        return asked.is_set() or (deadline is not None and time.monotonic() >= deadline)

    return stop
