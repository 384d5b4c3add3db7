"""What a project's trials learn from and how they are scored: the two are one choice."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from autoresearch.corpus import Split
from autoresearch.execution.trial import Checkout, Host, Scorer
from autoresearch.records.metric import Metric
from autoresearch.records.scores import Allowance
from autoresearch.records.values import Trust
from autoresearch.sandbox import Sandbox
from autoresearch.workers.compiled import CompileCache


@dataclass(frozen=True)
class Place:
    """Where a host of a machine stands; `stop` is asked often, and ends a scoring as Interrupted.

    `trust` is what scores carry there; `keep`, `work` and `cores` are as in `Host`.
    """

    sandbox: Sandbox
    checkout: Checkout
    work: Path
    compiled: CompileCache
    keep: Callable[[int, Path], bool]
    trust: Trust
    stop: Callable[[], bool]
    cores: frozenset[int] = frozenset()


class Task(Protocol):
    """What a project's trials learn from, and what scores them."""

    @property
    def name(self) -> str:
        """Return what a study says that it trains on."""

    @property
    def fingerprint(self) -> str:
        """Return what stands for the data by which trials are scored, to the bit."""

    @property
    def metric(self) -> Metric:
        """Return what scores are."""

    @property
    def key(self) -> dict[str, str]:
        """Return what two scores must share of this to be compared at all, by name."""

    @property
    def facts(self) -> Mapping[str, int]:
        """Return what is known of the training data, for briefs."""

    @property
    def token_bytes(self) -> float | None:
        """Return the bytes of training text in a token, on average, where it has tokens."""

    @property
    def has_test(self) -> bool:
        """Return whether there are data that no study looks at, for `promote`."""

    def sizes(self, split: Split) -> tuple[int, ...] | None:
        """Return the weights of what a score is made of; None: the first score tells.

        Raises:
            CorpusError: the sealed text is damaged.
        """

    def trust(self, sandbox: Sandbox) -> Trust:
        """Return how far scores can be believed that come about in a sandbox."""

    def unsealed(self, sandbox: Sandbox) -> str:
        """Return why trials could reach what decides their scores; "" where none can."""

    def host(self, place: Place) -> Host:
        """Return what trains and scores on val.

        Raises:
            CorpusError: the data are damaged.
            EvaluationError: there is nothing to score on.
        """

    def test_scorer(self, place: Place, allowance: Callable[[], Allowance | None]) -> Scorer:
        """Return what scores on test, where there is one.

        Raises:
            CorpusError: the data are damaged.
            EvaluationError: there is nothing to score on.
        """
