"""A night in which every patch changes nothing, on real trainings; and where the noise is.

    python benchmarks/aa.py noise [--budget 8] [--repeats 8]
    python benchmarks/aa.py night [--budget 8] [--patches 40]

The noise: one code on the wall clock, training by training, against its paired differences
on the CPU clock with common seeds, while neighbours' programs come and go on every core. The
night: so many null patches (null_patches.py), by the real command line. Every keep is luck. Last
the baseline's and the final code are trained afresh on common seeds: what was reported should be
what they read. Upstream's rule and fixed thresholds are replayed on the readings of the same night.
With --write the tables go into results/aa-PART.md, and a plot where matplotlib is installed.
"""

import argparse
import importlib
import math
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import fmean, stdev

from neighbours import neighbours
from null_patches import null_patches
from real_night import TAG, Bench, PatchFile, RealNight, machine, place, write_patches

from autoresearch.policy.noise import CPU, adjust_for_throughput, slope
from autoresearch.records.tables import Experiment, Trial
from autoresearch.records.values import Clock, Reading, Standing, Verdict
from autoresearch.scaffold import render

HERE = Path(__file__).parent
SHARE = 0.15
THRESHOLDS = (0.0, 0.005, 0.010, 0.020)
FRESH_PAIRS = 4
FRESH = 1001  # the first seed of trainings beside the night

Rows = Sequence[tuple[Experiment, Sequence[Trial]]]
Tell = Callable[[str], None]


def main() -> None:
    """Measure the noise, play the night, measure what is left; print and perhaps write."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("part", choices=("noise", "night"))
    parser.add_argument("--patches", type=int, default=40, metavar="N")
    parser.add_argument("--budget", type=float, default=8.0, metavar="SECONDS")
    parser.add_argument("--repeats", type=int, default=8, metavar="N", help="for the noise")
    parser.add_argument("--seed", type=int, default=0, help="of the choice of null patches")
    parser.add_argument("--write", action="store_true", help="into results/")
    options = parser.parse_args()
    lines, begun = list[str](), time.monotonic()

    def tell(line: str) -> None:
        print(line, flush=True)
        lines.append(line)

    tell(f"{machine()}; {options.budget:g} s a training, one thread")
    with place() as folder:
        clean = render("gpt", "cpu")["train.py"]
        night = RealNight(folder, clean)
        bench = Bench(night, options.budget)
        if options.part == "noise":
            noise(bench, clean, options.repeats, tell)
        else:
            play(night, folder, clean, options)
            told(night, bench, tell, plot=options.write)
    tell(f"\n{(time.monotonic() - begun) / 60:.0f} minutes")
    if options.write:
        write(lines, options.part)


# --- the noise


def noise(bench: Bench, source: str, repeats: int, tell: Tell) -> None:
    """Compare single wall-clock readings with CPU-clock pairs, turn by turn among neighbours."""
    wall, pairs = list[Reading](), list[tuple[Reading, Reading]]()
    with neighbours():
        for seed in range(1, repeats + 1):
            wall.append(bench.read(source, seed, Clock.WALL))
            pairs.append((bench.read(source, seed), bench.read(source, seed)))
    loud = stdev(each.bpb for each in wall)
    quiet = stdev(b.bpb - a.bpb for a, b in pairs)
    single = stdev(a.bpb for a, _ in pairs)
    tell(f"\n## One code, {repeats} times, neighbours' programs come and go\n")
    tell("| What is read | mean | sd, bpb | of the wall clock's | steps |\n|---|---|---|---|---|")
    for name, sd, reads in (
        ("wall clock, one training", loud, wall),
        ("CPU clock, one training", single, [a for a, _ in pairs]),
    ):
        middle = fmean(each.bpb for each in reads)
        tell(f"| {name} | {middle:.3f} | {sd:.4f} | {sd / loud:.2f} | {_steps(reads)} |")
    both = [each for pair in pairs for each in pair]
    for name, sd in (
        ("CPU clock, difference on a common seed", quiet),
        ("the same, corrected for the machine's speed", _steadied(pairs)),
    ):
        tell(f"| {name} | | {sd:.4f} | {sd / loud:.2f} | {_steps(both)} |")
    met = "met" if quiet <= loud / 3 else "missed"
    tell(f"\nA pair's sd is to be a third of the wall clock's at most: {met}.")


def _steadied(pairs: Sequence[tuple[Reading, Reading]]) -> float:
    sides = [[pair[place] for pair in pairs] for place in (0, 1)]
    known = slope(sides, CPU, CPU.seed)
    first, second = (adjust_for_throughput(side, known) for side in sides)
    return stdev(b.bpb - a.bpb for a, b in zip(first, second, strict=True))


def _steps(readings: Sequence[Reading]) -> str:
    steps = [each.steps for each in readings]
    return f"{min(steps)} to {max(steps)}"


# --- the night


def play(night: RealNight, folder: Path, clean: str, options: argparse.Namespace) -> None:
    """Let the command line replay the null patches."""
    nulls = null_patches(clean, options.patches, options.seed)
    files = [
        PatchFile(f"null-{number}", each.kind, clean, each.source)
        for number, each in enumerate(nulls, 1)
    ]
    spec = write_patches(folder / "patches", files)
    night.act(
        "run", "--proposer", spec, "--budget", f"{options.budget:g}s", "--tag", TAG,
        "--confirm-share", str(SHARE),
    )  # fmt: skip


def told(night: RealNight, bench: Bench, tell: Tell, *, plot: bool) -> None:
    """Say what the night kept, claimed and reported, and what there truly is."""
    rows, incumbent = night.rows(), night.incumbent()
    first, final = (night.source(row.commit_sha or "") for row in (rows[0][0], incumbent))
    verdicts(rows, tell)
    fresh = [
        (bench.read(first, seed), bench.read(final, seed))
        for seed in range(FRESH, FRESH + FRESH_PAIRS)
    ]
    true = drift(rows, incumbent, fresh, tell)
    replayed(rows, true, tell)
    if plot:
        draw(first_reads(rows), incumbent, true)


def verdicts(rows: Rows, tell: Tell) -> None:
    """Say how many patches were kept and claimed: none was worth it."""
    patches = [row for row, _ in rows[1:]]
    counts = {verdict: sum(row.verdict is verdict for row in patches) for verdict in Verdict}
    confirmed = sum(row.standing is Standing.CONFIRMED for row in patches)
    refuted = sum(row.standing is Standing.REFUTED for row in patches)
    trainings = sum(len(trials) for _, trials in rows)
    tell(f"\n## A night of {len(patches)} patches that change nothing, {trainings} trainings\n")
    shown = ", ".join(f"{verdict} {count}" for verdict, count in counts.items() if count)
    tell(f"{shown}; confirmed {confirmed}, refuted or taken back {refuted}.")
    tell(f"Nothing is to be confirmed: {'met' if not confirmed else 'missed'}.")


def drift(
    rows: Rows, incumbent: Experiment, fresh: Sequence[tuple[Reading, Reading]], tell: Tell
) -> float:
    """Compare the incumbent's reported score with fresh readings; return what these say it is.

    The machine is not as fast afterwards as it was in the night: the fresh readings count as if
    each had taken as many steps as the incumbents' trainings did.
    """
    reported, error = incumbent.val_bpb or math.nan, incumbent.val_bpb_error or math.nan
    groups = {row.id: readings(trials) for row, trials in rows}
    reads = [each for mine in groups.values() for each in mine]
    line = [e for row, _ in rows if row.verdict is Verdict.KEEP for e in groups[row.id]]
    anew = [each for pair in fresh for each in pair]
    known = slope(by_seed(reads), CPU, CPU.seed)
    usual = fmean(math.log(each.steps) for each in line)
    corrected = [each.bpb - known * (math.log(each.steps) - usual) for each in anew]
    tell("\n| | bpb | standard error | steps |\n|---|---|---|---|")
    tell(f"| reported of the incumbent | {reported:.4f} | {error:.4f} | {_steps(line)} |")
    for name, values, steps in (
        ("mean of the night's trainings, all of one code", [e.bpb for e in reads], _steps(reads)),
        ("mean of fresh trainings afterwards", [e.bpb for e in anew], _steps(anew)),
        ("the same, at the incumbents' steps", corrected, f"{math.exp(usual):.0f}"),
    ):
        tell(f"| {name} ({len(values)}) | {fmean(values):.4f} | {_error(values):.4f} | {steps} |")
    gaps = [after.bpb - before.bpb for before, after in fresh]
    name = f"final code less baseline's, {len(gaps)} fresh pairs"
    tell(f"| {name} | {fmean(gaps):+.4f} | {_error(gaps):.4f} | |")
    off = reported - fmean(corrected)
    errors = off / math.hypot(error, _error(corrected))
    tell(f"\nReported less fresh at equal steps: {off:+.4f} bpb, {errors:+.1f} standard errors.")
    explained(reads, tell)
    return fmean(corrected)


def explained(reads: Sequence[Reading], tell: Tell) -> None:
    """Say how much of the spread on a seed is the machine's speed."""
    groups = [mine for mine in by_seed(reads) if len(mine) > 2]
    known = slope(groups, CPU, CPU.seed)
    tell("\n| Seed | trainings | steps | sd, bpb | sd at equal steps |\n|---|---|---|---|---|")
    for mine in groups:
        raw, quiet = (
            stdev(e.bpb for e in each) for each in (mine, adjust_for_throughput(mine, known))
        )
        tell(f"| {mine[0].seed} | {len(mine)} | {_steps(mine)} | {raw:.4f} | {quiet:.4f} |")
    tell(f"\nThe slope: {known:.3f} bpb per unit of ln(steps).")


def readings(trials: Sequence[Trial]) -> list[Reading]:
    """Return what an experiment's trials read."""
    return [Reading(t.seed, t.val_bpb, t.steps) for t in trials if t.val_bpb is not None]


def by_seed(reads: Sequence[Reading]) -> list[list[Reading]]:
    """Return the readings of each seed: here all are of one code."""
    seeds = sorted({each.seed for each in reads})
    return [[each for each in reads if each.seed == seed] for seed in seeds]


def replayed(rows: Rows, true: float, tell: Tell) -> None:
    """Say what rules without statistics would have made of the same first readings."""
    reads = first_reads(rows)
    tell(
        "\n| Rule, on the same first readings | keeps | reported | less fresh |\n|---|---|---|---|"
    )
    for threshold in THRESHOLDS:
        kept, best = kept_by(reads, threshold)
        name = f"keep if lower by {threshold:g}" if threshold else "keep if lower (upstream)"
        tell(f"| {name} | {kept} | {best:.4f} | {best - true:+.4f} |")
    house = sum(row.verdict is Verdict.KEEP for row, _ in rows[1:])
    last = [row.val_bpb for row, _ in rows if row.verdict is Verdict.KEEP][-1] or math.nan
    tell(f"| the house's, as it was played | {house} | {last:.4f} | {last - true:+.4f} |")


def first_reads(rows: Rows) -> list[float]:
    """Return what each experiment read first, the baseline before all."""
    scored = [readings(trials) for _, trials in rows]
    return [each[0].bpb for each in scored if each]


def kept_by(reads: Sequence[float], threshold: float) -> tuple[int, float]:
    """Return how many readings are lower than the best so far by a threshold, and the last best."""
    kept, best = 0, reads[0]
    for read in reads[1:]:
        if read < best - threshold:
            kept, best = kept + 1, read
    return kept, best


def _error(values: Sequence[float]) -> float:
    return stdev(values) / math.sqrt(len(values))


def draw(reads: Sequence[float], incumbent: Experiment, true: float) -> None:
    """Draw the readings, upstream's record and the house's report; nothing without matplotlib."""
    try:
        figure = importlib.import_module("matplotlib.figure").Figure((7, 4), layout="tight")
    except ImportError:
        print("no plot: matplotlib is not installed")
        return
    axes, places = figure.subplots(), range(len(reads))
    axes.plot(places, reads, ".", label="first readings")
    axes.step(places, [min(reads[: at + 1]) for at in places], label="record of keep-if-lower")
    axes.errorbar(
        [len(reads)], [incumbent.val_bpb], [incumbent.val_bpb_error or 0], fmt="o", capsize=3,
        label="reported in the end",
    )  # fmt: skip
    axes.axhline(true, ls=":", label="fresh trainings")
    axes.set(xlabel="patch that changes nothing", ylabel="val_bpb")
    axes.legend(fontsize=8)
    figure.savefig(HERE / "results" / "aa.png", dpi=80)


def write(lines: Sequence[str], part: str) -> None:
    """Write what was told into results/aa-PART.md."""
    command = f"# Patches that change nothing: {part}\n\n`python {' '.join(sys.argv)}`"
    (HERE / "results" / f"aa-{part}.md").write_text(f"{command}\n\n" + "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
