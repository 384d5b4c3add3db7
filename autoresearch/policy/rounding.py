"""How far a prediction computed twice may differ, and the smallest leak that is found all the same.

A prediction that is computed twice, in other batches and widths, comes out a little different: on a
GPU in bfloat16 by hundredths of a nat. The baseline is the person's own code, so its differences
are honest, and later candidates may differ by HEADROOM times as much: at any position, and in the
root mean square. A leak can hide in that room in two ways. In a few large pieces it is seen
wherever one of them is probed; in many pieces below the tolerance it moves the mean of the errors,
which honest rounding leaves at zero. The smallest leak that is found is what can hide in both ways
together.
"""

import math

from autoresearch.records.scores import Allowance

HEADROOM = 3.0  # how many times as noisy as the baseline a candidate may be
CEILING = 0.5  # nats: no arithmetic is allowed more at one position, however noisy the baseline
TAIL = 5.0  # the largest honest difference counts as at least so many root mean squares of them
MISS = 1e-3  # the chance that a leak as large as the one looked for is missed
FALSE_ALARM = 4.0  # standard errors that the mean error of honest predictions may be from zero
SURE = 3.1  # standard errors beyond those at which a leak is found but for a chance of MISS
LEAN = 1 / 30  # of the noise: how far from zero the mean of honest errors may be, of however many
QUIETER = (
    "Let load_model compute in float32, at least the logits, and start another study with --tag"
)
MEASURED = 1024  # positions probed at least where the noise is measured
MOST = 2**14  # positions probed at most


def allow(largest: float, noise: float, least: float) -> Allowance:
    """Return what later candidates may differ by.

    Args:
        largest: difference in nats among the baseline's probes.
        noise: root mean square of those that were drawn uniformly.
        least: tolerance that is given in any case.
    """
    tolerance = min(max(least, HEADROOM * max(largest, TAIL * noise)), max(CEILING, least))
    return Allowance(tolerance, max(noise, least / (HEADROOM * TAIL)))


def at_ceiling(allowance: Allowance) -> bool:
    """Tell whether the baseline is so noisy that an honest candidate may fail the audit."""
    return allowance.noise is not None and allowance.tolerance >= CEILING


def too_noisy(allowance: Allowance) -> str:
    """Return what a person should know of a study that is at the ceiling."""
    return (
        f"the baseline's own predictions, computed again, differ by {allowance.noise:.2g} nats "
        f"in the root mean square, and more than {allowance.tolerance:g} at a position are never "
        f"allowed: honest changes may fail the audit, and small leaks pass it. {QUIETER}"
    )


def most_noise(allowance: Allowance) -> float:
    """Return the largest root mean square that a candidate's differences may have, in nats."""
    return math.inf if allowance.noise is None else HEADROOM * allowance.noise


def most_lean(allowance: Allowance, noise: float, uniform: int) -> float:
    """Return how far above zero the mean of `uniform` differences of this noise may be, in nats."""
    room = allowance.tolerance / 100 if allowance.noise is None else LEAN * allowance.noise
    return room + FALSE_ALARM * noise / math.sqrt(uniform)


def smallest_leak(probes: int, spread: float, noise: float) -> float:
    """Return the smallest leak, in nats a position, found with a chance of 1 - MISS.

    Args:
        probes: positions audited, half of them drawn uniformly, half by what was gained there.
        spread: root mean square of what was gained over what could be expected, in nats.
        noise: root mean square of the differences, in nats.
    """
    in_large_pieces = -math.log(MISS) * spread / probes
    in_small_ones = LEAN * noise + (FALSE_ALARM + SURE) * noise / math.sqrt(probes / 2)
    return in_large_pieces + in_small_ones


def probes_needed(leak: float, spread: float, noise: float) -> int:
    """Return how many probes find such a leak: the least n with smallest_leak(n) <= leak.

    Never more than MOST; `smallest_leak` then says what is still found.
    """
    room = leak - LEAN * noise
    if room <= 0:
        return MOST
    large = -math.log(MISS) * spread / room
    small = math.sqrt(2) * (FALSE_ALARM + SURE) * noise / room
    root = (small + math.sqrt(small**2 + 4 * large)) / 2  # n - small * sqrt(n) - large = 0
    return math.ceil(min(root**2, MOST))
