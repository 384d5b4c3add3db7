"""The way from a study's baseline to its best experiment, and what is gained on it."""

from collections.abc import Mapping
from math import fsum, sqrt

from autoresearch.records.values import Estimate

Lineage = Mapping[int, tuple[int | None, Estimate | None]]  # parent and effect, by number


def tip_of(parents: Mapping[int, int | None]) -> int | None:
    """Return the keep that no other builds on, of keeps by number with what each builds on.

    Of several it is the newest; None where nothing is kept.
    """
    return max(parents.keys() - set(parents.values()), default=None)


def line_to(tip: int | None, parents: Mapping[int, int | None]) -> list[int]:
    """Return the numbers on the way from the baseline to a tip, oldest first."""
    line = list[int]()
    while tip is not None and tip in parents:
        line.append(tip)
        tip = parents[tip]
    return line[::-1]


def believed_gain(lineage: Lineage, best: int | None) -> Estimate | None:
    """Return the sum of the believed effects of the best experiment and of all that it builds on.

    Each effect was measured in pairs on shared seeds, so the sum has less noise than the difference
    of two mean scores. None where one of them is not known, and for a baseline, whose parent is
    None.
    """
    parents = {number: parent for number, (parent, _) in lineage.items()}
    line = [number for number in line_to(best, parents) if parents[number] is not None]
    known = [each for number in line if (each := lineage[number][1]) is not None]
    if not known or len(known) < len(line):
        return None
    errors = [each.error for each in known if each.error is not None]
    error = sqrt(fsum(each**2 for each in errors)) if len(errors) == len(known) else None
    return Estimate(fsum(each.mean for each in known), error)
