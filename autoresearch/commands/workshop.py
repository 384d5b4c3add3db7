"""What trials need, whoever asks for them: the sandbox, the corpus, the registry, the run lock."""

import hashlib
import json
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

import typer

from autoresearch import corpus as corpora
from autoresearch.commands.fleet import Fleet
from autoresearch.commands.stations import Station
from autoresearch.config import Project, parse_duration
from autoresearch.corpus import Corpus
from autoresearch.errors import ProjectError
from autoresearch.evaluation import Evaluator
from autoresearch.execution import Executor, Host, HostFacts, LocalExecutor, Terms
from autoresearch.gitrepo import GitRepo
from autoresearch.records.money import Caps, GpuPrice
from autoresearch.records.scores import Document
from autoresearch.records.tables import Study
from autoresearch.records.values import Trust
from autoresearch.registry import Registry, RunLock
from autoresearch.research import TrialRunner, open_study
from autoresearch.research.auditing import allowance
from autoresearch.research.patience import Patience
from autoresearch.research.purse import Purse
from autoresearch.research.racing import Racing
from autoresearch.research.requests import TrialSetup
from autoresearch.research.shelving import shelf_of
from autoresearch.sandbox import Sandbox
from autoresearch.workers import LocalWorker
from autoresearch.workers.compiled import CompileCache
from autoresearch.workers.shelf import Shelf


@dataclass(frozen=True)
class Workshop:
    """A project whose machine is ours: nobody else trains in it while the run lock is held."""

    project: Project
    corpus: Corpus
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
            self.registry, self.repo, self.project, self.corpus,
            tag=tag, budget=budget, trust=fleet.trust if fleet else self.trust,
            hardware=fleet.hardware if fleet else self.stations[0].slot.hardware,
        )  # fmt: skip

    def purse(self, study: Study, max_cost: float | None = None) -> Purse:
        """Return the money there is: the caps, and what this machine's hours take of them."""
        money, settings = self.project.settings.money, self.project.settings
        budget = settings.budget(study.budget_seconds)
        longest = budget.startup + budget.wall_limit + parse_duration(settings.evaluation.timeout)
        gpu = GpuPrice(money.gpu_hour_usd, longest)
        caps = Caps(run=max_cost, study=money.study_usd, call=money.call_usd)
        return Purse(self.registry.ledger(study, caps, gpu=gpu), gpu.trial_worst)

    def trials(
        self,
        study: Study,
        patience: Patience,
        purse: Purse,
        stopping: Callable[[], str | None] = lambda: None,
        fleet: Fleet | None = None,
    ) -> TrialRunner:
        """Return what trains and scores on val.

        Args:
            study: whose trials they are.
            patience: who is told what happens, and what ends the trial at work.
            purse: asked before each trial.
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
            corpus=self.corpus.fingerprint,
            budget=settings.budget(study.budget_seconds),
            limits=settings.limits(),
            base_commit=study.base_commit,
            tolerance=settings.evaluation.tolerance,
            shown=settings.sandbox.readable,
        )
        shelf, executor = self._executor(study, patience, fleet)
        return TrialRunner(
            setup,
            executor=executor,
            patience=patience,
            registry=self.registry,
            repo=self.repo,
            broke=lambda: stopping() or purse.empty(),
            shelf=shelf,
            racing=Racing(settings, self.registry, self.repo),
        )

    def _executor(
        self, study: Study, patience: Patience, fleet: Fleet | None
    ) -> tuple[Shelf, Executor]:
        if fleet is not None:
            terms = Terms(json.loads(study.comparability), _name_of(study))
            fleet.executor.accept(terms, patience.see, patience.stop)
            return fleet.shelf, fleet.executor
        shelf, compiled = shelf_of(self.project), self._compiled(study)
        hosts = {
            each.slot.name: self._host(each, study, patience, shelf, compiled)
            for each in self.stations
        }
        return shelf, LocalExecutor(hosts, patience.stop)

    def _host(
        self,
        station: Station,
        study: Study,
        patience: Patience,
        shelf: Shelf,
        compiled: CompileCache,
    ) -> Host:
        evaluator = self.evaluator(study, self.corpus.val(), patience.stop, station)
        return Host(
            worker=LocalWorker(station.sandbox, compiled=compiled),
            evaluator=evaluator,
            checkout=self.repo.workspace,
            train_files=self.corpus.train_files(),
            token_bytes=self.corpus.token_bytes,
            work=self.project.work,
            keep=shelf.put,
            allow=evaluator.allow,
            cores=station.slot.cores,
        )

    def _compiled(self, study: Study) -> CompileCache:
        """Return the compile cache of a study's first commit, on this machine."""
        return CompileCache(self.project.compiled(_name_of(study)))

    def evaluator(
        self,
        study: Study,
        documents: Sequence[Document],
        stop: Callable[[], bool] = lambda: False,
        station: Station | None = None,
    ) -> Evaluator:
        """Return who scores checkpoints of a study on these sealed documents.

        Args:
            study: whose rules count.
            documents: what is scored.
            stop: where it comes true, scoring ends as Interrupted.
            station: where; by default the first.

        Raises:
            CorpusError: the tokenizer is damaged.
            EvaluationError: there is no text in them.
        """
        settings = self.project.settings
        return Evaluator(
            settings.evaluation,
            sandbox=(station or self.stations[0]).sandbox,
            limits=settings.limits(),
            device=settings.training.device,
            tokenizer=self.corpus.tokenizer(),
            documents=documents,
            entry=settings.target.entry,
            trust=study.trust,
            stop=stop,
            allowance=lambda: allowance(self.registry, study.tag, settings.evaluation.tolerance),
        )


def _name_of(study: Study) -> str:
    """Return a name that stands for a study's first commit and what its scores rest on."""
    of = f"{study.base_commit} {study.comparability}"
    return hashlib.sha256(of.encode()).hexdigest()[:12]


@contextmanager
def workshop(project: Project, stations: Sequence[Station]) -> Iterator[Workshop]:
    """Yield a project's workshop, the run lock held.

    Raises:
        CorpusError: nothing is prepared yet, or it is damaged.
        ProjectError: scores must be sealed and cannot be, or the project cannot be written.
        RegistryError: another run is at work, or the registry is damaged.
        GitError: there is no repository.
    """
    corpus = corpora.load(project.corpus_pointer)
    corpora.verify_changed(corpus, lambda told: typer.echo(told, err=True))
    trust = trust_of(project, stations[0].sandbox, corpus)
    project.make_state()
    with RunLock(project.lock) as lock:
        registry = Registry.open(project.registry, create=True)
        repo = GitRepo.open(project.root)
        yield Workshop(project, corpus, stations, trust, registry, repo, lock)


def trust_of(project: Project, sandbox: Sandbox, corpus: Corpus) -> Trust:
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
