"""The machines of a Ray cluster, for `run --ray`."""

import importlib.util
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import typer

from autoresearch.commands.options import RunOptions
from autoresearch.config import Project
from autoresearch.errors import ProjectError, UsageFault
from autoresearch.execution import (
    ClusterExecutor,
    CommandHost,
    CommandTask,
    FetchingStore,
    HostFacts,
    HostPlan,
    RayExecutor,
    StudyHost,
    Task,
    TextTask,
    messages,
    pack,
)
from autoresearch.gitrepo import GitRepo
from autoresearch.registry import Registry

_FETCH_SECONDS = 120.0


@dataclass(frozen=True)
class Fleet:
    """The machines of a cluster, what most of them are, and where their checkpoints go."""

    executor: ClusterExecutor
    facts: HostFacts
    store: FetchingStore

    def bring_home(self) -> None:
        """Have the checkpoints brought here that may still be asked for."""
        self.store.finish(_FETCH_SECONDS)


@contextmanager
def fleet_for(
    options: RunOptions, project: Project, task: Task, repo: GitRepo, registry: Registry
) -> Iterator[Fleet | None]:
    """Yield the machines of the cluster that a run names, None where it names none; then leave it.

    Args:
        options: which cluster, and the study to continue there, if it is there already.
        project: whose trials they will run.
        task: what they learn from; a text is brought to those that lack it, a command's data not.
        repo: its code.
        registry: its studies.

    Raises:
        ProjectError: Ray is not installed, or no cluster is there with machines that can be used.
        UsageFault: no such address can be.
    """
    if options.ray is None:
        yield None
        return
    project.make_work()
    study = registry.study(options.tag)
    with _ray_cluster(options.ray, project, task, repo) as executor:
        facts = executor.survey(json.loads(study.comparability) if study else {})
        if facts.fault:
            msg = f"no machine of the Ray cluster at {options.ray} can be used: {facts.fault}"
            raise ProjectError(msg)
        room = project.settings.checkpoint_bytes
        store = FetchingStore(project.checkpoints, room, executor, project.work)
        yield Fleet(executor, facts, store)


def refuse_two_places(options: RunOptions) -> None:
    """Raise UsageFault where devices of this machine are named beside a cluster."""
    if options.elsewhere and options.devices is not None:
        msg = "--devices is about this machine's: with --ray every machine of the cluster that fits"
        raise UsageFault(f"{msg} is used; leave one of them out")


def packed(repo: GitRepo, commit: str, work: Path) -> bytes:
    """Return the project's files at a commit, as they cross to another machine.

    Raises:
        GitError: there is no such commit, or it cannot be written out.
    """
    with repo.workspace(commit, work / f"packed-{commit}") as tree:
        return pack(tree)


def _ray_cluster(address: str, project: Project, task: Task, repo: GitRepo) -> RayExecutor:
    """Return the machines at HOST:PORT of a cluster's head, or at "auto"."""
    _require(address)
    typer.echo(f"Looking for machines of the Ray cluster at {address}.", err=True)
    begin = _begin(address, project, task)
    return RayExecutor(begin, lambda commit: packed(repo, commit, project.work))


def _require(address: str) -> None:
    if "://" in address:
        msg = (
            f"--ray {address}: this machine must be part of the cluster: type "
            "`ray start --address=HOST:PORT --num-gpus=0` here, then give --ray auto"
        )
        raise UsageFault(msg)
    if importlib.util.find_spec("ray") is None:
        msg = "--ray needs Ray: install autoresearch[ray], here and on the cluster's machines"
        raise ProjectError(msg)


def _begin(address: str, project: Project, task: Task) -> messages.Begin:
    training = project.settings.training
    plan, corpus = _plan(task)
    return messages.Begin(
        address=address,
        plan=plan,
        cores=training.threads,
        gpus=training.device != "cpu",
        corpus=corpus,
    )


def _plan(task: Task) -> tuple[HostPlan, Path | None]:
    """Return how machines become hosts for a task, and where the text lies that they may lack."""
    if isinstance(task, CommandTask):
        return CommandHost.of(task), None
    assert isinstance(task, TextTask)
    return StudyHost.of(task), task.corpus.directory
