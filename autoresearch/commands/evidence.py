"""What `promote` does before it picks: earns claims with further pairs, scores test."""

import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from threading import Event as Flag

import typer
from rich.console import Console

from autoresearch import policy
from autoresearch.commands.run_context import RunContext, run_context, stop_flag
from autoresearch.commands.stations import stations_for
from autoresearch.config import Project
from autoresearch.corpus import Split
from autoresearch.errors import AutoresearchError, Interrupted, ProjectError
from autoresearch.process import remove
from autoresearch.records.events import Notice
from autoresearch.records.tables import Experiment, Study
from autoresearch.records.text import counted
from autoresearch.records.values import Purpose, Reading, Standing
from autoresearch.registry import Registry
from autoresearch.registry.packing import unpack_counts
from autoresearch.render.live import watcher_for
from autoresearch.research import TrialRunner, recover
from autoresearch.research.backoff import Backoff
from autoresearch.research.checkpoints import checkpoint_store_of
from autoresearch.research.confirmation import Confirmation, earn_claim
from autoresearch.research.guarding import guards_of
from autoresearch.research.holdout import HoldoutScorer, NoHoldoutScore, Sizes
from autoresearch.research.paired_trials import PairedTrials
from autoresearch.research.recorder import Recorder
from autoresearch.research.requests import Request


def earn(project: Project, numbers: Sequence[int], pairs: int) -> None:
    """Train further pairs of kept experiments, and the checkpoints that scoring test will need.

    Args:
        project: with the run lock free.
        numbers: the experiments.
        pairs: how many each may take.

    Raises:
        Interrupted: the person stopped it; everything is saved.
        ProjectError: its scores would not be comparable with the study's, or the money is spent.
        RegistryError: another run is at work.
    """
    with run_context(project, stations_for(project)) as context:
        for study, mine in _by_study(context.registry, numbers):
            _earn(context, context.study(study.tag), mine, pairs)


@dataclass(frozen=True)
class Unscored:
    """Why something has no score on test; `breach`: it broke a rule there that held on val."""

    said: str
    breach: bool = False

    @classmethod
    def of(cls, name: str, why: NoHoldoutScore) -> "Unscored":
        """Return it of an experiment, by what that is called."""
        if why.breach:
            said = f"{name} was accepted on val, but on test it is not ({why.reason})"
            return cls(said, breach=True)
        return cls(f"no score on test for {name}: {why.reason}")


def examine(project: Project, numbers: Sequence[int]) -> list[Unscored]:
    """Score experiments and their baselines on test, each once; say what has no score and why."""
    registry = Registry.open(project.registry)
    if all(registry.experiment(number).test_gain is not None for number in numbers):
        return []
    found = list[Unscored]()
    try:
        with run_context(project, stations_for(project)) as context:
            for study, mine in _by_study(context.registry, numbers):
                found += _examine(context, context.study(study.tag), mine)
    except Interrupted:
        raise
    except AutoresearchError as fault:
        return [Unscored(f"no score on test: {fault}")]
    return found


def _by_study(registry: Registry, numbers: Sequence[int]) -> list[tuple[Study, list[int]]]:
    found: dict[str, tuple[Study, list[int]]] = {}
    for number in numbers:
        study = registry.study_of(registry.experiment(number))
        found.setdefault(study.tag, (study, []))[1].append(number)
    return list(found.values())


def _earn(context: RunContext, study: Study, numbers: Sequence[int], pairs: int) -> None:
    project, registry = context.project, context.registry
    recover(registry, context.repo, project, study)
    project.make_work()
    with stop_flag() as asked, watcher_for(Console(stderr=True)) as watcher, _ends(asked):
        budget = project.settings.budget(study.budget_seconds)
        watcher.on_event(registry.summary(study).opened(budget, ()))
        backoff = Backoff(time.monotonic, time.sleep, watcher.on_event, asked.is_set)
        registry.be_patient(backoff.back_off)
        # What waits for a next trial is not left to wait while test is scored.
        with closing(context.trials(study, backoff, context.money_cap(study))) as trials:
            guards = guards_of(project.settings)
            recorder = Recorder(registry, context.repo, watcher.on_event, guards)
            paired_trials = PairedTrials(registry, trials, guards=guards)
            confirmation = Confirmation(0.0, registry, paired_trials, recorder)
            for number in numbers:
                if registry.experiment(number).standing is None:
                    trained = earn_claim(confirmation, trials, study, number, pairs)
                    if registry.experiment(number).standing is None:
                        watcher.on_event(Notice(_in_vain(number, trained, pairs)))
            rows = map(registry.experiment, numbers)
            proven = [row for row in rows if row.standing is Standing.CONFIRMED]
            if proven and context.task.has_test:
                _train_missing(context, study, proven, trials)
                recorder.refresh_scores(study)
            trials.tidy()


def _in_vain(number: int, trained: int, most: int) -> str:
    pairs = counted(trained, "pair")
    if trained == most:
        return f"experiment {number}: {pairs} more, and no claim yet"
    return f"experiment {number}: {pairs} more, and further ones promise no claim"


@contextmanager
def _ends(asked: Flag) -> Iterator[None]:
    """Tell what stopped a training: the person, or the money."""
    try:
        yield
    except Interrupted as stopped:
        if not asked.is_set():
            msg = f"{stopped}: raise study_usd under [money] in autoresearch.toml"
            raise ProjectError(msg) from None
        msg = "interrupted; everything is saved, and the same command goes on"
        raise Interrupted(msg) from None


def _train_missing(
    context: RunContext, study: Study, rows: Sequence[Experiment], trials: TrialRunner
) -> None:
    """Train once more what has neither a score on test nor a checkpoint to get one from."""
    registry, store = context.registry, checkpoint_store_of(context.project)
    baseline = registry.summary(study).baseline
    for row in [*rows, *([baseline] if baseline else [])]:
        mine = registry.trials(row)
        if row.test_bpb is None and not any(store.find(int(each.id or 0)) for each in mine):
            used = [Reading(trial.seed, 0.0) for trial in mine]
            number = int(row.id or 0)
            trials.run(Request(number, policy.next_seed(used), Purpose.REPLICATE, of=number))


def _examine(context: RunContext, study: Study, numbers: Sequence[int]) -> Iterator[Unscored]:
    project, registry = context.project, context.registry
    if not context.task.has_test:
        yield Unscored.of(f"study {study.tag}", NoHoldoutScore("[data] test names no files"))
        return
    remove(project.work)  # what lies there belongs to the dead: the run lock is ours
    project.make_work()
    holdout = HoldoutScorer(
        registry, context.repo, checkpoint_store_of(project), lambda: context.test_scorer(study),
        project.work, lambda told: typer.echo(told, err=True),
    )  # fmt: skip
    baseline = registry.summary(study).baseline
    base = int(baseline.id or 0) if baseline else 0
    for number in dict.fromkeys([base, *numbers]):
        if why := holdout.score(number):
            name = f"experiment {number}" + (", the baseline" if number == base else "")
            yield Unscored.of(name, why)
    sizes = _sizes(context, registry.study(study.tag) or study)
    for number in numbers:
        holdout.compare(number, base, sizes)


def _sizes(context: RunContext, study: Study) -> Sizes:
    """Return the weights of what val and test scores are made of."""
    val, test = (context.task.sizes(split) for split in (Split.VAL, Split.TEST))
    return Sizes(val or unpack_counts(study.doc_bytes), test or unpack_counts(study.test_bytes))
