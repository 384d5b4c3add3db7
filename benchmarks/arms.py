"""How often the interval of a proposer's lead over the control is right, at any number of turns.

    python benchmarks/arms.py [--nights N] [--write]

A proposer and a control try ideas of known worth; each is measured with noise, kept where its
posterior says so (`policy.effects`), and both arms go to `policy.arms.compare`. Beside it stand two
usual intervals over gains per experiment: Welch's t, and the plain Bayesian bootstrap. Counted is
how often an interval holds the true difference, and how often it lies above zero ("beats") or
below ("falls short"); where the arms are alike, each of these is a false claim. With --write
the table goes into results/arms.md.
"""

import argparse
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from autoresearch.policy.effects import Prior, posterior
from autoresearch.policy.proposer_comparison import compare
from autoresearch.records.arms import Trained

HERE = Path(__file__).parent
NOISE = 0.004  # of a pair, in bpb
SECONDS = 300.0
IDEAS = 200_000  # from which nights are drawn
TURNS = ((16, 4), (40, 10), (80, 20), (200, 50))
T_975 = {
    3: 3.18,
    9: 2.26,
    19: 2.09,
    49: 2.01,
}  # of Student's t, by the control's degrees of freedom
HEADER = (
    "| turns | arms | true lead, bpb an experiment | interval | holds it | beats | falls short "
    "| mean width |\n|---|---|---|---|---|---|---|---|"
)

Interval = tuple[float, float]


@dataclass(frozen=True)
class Arm:
    """Ideas of one kind with what is believed of each: rows, and what keeping them truly gains."""

    rows: Sequence[Trained]
    worth: float


@dataclass(frozen=True)
class World:
    """Who is compared: how often each arm's ideas are better, and by how many bpb on average."""

    name: str
    proposer: tuple[float, float]
    control: tuple[float, float]


WORLDS = (
    World("alike", (0.15, 0.010), (0.15, 0.010)),
    World("alike, seldom better", (0.05, 0.010), (0.05, 0.010)),
    World("the proposer better", (0.25, 0.010), (0.05, 0.005)),
    World("the control better", (0.05, 0.005), (0.15, 0.010)),
)


def arm(name: str, kind: tuple[float, float], dice: np.random.Generator) -> Arm:
    """Return many ideas of a kind, as they were believed once they had been measured."""
    better, gain = kind
    prior = Prior(better=better, neutral=0.25, worse=0.75 - better, gain=gain, loss=0.02)
    sort = dice.random(IDEAS)
    effects = np.where(sort < better, -dice.exponential(gain, IDEAS), 0.0)
    effects += np.where(sort >= better + 0.25, dice.exponential(0.02, IDEAS), 0.0)
    measured = effects + dice.normal(0, NOISE, IDEAS)
    grid = np.linspace(-0.2, 0.05, 2501)
    beliefs = [posterior(prior, float(each), NOISE**2) for each in grid]
    means = np.interp(measured, grid, [each.mean for each in beliefs])
    errors = np.interp(measured, grid, [each.deviation for each in beliefs])
    rows = [
        Trained(name, "control", SECONDS, kept=mean < 0, delta=mean, delta_error=error)
        for mean, error in zip(means.tolist(), errors.tolist(), strict=True)
    ]
    return Arm(rows, float(-(effects * (means < 0)).mean()))


def ours(mine: Sequence[Trained], theirs: Sequence[Trained]) -> Interval:
    """Return the interval that `status` shows; nothing is told where nothing was kept."""
    (found,) = compare([*mine, *theirs])
    one = found.per_experiment
    return (one.low, one.high) if one else (-math.inf, math.inf)


def welch(mine: Sequence[Trained], theirs: Sequence[Trained]) -> Interval:
    """Return a t-interval, with the degrees of freedom of the smaller arm."""
    one, other = (np.array([each.gain for each in side]) for side in (mine, theirs))
    spread = math.sqrt(one.var(ddof=1) / len(one) + other.var(ddof=1) / len(other))
    reach = T_975[len(other) - 1] * spread
    lead = float(one.mean() - other.mean())
    return lead - reach, lead + reach


def bootstrap(mine: Sequence[Trained], theirs: Sequence[Trained]) -> Interval:
    """Return the plain Bayesian bootstrap's interval."""
    dice = np.random.default_rng(1)
    one, other = (
        dice.dirichlet(np.ones(len(side)), 2000) @ np.array([each.gain for each in side])
        for side in (mine, theirs)
    )
    low, high = np.quantile(one - other, (0.025, 0.975))
    return float(low), float(high)


RULES: dict[str, Callable[[Sequence[Trained], Sequence[Trained]], Interval]] = {
    "ours": ours,
    "Welch's t": welch,
    "Bayesian bootstrap": bootstrap,
}


def drawn(side: Arm, count: int, dice: np.random.Generator) -> list[Trained]:
    """Return a night's experiments of an arm."""
    return [side.rows[at] for at in dice.integers(0, len(side.rows), count)]


def table(world: World, nights: int) -> list[str]:
    """Play a world at every number of turns and return its lines."""
    dice = np.random.default_rng(7)
    proposer = arm("proposer", world.proposer, dice)
    control = arm("control", world.control, dice)
    # Alike is alike: what two finite lots of ideas differ by is no lead.
    true = 0.0 if world.proposer == world.control else proposer.worth - control.worth
    lines = []
    for turns in TURNS:
        pairs = [
            (drawn(proposer, turns[0], dice), drawn(control, turns[1], dice)) for _ in range(nights)
        ]
        for rule, interval in RULES.items():
            found = [interval(*pair) for pair in pairs]
            lines.append(line(f"{turns[0]}, {turns[1]} | {world.name}", true, rule, found))
            print(lines[-1], flush=True)
    return lines


def line(head: str, true: float, rule: str, found: Sequence[Interval]) -> str:
    """Return one line of the table."""
    shares = (
        np.mean([low <= true <= high for low, high in found]),
        np.mean([low > 0 for low, _ in found]),
        np.mean([high < 0 for _, high in found]),
    )
    wide = np.mean([high - low for low, high in found if math.isfinite(high)])
    cells = " | ".join(f"{share:.1%}" for share in shares)
    return f"| {head} | {true:+.5f} | {rule} | {cells} | {wide:.4f} |"


def main() -> None:
    """Play the nights and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--nights", type=int, default=200, metavar="N")
    parser.add_argument("--write", action="store_true", help="into results/")
    options = parser.parse_args()
    begun = time.process_time()
    print(HEADER)
    lines = [each for world in WORLDS for each in table(world, options.nights)]
    seconds = time.process_time() - begun
    print(f"\n{seconds:.0f} CPU seconds")
    if options.write:
        command = f"`python benchmarks/arms.py --nights {options.nights} --write`"
        head = f"# A proposer beside the control\n\n{command} ({seconds:.0f} CPU seconds); "
        head += "what is counted is said at the script's top.\n\n"
        text = head + "\n".join([HEADER, *lines]) + "\n"
        (HERE / "results" / "arms.md").write_text(text)


if __name__ == "__main__":
    main()
