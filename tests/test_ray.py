"""Trials on a Ray cluster: three machines of one fake GPU each, all on this one."""

import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

pytest.importorskip("ray", reason="Ray, an extra, is not installed")

from autoresearch.errors import SlotLostError
from autoresearch.execution import Executor, RayExecutor, Terms, TrialResult, pack
from autoresearch.gitrepo import GitRepo
from autoresearch.records.events import Event, Notice, TrialStarted, Waiting
from autoresearch.records.tables import Trial
from autoresearch.records.values import Ending, FailureKind, TrialState, Verdict
from autoresearch.research import StopRules
from tests.clusters import FACTS, TERMS, Cluster, GatedHost, StubHost, begin, executor
from tests.executors import PATIENCE, Gates, Rig, spec, until
from tests.stubs import Night, Scripted, git, make_project, variant
from tests.test_executors import TestEveryExecutor as Contract


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Two machines; a test that takes one away adds another."""
    made = Cluster(tmp_path_factory.mktemp("cluster"))
    made.add()
    made.add()
    yield made
    made.close()


class RayNight(Night):
    """A night on a cluster's machines."""

    ray: RayExecutor

    def _executor(self, hosts: object) -> Executor:  # type: ignore[override]
        self.ray.accept(TERMS, self.see, self.stopped)
        return self.ray  # type: ignore[return-value]


def a_night(root: Path, ideas: int, slots: int) -> RayNight:
    project = make_project(root / "project")
    with (project.root / "autoresearch.toml").open("a") as file:
        file.write("[racing]\nenabled = false\n")
    git(project.root, "commit", "-qam", "settings")
    sources = [variant(QUALITY=2.0 + (at % 7 - 3) / 100, NOISE=at / 1e4) for at in range(1, ideas)]
    rules = StopRules(experiments=ideas)
    made = RayNight(make_project_again(project), Scripted([*sources]), rules, slots=slots)
    return made


def make_project_again(project: object) -> object:
    return project


def trials(night: Night) -> list[Trial]:
    rows = night.registry.experiments(night.study())
    return [each for row in rows for each in night.registry.trials(row)]
