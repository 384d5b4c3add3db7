"""A project's own way: its command trains, and its score comes from where its settings say."""

import hashlib
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import assert_never

from autoresearch.config import Project, Settings, parse_duration
from autoresearch.corpus import Split
from autoresearch.evaluation import TEST, VAL, ProgramScorer, ReportedScorer, doubt
from autoresearch.execution.task import Place
from autoresearch.execution.trial import Host, ReadyScorer
from autoresearch.records.metric import Metric, MetricSource
from autoresearch.records.scores import Allowance
from autoresearch.records.values import Trust
from autoresearch.sandbox import Sandbox
from autoresearch.sandbox.data import DataLink, links, named
from autoresearch.workers import CommandRun, CommandWorker


@dataclass(frozen=True)
class CommandTask:
    """A [target] command with a [metric] of its own; see `Task`.

    `imports` is the editable file that the evaluator runs, if it does; see `runs_editable`.
    """

    project: Project
    imports: str = ""

    @property
    def settings(self) -> Settings:
        """The project's."""
        return self.project.settings

    @property
    def name(self) -> str:
        """See `Task`."""
        return "the project's own data"

    @property
    def fingerprint(self) -> str:
        """See `Task`. Only what is held out is looked at: the rest is the command's affair."""
        return self._held_out

    @property
    def metric(self) -> Metric:
        """See `Task`."""
        return self.settings.metric.metric

    @property
    def key(self) -> dict[str, str]:
        """See `Task`."""
        settings, metric = self.settings, asdict(self.settings.metric)
        opened = [*settings.sandbox.readable, *(["network"] if settings.sandbox.network else [])]
        return {
            "command": settings.target.command,
            "seed": settings.target.seed or "none",
            "total": f"{self.settings.total:g} s",
            "metric": ", ".join(f"{name} {value}" for name, value in metric.items() if value),
            "held-out data": self._held_out[:12] or "none",
            "opened": ", ".join(opened) or "nothing",
        }

    @property
    def facts(self) -> Mapping[str, int]:
        """See `Task`."""
        return {}

    @property
    def token_bytes(self) -> float | None:
        """See `Task`."""
        return None

    @property
    def has_test(self) -> bool:
        """See `Task`."""
        return bool(self.settings.data.test)

    def sizes(self, split: Split) -> tuple[int, ...] | None:
        """See `Task`. An evaluator says how many units a score has."""
        del split
        return None

    def trust(self, sandbox: Sandbox) -> Trust:
        """See `Task`."""
        return Trust.UNSEALED if self.unsealed(sandbox) else self.metric.source.trust

    def unsealed(self, sandbox: Sandbox) -> str:
        """See `Task`. What a trial says of itself rests on no data that it could reach."""
        if self.metric.source.trust is not Trust.EVALUATED:
            return ""
        network = self.settings.sandbox.network
        return doubt(sandbox, self._held, network=network, imports=self.imports)

    def host(self, place: Place) -> Host:
        """See `Task`.

        Raises:
            ProjectError: what it is to be shown is not there.
        """
        return Host(
            worker=CommandWorker(place.sandbox, self.command_run(), compiled=place.compiled),
            evaluator=self._scorer(place),
            checkout=place.checkout,
            train_files=(),
            token_bytes=1,
            work=place.work,
            keep=place.keep if self.has_test else lambda _number, _checkpoint: True,
            cores=place.cores,
        )

    def test_scorer(self, place: Place, allowance: Callable[[], Allowance | None]) -> ReadyScorer:
        """See `Task`."""
        del allowance
        return self._program(place, TEST)

    def command_run(self) -> CommandRun:
        """Return how the command is run.

        Raises:
            ProjectError: what it is to be shown is not there.
        """
        settings = self.settings
        return CommandRun(
            command=settings.target.command,
            seed=settings.target.seed,
            total=self.settings.total,
            collect=(settings.metric.file,) if settings.metric.file else (),
            data=self._shown,
            hidden=self._hidden,
            network=settings.sandbox.network,
        )

    def _scorer(self, place: Place) -> ReadyScorer:
        source = self.metric.source
        match source:
            case MetricSource.EVALUATED:
                return self._program(place, VAL)
            case MetricSource.FILE | MetricSource.SUMMARY:
                return ReportedScorer(self.settings.metric)
            case MetricSource.SEALED:
                msg = "the settings refuse a command without a metric of its own"
                raise AssertionError(msg)
            case _:
                assert_never(source)

    def _program(self, place: Place, split: str) -> ProgramScorer:
        settings = self.settings
        return ProgramScorer(
            settings.metric,
            sandbox=place.sandbox,
            limits=settings.limits(),
            timeout=parse_duration(settings.evaluation.timeout),
            data=self._held if split == VAL else named(self.project.root, settings.data.test),
            shown=self._shown,
            hidden=self._hidden,
            split=split,
            device=settings.training.device,
            python=self._python(),
            network=settings.sandbox.network,
            trust=place.trust,
            stop=place.stop,
        )

    @cached_property
    def _shown(self) -> tuple[DataLink, ...]:
        readable, root = self.settings.sandbox.readable, self.project.root
        return links(root, readable, self._hidden, self.project.hidden)

    def _python(self) -> str:
        """Return the project's own interpreter where trials are shown one, else this one."""
        own = self.project.root / ".venv" / "bin" / "python"
        shown = any(own.is_relative_to(each.source) for each in self._shown)
        return str(own) if shown and own.exists() else sys.executable

    @property
    def _hidden(self) -> tuple[str, ...]:
        return (*self.settings.data.held_out, *self.settings.data.test)

    @cached_property
    def _held(self) -> tuple[DataLink, ...]:
        return named(self.project.root, self.settings.data.held_out)

    @cached_property
    def _held_out(self) -> str:
        """A digest of what scores are made on; empty where nothing is held out."""
        found = list(_digests(self._held))
        return hashlib.sha256(json.dumps(found).encode()).hexdigest() if found else ""


def _digests(held: tuple[DataLink, ...]) -> Iterator[tuple[str, str]]:
    for link in held:
        for path in sorted(_files(link.source)):
            with path.open("rb") as file:
                inner = path.relative_to(link.source).as_posix()
                yield f"{link.relative}/{inner}", hashlib.file_digest(file, "sha256").hexdigest()


def _files(place: Path) -> Iterator[Path]:
    if place.is_file():
        yield place
    else:
        yield from (each for each in place.rglob("*") if each.is_file())
