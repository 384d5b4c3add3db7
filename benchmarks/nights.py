"""Simulated nights: what each rule of decision truly gains, what it reports and what it claims.

    python benchmarks/nights.py [--nights N] [--first SEED] [--write | --mix NAME]

The world and the simple rules are in night_rules.py, the policy's night in night_house.py. It is
the real policy, not told sigma. Every rule sees the same ideas and has the same
hundred slots; a reading that there is already is reused. The simple rules cost nothing to play, so
they play twenty times as many nights, and ratios are to upstream's rule on those. The policy's
constants were found on seeds below 10,000; what is recorded uses others. With --write the tables go
into results/nights.md, and where matplotlib is installed a plot beside it.
"""

import argparse
import importlib
import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import fmean, stdev

from night_bound import bound
from night_house import confirming, searching, shipped
from night_rules import (
    BROKEN,
    MIXES,
    NOTHING,
    Lab,
    Mix,
    Night,
    fresh_pair,
    rerun,
    threshold,
    told,
)

HERE = Path(__file__).parent
SIGMAS = (0.030, 0.013, 0.0025)
CHEAP = 20
UPSTREAM = "keep if lower (upstream)"

SIMPLE: dict[str, Callable[[Lab], Night]] = {
    UPSTREAM: threshold(0),
    "keep if lower by 2 sigma": threshold(2),
    "rerun once, mean of two": rerun,
    "screen, then a fresh pair": fresh_pair,
    "Bayes, told sigma and mix": told,
}
POLICY: dict[str, Callable[[Lab], Night]] = {
    "the policy, search only": searching,
    "the policy, 15% for confirming": confirming,
    "the policy as shipped: confirming, early stopping": shipped,
}
HEADER = (
    "| sigma | rule | true improvement | of upstream's | reported - true, in sigma "
    "| in its own error: mean, spread | kept (better) | on one pair in doubt | taken back "
    "| claims a night (false) | nights with a false claim |\n"
    "|---|---|---|---|---|---|---|---|---|---|---|"
)


def play(rule: Callable[[Lab], Night], sigma: float, mix: Mix, seeds: range) -> list[Night]:
    """Return what a rule made of these nights."""
    return [rule(Lab(seed, sigma, mix)) for seed in seeds]


def table(mix: Mix, nights: int, first: int) -> list[str]:
    """Play one mix and return its table, a line a sigma and rule."""
    lines = [f"\n### {mix.name}\n", HEADER]
    print("\n".join(lines), flush=True)
    for sigma in SIGMAS:
        upstream = 0.0
        for rule, plays in (SIMPLE | POLICY).items():
            count = nights * (CHEAP if rule in SIMPLE else 1)
            found = play(plays, sigma, mix, range(first, first + count))
            upstream = upstream or fmean(each.true for each in found)
            lines.append(line(sigma, rule, found, upstream))
            print(lines[-1], flush=True)
        if mix not in (BROKEN, NOTHING):
            lines.append(_bounded(sigma, mix, upstream))
            print(lines[-1], flush=True)
    return lines


def line(sigma: float, rule: str, found: Sequence[Night], upstream: float) -> str:
    """Return one line of a table."""
    true = [each.true for each in found]
    error = stdev(true) / math.sqrt(len(true))
    ratio = f"{fmean(true) / upstream:.2f}" if upstream else "-"
    cells = [f"{sigma}", rule, f"{fmean(true):+.4f} ± {error:.4f}", ratio, bias(found, sigma)]
    cells += [calibration(found), *claims(found)] if rule in POLICY else [""] * 6
    return f"| {' | '.join(cells)} |"


def bias(found: Sequence[Night], sigma: float) -> str:
    """Return by how many sigma reports are off, with its standard error.

    What a seed adds has the opposite sign in every second night: two by two it cancels, which the
    error would not know of if it were taken from night to night.
    """
    off = [(each.reported - each.true) / sigma for each in found]
    return _in_twos(off)


def calibration(found: Sequence[Night]) -> str:
    """Return by how many of its own standard errors the policy's report is off, and their spread.

    A night that ends with a broken program has that program's noise, which sigma is not.
    """
    off = [(each.reported - each.true) / each.error for each in found]
    return f"{_in_twos(off)}, {stdev(off):.2f}"


def _in_twos(off: Sequence[float]) -> str:
    twins = [fmean(pair) for pair in zip(off[::2], off[1::2], strict=True)]
    return f"{fmean(twins):+.2f} ± {stdev(twins) / math.sqrt(len(twins)):.2f}"


def _bounded(sigma: float, mix: Mix, upstream: float) -> str:
    most = bound(mix, sigma)
    name = "the most there is, told everything"
    return f"| {sigma} | {name} | {most:+.4f} | {most / upstream:.2f} |  |  |  |  |  |  |  |"


def claims(found: Sequence[Night]) -> list[str]:
    """Return the cells about keeps and claims."""
    made, wrong = sum(each.claims for each in found), sum(each.false_claims for each in found)
    share = f"{wrong} of {made}" + (f" = {wrong / made:.1%}" if made else "")
    return [
        f"{fmean(each.kept for each in found):.1f} ({fmean(each.truly for each in found):.1f})",
        f"{fmean(each.doubtful for each in found):.1f}",
        f"{fmean(each.taken_back for each in found):.1f}",
        f"{made / len(found):.2f} ({share})",
        f"{sum(each.false_claims > 0 for each in found)} of {len(found)}",
    ]


def write(lines: Sequence[str], options: argparse.Namespace, seconds: float) -> None:
    """Write the tables into results/nights.md."""
    asked = f"--nights {options.nights} --first {options.first} --write"
    head = (
        f"# Simulated nights\n\n`python benchmarks/nights.py {asked}` ({seconds:.0f} CPU seconds); "
        f"what is simulated is said at the scripts' tops.\n{options.nights} nights a line for the "
        f"policy, {CHEAP} times as many for the other rules.\n"
    )
    (HERE / "results" / "nights.md").write_text(head + "\n".join(lines) + "\n")


def draw(nights: int, first: int) -> None:
    """Draw how improvement grows with quiet, a line a rule; nothing without matplotlib."""
    try:
        figure = importlib.import_module("matplotlib.figure").Figure((7, 4.5), layout="tight")
    except ImportError:
        print("no plot: matplotlib is not installed")
        return
    axes, seeds = figure.subplots(), range(first, first + nights)
    for rule, plays in (SIMPLE | POLICY).items():
        true = [-fmean(each.true for each in play(plays, s, MIXES[0], seeds)) for s in SIGMAS]
        axes.plot(SIGMAS, true, "o-", label=rule)
    axes.set(xscale="log", xlabel="sigma, bpb", ylabel="true improvement after 100 slots, bpb")
    axes.set_title(f"{nights} simulated nights a point")
    axes.legend(fontsize=8)
    figure.savefig(HERE / "results" / "nights.png", dpi=80)


def main() -> None:
    """Play the nights and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--nights", type=int, default=100, metavar="N")
    parser.add_argument("--first", type=int, default=10_000, metavar="SEED")
    parser.add_argument("--write", action="store_true", help="into results/")
    parser.add_argument("--mix", default="", help="one mix alone, by its name or a part of it")
    options = parser.parse_args()
    mixes = [mix for mix in (*MIXES, BROKEN, NOTHING) if options.mix in mix.name]
    if not mixes or (options.mix and options.write):
        parser.error("--mix is a part of a mix's name, and what is written has all of them")
    if options.nights < 4 or options.nights % 2:
        parser.error("--nights takes an even number of 4 or more: nights are twins")
    begun, lines = time.process_time(), list[str]()
    for mix in mixes:
        lines += table(mix, options.nights, options.first)
    seconds = time.process_time() - begun
    print(f"\n{seconds:.0f} CPU seconds")
    if options.write:
        write(lines, options, seconds)
        draw(options.nights // 4, options.first)


if __name__ == "__main__":
    main()
