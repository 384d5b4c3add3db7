"""What may be claimed: a keep is confirmed by pairs that had no part in choosing it.

A kept experiment was chosen because its first pair looked good, so that pair proves little. A claim
counts only the pairs after it, against the prior in which most ideas are no better; and its noise
is the larger for being known from few repeats.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean

from autoresearch.policy.effects import Posterior, Prior, posterior, prospects
from autoresearch.policy.noise import Noise, adjust_for_throughput, paired
from autoresearch.policy.scale import CPU_SCALE, Scale
from autoresearch.policy.verdicts import next_seed
from autoresearch.records.text import counted
from autoresearch.records.values import Estimate, Reading

CONFIRMED = 0.95
_LIKELY = 0.5  # what a keep on a single pair must be more likely better than
# Below this chance of becoming a claim with one more pair, the pair is better spent elsewhere.
_HOPELESS = 0.10
# One pair may prove little where three would do: so many pairs are looked ahead.
_AHEAD = (1, 3)
_PATIENT = (1, 3, 6)
_ENOUGH_REPEATS = 3
# A claim on a single pair would hang on that one training's luck, whatever its probability says.
_FEWEST_PAIRS = 2
_GOLDEN = 0.618
_DIGITS = 1e-12  # of a number: nearer than that nothing can be told apart


@dataclass(frozen=True)
class Kept:
    """A kept experiment beside the incumbent it replaced: readings of both, oldest first.

    `lines` is how many more its code has. `sampling` is the standard error that the choice of
    val documents leaves in the difference: all pairs share it, so no number of pairs shrinks it.
    A `reversal` is no idea: it is taken back by the ideas' prior with its sides exchanged. It is
    claimed by the plain one, in which most things are no better.
    """

    experiment: Sequence[Reading]
    parent: Sequence[Reading]
    lines: int = 0
    sampling: float = 0.0
    reversal: bool = False


@dataclass(frozen=True)
class Claim:
    """How sure a kept improvement is, by `pairs` fresh pairs.

    `effect` is the expected effect (below zero = better), `probability` that it is below zero.
    """

    confirmed: bool
    probability: float
    effect: Estimate
    pairs: int
    reason: str


def claim(kept: Kept, noise: Noise, prior: Prior, scale: Scale = CPU_SCALE) -> Claim:
    """Return what may be claimed of a kept experiment.

    Args:
        kept: the experiment and the incumbent of its time.
        noise: the study's.
        prior: what the study's ideas are like.
        scale: whose unit the reason is told in.
    """
    fresh = _fresh(kept, noise)
    believed = _believed(kept, fresh, noise, prior, _sure)
    if not fresh:
        return _claim(believed, 0, "no fresh pair yet", sure=False)
    # Its own pairs are repeats, too, whatever other code's are worth beside them.
    known = max(noise.pair_repeats, len(fresh)) >= _ENOUGH_REPEATS
    told = _told(fresh, believed, scale)
    if not known:
        return _claim(believed, len(fresh), f"{told}, but the noise is not known yet", sure=False)
    sure = believed.better >= CONFIRMED and len(fresh) >= _FEWEST_PAIRS
    return _claim(believed, len(fresh), told, sure=sure)


def _claim(believed: Posterior, pairs: int, reason: str, *, sure: bool) -> Claim:
    effect = Estimate(believed.mean, believed.deviation if pairs else None)
    return Claim(sure, believed.better, effect, pairs, reason)


def should_unkeep(kept: Kept, noise: Noise, prior: Prior, scale: Scale = CPU_SCALE) -> bool:
    """Return whether the readings by now say that a keep was none.

    Here the screening pair counts too: it is evidence like the others, and leaving it out would
    drop what it said in favour. Shorter code may be as much worse as when a tie let it in.
    """
    differences = _differences(kept, noise)
    allowed = scale.tie if kept.lines < 0 else 0.0
    # A keep needs readings below zero, whatever the prior hopes; so it falls by readings above it,
    # whatever the prior fears: most of what the prior alone takes back is truly better.
    if not differences or fmean(differences) <= 0:
        return False
    prior = prior.of(reversal=kept.reversal)
    return _believed(kept, differences, noise, prior, _good).mean > allowed


def worth_confirming(
    keeps: Sequence[Kept],
    noise: Noise,
    prior: Prior,
    *,
    epoch: int | None = 0,
    patient: bool = False,
) -> tuple[int, int] | None:
    """Return which keep (its place) the next further pair should go to, and the pair's seed.

    A doubtful one goes first, the oldest before the others: most is built on it. Else it is the one
    with the best chance per training of becoming a claim; None where none has one. Who is patient
    also takes a chance that only many pairs could make good. A seed that one side alone has read
    costs half a pair, if that was in this `epoch`; None lets none do so.
    """
    if unsure := doubtful(keeps, noise, prior):
        return unsure[0], _seed(keeps[unsure[0]], epoch)[0]
    best, found = 0.0, None
    for place, kept in enumerate(keeps):
        seed, cost = _seed(kept, epoch)
        chance = _chance(kept, noise, prior, _PATIENT if patient else _AHEAD) / cost
        if chance > best:
            best, found = chance, (place, seed)
    return found


def doubtful(keeps: Sequence[Kept], noise: Noise, prior: Prior) -> list[int]:
    """Return the places of those that stand on one pair alone and are more likely no better."""
    return [place for place, kept in enumerate(keeps) if _is_doubtful(kept, noise, prior)]


def _is_doubtful(kept: Kept, noise: Noise, prior: Prior) -> bool:
    differences = _differences(kept, noise)
    if len(differences) != 1:
        return False
    prior = prior.of(reversal=kept.reversal)
    return _of_pairs(kept, differences, noise, prior).better < _LIKELY


def _seed(kept: Kept, epoch: int | None) -> tuple[int, int]:
    """Return the seed of a keep's next pair, and how many trainings that takes."""
    half = _half(kept, epoch)
    return (half, 1) if half is not None else (next_seed(kept.experiment, kept.parent), 2)


def _half(kept: Kept, epoch: int | None) -> int | None:
    """Return a seed that one side alone has read, and in this epoch."""
    mine, theirs = ({each.seed for each in side} for side in (kept.experiment, kept.parent))
    read = {each.seed for each in (*kept.experiment, *kept.parent) if each.epoch == epoch}
    return min((mine ^ theirs) & read, default=None)


def _chance(kept: Kept, noise: Noise, prior: Prior, looks: Sequence[int]) -> float:
    if claim(kept, noise, prior).confirmed:
        return 0.0
    chances = [(_chance_of_claim(kept, noise, prior, ahead), ahead) for ahead in looks]
    worth = [chance / ahead for chance, ahead in chances if chance >= _HOPELESS]
    return max(worth, default=0.0)


def _chance_of_claim(kept: Kept, noise: Noise, prior: Prior, ahead: int) -> float:
    # What further pairs may read is foreseen from all pairs; what they prove, from the fresh ones.
    differences, fresh = _differences(kept, noise), _fresh(kept, noise)
    variance = _variance(differences, noise)
    outlook = prospects(prior, fmean(differences), variance / len(differences), variance / ahead)
    pairs, total = len(fresh) + ahead, sum(fresh)
    if pairs < _FEWEST_PAIRS:
        return 0.0
    error = variance / pairs + kept.sampling**2
    return sum(
        share
        for share, value, _ in outlook
        if posterior(prior, (total + ahead * value) / pairs, error).better >= CONFIRMED
    )


def _sure(effect: Posterior) -> float:
    return effect.better


def _good(effect: Posterior) -> float:
    return -effect.mean


def _believed(
    kept: Kept,
    differences: Sequence[float],
    noise: Noise,
    prior: Prior,
    best: Callable[[Posterior], float],
) -> Posterior:
    """Return what pairs say of the effect.

    A pair far better than the others makes the noise look large. Had it been less good, more would
    be believed, and good evidence must not count against itself: so the pairs below a level are
    taken to lie on it, at whatever level is `best`. Source: golden section search.
    """

    def capped(level: float) -> Posterior:
        return _of_pairs(kept, [max(each, level) for each in differences], noise, prior)

    if not differences:
        return posterior(prior, 0.0, 1e6 * noise.pair**2)
    low, high = min(differences), max(differences)
    near = max(0.01 * noise.pair, _DIGITS * max(abs(low), abs(high)))
    while high - low > near:
        left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
        if best(capped(left)) > best(capped(right)):
            high = right
        else:
            low = left
    return max(capped(low), capped(min(differences)), key=best)


def _of_pairs(kept: Kept, differences: Sequence[float], noise: Noise, prior: Prior) -> Posterior:
    variance = _variance(differences, noise) / len(differences) + kept.sampling**2
    return posterior(prior, fmean(differences), variance)


def _variance(differences: Sequence[float], noise: Noise) -> float:
    # Student's t has heavier tails the fewer the repeats; its variance is f / (f - 2) times larger.
    freedom = max(noise.pair_repeats, 3)
    return noise.of_pair(differences) ** 2 * freedom / (freedom - 2)


def _fresh(kept: Kept, noise: Noise) -> list[float]:
    return _differences(kept, noise)[1:]


def _differences(kept: Kept, noise: Noise) -> list[float]:
    # Steadied among the pairs alone: what one side read besides, perhaps at another speed of the
    # machine, must not move their mean.
    mine, theirs = _beside(kept.experiment, kept.parent), _beside(kept.parent, kept.experiment)
    return paired(
        adjust_for_throughput(mine, noise.slope), adjust_for_throughput(theirs, noise.slope)
    )


def _beside(side: Sequence[Reading], other: Sequence[Reading]) -> list[Reading]:
    """Return the readings of a side that the other has beside them."""
    known = {(each.seed, each.epoch) for each in other}
    return [each for each in side if (each.seed, each.epoch) in known]


def _told(fresh: Sequence[float], believed: Posterior, scale: Scale) -> str:
    pairs = counted(len(fresh), "fresh pair")
    return f"{scale.text(fmean(fresh))} on {pairs}, better with probability {believed.better:.1%}"
