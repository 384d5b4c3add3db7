"""What `promote` is asked to bring home, whether it has earned it, and what is said of it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

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
from autoresearch.policy import CONFIRMED as CLAIMED
from autoresearch.records.metric import BITS_PER_BYTE, Metric
from autoresearch.records.text import counted, safe_line
from autoresearch.records.values import Standing, Verdict


@dataclass(frozen=True)
class Promotable:
    """One experiment as `promote` needs it; `sha` is the commit that was trained, if any.

    `claim` is the probability of a true improvement by `claim_pairs` fresh pairs, `claim_reason` a
    sentence about it. `simpler`: it was kept as shorter code that is as good, not as a better one.
    `test_bpb` is its score on the sealed test set, once there is one; `metric` says what scores and
    effects are.
    """

    id: int
    sha: str | None
    study: str
    verdict: Verdict | None
    hypothesis: str
    val_bpb: float | None = None
    delta: float | None = None
    standing: Standing | None = None
    claim: float | None = None
    claim_pairs: int = 0
    claim_reason: str = ""
    simpler: bool = False
    test_bpb: float | None = None
    metric: Metric = BITS_PER_BYTE

    @property
    def sure(self) -> str:
        """How sure it is by how many fresh pairs, as in "97% sure on 3 fresh pairs"."""
        if self.claim is None or not self.claim_pairs:
            return "no fresh pair yet"
        told = f"{_percent(self.claim)} sure on {counted(self.claim_pairs, 'fresh pair')}"
        if self.claim < CLAIMED or self.standing is not None:
            return told
        alone = self.claim_pairs == 1
        return f"{told}, but {'one pair makes no claim' if alone else 'the noise is not known yet'}"


def unearned(experiment: Promotable) -> str | None:
    """Return why an experiment is no discovery, and what would make it one; None where it is."""
    if experiment.standing is Standing.REFUTED:
        why = experiment.claim_reason or experiment.sure
        return f"was kept and then refuted ({why}): --force promotes it all the same"
    if experiment.verdict is not Verdict.KEEP:
        fate = experiment.verdict or "unfinished"
        return f"was not kept ({fate}): --force promotes it all the same"
    if experiment.standing is Standing.CONFIRMED:
        return None
    if experiment.simpler:
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
        experiment.hypothesis,
        experiment=experiment.id,
        study=experiment.study,
        extra=_trailers(experiment),
    )


def message_of_all(experiments: Sequence[Promotable]) -> str:
    """Return the message of one commit for several experiments, each with all its trailers."""
    if len(experiments) == 1:
        return message(experiments[0])
    return squash_message(
        MessagePart(each.hypothesis, each.id, each.study, _trailers(each)) for each in experiments
    )


def _trailers(experiment: Promotable) -> Mapping[str, str]:
    score, delta, extra = experiment.val_bpb, experiment.delta, dict[str, str]()
    metric = experiment.metric
    score_key, test_key = (VAL_BPB, TEST_BPB) if metric.is_bits_per_byte else (SCORE, TEST)
    if score is not None and math.isfinite(score):
        known = delta is not None and math.isfinite(delta)
        effect = f" ({metric.delta(delta)})" if delta is not None and known else ""
        extra[score_key] = f"{_named(metric.name, metric)}{metric.text(score)}{effect}"
    if experiment.standing is Standing.CONFIRMED and experiment.claim is not None:
        extra[CONFIRMED] = (
            f"{_percent(experiment.claim)} ({counted(experiment.claim_pairs, 'fresh pair')})"
        )
    if experiment.test_bpb is not None:
        told = metric.text(experiment.test_bpb)
        extra[test_key] = f"{_named(metric.test_name, metric)}{told}"
    return extra


def _named(name: str, metric: Metric) -> str:
    """Return the metric's name before its score; of bits per byte the trailer's key says it."""
    return "" if metric.is_bits_per_byte else f"{safe_line(name, 40)} "


def _percent(probability: float) -> str:
    # Rounded down: 99.97% is not 100%.
    return f"{math.floor(100 * probability + 1e-9)}%"
