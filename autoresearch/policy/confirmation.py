"""Whether a keep is confirmed: by pairs that had no part in choosing it.

A kept experiment was chosen because its first pair looked good, so that pair proves little. Only
the pairs after it (the fresh ones) count, against the prior in which most ideas are no better, and
their noise is taken to be larger while it is known from few repeats.
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
_LIKELY = 0.5  # a keep on a single pair is doubtful where it is less likely better than this
# Below this chance of being confirmed by further pairs, a pair is better spent elsewhere.
_HOPELESS = 0.10
# By how many further pairs a keep might be confirmed: one may prove little where three would do.
_AHEAD = (1, 3)
_PATIENT = (1, 3, 6)
_ENOUGH_REPEATS = 3
# A confirmation by one pair would hang on one training's luck, whatever its probability says.
_FEWEST_PAIRS = 2
_GOLDEN = 0.618
_DIGITS = 1e-12  # relative: numbers nearer than that cannot be told apart


@dataclass(frozen=True)
class Kept:
    """A kept experiment beside the incumbent it replaced: readings of both, oldest first.

    `lines` is how many more its code has. `sampling` is the standard error that the choice of val
    documents leaves in the difference: all pairs share it, so no number of pairs shrinks it. A
    `reversal` takes an earlier keep back, so it is no idea: whether it stays is judged by the
    ideas' prior with better and worse exchanged, whether it is confirmed by the plain one, which is
    stricter.
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
    """Return whether a kept experiment is confirmed, how probable it is that it is better, and why.

    Args:
        kept: the experiment and the incumbent of its time.
        noise: the study's.
        prior: what the study's ideas are like.
        scale: in whose unit the reason is written.
    """
    fresh = _fresh(kept, noise)
    believed = _believed(kept, fresh, noise, prior, lambda effect: effect.better)
    if not fresh:
        return _claim(believed, 0, "no fresh pair yet", sure=False)
    # Its own pairs are repeats as well, however little those of other code count.
    is_known = max(noise.pair_repeats, len(fresh)) >= _ENOUGH_REPEATS
    measured = f"{scale.text(fmean(fresh))} on {counted(len(fresh), 'fresh pair')}"
    reason = f"{measured}, better with probability {believed.better:.1%}"
    if not is_known:
        return _claim(believed, len(fresh), f"{reason}, but the noise is not known yet", sure=False)
    sure = believed.better >= CONFIRMED and len(fresh) >= _FEWEST_PAIRS
    return _claim(believed, len(fresh), reason, sure=sure)


def _claim(believed: Posterior, pairs: int, reason: str, *, sure: bool) -> Claim:
    effect = Estimate(believed.mean, believed.deviation if pairs else None)
    return Claim(sure, believed.better, effect, pairs, reason)


def should_unkeep(kept: Kept, noise: Noise, prior: Prior, scale: Scale = CPU_SCALE) -> bool:
    """Return whether a keep is to be taken back: by all its pairs so far it is no better.

    The screening pair counts here, too: it is evidence like the others, and leaving it out would
    drop what it said in favour. Shorter code may be worse by `scale.tie`, as when it was kept.
    """
    differences = _differences(kept, noise)
    allowed = scale.tie if kept.lines < 0 else 0.0
    # An experiment is kept only if its differences are below zero on average, whatever the prior
    # says. So a keep is taken back only if they are above: most of what would be taken back for the
    # prior alone is truly better.
    if not differences or fmean(differences) <= 0:
        return False
    prior = prior.of(reversal=kept.reversal)
    return _believed(kept, differences, noise, prior, lambda effect: -effect.mean).mean > allowed


def worth_confirming(
    keeps: Sequence[Kept],
    noise: Noise,
    prior: Prior,
    *,
    epoch: int | None = 0,
    patient: bool = False,
) -> tuple[int, int] | None:
    """Return the place of the keep that the next fresh pair should go to, and the pair's seed.

    A doubtful keep goes first, the oldest of them: most is built on it. Else it is the keep with
    the best chance per training of being confirmed; None where none has one. `patient` also counts
    a chance that takes many pairs. A seed that only one of the two sides has read costs half a
    pair, if it was read in this `epoch`; with None no such seed is looked for.
    """
    if unsure := doubtful(keeps, noise, prior):
        return unsure[0], _seed(keeps[unsure[0]], epoch)[0]
    best, choice = 0.0, None
    for place, kept in enumerate(keeps):
        seed, cost = _seed(kept, epoch)
        chance = _chance(kept, noise, prior, _PATIENT if patient else _AHEAD) / cost
        if chance > best:
            best, choice = chance, (place, seed)
    return choice


def doubtful(keeps: Sequence[Kept], noise: Noise, prior: Prior) -> list[int]:
    """Return the places of the keeps that rest on one pair and are more likely no better."""
    return [place for place, kept in enumerate(keeps) if _is_doubtful(kept, noise, prior)]


def _is_doubtful(kept: Kept, noise: Noise, prior: Prior) -> bool:
    differences = _differences(kept, noise)
    if len(differences) != 1:
        return False
    prior = prior.of(reversal=kept.reversal)
    return _of_pairs(kept, differences, noise, prior).better < _LIKELY


def _seed(kept: Kept, epoch: int | None) -> tuple[int, int]:
    """Return the seed of a keep's next pair, and how many trainings that takes: 1 or 2."""
    experiment, parent = ({each.seed for each in side} for side in (kept.experiment, kept.parent))
    read = {each.seed for each in (*kept.experiment, *kept.parent) if each.epoch == epoch}
    if half_read := (experiment ^ parent) & read:
        return min(half_read), 1
    return next_seed(kept.experiment, kept.parent), 2


def _chance(kept: Kept, noise: Noise, prior: Prior, looks: Sequence[int]) -> float:
    """Return the best chance per further pair that a keep is confirmed; 0 where it is hopeless."""
    if claim(kept, noise, prior).confirmed:
        return 0.0
    chances = [(_chance_of_claim(kept, noise, prior, ahead), ahead) for ahead in looks]
    worth = [chance / ahead for chance, ahead in chances if chance >= _HOPELESS]
    return max(worth, default=0.0)


def _chance_of_claim(kept: Kept, noise: Noise, prior: Prior, ahead: int) -> float:
    # What further pairs may read is predicted from all pairs; what they prove, from the fresh ones.
    differences, fresh = _differences(kept, noise), _fresh(kept, noise)
    pairs, total = len(fresh) + ahead, sum(fresh)
    if pairs < _FEWEST_PAIRS:
        return 0.0
    variance = _variance(differences, noise)
    outlook = prospects(prior, fmean(differences), variance / len(differences), variance / ahead)
    error = variance / pairs + kept.sampling**2
    return sum(
        share
        for share, value, _ in outlook
        if posterior(prior, (total + ahead * value) / pairs, error).better >= CONFIRMED
    )


def _believed(
    kept: Kept,
    differences: Sequence[float],
    noise: Noise,
    prior: Prior,
    best: Callable[[Posterior], float],
) -> Posterior:
    """Return the posterior of the effect by these pairs, capped where `best` of it is largest.

    One pair far better than the others makes the noise look large, so that the estimate would be
    worse than if that pair had been less good. To prevent that, differences below a cap are set to
    it, and the cap is the one at which `best` is largest. Source: golden section search.
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
    # Adjusted among the pairs alone: what only one side read, perhaps at another speed of the
    # machine, must not move their mean.
    experiment = adjust_for_throughput(_beside(kept.experiment, kept.parent), noise.slope)
    parent = adjust_for_throughput(_beside(kept.parent, kept.experiment), noise.slope)
    return paired(experiment, parent)


def _beside(side: Sequence[Reading], other: Sequence[Reading]) -> list[Reading]:
    """Return the readings of a side whose seed and epoch the other side has read, too."""
    known = {(each.seed, each.epoch) for each in other}
    return [each for each in side if (each.seed, each.epoch) in known]
