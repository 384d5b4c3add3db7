"""Simulated nights of other metrics than bits per byte: is the policy as good, and as careful?

    python benchmarks/metrics.py [--nights N] [--first SEED] [--write]

The nights are those of nights.py, where a seed adds 0.013 bpb for every code and a training 0.004
of its own. What the policy reads is turned into a metric's unit, and of that unit it is told
nothing: it has the baseline's two trainings. Nights without a seed have the same noise, none of it
shared. Effects are told as shares of the noise between trainings. With --write the table goes into
results/metrics.md.
"""

import argparse
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, stdev

from night_house import Ways, played
from night_rules import MIXES, NOTHING, OFFSET, SLOTS, START, Lab, Mix, Night

from autoresearch import policy
from autoresearch.records.metric import BITS_PER_BYTE, Direction, Metric, MetricSource
from autoresearch.records.values import Reading

HERE = Path(__file__).parent
SIGMA = 0.004
SPREAD = math.hypot(OFFSET, SIGMA)  # between trainings of one code, bpb
MEASURED = MIXES[1]


@dataclass(frozen=True)
class Kind:
    """A metric whose baseline scores `level` with a deviation of `spread`, in steps of `grain`."""

    name: str
    level: float
    spread: float
    direction: Direction = Direction.HIGHER
    grain: float = 0.0

    @property
    def metric(self) -> Metric:
        """The metric as a study holds it."""
        return Metric(self.name, "points", self.direction, MetricSource.EVALUATED)


KINDS = (
    Kind("accuracy 0.9", 0.9, 0.004),
    Kind("accuracy on 500 examples", 0.9, 0.004, grain=0.002),
    Kind("loss 350", 350.0, 4.0, Direction.LOWER),
    Kind("reward near 0", -0.3, 2.0),
    Kind("likelihood -1e6", -1e6, 20.0),
    Kind("loss 1e-7", 1e-7, 3e-10, Direction.LOWER),
)


class MetricLab(Lab):
    """A night whose scores are read in a metric's unit, lower where they are better."""

    def __init__(self, seed: int, mix: Mix, kind: Kind, *, paired: bool) -> None:
        super().__init__(seed, SIGMA, mix)
        self._unit = kind.spread / SPREAD
        self._level = kind.metric.shown(kind.level)
        self._grain, self._paired = kind.grain, paired
        self._trained = 0

    def train(self, true: float, seed: int = 1) -> Reading:
        """Take a slot and return what it reads."""
        self._trained += 1
        read = super().train(true, seed if self._paired else self._trained).bpb
        score = self._level + self._unit * (read - START)
        return Reading(seed, round(score / self._grain) * self._grain if self._grain else score)

    def true(self, score: float) -> float:
        """Return a score that was read, or is believed, in bpb."""
        return START + (score - self._level) / self._unit


def night(seed: int, mix: Mix, kind: Kind | None, *, paired: bool, slots: int = SLOTS) -> Night:
    """Play a night: of a metric, or of bits per byte in the shipped scale of a CPU."""

    def scale(best: Sequence[Sequence[Reading]]) -> policy.Scale:
        metric = kind.metric if kind else BITS_PER_BYTE
        return policy.scale_of(metric, "cpu", best, paired=paired)

    lab = MetricLab(seed, mix, kind, paired=paired) if kind else Lab(seed, SIGMA, mix)
    lab.left = float(slots)
    return played(lab, Ways(scale=scale))


def table(nights: int, first: int) -> Iterator[str]:
    """Yield a line a metric, with seeds and without; bits per byte are the first."""
    yield (
        "| metric | seeds | A/A: kept | A/A: nights with a false claim | true improvement "
        "| reported - true | kept (better) | claims a night (false) |"
    )
    yield "|---|---|---|---|---|---|---|---|"
    seeds = range(first, first + nights)
    for kind, paired in ((None, True), *((kind, way) for way in (True, False) for kind in KINDS)):
        same, real = (
            [night(seed, mix, kind, paired=paired) for seed in seeds] for mix in (NOTHING, MEASURED)
        )
        yield _line(kind.name if kind else "bits per byte", same, real, paired=paired)


def _line(name: str, same: Sequence[Night], real: Sequence[Night], *, paired: bool) -> str:
    wrong = sum(each.false_claims > 0 for each in same)
    made, false = sum(each.claims for each in real), sum(each.false_claims for each in real)
    true, off = ([value / SPREAD for value in values] for values in (
        [each.true for each in real], [each.reported - each.true for each in real]))  # fmt: skip
    cells = [
        name,
        "shared" if paired else "none",
        f"{fmean(each.kept for each in same):.1f}",
        f"{wrong} of {len(same)}",
        f"{fmean(true):+.2f} ± {stdev(true) / math.sqrt(len(true)):.2f}",
        f"{fmean(off):+.2f} ± {stdev(off) / math.sqrt(len(off)):.2f}",
        f"{fmean(each.kept for each in real):.1f} ({fmean(each.truly for each in real):.1f})",
        f"{made / len(real):.2f} ({false} of {made})",
    ]
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Play the nights and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--nights", type=int, default=40, metavar="N")
    parser.add_argument("--first", type=int, default=30_000, metavar="SEED")
    parser.add_argument("--write", action="store_true", help="into results/")
    options = parser.parse_args()
    begun, lines = time.process_time(), list[str]()
    for line in table(options.nights, options.first):
        lines.append(line)
        print(line, flush=True)
    seconds = time.process_time() - begun
    print(f"\n{seconds:.0f} CPU seconds")
    if options.write:
        asked = f"--nights {options.nights} --first {options.first} --write"
        head = (
            f"# Nights of other metrics\n\n`python benchmarks/metrics.py {asked}` ({seconds:.0f} "
            f"CPU seconds); what is simulated is said at the script's top. {options.nights} nights "
            "a line and mix; improvements and reports in deviations between trainings.\n\n"
        )
        (HERE / "results" / "metrics.md").write_text(head + "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
