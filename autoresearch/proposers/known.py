"""Results that were known before the study, read from a file of the person's."""

from dataclasses import dataclass

from autoresearch.records.metric import Metric
from autoresearch.records.values import Verdict


@dataclass(frozen=True)
class KnownIdea:
    """One row of earlier results; `score` as the metric shows it, `words` are hostile."""

    verdict: Verdict
    score: float | None
    words: str


@dataclass(frozen=True)
class Known:
    """What the person had found out before the study, oldest first, in the metric of that time.

    `origin` is the file it was read from. The numbers are that file's own, and may come from
    another machine. `inside` says whether the best of it is part of the study's base commit; None:
    not known.
    """

    origin: str
    metric: Metric
    ideas: tuple[KnownIdea, ...]
    inside: bool | None = None
