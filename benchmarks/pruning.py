"""Whether early stopping may be trusted: winners lost and budget saved on curves it has not seen.

usage: python benchmarks/pruning.py [--curves PATH] [--nights 300] [--write] [--ship]

Every ordered pair of codes that were trained on one seed is a pair: one of them is the experiment,
the other its incumbent. The curves are of `pruning_curves.py`; those of an earlier, smaller GPT
(`earlier`: about 60 CPU seconds, 850 steps whatever they took) were never calibrated on. `--write`
records the result in results/pruning.md, `--ship` writes the thresholds into the package.
"""

import argparse
import itertools
import random
import re
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from statistics import fmean

from pruning_curves import read
from pruning_edits import ARCHITECTURE, BASE

from autoresearch import policy
from autoresearch.policy import pruning
from autoresearch.records.training import Point

HERE = Path(__file__).parent
CURVES = HERE / "data" / "curves.jsonl.gz"
RESULT = HERE / "results" / "pruning.md"
EARLIER, STEERED = "earlier", "steered"
MARGIN = 1.15  # pairs of so few codes have not shown the worst
PRUNABLE = frozenset(edit.name for edit in (BASE, *ARCHITECTURE))


@dataclass(frozen=True)
class Run:
    """A finished training of `pruning_curves.py`."""

    name: str
    seed: int
    bpb: float
    curve: Sequence[tuple[float, float]]

    @cached_property
    def points(self) -> list[Point]:
        """The curve as a worker tells it."""
        return [Point(step, loss, step, at, at) for step, (at, loss) in enumerate(self.curve)]

    @cached_property
    def reference(self) -> policy.ReferenceCurve:
        """The curve as an incumbent's."""
        return policy.ReferenceCurve(self.points)


@dataclass(frozen=True)
class Pair:
    """One code as the experiment, another as its incumbent."""

    experiment: Run
    incumbent: Run

    @cached_property
    def finished(self) -> policy.FinishedTraining:
        """What came of it when nobody was stopped."""
        lags = policy.lags(self.experiment.points, self.incumbent.reference)
        return policy.FinishedTraining(lags, self.experiment.bpb - self.incumbent.bpb)

    def stopped(self, thresholds: policy.PruningThresholds) -> float | None:
        """Return the progress at which the experiment is stopped, None where it is not."""
        rule = policy.PruningRun(self.incumbent.reference, thresholds)
        found = next(filter(None, map(rule.add, self.experiment.points)), None)
        return found.progress if found else None


@dataclass(frozen=True)
class Tally:
    """What thresholds did to pairs. `saved` is a share of all losers' budgets."""

    winners: int
    lost: int
    losers: int
    stopped: int
    saved: float
    codes_lost: int
    codes_won: int

    @classmethod
    def of(cls, pairs: Iterable[tuple[Pair, policy.PruningThresholds]]) -> "Tally":
        """Stop what is hopeless, each pair by its thresholds."""
        ends = [(pair, pair.stopped(thresholds)) for pair, thresholds in pairs]
        won = [(pair, at) for pair, at in ends if pair.finished.won]
        rest = [at for pair, at in ends if not pair.finished.won]
        return cls(
            winners=len(won),
            lost=sum(at is not None for _, at in won),
            losers=len(rest),
            stopped=sum(at is not None for at in rest),
            saved=fmean(0.0 if at is None else 1 - at for at in rest) if rest else 0.0,
            codes_lost=len({pair.experiment.name for pair, at in won if at is not None}),
            codes_won=len({pair.experiment.name for pair, _ in won}),
        )

    def row(self, name: str) -> str:
        """Return a line of the table."""
        share = self.lost / max(self.winners, 1)
        return (
            f"| {name} | {self.lost} of {self.winners} ({share:.1%}) "
            f"| {self.codes_lost} of {self.codes_won} "
            f"| {self.stopped} of {self.losers} ({self.stopped / max(self.losers, 1):.0%}) "
            f"| {self.saved:.0%} |"
        )


def pairs_between(runs: Sequence[Run], names: frozenset[str] | None = None) -> list[Pair]:
    """Return the pairs between runs on one seed; `names` are of the experiments, all if None."""
    return [
        Pair(one, other)
        for one, other in itertools.permutations(runs, 2)
        if one.seed == other.seed and one.name != other.name and (not names or one.name in names)
    ]


def better_half(runs: Sequence[Run]) -> list[Run]:
    """Return the better half of the runs of each seed: what an incumbent may be."""
    seeds = {run.seed: sorted(r.bpb for r in runs if r.seed == run.seed) for run in runs}
    return [run for run in runs if run.bpb <= seeds[run.seed][len(seeds[run.seed]) // 2]]


def sensible(pairs: Iterable[Pair], runs: Sequence[Run]) -> list[Pair]:
    """Return the pairs whose incumbent is of the better half of `runs`."""
    good = {(run.name, run.seed) for run in better_half(runs)}
    return [pair for pair in pairs if (pair.incumbent.name, pair.incumbent.seed) in good]


def thresholds_of(pairs: Iterable[Pair]) -> policy.PruningThresholds:
    """Return the thresholds calibrated on pairs, each pair of codes once, and a little higher."""
    found = policy.calibrated_thresholds([pair.finished for pair in pairs if pair.finished.won])
    return replace(found, limits=tuple(MARGIN * limit for limit in found.limits))


def held_back(runs: Sequence[Run]) -> Iterator[tuple[Pair, policy.PruningThresholds]]:
    """Try every code by thresholds from the pairs of which it was no part."""
    for name in sorted({run.name for run in runs}):
        thresholds = thresholds_of(pairs_between([run for run in runs if run.name != name]))
        yield from (
            (pair, thresholds) for pair in sensible(pairs_between(runs, frozenset({name})), runs)
        )


def own(runs: Sequence[Run], count: int) -> Iterator[tuple[Pair, policy.PruningThresholds]]:
    """Play nights without shipped thresholds: codes in random order beside one of the better half.

    Each code is tried once, so whoever is pruned is no part of the thresholds; who is stopped never
    is.
    """
    for night in range(count):
        chance = random.Random(night)
        seed = chance.choice(sorted({run.seed for run in runs}))
        incumbent = chance.choice([run for run in better_half(runs) if run.seed == seed])
        tried = [run for run in runs if run.seed == seed and run is not incumbent]
        chance.shuffle(tried)
        known: list[policy.FinishedTraining] = []
        for pair in (Pair(run, incumbent) for run in tried):
            thresholds = policy.thresholds_for(known, None)
            if thresholds is not None:
                yield pair, thresholds
            if thresholds is None or pair.stopped(thresholds) is None:
                known.append(pair.finished)


def steered(
    runs: Sequence[Run], thresholds: policy.PruningThresholds
) -> Iterator[tuple[Pair, policy.PruningThresholds]]:
    """Try, for once, what is not pruned."""
    usual = [run for run in runs if STEERED not in run.name]
    names = frozenset(run.name for run in runs if STEERED in run.name)
    return ((pair, thresholds) for pair in sensible(pairs_between(runs, names), usual))


def report(runs: Sequence[Run], earlier: Sequence[Run], count: int) -> str:
    """Return the result as Markdown."""
    pruned = [run for run in runs if run.name in PRUNABLE]
    thresholds = thresholds_of(pairs_between(pruned))
    codes = len({run.name for run in pruned})
    usual = [run for run in earlier if STEERED not in run.name]
    held = Tally.of(held_back(pruned))
    rows = {
        "held back: limits from all other codes": held,
        f"a study's own limits, {count} nights, later ideas": Tally.of(own(pruned, count)),
        "another model, six times the budget, the shipped limits": Tally.of(
            (pair, thresholds) for pair in sensible(pairs_between(usual), usual)
        ),
        "that model, schedule or optimizer or batch changed": Tally.of(
            steered(earlier, thresholds)
        ),
    }
    danger = policy.share_bound(held.codes_lost, held.codes_won)
    return TEXT.format(
        trainings=len(pruned),
        codes=codes,
        seeds=len({run.seed for run in pruned}),
        rows="\n".join(tally.row(name) for name, tally in rows.items()),
        progress=" | ".join(f"{over / pruning.STRETCHES:.0%}" for over in SHOWN),
        rule="|---" * (len(SHOWN) + 1),
        limits=" | ".join(f"{thresholds.limits[over - 1]:.3f}" for over in SHOWN),
        pairs=thresholds.winners,
        lost=held.codes_lost,
        won=held.codes_won,
        danger=f"{danger:.0%}",
        margin=MARGIN - 1,
    )


SHOWN = range(pruning.FIRST, pruning.LAST + 1, 2)
TEXT = """# Early stopping

`python benchmarks/pruning.py --write`; what is counted is said at the script's top.

{trainings} trainings of {codes} codes of the CPU template, 10 CPU seconds each, {seeds} seed(s),
on a machine with many neighbours. Incumbents are the better half of the codes on their seed; a win
is any better score, by however little.

| Pairs | winners lost | winning codes that lost one | losers stopped | of losers' budget saved |
|---|---|---|---|---|
{rows}

The shipped limits, in nats a token:

| progress | {progress} |
{rule}|
| limit | {limits} |

They rest on {pairs} pairs, and are {margin:.0%} higher than the one furthest behind needed.
Pairs share codes and seeds, so they are no independent witnesses. Counted by codes, {lost} of {won}
winners lost one of their pairs: one may be 95% sure that no more than {danger} of such ideas are in
any danger. To show 2% takes 149 winners without a loss; only studies' own audits will have them.

The last line of the table is of changes that are never pruned, for comparison.
"""


def ship(runs: Sequence[Run]) -> None:
    """Write the thresholds into the package; a code counts as one winner, however often it won."""
    thresholds, codes = thresholds_of(pairs_between(runs)), len({run.name for run in runs})
    limits = textwrap.fill(", ".join(f"{limit:.3f}" for limit in thresholds.limits), 70)
    rows = textwrap.indent(limits, "    ")
    made = (
        f"_LIMITS = (\n{rows},\n)  # fmt: skip\n"
        f"_THRESHOLDS = PruningThresholds(_LIMITS, winners={codes})\n"
    )
    path = Path(policy.__file__).with_name("default_thresholds.py")
    found = re.compile(r"_LIMITS = \(.*?\n_THRESHOLDS = [^\n]*\n", re.DOTALL)
    path.write_text(found.sub(lambda _: made, path.read_text()))


def main() -> None:
    """Print, and record, what early stopping would have done."""
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--curves", type=Path, default=CURVES)
    options.add_argument("--nights", type=int, default=300)
    options.add_argument("--write", action="store_true")
    options.add_argument("--ship", action="store_true")
    chosen = options.parse_args()
    lines = [line for line in read(chosen.curves) if "bpb" in line]
    known = [Run(each["name"], each["seed"], each["bpb"], each["curve"]) for each in lines]
    earlier = [run for run in known if run.name.startswith(EARLIER)]
    runs = [run for run in known if run not in earlier]
    if chosen.ship:
        ship([run for run in runs if run.name in PRUNABLE])
    text = report(runs, earlier, chosen.nights)
    print(text)
    if chosen.write:
        RESULT.write_text(text)


if __name__ == "__main__":
    main()
