"""Text under seal: trials learn from a corpus's tokens, the harness measures bits per byte."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from autoresearch.config import Settings
from autoresearch.corpus import Corpus, Split
from autoresearch.evaluation import PROTOCOL, Evaluator
from autoresearch.execution.task import Place
from autoresearch.execution.trial import Host
from autoresearch.records.metric import BITS_PER_BYTE, Metric
from autoresearch.records.scores import Allowance, Document
from autoresearch.records.values import Trust
from autoresearch.sandbox import Sandbox
from autoresearch.workers import LocalWorker


@dataclass(frozen=True)
class TextTask:
    """A prepared corpus, and the settings by which checkpoints are scored on it; see `Task`."""

    corpus: Corpus
    settings: Settings

    @property
    def name(self) -> str:
        """See `Task`."""
        return f"{self.corpus.name} {self.corpus.fingerprint[:12]}"

    @property
    def fingerprint(self) -> str:
        """See `Task`."""
        return self.corpus.fingerprint

    @property
    def metric(self) -> Metric:
        """See `Task`."""
        return BITS_PER_BYTE

    @property
    def key(self) -> dict[str, str]:
        """See `Task`. Of this package it is the evaluator's protocol that counts.

        A release that scores as before goes on with the studies of the one before it.
        """
        return {
            "corpus": self.corpus.fingerprint,
            "context": f"{self.settings.evaluation.context} tokens",
            "evaluator": f"protocol {PROTOCOL}",
        }

    @property
    def facts(self) -> Mapping[str, int]:
        """See `Task`."""
        train = self.corpus.counts[Split.TRAIN]
        return {"documents": train.documents, "bytes": train.bytes, "tokens": train.tokens}

    @property
    def token_bytes(self) -> float | None:
        """See `Task`."""
        train = self.corpus.counts[Split.TRAIN]
        return train.bytes / max(train.tokens, 1)

    @property
    def has_test(self) -> bool:
        """See `Task`."""
        return True

    def sizes(self, split: Split) -> tuple[int, ...] | None:
        """See `Task`."""
        documents = self.corpus.test() if split is Split.TEST else self.corpus.val()
        return tuple(len(each.data) for each in documents)

    def trust(self, sandbox: Sandbox) -> Trust:
        """See `Task`."""
        return Trust.UNSEALED if self.corpus.lies_open else sandbox.trust

    def unsealed(self, sandbox: Sandbox) -> str:
        """See `Task`."""
        if self.corpus.lies_open:
            return "the stdlib corpus lies open to every trial: prepare another one"
        return "" if sandbox.trust is Trust.SEALED else "no sandbox here keeps trials from the text"

    def host(self, place: Place) -> Host:
        """See `Task`."""
        evaluator = self._evaluator(place, self.corpus.val())
        return Host(
            worker=LocalWorker(place.sandbox, compiled=place.compiled),
            evaluator=evaluator,
            checkout=place.checkout,
            train_files=self.corpus.train_files(),
            token_bytes=self.corpus.token_bytes,
            work=place.work,
            keep=place.keep,
            allow=evaluator.allow,
            cores=place.cores,
        )

    def test_scorer(self, place: Place, allowance: Callable[[], Allowance | None]) -> Evaluator:
        """See `Task`."""
        return self._evaluator(place, self.corpus.test(), allowance)

    def _evaluator(
        self,
        place: Place,
        documents: Sequence[Document],
        allowance: Callable[[], Allowance | None] | None = None,
    ) -> Evaluator:
        return Evaluator(
            self.settings.evaluation,
            sandbox=place.sandbox,
            limits=self.settings.limits(),
            device=self.settings.training.device,
            tokenizer=self.corpus.tokenizer(),
            documents=documents,
            entry=self.settings.target.entry,
            trust=place.trust,
            stop=place.stop,
            allowance=allowance,
        )
