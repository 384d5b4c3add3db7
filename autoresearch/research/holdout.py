"""The sealed test set: kept experiments are scored on it at `promote`, each once, never earlier."""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from autoresearch import policy
from autoresearch.execution import Scorer
from autoresearch.gitrepo import GitRepo
from autoresearch.process import remove
from autoresearch.records.scores import Score, Unscored
from autoresearch.records.tables import Experiment
from autoresearch.records.values import FailureKind
from autoresearch.registry import Registry
from autoresearch.registry.packing import pack_reals, unpack_reals
from autoresearch.research.baseline_score import StudyUnits
from autoresearch.workers.checkpoint_store import CheckpointStore


@dataclass(frozen=True)
class NoHoldoutScore:
    """Why an experiment has no score on test; `breach`: its checkpoint broke a rule there."""

    reason: str
    breach: bool = False


@dataclass(frozen=True)
class Sizes:
    """The bytes of every document, by split."""

    val: Sequence[int]
    test: Sequence[int]


class HoldoutScorer:
    """Scores on test. What was scored is not looked at again: every look wears a test set out."""

    def __init__(
        self,
        registry: Registry,
        repo: GitRepo,
        store: CheckpointStore,
        evaluator: Callable[[], Scorer],
        work: Path,
        tell: Callable[[str], None],
    ) -> None:
        """Build it.

        Args:
            registry: where scores are written.
            repo: where the code is that a checkpoint belongs to.
            store: where checkpoints are.
            evaluator: makes the scorer on test when the first checkpoint needs it.
            work: a private folder.
            tell: told what is being done.
        """
        self._registry = registry
        self._repo = repo
        self._store = store
        self._make = evaluator
        self._evaluator: Scorer | None = None
        self._work = work
        self._tell = tell
        self._units = StudyUnits(registry, lambda notice: tell(notice.text))

    def score(self, number: int) -> NoHoldoutScore | None:
        """Give an experiment its score on test, unless it has one; return why it has none.

        Raises:
            CorpusError: the sealed text is damaged.
            EvaluationError: there is nothing to score on.
            Interrupted: the person stopped it.
        """
        row = self._registry.experiment(number)
        if row.test_bpb is not None:
            return None
        trial = self._newest(row)
        checkpoint = self._store.find(trial)
        if checkpoint is None:
            return NoHoldoutScore(
                "no checkpoint of it was kept; --confirm trains what is confirmed again"
            )
        self._tell(f"experiment {number}: scoring test")
        score = self._score(row, checkpoint)
        if isinstance(score, Unscored):
            own = score.kind is not FailureKind.MACHINE
            return NoHoldoutScore(f"{score.cause}: {score.reason}", breach=own)
        score = self._units.on_test(row, score)
        row.test_bpb, row.test_trial_id = score.bpb, trial
        row.test_bits = pack_reals(score.doc_bits)
        self._registry.save(row)
        return None

    def compare(self, number: int, baseline: int, sizes: Sizes) -> policy.GeneralizationGap | None:
        """Write down how an experiment fares against the baseline on both splits, if both scored.

        Args:
            number: the experiment.
            baseline: its study's.
            sizes: of the documents, in the order in which both were scored.
        """
        row, base = self._registry.experiment(number), self._registry.experiment(baseline)
        mine, theirs = self._bits(row), self._bits(base)
        if mine is None or theirs is None:
            return None
        (val, test), (base_val, base_test) = mine, theirs
        gap = policy.generalization_gap(
            policy.Sides(val, base_val, sizes.val),
            policy.Sides(test, base_test, sizes.test),
            self._registry.scale(self._registry.study_of(row)),
        )
        if gap is None:
            return None
        row.val_gain, row.val_gain_error = gap.val.mean, gap.val.error
        row.test_gain, row.test_gain_error = gap.test.mean, gap.test.error
        self._registry.save(row)
        return gap

    def _newest(self, row: Experiment) -> int:
        """Return the newest scored trial whose checkpoint is in the store; 0 where there is none.

        The newest, because an experiment was chosen by its first one, whose val flatters it.
        """
        there = self._store.trials()
        mine = [each.number for each in self._registry.trials(row) if each.val_bpb is not None]
        return max((each for each in mine if each in there), default=0)

    def _score(self, row: Experiment, checkpoint: Path) -> Score | Unscored:
        self._evaluator = self._evaluator or self._make()
        place = self._work / f"test-{row.id}"
        scratch = place / "scratch"
        try:
            scratch.mkdir(parents=True, mode=0o700)
            # A copy: the store lies among what no model server may see.
            copy = Path(shutil.copytree(checkpoint, scratch / "checkpoint"))
            with self._repo.workspace(str(row.commit_sha), place / "tree") as tree:
                return self._evaluator.score(tree, copy, scratch)
        finally:
            remove(place)

    def _bits(self, row: Experiment) -> tuple[Sequence[float], Sequence[float]] | None:
        """Return every document's bits on val and on test, of one checkpoint."""
        trials = {each.id: each for each in self._registry.trials(row, whole=True)}
        trial = trials.get(row.test_trial_id)
        if trial is None:
            return None
        return unpack_reals(trial.doc_bits), unpack_reals(row.test_bits)
