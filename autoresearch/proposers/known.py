"""What was known of a project before its study: earlier results, as a file of the person's says."""

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
    """What the person had found out before the study, oldest first, in numbers of its own kind.

    `origin` is the file it was read from. Nobody but that file vouches for it, and it may have been
    read on another machine. `inside` is whether the best of it is part of the study's base commit;
    None: not known.
    """

    origin: str
    metric: Metric
    ideas: tuple[KnownIdea, ...]
    inside: bool | None = None
