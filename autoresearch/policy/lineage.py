"""The total gain of the keeps from a study's baseline to its best experiment."""

from collections.abc import Iterator, Mapping
from math import fsum, sqrt

from autoresearch.records.values import Estimate

Lineage = Mapping[int, tuple[int | None, Estimate | None]]  # parent and effect, by number


def believed_gain(lineage: Lineage, best: int | None) -> Estimate | None:
    """Return the sum of the believed effects of the best experiment and of all that it builds on.

    Each effect was measured in pairs on shared seeds, so the sum has less noise than the difference
    of two mean scores. None where one of them is not known, and for a baseline, whose parent is
    None.
    """
    effects = list(_effects(lineage, best))
    known = [each for each in effects if each is not None]
    if not known or len(known) < len(effects):
        return None
    errors = [each.error for each in known if each.error is not None]
    error = sqrt(fsum(each**2 for each in errors)) if len(errors) == len(known) else None
    return Estimate(fsum(each.mean for each in known), error)


def _effects(lineage: Lineage, best: int | None) -> Iterator[Estimate | None]:
    """Yield the effects from the best experiment back to the first keep after the baseline."""
    parent, effect = lineage.get(best or 0, (None, None))
    while parent is not None:
        yield effect
        parent, effect = lineage.get(parent, (None, None))
