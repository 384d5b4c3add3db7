"""What the keeps from a study's baseline to its best have gained, one on top of the other."""

from collections.abc import Iterator, Mapping
from math import fsum, sqrt

from autoresearch.records.values import Estimate

Lineage = Mapping[int, tuple[int | None, Estimate | None]]  # parent and effect, by number


def believed_gain(lineage: Lineage, best: int | None) -> Estimate | None:
    """Return the believed effects of the best and of what it builds on, added up.

    Each was measured in pairs on shared seeds, which tells it apart from the noise between seeds
    that the difference of two mean scores is full of. None where one is not known, and for a
    baseline, whose parent is None.
    """
    effects = list(_effects(lineage, best))
    known = [each for each in effects if each is not None]
    if not known or len(known) < len(effects):
        return None
    errors = [each.error for each in known if each.error is not None]
    error = sqrt(fsum(each**2 for each in errors)) if len(errors) == len(known) else None
    return Estimate(fsum(each.mean for each in known), error)


def _effects(lineage: Lineage, best: int | None) -> Iterator[Estimate | None]:
    """Yield the effect of the best and of each that it builds on, without the baseline's."""
    parent, effect = lineage.get(best or 0, (None, None))
    while parent is not None:
        yield effect
        parent, effect = lineage.get(parent, (None, None))
