"""Simulated nights: what each rule of decision truly gains, what it reports and what it claims.

    python benchmarks/nights.py [--nights N] [--write]

The world and the rules are in night_rules.py. Every rule sees the same ideas. The policy is the
real one: it is told neither sigma nor the mix, goes through the whole study again when it has
learned more of the noise, and pays a slot for each training of either side; a reading that the
incumbent has already is reused. With --write the tables go into results/nights.md, and where
matplotlib is installed a plot beside it.
"""

import argparse
import importlib
import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import fmean, stdev

from night_rules import (
    MIXES,
    NOTHING,
    SLOTS,
    Lab,
    Mix,
    Night,
    fresh_pair,
    house,
    house_claiming,
    rerun,
    threshold,
    told,
)

HERE = Path(__file__).parent
SIGMAS = (0.030, 0.013, 0.0025)

RULES: dict[str, Callable[[Lab], Night]] = {
    "keep if lower (upstream)": threshold(0),
    "keep if lower by 2 sigma": threshold(2),
    "rerun once, mean of two": rerun,
    "screen, then a fresh pair": fresh_pair,
    "Bayes, told sigma and mix": told,
    "the policy": house,
    "the policy, claims within": house_claiming,
}
HEADER = (
    "| sigma | rule | true improvement | of upstream's | reported - true, in sigma "
    "| kept (better) | claims a night (false) | nights with a false claim | slots |\n"
    "|---|---|---|---|---|---|---|---|---|"
)


def play(rule: str, sigma: float, mix: Mix, nights: int) -> list[Night]:
    """Return what a rule made of these nights."""
    return [RULES[rule](Lab(seed, sigma, mix)) for seed in range(nights)]


def table(mix: Mix, nights: int) -> list[str]:
    """Play one mix and return its table, a line a sigma and rule."""
    lines = [f"\n### {mix.name} ({nights} nights a line)\n", HEADER]
    print("\n".join(lines), flush=True)
    for sigma in SIGMAS:
        upstream = 0.0
        for rule in RULES:
            if rule.endswith("within") and mix is not MIXES[0]:
                continue
            found = play(rule, sigma, mix, nights)
            upstream = upstream or fmean(each.true for each in found)
            lines.append(line(sigma, rule, found, upstream))
            print(lines[-1], flush=True)
    return lines


def line(sigma: float, rule: str, found: Sequence[Night], upstream: float) -> str:
    """Return one line of a table."""
    true = [each.true for each in found]
    error = stdev(true) / math.sqrt(len(true))
    bias = fmean(each.reported - each.true for each in found) / sigma
    ratio = f"{fmean(true) / upstream:.2f}" if upstream else "-"
    cells = [f"{sigma}", rule, f"{fmean(true):+.4f} ± {error:.4f}", ratio, f"{bias:+.2f}"]
    cells += claims(found) if rule.startswith("the policy") else ["", "", "", f"{SLOTS}"]
    return f"| {' | '.join(cells)} |"


def claims(found: Sequence[Night]) -> list[str]:
    """Return the cells about keeps and claims."""
    made, wrong = sum(each.claims for each in found), sum(each.false_claims for each in found)
    share = f"{wrong} of {made}" + (f" = {wrong / made:.1%}" if made else "")
    return [
        f"{fmean(each.kept for each in found):.1f} ({fmean(each.truly for each in found):.1f})",
        f"{made / len(found):.2f} ({share})",
        f"{fmean(each.false_claims > 0 for each in found):.1%}",
        f"{fmean(each.slots for each in found):.0f}",
    ]


def write(lines: Sequence[str], nights: int, seconds: float) -> None:
    """Write the tables into results/nights.md."""
    command = f"`python benchmarks/nights.py --nights {nights} --write` ({seconds:.0f} CPU seconds)"
    head = f"# Simulated nights\n\n{command}; what is simulated is said at the script's top.\n"
    (HERE / "results" / "nights.md").write_text(head + "\n".join(lines) + "\n")


def draw(nights: int) -> None:
    """Draw how improvement grows with quiet, a line a rule; nothing without matplotlib."""
    try:
        figure = importlib.import_module("matplotlib.figure").Figure((7, 4.5), layout="tight")
    except ImportError:
        print("no plot: matplotlib is not installed")
        return
    axes = figure.subplots()
    for rule in RULES:
        true = [-fmean(each.true for each in play(rule, s, MIXES[0], nights)) for s in SIGMAS]
        axes.plot(SIGMAS, true, "o-", label=rule)
    axes.set(xscale="log", xlabel="sigma, bpb", ylabel="true improvement after 100 slots, bpb")
    axes.set_title(f"{nights} simulated nights a point")
    axes.legend(fontsize=8)
    figure.savefig(HERE / "results" / "nights.png", dpi=80)


def main() -> None:
    """Play the nights and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--nights", type=int, default=120, metavar="N")
    parser.add_argument("--write", action="store_true", help="into results/")
    options = parser.parse_args()
    begun, lines = time.process_time(), list[str]()
    for mix in (*MIXES, NOTHING):
        lines += table(mix, options.nights if mix in (MIXES[0], NOTHING) else options.nights // 2)
    seconds = time.process_time() - begun
    print(f"\n{seconds:.0f} CPU seconds")
    if options.write:
        write(lines, options.nights, seconds)
        draw(options.nights // 4)


if __name__ == "__main__":
    main()
