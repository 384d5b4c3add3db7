"""`autoresearch run`."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import typer
from rich.console import Console

from autoresearch import corpus as corpora
from autoresearch import patching
from autoresearch import sandbox as sandboxes
from autoresearch.commands.proposers import chosen, keys_of, makers, seats
from autoresearch.config import FIXED, Project, find_project, parse_duration, scrub_git_environment
from autoresearch.corpus import Corpus
from autoresearch.errors import ProjectError, UsageFault
from autoresearch.evaluation import Evaluator
from autoresearch.gitrepo import GitRepo
from autoresearch.preflight import Rehearsal
from autoresearch.records.events import Notice, Watcher
from autoresearch.records.money import Caps, GpuPrice
from autoresearch.records.tables import Study
from autoresearch.records.values import Trust
from autoresearch.registry import Registry, RunLock
from autoresearch.render.live import watcher_for
from autoresearch.research import Research, StopRules, TrialRunner, open_study, recover
from autoresearch.research.opening import Rehearse
from autoresearch.research.purse import Purse
from autoresearch.research.trials import TrialSetup
from autoresearch.sandbox import Sandbox
from autoresearch.workers import LocalWorker


@dataclass(frozen=True)
class RunOptions:
    """The options as typed; see `autoresearch run --help`."""

    hours: float | None
    experiments: int | None
    max_cost: float | None
    proposers: tuple[str, ...]
    budget: str | None
    tag: str | None
    patience: int | None
    confirm_share: float | None = None


def run(options: RunOptions) -> None:
    """Work on a study until a rule, the proposers or the person ends it."""
    scrub_git_environment()
    rules, budget = _rules(options), _budget(options.budget)
    project = find_project()
    share = _confirm_share(options.confirm_share, project)
    _refuse_bad_globs(project)
    keys = keys_of(project)
    sandbox = _sandbox(project)
    proposers = makers(chosen(options.proposers, keys), project, keys, sandbox)
    corpus = corpora.load(project.corpus_pointer)
    trust = _trust(project, sandbox, corpus)
    project.make_state()
    with RunLock(project.lock):
        registry = Registry.open(project.registry, create=True)
        repo = GitRepo.open(project.root)
        repo.identity()
        _warn_of_uncommitted(repo, project)
        study = open_study(
            registry, repo, project, corpus,
            tag=options.tag, budget=budget, trust=trust,
        )  # fmt: skip
        recover(registry, repo, project, study)
        project.make_work()
        _warn_of_changed_rules(repo, study)
        with _stop_flag() as asked, watcher_for(Console(stderr=True)) as watcher:
            stop = _stop_when(asked, rules.deadline)
            purse = _purse(project, registry, study, options.max_cost)
            trials = _trials(project, corpus, sandbox, study, registry, repo, watcher, stop, purse)
            research = Research(
                study, project=project, registry=registry, repo=repo, trials=trials,
                seats=seats(proposers, purse.ledger, stop), purse=purse, rules=rules,
                clock=time.monotonic, see=watcher.see, interrupted=asked.is_set,
                rehearse=_rehearsal(project, sandbox, stop, watcher), confirm_share=share,
            )  # fmt: skip
            reason = research.run()
    if research.failed:
        raise ProjectError(reason)


def _trials(
    project: Project,
    corpus: Corpus,
    sandbox: Sandbox,
    study: Study,
    registry: Registry,
    repo: GitRepo,
    watcher: Watcher,
    stop: Callable[[], bool],
    purse: Purse,
) -> TrialRunner:
    settings = project.settings
    setup = TrialSetup(
        entry=settings.target.entry,
        device=settings.training.device,
        budget=settings.budget(study.budget_seconds),
        limits=settings.limits(),
        train_files=corpus.train_files(),
        token_bytes=corpus.token_bytes,
        work=project.work,
    )
    evaluator = Evaluator(
        settings.evaluation,
        sandbox=sandbox,
        limits=setup.limits,
        device=setup.device,
        tokenizer=corpus.tokenizer(),
        documents=corpus.val(),
        entry=setup.entry,
        trust=study.trust,
    )
    return TrialRunner(
        setup,
        registry=registry,
        repo=repo,
        worker=LocalWorker(sandbox),
        evaluator=evaluator,
        see=watcher.see,
        stop=stop,
        broke=purse.empty,
    )


def _purse(project: Project, registry: Registry, study: Study, max_cost: float | None) -> Purse:
    """Return the run's money: the caps, and what this machine's hours take of them."""
    money, settings = project.settings.money, project.settings
    budget = settings.budget(study.budget_seconds)
    longest = budget.startup + budget.wall_limit + parse_duration(settings.evaluation.timeout)
    gpu = GpuPrice(money.gpu_hour_usd, longest)
    caps = Caps(run=max_cost, study=money.study_usd, call=money.call_usd)
    return Purse(registry.ledger(study, caps, gpu=gpu), gpu.trial_worst)


def _rehearsal(
    project: Project, sandbox: Sandbox, stop: Callable[[], bool], watcher: Watcher
) -> Rehearse:
    return Rehearsal(
        project.settings, sandbox=sandbox, work=project.work, stop=stop,
        tell=lambda line: watcher.see(Notice(line)),
    ).rehearse  # fmt: skip


def _sandbox(project: Project) -> Sandbox:
    """Return what trials run in; the project, its corpus and its history stay out of their reach.

    Raises:
        ProjectError: it must be sealed, and here it cannot be.
    """
    found = sandboxes.examine(os.environ, project.hidden)
    if project.settings.sandbox.require and found.sandbox.trust is not Trust.SEALED:
        msg = f"autoresearch.toml requires a sealed sandbox; {found.notes[0]}"
        raise ProjectError(msg)
    return found.sandbox


def _trust(project: Project, sandbox: Sandbox, corpus: Corpus) -> Trust:
    """Return how far scores on this corpus can be believed.

    Raises:
        ProjectError: they must be sealed, and on this corpus cannot be.
    """
    if not corpus.lies_open:
        return sandbox.trust
    if project.settings.sandbox.require:
        msg = (
            "autoresearch.toml requires sealed scores, but the stdlib corpus lies open to every "
            "trial: prepare another one"
        )
        raise ProjectError(msg)
    return Trust.UNSEALED


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
    if repo.is_dirty((*project.settings.target.editable, *FIXED)):
        typer.echo(
            "warning: the project has uncommitted changes; a study starts from the commit", err=True
        )


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


@contextmanager
def _stop_flag() -> Iterator[threading.Event]:
    """Turn Ctrl-C and SIGTERM into a flag, so that every row is written before the end."""
    asked = threading.Event()
    before = {
        number: signal.signal(number, lambda _number, _frame: asked.set())
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
