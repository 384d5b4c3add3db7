"""Turns a checkpoint into a score, or into the reason why it has none."""

import math
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from autoresearch.config import EvaluationSettings, parse_duration
from autoresearch.errors import EvaluationError
from autoresearch.evaluation.challenge import Finding
from autoresearch.evaluation.plan import Plan, Reals, cut
from autoresearch.evaluation.probes import (
    WORTH,
    WORTH_ON_CPU,
    Reference,
    draw,
    expected,
    needed,
)
from autoresearch.evaluation.protocol import Challenge, commit, post_load, vocabulary
from autoresearch.evaluation.rules import Disqualified
from autoresearch.evaluation.server import ServerHandle, Site
from autoresearch.evaluation.text import Tokenizer, brings_tokenizer, encode, encode_untrusted
from autoresearch.records.scores import Disqualification, Document, Score
from autoresearch.records.values import Limits, Trust
from autoresearch.sandbox import Sandbox


class Evaluator:
    """Scores checkpoints on sealed documents.

    The tree's code runs only in server processes, which see tokens (a tokenizer of the tree's:
    documents) and answer with numbers that are checked. What the servers can reach beside that is
    the sandbox's affair, and the score carries its trust, or the one given where that is less.
    The evaluator keeps what the corpus tokenizer gave, and the log-probabilities of the best
    checkpoint it accepted, against which later ones are challenged.
    """

    def __init__(
        self,
        settings: EvaluationSettings,
        *,
        sandbox: Sandbox,
        limits: Limits,
        device: str,
        tokenizer: Tokenizer,
        documents: Sequence[Document],
        entry: str = "train.py",
        trust: Trust | None = None,
    ) -> None:
        self._settings = settings
        self._sandbox = sandbox
        self._limits = limits
        self._device = device
        self._tokenizer = tokenizer
        self._documents = tuple(documents)
        self._entry = entry
        self._trust = trust or sandbox.trust
        self._plan: Plan | None = None
        self._best: Reference | None = None
        if not any(each.data for each in self._documents):
            msg = "there is no text to score on: run `autoresearch prepare` with a larger corpus"
            raise EvaluationError(msg)

    def score(self, tree: Path, checkpoint: Path, scratch: Path) -> Score | Disqualification:
        """Score one checkpoint.

        Args:
            tree: the workspace with the entry that defines `load_model`.
            checkpoint: the folder with model.safetensors and config.json.
            scratch: where servers may write; a new folder in it is made and left.

        Raises:
            EvaluationError: no server can run on this machine.
        """
        began = time.monotonic()
        site = Site(
            tree=tree,
            entry=self._entry,
            checkpoint=checkpoint,
            scratch=Path(tempfile.mkdtemp(prefix="evaluation-", dir=scratch)),
            device=self._device,
            sandbox=self._sandbox,
            limits=self._limits,
            deadline=began + parse_duration(self._settings.timeout),
        )
        try:
            return self._score(site, began)
        except Disqualified as breach:
            return breach.verdict

    def _score(self, site: Site, began: float) -> Score:
        own = brings_tokenizer(site.tree / site.entry)
        with ExitStack() as stack:
            # Their names say nothing: which of the two one is, no server need know.
            pair = [stack.enter_context(ServerHandle.start(site, name)) for name in ("a", "b")]
            for server in pair:  # they load while the text is made into tokens
                post_load(server, site.checkpoint, site.device, self._limits.threads)
            plan = self._own_plan(site) if own else self._corpus_plan()
            nats, finding = self._examine(pair, plan)
        if self._best is None or nats.sum() > self._best.total:
            self._best = Reference.of(plan, nats)
        return self._sum(plan, nats, finding, time.monotonic() - began)

    def _corpus_plan(self) -> Plan:
        if self._plan is None:
            self._plan = cut(encode(self._tokenizer, self._documents), self._settings.context)
        return self._plan

    def _own_plan(self, site: Site) -> Plan:
        with ServerHandle.start(site, "tokenizer") as server:
            text = encode_untrusted(server, site.checkpoint, self._documents)
        return cut(text, self._settings.context)

    def _examine(self, pair: Sequence[ServerHandle], plan: Plan) -> tuple[Reals, Finding]:
        settings = self._settings
        rng = np.random.default_rng()  # from the system's entropy: no server can foresee it
        entries = vocabulary(pair, plan)
        committing = pair if self._device == "cpu" else pair[:1]
        commitment = commit(committing, plan, settings.batch, rng)
        nats = commitment.nats
        excess = nats - (self._best.at(plan) if self._best else expected(nats, plan))
        worth = WORTH_ON_CPU if self._device == "cpu" else WORTH
        count = max(settings.challenges, needed(excess, worth * math.log(2) * int(plan.ends[-1])))
        uniform, drawn = draw(excess, count, rng)
        challenge = Challenge(plan, commitment, np.append(uniform, drawn), uniform.size)
        comparison = challenge.put(pair, entries, settings.batch, rng)
        return nats, comparison.judge(settings.tolerance)

    def _sum(self, plan: Plan, nats: Reals, finding: Finding, seconds: float) -> Score:
        bits = plan.by_document(-nats / math.log(2), len(self._documents)).tolist()
        sizes = tuple(len(each.data) for each in self._documents)
        return Score(
            bpb=math.fsum(bits) / sum(sizes),
            doc_bits=tuple(bits),
            doc_bytes=sizes,
            trust=self._trust,
            tokens=plan.positions,
            challenged=finding.challenged,
            mismatch=finding.mismatch,
            seconds=seconds,
        )
