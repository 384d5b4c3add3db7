"""What a person asks for, and what was found in a repository."""

from dataclasses import dataclass

from autoresearch.records.metric import MetricSource


@dataclass(frozen=True)
class Wishes:
    """What the person said; what is empty is looked for. `budget` is a duration as text."""

    command: str = ""
    metric: str = ""
    direction: str = ""
    editable: tuple[str, ...] = ()
    budget: str = ""
    seed: str = ""
    evaluator: str = ""
    file: str = ""
    key: str = ""


@dataclass(frozen=True)
class Found:
    """What a study of the repository is made of; see the settings of the same names.

    `upstream` says that it is a clone of karpathy/autoresearch, or a fork of it.
    """

    command: str
    entry: str
    editable: tuple[str, ...]
    seed: str
    metric: str
    direction: str
    evaluator: str
    file: str
    key: str
    budget: float
    total: float
    device: str
    readable: tuple[str, ...] = ()
    upstream: bool = False

    @property
    def source(self) -> MetricSource:
        """Where scores come from."""
        if self.evaluator:
            return MetricSource.EVALUATED
        return MetricSource.FILE if self.file else MetricSource.SUMMARY
