"""What `promote` is asked to bring home, whether it has earned it, and what is said of it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from autoresearch import policy
from autoresearch.gitrepo import (
    CONFIRMED,
    SCORE,
    TEST,
    TEST_BPB,
    VAL_BPB,
    MessagePart,
    commit_message,
    squash_message,
)
from autoresearch.records.metric import Metric
from autoresearch.records.tables import Experiment, Study
from autoresearch.records.text import counted, safe_line
from autoresearch.records.values import Standing, Verdict


@dataclass(frozen=True)
class Promotable:
    """One experiment as `promote` needs it, and its study."""

    row: Experiment
    study: Study

    @property
    def id(self) -> int:
        """The experiment's number."""
        return int(self.row.id or 0)

    @property
    def hoped(self) -> "Promotable":
        """The same; a keep without a standing is confirmed, as it may become."""
        if self.row.standing is not None or self.row.verdict is not Verdict.KEEP:
            return self
        return replace(self, row=self.row.model_copy(update={"standing": Standing.CONFIRMED}))

    @property
    def sure(self) -> str:
        """How sure it is by how many fresh pairs, as in "97% sure on 3 fresh pairs"."""
        claim, pairs = self.row.claim, self.row.claim_pairs
        if claim is None or not pairs:
            return "no fresh pair yet"
        told = f"{_percent(claim)} sure on {counted(pairs, 'fresh pair')}"
        if claim < policy.CONFIRMED or self.row.standing is not None:
            return told
        alone = pairs == 1
        return f"{told}, but {'one pair makes no claim' if alone else 'the noise is not known yet'}"


def unearned(experiment: Promotable) -> str | None:
    """Return why an experiment is no discovery, and what would make it one; None where it is."""
    row = experiment.row
    if row.standing is Standing.REFUTED:
        why = row.claim_reason or experiment.sure
        return f"was kept and then refuted ({why}): --force promotes it all the same"
    if row.verdict is not Verdict.KEEP:
        fate = row.verdict or "unfinished"
        return f"was not kept ({fate}): --force promotes it all the same"
    if row.standing is Standing.CONFIRMED:
        return None
    if policy.kept_as_simpler(row.measured, row.delta):
        return (
            "was kept for being simpler, not better, so it can hardly be confirmed as an "
            "improvement: --force promotes it as it is"
        )
    return (
        f"is kept but not confirmed ({experiment.sure}): `promote {experiment.id} --confirm` "
        "trains further pairs, --force promotes it as it is"
    )


def message(experiment: Promotable) -> str:
    """Return the message of an experiment's commit on the person's branch."""
    return commit_message(
        experiment.row.hypothesis,
        experiment=experiment.id,
        study=experiment.study.tag,
        extra=_trailers(experiment),
    )


def message_of_all(experiments: Sequence[Promotable]) -> str:
    """Return the message of one commit for several experiments, each with all its trailers."""
    if len(experiments) == 1:
        return message(experiments[0])
    return squash_message(
        MessagePart(each.row.hypothesis, each.id, each.study.tag, _trailers(each))
        for each in experiments
    )


def _trailers(experiment: Promotable) -> Mapping[str, str]:
    row, metric, extra = experiment.row, experiment.study.metric, dict[str, str]()
    score_key, test_key = (VAL_BPB, TEST_BPB) if metric.is_bits_per_byte else (SCORE, TEST)
    if row.val_bpb is not None:
        effect = "" if row.delta is None else f" ({metric.delta(row.delta)})"
        extra[score_key] = f"{_named(metric.name, metric)}{metric.text(row.val_bpb)}{effect}"
    if row.standing is Standing.CONFIRMED and row.claim is not None:
        extra[CONFIRMED] = f"{_percent(row.claim)} ({counted(row.claim_pairs, 'fresh pair')})"
    if row.test_bpb is not None:
        extra[test_key] = f"{_named(metric.test_name, metric)}{metric.text(row.test_bpb)}"
    return extra


def _named(name: str, metric: Metric) -> str:
    """Return the metric's name before its score; of bits per byte the trailer's key says it."""
    return "" if metric.is_bits_per_byte else f"{safe_line(name, 40)} "


def _percent(probability: float) -> str:
    # Rounded down: 99.97% is not 100%.
    return f"{math.floor(100 * probability + 1e-9)}%"
