"""What trials need, whoever asks for them: the sandbox, the corpus, the registry, the run lock."""

import hashlib
import json
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from types import FrameType

from autoresearch.commands.fleet import Fleet
from autoresearch.commands.stations import Station
from autoresearch.commands.tasks import task_of, trust_of, verified
from autoresearch.config import Project, parse_duration
from autoresearch.execution import Executor, HostFacts, LocalExecutor, Place, Scorer, Task, Terms
from autoresearch.gitrepo import GitRepo
from autoresearch.records.money import Caps, GpuPrice
from autoresearch.records.tables import Study
from autoresearch.records.training import MOST_STARVED
from autoresearch.records.values import Clock, Trust
from autoresearch.registry import Registry, RunLock
from autoresearch.research import TrialRunner, open_study
from autoresearch.research.backoff import Backoff
from autoresearch.research.baseline_score import allowance
from autoresearch.research.checkpoints import checkpoint_store_of
from autoresearch.research.reference_curves import ReferenceCurves
from autoresearch.research.requests import TrialSetup
from autoresearch.research.stopping import MoneyCap
from autoresearch.workers.checkpoint_store import CheckpointStore
from autoresearch.workers.compiled import CompileCache


@dataclass(frozen=True)
class RunContext:
    """A project whose machine is ours: nobody else trains in it while the run lock is held."""

    project: Project
    task: Task
    stations: Sequence[Station]
    trust: Trust
    registry: Registry
    repo: GitRepo
    lock: RunLock

    def study(
        self, tag: str | None, budget: float | None = None, fleet: HostFacts | None = None
    ) -> Study:
        """Return the study to work on, on machines of a cluster if those are given.

        See `open_study`.
        """
        return open_study(
            self.registry, self.repo, self.project, self.task,
            tag=tag, budget=budget, trust=fleet.trust if fleet else self.trust,
            hardware=fleet.hardware if fleet else self.stations[0].slot.hardware,
        )  # fmt: skip

    def money_cap(self, study: Study, max_cost: float | None = None) -> MoneyCap:
        """Return the money there is: the caps, and what this machine's hours take of them."""
        money, settings = self.project.settings.money, self.project.settings
        budget = settings.budget(study.budget_seconds)
        # A command keeps its own time: only its cap ends it.
        own = settings.total if settings.target.command else budget.startup + budget.wall_limit
        own *= MOST_STARVED if budget.clock is Clock.CPU else 1.0
        gpu = GpuPrice(money.gpu_hour_usd, own + parse_duration(settings.evaluation.timeout))
        caps = Caps(run=max_cost, study=money.study_usd, call=money.call_usd)
        return MoneyCap(self.registry.ledger(study, caps, gpu=gpu), gpu.trial_worst)

    def trials(
        self,
        study: Study,
        backoff: Backoff,
        money_cap: MoneyCap,
        stopping: Callable[[], str | None] = lambda: None,
        fleet: Fleet | None = None,
    ) -> TrialRunner:
        """Return what trains and scores on val.

        Args:
            study: whose trials they are.
            backoff: who is told what happens, and what ends the trial at work.
            money_cap: asked before each trial.
            stopping: asked before each trial, too: why none may begin any more.
            fleet: the cluster's machines; None: this one's.

        Raises:
            CorpusError: the sealed text is damaged.
            EvaluationError: there is none.
        """
        settings = self.project.settings
        setup = TrialSetup(
            entry=settings.target.entry,
            device=settings.training.device,
            corpus=self.task.fingerprint,
            budget=settings.budget(study.budget_seconds),
            limits=settings.limits(),
            base_commit=study.base_commit,
            tolerance=settings.evaluation.tolerance,
            shown=settings.sandbox.readable,
        )
        store, executor = self._executor(study, backoff, fleet)
        return TrialRunner(
            setup,
            executor=executor,
            backoff=backoff,
            registry=self.registry,
            repo=self.repo,
            broke=lambda: stopping() or money_cap.reached(),
            store=store,
            reference_curves=None
            if settings.target.command
            else ReferenceCurves(settings, self.registry, self.repo),
        )

    def _executor(
        self, study: Study, backoff: Backoff, fleet: Fleet | None
    ) -> tuple[CheckpointStore, Executor]:
        if fleet is not None:
            terms = Terms(json.loads(study.comparability), _name_of(study))
            fleet.executor.accept(terms, backoff.on_event, backoff.stop)
            return fleet.store, fleet.executor
        places = {each.slot.name: self.place(study, backoff.stop, each) for each in self.stations}
        hosts = {name: self.task.host(place) for name, place in places.items()}
        return checkpoint_store_of(self.project), LocalExecutor(hosts, backoff.stop)

    def place(
        self,
        study: Study,
        stop: Callable[[], bool] = lambda: False,
        station: Station | None = None,
    ) -> Place:
        """Return where trials of a study run and are scored; by default at the first station."""
        station = station or self.stations[0]
        return Place(
            sandbox=station.sandbox,
            checkout=self.repo.workspace,
            work=self.project.work,
            compiled=CompileCache(self.project.compiled(_name_of(study))),
            keep=checkpoint_store_of(self.project).put,
            trust=study.trust,
            stop=stop,
            cores=station.slot.cores,
        )

    def test_scorer(self, study: Study) -> Scorer:
        """Return what scores checkpoints of a study on test, where there is one.

        Raises:
            CorpusError: the sealed text is damaged.
            EvaluationError: there is no text in it.
        """
        tolerance = self.project.settings.evaluation.tolerance
        allowed = partial(allowance, self.registry, study.tag, tolerance)
        return self.task.test_scorer(self.place(study), allowed)


def _name_of(study: Study) -> str:
    """Return a name that stands for a study's first commit and what its scores rest on."""
    of = f"{study.base_commit} {study.comparability}"
    return hashlib.sha256(of.encode()).hexdigest()[:12]


@contextmanager
def run_context(project: Project, stations: Sequence[Station]) -> Iterator[RunContext]:
    """Yield a project's run context, the run lock held.

    Raises:
        CorpusError: nothing is prepared yet, or it is damaged.
        ProjectError: scores must be sealed and cannot be, or the project cannot be written.
        RegistryError: another run is at work, or the registry is damaged.
        GitError: there is no repository.
    """
    task = verified(task_of(project))
    trust = trust_of(project, task, stations[0].sandbox)
    project.make_state()
    with RunLock(project.lock) as lock:
        registry = Registry.open(project.registry, create=True)
        repo = GitRepo.open(project.root)
        yield RunContext(project, task, stations, trust, registry, repo, lock)


@contextmanager
def stop_flag(hung_up: Callable[[], None] | None = None) -> Iterator[threading.Event]:
    """Turn Ctrl-C and SIGTERM into a flag, so that every row is written.

    A closed terminal calls `hung_up`; without that it sets the flag, too.
    """
    asked = threading.Event()

    def act(number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGHUP and hung_up is not None:
            hung_up()
        else:
            asked.set()

    numbers = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # `nohup` wants it to go on
        numbers.append(signal.SIGHUP)
    before = {number: signal.signal(number, act) for number in numbers}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
