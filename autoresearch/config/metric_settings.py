"""What a project makes better, what it guards and what it holds out: three sections of it."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator
from pydantic.dataclasses import dataclass

from autoresearch.config.checked import STRICTLY, require
from autoresearch.records.metric import BITS_PER_BYTE, Direction, Metric, MetricSource

# Where a metric of a project's own comes from, by the setting of [metric] that says so.
METRIC_SOURCES = {
    "evaluator": MetricSource.EVALUATED,
    "file": MetricSource.FILE,
    "summary": MetricSource.SUMMARY,
}


@dataclass(frozen=True, config=STRICTLY)
class MetricSettings:
    """[metric]: what is made better, and where it comes from.

    With none of `evaluator`, `file` and `summary` it is bits per byte by the sealed evaluator.
    `evaluator` is a fixed program of the project's that prints one JSON object; `file` is what a
    trial leaves, with the number under `key`; `summary` the name in a line `name: value` that it
    prints. A score outside `least` to `most` is refused. `decimals` are those shown.
    """

    name: str = ""
    unit: str = ""
    direction: Literal["lower", "higher"] = "lower"
    evaluator: str = ""
    file: str = ""
    key: str = ""
    summary: str = ""
    least: float | None = None
    most: float | None = None
    decimals: Annotated[int, Field(ge=0, le=12)] = 4

    @model_validator(mode="after")
    def _is_sensible(self) -> Self:
        *first, last = METRIC_SOURCES
        own = (self.name, self.unit, self.key, self.least, self.most)
        ours = not any(own) and self.direction == "lower"
        require(len(self.sources) <= 1, f"has one of {', '.join(first)} and {last}")
        require(self.file or not self.key, "key goes with file")
        require(self.key or not self.file, "file needs key, the number's name in it")
        require(self.sources or ours, f"say where it comes from: {', '.join(first)} or {last}")
        return self

    @property
    def sources(self) -> list[MetricSource]:
        """Which of `METRIC_SOURCES` are named; all but one at most are refused."""
        return [source for name, source in METRIC_SOURCES.items() if getattr(self, name)]

    @property
    def source(self) -> MetricSource:
        """Where scores come from."""
        return next(iter(self.sources), MetricSource.SEALED)

    @property
    def metric(self) -> Metric:
        """The metric as a study holds it."""
        if self.source is MetricSource.SEALED:
            return BITS_PER_BYTE
        name = self.name or self.key or self.summary or "score"
        unit = self.unit or name.removeprefix("val_")
        return Metric(name, unit, Direction(self.direction), self.source, self.decimals)


@dataclass(frozen=True, config=STRICTLY)
class GuardSettings:
    """[[guard]]: a number that must stay in bounds, whatever the score: `least` to `most`.

    `name` is peak_memory_gib, or another number that the evaluator or the metric's file gives.
    """

    name: str
    least: float | None = None
    most: float | None = None

    @model_validator(mode="after")
    def _is_sensible(self) -> Self:
        require(self.least is not None or self.most is not None, "needs least or most")
        return self


@dataclass(frozen=True, config=STRICTLY)
class DataSettings:
    """[data]: files of the project that no trial may read (globs relative to it).

    `held_out` are what the evaluator scores on; `test` what `promote` does. `prepare` is the line
    for the shell by which `autoresearch prepare` makes the data.
    """

    held_out: tuple[str, ...] = ()
    test: tuple[str, ...] = ()
    prepare: str = ""
