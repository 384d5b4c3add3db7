"""What two slots on the CPU give over one: trainings an hour, and the noise of a pair.

    python benchmarks/slots.py [--budget 20] [--experiments 4] [--rounds 2]

One study on the template, by the real command line, in turns: some patches that change nothing on
one slot, as many on two, and again. So both meet the same neighbours. All codes do the same, so
trainings on one seed differ by noise alone; a pair's is that of two of them. Changes are not
smoke-tested here, whose processes would train beside the trials. With --write it goes into
results/slots.md.
"""

import argparse
import os
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import sqrt
from pathlib import Path
from statistics import fmean

from null_patches import null_patches
from real_night import TAG, PatchFile, RealNight, machine, place, write_patches

from autoresearch.records.tables import Trial
from autoresearch.scaffold import render

WANTED_SPEED, WANTED_NOISE = 1.8, 1.2
_QUIET = {"steps = 2 #": "steps = 0 #", "# drift_every = 20": "drift_every = 0"}
_COLUMNS = (
    "| slots | trainings | an hour | sd of a pair | start-up, s | whole, s | scoring, s | steps |"
)


@dataclass
class Arm:
    """What was trained on so many slots: seconds of wall time, and the trials."""

    slots: int
    seconds: float = 0.0
    trials: list[Trial] = field(default_factory=list)

    def add(self, trials: Sequence[Trial]) -> None:
        """Take in the trials of one run, from the first one's start to the last one's end."""
        ends = [each.finished_at for each in trials if each.finished_at]
        self.seconds += (max(ends) - min(each.started_at for each in trials)).total_seconds()
        self.trials += trials

    @property
    def an_hour(self) -> float:
        """Trainings an hour, with all that belongs to each."""
        return 3600 * len(self.trials) / self.seconds

    @property
    def pair(self) -> float:
        """The standard deviation of the difference of two trainings on one seed, in bpb."""
        by_seed = defaultdict[int, list[float]](list)
        for each in self.trials:
            if each.val_bpb is not None:
                by_seed[each.seed].append(each.val_bpb)
        groups = [group for group in by_seed.values() if len(group) > 1]
        squares = sum((bpb - fmean(group)) ** 2 for group in groups for bpb in group)
        return sqrt(2 * squares / max(sum(len(group) - 1 for group in groups), 1))

    def mean(self, name: str) -> float:
        """Return the mean of a column."""
        return fmean(float(getattr(each, name)) for each in self.trials)


def main() -> None:
    """Train in turns; print and perhaps write the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--budget", type=float, default=20.0, metavar="SECONDS")
    parser.add_argument("--experiments", type=int, default=4, metavar="N", help="in each turn")
    parser.add_argument("--rounds", type=int, default=2, metavar="N")
    parser.add_argument("--write", action="store_true", help="into results/")
    options = parser.parse_args()
    before = os.getloadavg()[0]
    with place() as folder:
        arms = play(folder, options)
    load = f"load before {before:.1f}, after {os.getloadavg()[0]:.1f}"
    told = f"{machine()}; {options.budget:g} CPU seconds a training, one thread; {load}"
    lines = [told, *table(arms)]
    print("\n".join(lines))
    if options.write:
        result = Path(__file__).parent / "results/slots.md"
        result.write_text("# One slot and two\n\n" + "\n".join(lines) + "\n")


def play(folder: Path, options: argparse.Namespace) -> tuple[Arm, Arm]:
    """Return what one slot and what two have trained, in turns."""
    clean = render("gpt", "cpu")["train.py"]
    nulls = null_patches(clean, 2 * options.rounds * options.experiments, 0)
    files = [
        PatchFile(f"null-{at}", each.kind, clean, each.source) for at, each in enumerate(nulls, 1)
    ]
    night = RealNight(folder, clean, settings=_QUIET)
    spec = write_patches(folder / "patches", files)
    run = [
        "run", "--proposer", spec, "--budget", f"{options.budget:g}s", "--tag", TAG,
        "--confirm-share", "0", "--experiments",
    ]  # fmt: skip
    night.act(*run, "1")  # the baseline
    arms, seen = (Arm(1), Arm(2)), {each.id for each in trials(night)}
    for _ in range(options.rounds):
        for arm in arms:
            night.act(*run, str(options.experiments), "--devices", str(arm.slots))
            arm.add([each for each in trials(night) if each.id not in seen])
            seen = {each.id for each in trials(night)}
    return arms


def trials(night: RealNight) -> list[Trial]:
    """Return all trials of a night."""
    return [trial for _, mine in night.rows() for trial in mine]


def table(arms: tuple[Arm, Arm]) -> list[str]:
    """Return what was measured, and whether it is what was wanted."""
    one, two = arms
    speed, noise = two.an_hour / one.an_hour, two.pair / one.pair
    rows = [
        f"| {arm.slots} | {len(arm.trials)} | {arm.an_hour:.1f} | {arm.pair:.4f} "
        f"| {arm.mean('startup_seconds'):.1f} | {arm.mean('total_seconds'):.1f} "
        f"| {arm.mean('scoring_seconds'):.1f} | {arm.mean('steps'):.0f} |"
        for arm in arms
    ]
    return [
        f"\n{_COLUMNS}\n{'|---' * (_COLUMNS.count('|') - 1)}|",
        *rows,
        f"\n{speed:.2f} times the trainings an hour, at least {WANTED_SPEED} are wanted: "
        + ("met" if speed >= WANTED_SPEED else "missed"),
        f"{noise:.2f} times the noise of a pair, at most {WANTED_NOISE} are wanted: "
        + ("met" if noise <= WANTED_NOISE else "missed"),
    ]


if __name__ == "__main__":
    main()
