"""Whether racing may be trusted: winners lost and budget saved on curves it has not seen.

usage: python benchmarks/racing.py [--curves PATH] [--nights 300] [--write] [--ship]

Every ordered pair of codes that were trained on one seed is a race: one of them is the experiment,
the other its incumbent. The curves are of `racing_curves.py`; those of an earlier, smaller GPT
(`earlier`: about 60 CPU seconds, 850 steps whatever they took) were never calibrated on. `--write`
records the result in results/racing.md, `--ship` writes the ladder into the package.
"""

import argparse
import itertools
import random
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from statistics import fmean

from racing_curves import read
from racing_edits import ARCHITECTURE, BASE

from autoresearch import policy
from autoresearch.policy import racing, shipped
from autoresearch.records.training import Point

HERE = Path(__file__).parent
CURVES = HERE / "data" / "curves.jsonl.gz"
RESULT = HERE / "results" / "racing.md"
EARLIER, STEERED = "earlier", "steered"
MARGIN = 1.15  # pairs of so few codes have not shown the worst
RACED = frozenset(edit.name for edit in (BASE, *ARCHITECTURE))


@dataclass(frozen=True)
class Run:
    """A finished training of `racing_curves.py`."""

    name: str
    seed: int
    bpb: float
    curve: Sequence[tuple[float, float]]

    @cached_property
    def points(self) -> list[Point]:
        """The curve as a worker tells it."""
        return [Point(step, loss, step, at, at) for step, (at, loss) in enumerate(self.curve)]

    @cached_property
    def yardstick(self) -> policy.Yardstick:
        """The curve as an incumbent's."""
        return policy.Yardstick(self.points)


@dataclass(frozen=True)
class Heat:
    """One code as the experiment, another as its incumbent."""

    experiment: Run
    incumbent: Run

    @cached_property
    def finished(self) -> policy.Finished:
        """What came of it when nobody was stopped."""
        lags = policy.lags(self.experiment.points, self.incumbent.yardstick)
        return policy.Finished(lags, self.experiment.bpb - self.incumbent.bpb)

    def stopped(self, ladder: policy.Ladder) -> float | None:
        """Return the progress at which the experiment is stopped, None where it is not."""
        race = policy.Race(self.incumbent.yardstick, ladder)
        found = next(filter(None, map(race.see, self.experiment.points)), None)
        return found.progress if found else None


@dataclass(frozen=True)
class Tally:
    """What ladders did to races. `saved` is a share of all losers' budgets."""

    winners: int
    lost: int
    losers: int
    stopped: int
    saved: float
    codes_lost: int
    codes_won: int

    @classmethod
    def of(cls, races: Iterable[tuple[Heat, policy.Ladder]]) -> "Tally":
        """Run races, each by its ladder."""
        ends = [(heat, heat.stopped(ladder)) for heat, ladder in races]
        won = [(heat, at) for heat, at in ends if heat.finished.won]
        rest = [at for heat, at in ends if not heat.finished.won]
        return cls(
            winners=len(won),
            lost=sum(at is not None for _, at in won),
            losers=len(rest),
            stopped=sum(at is not None for at in rest),
            saved=fmean(0.0 if at is None else 1 - at for at in rest) if rest else 0.0,
            codes_lost=len({heat.experiment.name for heat, at in won if at is not None}),
            codes_won=len({heat.experiment.name for heat, _ in won}),
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


def heats(runs: Sequence[Run], names: frozenset[str] | None = None) -> list[Heat]:
    """Return the races between runs on one seed; `names` are of the experiments, all if None."""
    return [
        Heat(one, other)
        for one, other in itertools.permutations(runs, 2)
        if one.seed == other.seed and one.name != other.name and (not names or one.name in names)
    ]


def better_half(runs: Sequence[Run]) -> list[Run]:
    """Return the better half of the runs of each seed: what an incumbent may be."""
    seeds = {run.seed: sorted(r.bpb for r in runs if r.seed == run.seed) for run in runs}
    return [run for run in runs if run.bpb <= seeds[run.seed][len(seeds[run.seed]) // 2]]


def sensible(races: Iterable[Heat], runs: Sequence[Run]) -> list[Heat]:
    """Return the races whose incumbent is of the better half of `runs`."""
    good = {(run.name, run.seed) for run in better_half(runs)}
    return [heat for heat in races if (heat.incumbent.name, heat.incumbent.seed) in good]


def ladder_of(races: Iterable[Heat]) -> policy.Ladder:
    """Return the ladder calibrated on races, each pair of codes once, and a little higher."""
    found = policy.calibrated([heat.finished for heat in races if heat.finished.won])
    return replace(found, limits=tuple(MARGIN * limit for limit in found.limits))


def held_back(runs: Sequence[Run]) -> Iterator[tuple[Heat, policy.Ladder]]:
    """Race every code by a ladder from the races of which it was no part."""
    for name in sorted({run.name for run in runs}):
        ladder = ladder_of(heats([run for run in runs if run.name != name]))
        yield from ((heat, ladder) for heat in sensible(heats(runs, frozenset({name})), runs))


def own(runs: Sequence[Run], count: int) -> Iterator[tuple[Heat, policy.Ladder]]:
    """Play nights without a shipped ladder: codes in random order beside one of the better half.

    Each code is tried once, so whoever is raced is no part of the ladder; who is stopped never is.
    """
    for night in range(count):
        chance = random.Random(night)
        seed = chance.choice(sorted({run.seed for run in runs}))
        incumbent = chance.choice([run for run in better_half(runs) if run.seed == seed])
        tried = [run for run in runs if run.seed == seed and run is not incumbent]
        chance.shuffle(tried)
        known: list[policy.Finished] = []
        for heat in (Heat(run, incumbent) for run in tried):
            ladder = policy.ladder(known, None)
            if ladder is not None:
                yield heat, ladder
            if ladder is None or heat.stopped(ladder) is None:
                known.append(heat.finished)


def steered(runs: Sequence[Run], ladder: policy.Ladder) -> Iterator[tuple[Heat, policy.Ladder]]:
    """Race, for once, what is not raced."""
    usual = [run for run in runs if STEERED not in run.name]
    names = frozenset(run.name for run in runs if STEERED in run.name)
    return ((heat, ladder) for heat in sensible(heats(runs, names), usual))


def report(runs: Sequence[Run], earlier: Sequence[Run], count: int) -> str:
    """Return the result as Markdown."""
    raced = [run for run in runs if run.name in RACED]
    ladder = ladder_of(heats(raced))
    codes = len({run.name for run in raced})
    usual = [run for run in earlier if STEERED not in run.name]
    held = Tally.of(held_back(raced))
    rows = {
        "held back: limits from all other codes": held,
        f"a study's own limits, {count} nights, later ideas": Tally.of(own(raced, count)),
        "another model, six times the budget, the shipped limits": Tally.of(
            (heat, ladder) for heat in sensible(heats(usual), usual)
        ),
        "that model, schedule or optimizer or batch changed": Tally.of(steered(earlier, ladder)),
    }
    danger = policy.share_bound(held.codes_lost, held.codes_won)
    return TEXT.format(
        trainings=len(raced),
        codes=codes,
        seeds=len({run.seed for run in raced}),
        rows="\n".join(tally.row(name) for name, tally in rows.items()),
        progress=" | ".join(f"{over / racing.STRETCHES:.0%}" for over in SHOWN),
        rule="|---" * (len(SHOWN) + 1),
        limits=" | ".join(f"{ladder.limits[over - 1]:.3f}" for over in SHOWN),
        pairs=ladder.winners,
        lost=held.codes_lost,
        won=held.codes_won,
        danger=f"{danger:.0%}",
        margin=MARGIN - 1,
    )


SHOWN = range(racing.FIRST, racing.LAST + 1, 2)
TEXT = """# Racing

`python benchmarks/racing.py --write`; what is counted is said at the script's top.

{trainings} trainings of {codes} codes of the CPU template, 10 CPU seconds each, {seeds} seed(s),
on a machine with many neighbours. Incumbents are the better half of the codes on their seed; a win
is any better score, by however little.

| Races | winners lost | winning codes that lost one | losers stopped | of losers' budget saved |
|---|---|---|---|---|
{rows}

The shipped limits, in nats a token:

| progress | {progress} |
{rule}|
| limit | {limits} |

They rest on {pairs} pairs, and are {margin:.0%} higher than the one furthest behind needed.
Pairs share codes and seeds, so they are no independent witnesses. Counted by codes, {lost} of {won}
winners lost one of their races: one may be 95% sure that no more than {danger} of such ideas are in
any danger. To show 2% takes 149 winners without a loss; only studies' own audits will have them.

The last line of the table is of changes that are never raced, for comparison.
"""


def ship(runs: Sequence[Run]) -> None:
    """Write the ladder into the package; a code counts as one winner, however often it won."""
    ladder, codes = ladder_of(heats(runs)), len({run.name for run in runs})
    lines = "".join(f"    {limit:.3f},\n" for limit in ladder.limits)
    made = f"_LIMITS = (\n{lines})\n_LADDER = Ladder(_LIMITS, winners={codes})\n"
    path = Path(shipped.__file__)
    found = re.compile(r"_LIMITS = \(.*?\n_LADDER = [^\n]*\n", re.DOTALL)
    path.write_text(found.sub(lambda _: made, path.read_text()))


def main() -> None:
    """Print, and record, what racing would have done."""
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
        ship([run for run in runs if run.name in RACED])
    text = report(runs, earlier, chosen.nights)
    print(text)
    if chosen.write:
        RESULT.write_text(text)


if __name__ == "__main__":
    main()
