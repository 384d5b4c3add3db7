"""Val against test: whether a night's choices were fitted to the documents that they were made on.

A study looks at val hundreds of times, at test never. Where a gain is real it is the same on both,
up to the choice of documents. Checkpoint against checkpoint the luck of a training cancels: it is
in val as in test.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from autoresearch.policy.documents import by_document
from autoresearch.policy.scale import CPU_SCALE, Scale
from autoresearch.records.values import Estimate

_SURE = 2.0  # standard errors
_MATERIAL = 0.1  # the share of a gain below which its loss is no matter


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
        """How much further test lies from val than it does for the baseline; above zero = worse."""
        wider = self.test.mean - self.val.mean
        if self.val.error is None or self.test.error is None:
            return Estimate(wider)
        return Estimate(wider, math.hypot(self.val.error, self.test.error))

    @property
    def fitted(self) -> bool:
        """Whether part of the gain is fitted to val: surely, and enough of it to matter."""
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
        """What it comes to, in a sentence."""
        wider = self._told(self.widening)
        if self.fitted and self.test.mean >= 0:
            return f"it is fitted to val: on test it gains nothing, and the gap widens by {wider}"
        if self.fitted:
            return f"it is fitted to val in part: the gap to test widens by {wider}"
        if self.holds:
            return "the gain holds on test"
        return "the test documents are too few to tell"

    def _told(self, estimate: Estimate) -> str:
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
    """Return how an experiment fares against a baseline on both splits.

    None where the bits are not of these documents.
    """
    on_val, on_test = _difference(val), _difference(test)
    return None if on_val is None or on_test is None else GeneralizationGap(on_val, on_test, scale)


def _difference(sides: Sides) -> Estimate | None:
    # Each side is one checkpoint, whatever its seed: what that adds is in val as in test.
    found = by_document({0: sides.experiment}, {0: sides.baseline}, sides.sizes)
    return None if found is None else Estimate(found.bpb, found.error)


def _surely_above_zero(estimate: Estimate) -> bool:
    return estimate.error is not None and estimate.mean > _SURE * estimate.error
