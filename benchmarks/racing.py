"""Whether racing may be trusted: winners lost and budget saved on curves it has not seen.

usage: python benchmarks/racing.py [--curves PATH] [--nights 300] [--write] [--ship]

Every ordered pair of codes that were trained on one seed is a race: one of them is the experiment,
the other its incumbent. The curves are of `racing_curves.py`; those of an earlier, smaller GPT
(`earlier`, 850 steps whatever they took) were never calibrated on. `--write` records the result in
results/racing.md, `--ship` writes the ladder into the package.
"""

import argparse
import itertools
import math
import random
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from statistics import fmean

from racing_curves import read
from racing_edits import ARCHITECTURE, BASE, STEERING

from autoresearch import policy
from autoresearch.policy import racing, shipped
from autoresearch.records.values import Point

HERE = Path(__file__).parent
CURVES = HERE / "data" / "curves.jsonl.gz"
RESULT = HERE / "results" / "racing.md"
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
        return [Point(step, loss, step, at, at) for step, (at, loss) in enumerate(self.curve)]

    @cached_property
    def course(self) -> policy.Course:
        return policy.Course(self.points)


@dataclass(frozen=True)
class Heat:
    """One code as the experiment, another as its incumbent."""

    experiment: Run
    incumbent: Run

    @cached_property
    def finished(self) -> policy.Finished:
        gaps = policy.gaps(self.experiment.course, self.incumbent.course)
        return policy.Finished(gaps, self.experiment.bpb - self.incumbent.bpb)

    def stopped(self, ladder: policy.Ladder) -> float | None:
        """Return the progress at which the experiment is stopped, None where it is not."""
        race = policy.Race(self.incumbent.course, ladder)
        found = next(filter(None, map(race.see, self.experiment.points)), None)
        return found.progress if found else None


@dataclass(frozen=True)
class Tally:
    """What a ladder did to races: winners and those lost, losers and those stopped, their budget."""

    winners: int
    lost: int
    losers: int
    stopped: int
    saved: float
    codes_lost: int
    codes_won: int

    @classmethod
    def of(cls, races: Iterable[tuple[Heat, policy.Ladder]]) -> "Tally":
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


def sensible(races: Iterable[Heat]) -> list[Heat]:
    """Return the races whose incumbent is no worse than the unchanged template: as in a night."""
    races = list(races)
    known = [heat.incumbent for heat in races if heat.incumbent.name.endswith(BASE.name)]
    base = {run.seed: run.bpb for run in known}
    return [heat for heat in races if heat.incumbent.bpb <= base.get(heat.incumbent.seed, math.inf)]


def ladder_of(races: Iterable[Heat]) -> policy.Ladder:
    """Return the ladder calibrated on races; each pair of codes once."""
    return policy.calibrated([heat.finished for heat in races if heat.finished.won])


def held_back(runs: Sequence[Run]) -> Iterator[tuple[Heat, policy.Ladder]]:
    """Race every code by a ladder from the races of which it was no part."""
    for name in sorted({run.name for run in runs}):
        ladder = ladder_of(heats([run for run in runs if run.name != name]))
        yield from ((heat, ladder) for heat in sensible(heats(runs, frozenset({name}))))


def nights(runs: Sequence[Run], count: int) -> Iterator[tuple[Heat, policy.Ladder]]:
    """Play nights: codes in random order, the best so far is the incumbent; no ladder is shipped.

    Each code is tried once, so whoever is raced is no part of the ladder.
    """
    for night in range(count):
        chance = random.Random(night)
        seed = chance.choice(sorted({run.seed for run in runs}))
        tried = [run for run in runs if run.seed == seed]
        chance.shuffle(tried)
        incumbent, *rest = sorted(tried, key=lambda run: run.name != BASE.name)
        known: list[policy.Finished] = []
        for run in rest:
            heat, ladder = Heat(run, incumbent), policy.ladder(known, None)
            if ladder is not None:
                yield heat, ladder
            if ladder is None or heat.stopped(ladder) is None:
                known.append(heat.finished)
                incumbent = run if heat.finished.won else incumbent


def report(runs: Sequence[Run], earlier: Sequence[Run], count: int) -> str:
    """Return the result as Markdown."""
    raced = [run for run in runs if run.name in RACED]
    everyone = ladder_of(heats(raced))
    codes, seeds = {run.name for run in raced}, {run.seed for run in raced}
    lines = [
        "# Racing",
        "",
        "`python benchmarks/racing.py --write`; what is counted is said at the script's top.",
        "",
        f"{len(raced)} trainings of {len(codes)} codes on {len(seeds)} seeds. Incumbents are codes at least "
        "as good as the unchanged template.",
        "",
        "| Races | winners lost | codes that won, some of their wins lost | losers stopped | of losers' budget saved |",
        "|---|---|---|---|---|",
        Tally.of(held_back(raced)).row("held back: a ladder from all other codes"),
        Tally.of(nights(raced, count)).row(f"{count} nights: a study's own ladder, later ideas"),
        Tally.of((heat, everyone) for heat in sensible(heats(earlier))).row(
            "another model, six times the budget, the shipped ladder"
        ),
        Tally.of(steering(runs, everyone)).row(
            "what is never raced: schedule, optimizer, batch, loss"
        ),
        "",
        "Limits of the shipped ladder, in nats a token:",
        "",
        "| progress | " + " | ".join(f"{over / racing.STRETCHES:.0%}" for over in _SHOWN) + " |",
        "|---" * (len(_SHOWN) + 1) + "|",
        "| limit | " + " | ".join(f"{everyone.limits[over - 1]:.3f}" for over in _SHOWN) + " |",
        "",
    ]
    return "\n".join([*lines, *bounds(raced, everyone), ""])


_SHOWN = range(racing.FIRST, racing.STRETCHES, 2)


def bounds(raced: Sequence[Run], ladder: policy.Ladder) -> list[str]:
    """Return what so few codes can show, whatever the number of races."""
    tally = Tally.of(held_back(raced))
    return [
        f"The ladder rests on {ladder.winners} pairs that ended close, and would lose {ladder.lost} of them. "
        "Races share codes and seeds, so they are no independent witnesses: counted by codes, "
        f"{tally.codes_lost} of {tally.codes_won} winners lost some race, which bounds the share of ideas that "
        f"are in danger at {policy.share_bound(tally.codes_lost, tally.codes_won):.0%} (95% sure). Only a study's "
        "own audit can say more.",
    ]


def steering(runs: Sequence[Run], ladder: policy.Ladder) -> Iterator[tuple[Heat, policy.Ladder]]:
    """Race, for once, what is not raced."""
    names = frozenset(edit.name for edit in STEERING)
    base = [run for run in runs if run.name == BASE.name or run.name in names]
    yield from ((heat, ladder) for heat in heats(base, names) if heat.incumbent.name == BASE.name)


def ship(ladder: policy.Ladder) -> None:
    """Write the ladder into the package."""
    path = Path(shipped.__file__)
    limits = ", ".join(f"{limit:.3f}" if math.isfinite(limit) else "inf" for limit in ladder.limits)
    made = f"_LIMITS = (\n    {limits},\n)\n_LADDER = Ladder(_LIMITS, winners={ladder.winners}, lost={ladder.lost})\n"
    text = re.sub(
        r"_LIMITS = \(.*?\n_LADDER = [^\n]*\n", lambda _: made, path.read_text(), flags=re.DOTALL
    )
    path.write_text(text)


def main() -> None:
    """Print, and record, what racing would have done."""
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--curves", type=Path, default=CURVES)
    options.add_argument("--nights", type=int, default=300)
    options.add_argument("--write", action="store_true")
    options.add_argument("--ship", action="store_true")
    chosen = options.parse_args()
    lines = [line for line in read(chosen.curves) if "bpb" in line]
    mine = [Run(each["name"], each["seed"], each["bpb"], each["curve"]) for each in lines]
    earlier = [run for run in mine if run.name.startswith(EARLIER)]
    runs = [run for run in mine if run not in earlier]
    if chosen.ship:
        ship(ladder_of(heats([run for run in runs if run.name in RACED])))
    text = report(runs, earlier, chosen.nights)
    print(text)
    if chosen.write:
        RESULT.write_text(text)


EARLIER = "earlier: "

if __name__ == "__main__":
    main()
