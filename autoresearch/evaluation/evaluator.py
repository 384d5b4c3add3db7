"""Turns a checkpoint into a score, or into the reason why it has none."""

import math
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path

import numpy as np

from autoresearch import policy
from autoresearch.config import EvaluationSettings, parse_duration
from autoresearch.errors import EvaluationError
from autoresearch.evaluation.audit import Audit, Evidence, Finding
from autoresearch.evaluation.audit_sampling import WORTH, WORTH_ON_CPU, Reference, expected
from autoresearch.evaluation.protocol import Challenge, commit, vocabulary
from autoresearch.evaluation.rules import Cause, NoScore
from autoresearch.evaluation.scoring_dir import ScoringDir
from autoresearch.evaluation.server import ServerHandle
from autoresearch.evaluation.servers import Servers
from autoresearch.evaluation.text import Tokenizer, brings_tokenizer, encode, encode_untrusted
from autoresearch.evaluation.windows import Integers, Reals, WindowPlan, cut
from autoresearch.records.scores import Allowance, Document, Score, Unscored
from autoresearch.records.text import safe_line
from autoresearch.records.training import Limits
from autoresearch.records.values import Trust
from autoresearch.sandbox import Sandbox

_TOO_MUCH = (Cause.MEMORY, Cause.TIMEOUT)
_SMALLER = 8  # how many times fewer rows are in a batch after the first one was too large


class Evaluator:
    """Scores checkpoints on sealed documents.

    The trial's code runs only in server processes, which see tokens (a tokenizer of the trial's:
    documents) and answer with numbers that are checked. What else the servers can reach is up to
    the sandbox, and the score carries its trust, or the one given where that is less. The evaluator
    keeps the corpus tokenizer's encoding of the documents, and the log-probabilities of the best
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
        stop: Callable[[], bool] = lambda: False,
        allowance: Callable[[], Allowance | None] | None = None,
    ) -> None:
        """Build it.

        Args:
            settings: with the tolerance that is given in any case.
            sandbox: what the servers run in.
            limits: of each server.
            device: where they compute.
            tokenizer: the corpus's.
            documents: what is scored.
            entry: the file that defines `load_model`.
            trust: what the score carries, where that is less than the sandbox's.
            stop: asked often; true ends a scoring as Interrupted.
            allowance: returns how far predictions may differ, called at each scoring; where it
                returns None, that is measured on the checkpoint, which must be the person's own.
                By default it is the least allowance.
        """
        self._settings = settings
        self._allowance = allowance or (lambda: policy.allow(0.0, 0.0, settings.tolerance))
        self._sandbox = sandbox
        self._limits = limits
        self._device = device
        self._tokenizer = tokenizer
        self._documents = tuple(documents)
        self._entry = entry
        self._trust = trust or sandbox.trust
        self._stop = stop
        self._plan: WindowPlan | None = None
        self._best: Reference | None = None
        self._waiting: Servers | None = None
        if not any(each.data for each in self._documents):
            msg = "there is no text to score on: run `autoresearch prepare` with a larger corpus"
            raise EvaluationError(msg)

    def allow(self, allowance: Allowance | None) -> None:
        """Set how far predictions may differ from now on; None: it is measured at each scoring."""
        self._allowance = lambda: allowance

    def prepare(self, place: Path) -> None:
        """Start the servers of the next scoring in a new folder in `place`; do not wait.

        Where no sandbox keeps a trial from them, this does nothing: they must not run beside one,
        so `score` starts them. It also does nothing where none can be started now.
        """
        if self._waiting is None and self._sandbox.trust is Trust.SEALED:
            with suppress(EvaluationError, OSError):
                self._waiting = Servers(self._scoring_dir(place))

    def wait_until_idle(self) -> None:
        """Wait until what `prepare` started is idle, and takes nothing from a training."""
        if self._waiting is not None:
            try:
                self._waiting.greet()
            except EvaluationError:  # `score` starts others, and reports if those fail, too
                self.close()

    def close(self) -> None:
        """End servers that wait. `prepare` may be called again."""
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            waiting.close()

    def score(self, tree: Path, checkpoint: Path, scratch: Path) -> Score | Unscored:
        """Score one checkpoint; a second time in smaller batches if it was too large or too slow.

        Args:
            tree: the workspace with the entry that defines `load_model`.
            checkpoint: the folder with model.safetensors and config.json.
            scratch: where servers start if none wait; nothing is left in it.

        Raises:
            Interrupted: the run is to stop.
        """
        batch = self._settings.batch
        result = self._try(tree, checkpoint, scratch, batch)
        if isinstance(result, Unscored) and result.cause in _TOO_MUCH and batch > 1:
            smaller = max(1, batch // _SMALLER)
            result = self._try(tree, checkpoint, scratch, smaller)
            if isinstance(result, Unscored):
                result = replace(result, reason=f"{result.reason}, {smaller} rows at a time, too")
        return result

    def _try(self, tree: Path, checkpoint: Path, scratch: Path, batch: int) -> Score | Unscored:
        began = time.monotonic()
        try:
            with closing(self._take() or Servers(self._scoring_dir(scratch))) as servers:
                return self._score(servers, tree, checkpoint, batch, began)
        except NoScore as reason:
            return reason.unscored
        except (EvaluationError, OSError) as fault:
            return NoScore(Cause.START, safe_line(str(fault))).unscored

    def _take(self) -> Servers | None:
        """Return the servers that wait, unless there are none or one of them died."""
        self.wait_until_idle()
        if self._waiting is not None and not self._waiting.alive:
            self.close()
        waiting, self._waiting = self._waiting, None
        return waiting

    def _scoring_dir(self, place: Path) -> ScoringDir:
        return ScoringDir(
            place=Path(tempfile.mkdtemp(prefix="evaluation-", dir=place)),
            entry=self._entry,
            device=self._device,
            sandbox=self._sandbox,
            limits=self._limits,
            arrays=self._settings.arrays,
            stop=self._stop,
        )

    def _score(
        self, servers: Servers, tree: Path, checkpoint: Path, batch: int, began: float
    ) -> Score:
        own = brings_tokenizer(tree / self._entry)
        plan = None if own else self._corpus_plan()  # made while they start
        servers.load(tree, checkpoint, parse_duration(self._settings.timeout))
        plan = plan or self._own_plan(servers)
        nats, finding = self._examine(servers.pair, plan, batch)
        if self._best is None or nats.sum() > self._best.total:
            self._best = Reference.of(plan, nats)
        return self._as_score(plan, nats, finding, time.monotonic() - began)

    def _corpus_plan(self) -> WindowPlan:
        if self._plan is None:
            self._plan = cut(encode(self._tokenizer, self._documents), self._settings.context)
        return self._plan

    def _own_plan(self, servers: Servers) -> WindowPlan:
        with servers.tokenizer() as server:
            text = encode_untrusted(server, servers.scoring_dir.checkpoint, self._documents)
        return cut(text, self._settings.context)

    def _examine(
        self, pair: Sequence[ServerHandle], plan: WindowPlan, batch: int
    ) -> tuple[Reals, Finding]:
        rng = np.random.default_rng()  # from the system's entropy: no server can predict it
        entries = vocabulary(pair, plan)
        committing = pair if self._device == "cpu" else pair[:1]
        commitment = commit(committing, plan, batch, rng)
        nats = commitment.nats

        def ask(uniform: Integers, drawn: Integers) -> Evidence:
            challenge = Challenge(plan, commitment, np.append(uniform, drawn), uniform.size)
            return challenge.put(pair, entries, batch, rng).evidence()

        excess = nats - (self._best.at(plan) if self._best else expected(nats, plan))
        return nats, self._audit(plan).conduct(excess, ask, rng)

    def _audit(self, plan: WindowPlan) -> Audit:
        worth = WORTH_ON_CPU if self._device == "cpu" else WORTH
        return Audit(
            self._allowance(),
            worth=worth * math.log(2) * int(plan.ends[-1]),
            probes=self._settings.challenges,
            least=self._settings.tolerance,
        )

    def _as_score(self, plan: WindowPlan, nats: Reals, finding: Finding, seconds: float) -> Score:
        bits = plan.by_document(-nats / math.log(2), len(self._documents)).tolist()
        sizes = tuple(len(each.data) for each in self._documents)
        return Score(
            bpb=math.fsum(bits) / sum(sizes),
            doc_bits=tuple(bits),
            doc_bytes=sizes,
            trust=self._trust,
            tokens=plan.positions,
            challenged=finding.evidence.challenged,
            mismatch=finding.evidence.mismatch,
            seconds=seconds,
            detectable=finding.leak * plan.positions / math.log(2) / sum(sizes),
            measured=finding.measured,
        )
