"""What each proposer has gained, and whether that is more than the control arm gained.

An experiment's gain is what its keep is believed to have done to the score, in the metric's unit
and above zero = better; an experiment that was not kept, or whose keep was taken back, gained
nothing. Gains are rare and skewed, so no normal interval holds: a mean gain is drawn as share of
keeps times mean gain of a keep. The share has a Jeffreys posterior (Beta; half a keep and half a
failure added), the gain of a keep a Bayesian bootstrap (Rubin, 1981) of the arm's own keeps and,
with the weight of a single one, those of both arms: so an arm that has kept nothing is not known to
be worth nothing. Each gain is drawn with its own error. `benchmarks/arms.py` counts how often the
intervals are right.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import fsum, sqrt
from statistics import fmean

import numpy as np
from numpy.typing import NDArray

from autoresearch.policy.calibration import Calibration, calibrate
from autoresearch.records.arms import Trained

Vector = NDArray[np.float64]
_DRAWS = 4000
_SEED = 5  # the same study, the same interval
_JEFFREYS = 0.5
_BORROWED = 1.0  # how many own keeps those of both arms together weigh
_INTERVAL = (0.025, 0.975)
_HOUR = 3600.0


@dataclass(frozen=True)
class ProposerRecord:
    """What a proposer's trained experiments came to; `gained` with its standard error.

    `control` says whether these are the turns that it took as a control; its other turns are
    another record. `seconds` are all that its experiments were trained for, until their verdicts.
    """

    proposer: str
    control: bool
    trained: int
    kept: int
    confirmed: int
    gained: float
    gained_error: float
    seconds: float

    @property
    def per_experiment(self) -> float:
        """The gain of a trained experiment."""
        return self.gained / self.trained

    @property
    def per_hour(self) -> float | None:
        """The gain of an hour of training; None where none was trained for any time."""
        return self.gained * _HOUR / self.seconds if self.seconds > 0 else None


@dataclass(frozen=True)
class Difference:
    """How much more than the control, with its 95% interval; above zero = better."""

    value: float
    low: float
    high: float

    @property
    def seen(self) -> bool:
        """Whether zero lies outside the interval."""
        return self.low > 0 or self.high < 0


@dataclass(frozen=True)
class ProposerComparison:
    """A proposer's gain less that of the control that shared its turns.

    Both differences are None where nothing was kept on either side, `per_hour` also where nothing
    took any time.
    """

    proposer: str
    control: str
    trained: int
    control_trained: int
    per_experiment: Difference | None
    per_hour: Difference | None


def records(trained: Iterable[Trained]) -> list[ProposerRecord]:
    """Return each proposer's record by name, controls last."""
    sides: dict[tuple[bool, str], list[Trained]] = {}
    for each in trained:
        sides.setdefault((each.is_control, each.proposer), []).append(each)
    return [_record(name, mine, control) for (control, name), mine in sorted(sides.items())]


def compare(trained: Iterable[Trained]) -> list[ProposerComparison]:
    """Return each proposer beside each control, over the turns that both could have had."""
    shared: dict[str, dict[str, list[Trained]]] = {}
    for each in trained:
        if each.control:
            shared.setdefault(each.control, {}).setdefault(each.proposer, []).append(each)
    return [
        _compared(name, sides[name], control, sides[control])
        for control, sides in sorted(shared.items())
        if control in sides
        for name in sorted(sides)
        if name != control
    ]


def calibrations(trained: Iterable[Trained]) -> dict[str, Calibration]:
    """Return the calibration of every proposer that predicted anything, by name."""
    pairs: dict[str, list[tuple[float, float]]] = {}
    for each in trained:
        if each.predicted is not None and each.delta is not None:
            pairs.setdefault(each.proposer, []).append((each.predicted, each.delta))
    calibrated = {name: calibrate(pairs[name]) for name in sorted(pairs)}
    return {name: each for name, each in calibrated.items() if each is not None}


def _record(name: str, mine: Sequence[Trained], control: bool) -> ProposerRecord:  # noqa: FBT001
    keeps = [each for each in mine if each.kept]
    return ProposerRecord(
        proposer=name,
        control=control,
        trained=len(mine),
        kept=len(keeps),
        confirmed=sum(each.confirmed for each in keeps),
        gained=fsum(each.gain for each in keeps),
        gained_error=sqrt(fsum((each.delta_error or 0.0) ** 2 for each in keeps)),
        seconds=fsum(each.seconds for each in mine),
    )


def _compared(
    name: str, mine: Sequence[Trained], control: str, theirs: Sequence[Trained]
) -> ProposerComparison:
    both = [*mine, *theirs]
    differences: list[Difference | None] = [None, None]
    if any(each.kept for each in both):
        rng = np.random.default_rng(_SEED)
        one, other = _Drawn.of(mine, both, rng), _Drawn.of(theirs, both, rng)
        differences = [
            _difference(_mean(mine), _mean(theirs), one.gain - other.gain),
            _difference(_rate(mine), _rate(theirs), one.rate - other.rate),
        ]
    return ProposerComparison(name, control, len(mine), len(theirs), *differences)


def _difference(mine: float | None, theirs: float | None, drawn: Vector) -> Difference | None:
    if mine is None or theirs is None:
        return None
    value = mine - theirs
    low, high = (float(each) for each in np.quantile(drawn, _INTERVAL))
    # The priors move a small arm's interval: it is widened until it holds what was seen.
    return Difference(value, min(low, value), max(high, value))


def _mean(side: Sequence[Trained]) -> float:
    return fmean(each.gain for each in side)


def _rate(side: Sequence[Trained]) -> float | None:
    seconds = fsum(each.seconds for each in side)
    return fsum(each.gain for each in side) * _HOUR / seconds if seconds > 0 else None


@dataclass(frozen=True)
class _Drawn:
    """Draws from the posterior of an arm's true gain, per experiment and per hour."""

    gain: Vector
    rate: Vector

    @classmethod
    def of(
        cls, side: Sequence[Trained], both: Sequence[Trained], rng: np.random.Generator
    ) -> "_Drawn":
        keeps = [each for each in side if each.kept]
        rest = len(side) - len(keeps)
        share = rng.beta(_JEFFREYS + len(keeps), _JEFFREYS + rest, _DRAWS)
        gain = share * _of_a_keep(keeps, [each for each in both if each.kept], rng)
        kept, other = (_seconds(side, both, kept=kept) for kept in (True, False))
        hours = (share * kept + (1 - share) * other) / _HOUR
        return cls(gain, gain / np.maximum(hours, np.finfo(float).tiny))


def _of_a_keep(own: Sequence[Trained], both: Sequence[Trained], rng: np.random.Generator) -> Vector:
    """Return draws of a keep's mean gain: from the arm's own keeps, a little from both arms'."""
    keeps = [*own, *both]
    shape = [1.0] * len(own) + [_BORROWED / len(both)] * len(both)
    weights = rng.standard_gamma(shape, (_DRAWS, len(keeps)))
    errors = np.array([each.delta_error or 0.0 for each in keeps])
    gains = np.array([each.gain for each in keeps])
    drawn = gains + errors * rng.standard_normal((_DRAWS, len(keeps)))
    total = weights.sum(axis=1)
    return np.asarray((weights * drawn).sum(axis=1) / np.maximum(total, np.finfo(float).tiny))


def _seconds(side: Sequence[Trained], both: Sequence[Trained], *, kept: bool) -> float:
    """Return the mean seconds of a side's keeps or others; of both sides', if it has none."""
    for those in (side, both):
        if seconds := [each.seconds for each in those if each.kept is kept]:
            return fmean(seconds)
    return 0.0
