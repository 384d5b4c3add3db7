"""The gap between val and test: whether a study's choices were fitted to the val documents.

A study scores on val hundreds of times, and never on test. A real gain is the same on both, up to
the choice of documents. Both splits are scored with the same two checkpoints, so the luck of a
training is in val as in test, and cancels.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from autoresearch.policy.documents import by_document
from autoresearch.policy.scale import CPU_SCALE, Scale
from autoresearch.records.values import Estimate

_SURE = 2.0  # standard errors
_MATERIAL = 0.1  # the share of a gain that must be lost on test to matter


@dataclass(frozen=True)
class GeneralizationGap:
    """The same two checkpoints' difference on val and on test, below zero = better.

    The errors are of the choice of documents alone; all is in the unit of `scale`.
    """

    val: Estimate
    test: Estimate
    scale: Scale = CPU_SCALE

    @property
    def widening(self) -> Estimate:
        """How much less is gained on test than on val; above zero = worse on test."""
        wider = self.test.mean - self.val.mean
        if self.val.error is None or self.test.error is None:
            return Estimate(wider)
        return Estimate(wider, math.hypot(self.val.error, self.test.error))

    @property
    def fitted(self) -> bool:
        """Whether a part of the gain is fitted to val: surely some, and enough to matter."""
        wider = self.widening
        return _surely_above_zero(wider) and wider.mean > max(
            self.scale.tie, _MATERIAL * abs(self.val.mean)
        )

    @property
    def holds(self) -> bool:
        """Whether test alone shows a gain."""
        return _surely_above_zero(Estimate(-self.test.mean, self.test.error))

    @property
    def description(self) -> str:
        """The finding, in a sentence."""
        wider = self._text(self.widening)
        if self.fitted and self.test.mean >= 0:
            return f"it is fitted to val: on test it gains nothing, and the gap widens by {wider}"
        if self.fitted:
            return f"it is fitted to val in part: the gap to test widens by {wider}"
        if self.holds:
            return "the gain holds on test"
        return "the test documents are too few to tell"

    def _text(self, estimate: Estimate) -> str:
        metric = self.scale.metric
        error = "" if estimate.error is None else f" ± {metric.amount(estimate.error)}"
        return f"{metric.delta(estimate.mean)}{error} {metric.unit}"


@dataclass(frozen=True)
class Sides:
    """Bits of the same documents from two checkpoints, and the documents' bytes."""

    experiment: Sequence[float]
    baseline: Sequence[float]
    sizes: Sequence[int]


def generalization_gap(
    val: Sides, test: Sides, scale: Scale = CPU_SCALE
) -> GeneralizationGap | None:
    """Return the difference of an experiment from a baseline on both splits.

    None where the bits are not of these documents.
    """
    on_val, on_test = _difference(val), _difference(test)
    return None if on_val is None or on_test is None else GeneralizationGap(on_val, on_test, scale)


def _difference(sides: Sides) -> Estimate | None:
    # Each side is one checkpoint, whatever its seed: what a seed adds is in val as in test.
    difference = by_document({0: sides.experiment}, {0: sides.baseline}, sides.sizes)
    return None if difference is None else Estimate(difference.bpb, difference.error)


def _surely_above_zero(estimate: Estimate) -> bool:
    return estimate.error is not None and estimate.mean > _SURE * estimate.error
