"""Silent bugs planted in the template: which are found and confirmed, in how many experiments?

    python benchmarks/planted_bugs.py [--bugs all|NAME ...] [--proposer SPEC ...] [--experiments N]
    python benchmarks/planted_bugs.py --effects SEEDS

Eight bugs that raise no error (planted_table.py) are planted into a project, and the real command
line works on it. Without --proposer it replays the eight fixes and eight decoys in mixed order:
every fix is to be kept and confirmed, no decoy to be confirmed. With --proposer it is any proposer
that is judged: a bug counts as fixed when the program no longer behaves so (planted_probes.py),
however it is written. --effects measures what each bug costs, alone and among the others.
"""

import argparse
import json
import math
import random
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, stdev

from planted_table import BUGS, DECOYS, Edit, apply, named, template
from real_night import TAG, Bench, PatchFile, RealNight, machine, place, write_patches

from autoresearch.records.tables import Experiment
from autoresearch.records.values import Standing, Verdict

PROBES = Path(__file__).parent / "planted_probes.py"
FRESH = (1001, 1002, 1003)  # seeds that no study reaches


@dataclass(frozen=True)
class Fix:
    """Where a bug went: the kept experiment without it, if any."""

    bug: str
    experiment: Experiment | None


def main() -> None:
    """Measure effects, or plant, run and tell."""
    options = arguments()
    begun = time.monotonic()
    print(f"{machine()}; {options.budget:g} CPU s a training, one thread\n", flush=True)
    bugs = chosen(options.bugs)
    with place() as folder:
        if options.effects:
            bench = Bench(RealNight(folder, template()), options.budget)
            effects(bench, bugs, range(1, options.effects + 1))
        else:
            night = RealNight(folder, apply(template(), bugs))
            play(night, folder, bugs, options)
            told(night, bugs, Bench(night, options.budget))
    print(f"\n{(time.monotonic() - begun) / 60:.0f} minutes")


def arguments() -> argparse.Namespace:
    """Return what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--bugs", nargs="+", default=["all"], metavar="NAME")
    parser.add_argument("--proposer", action="append", metavar="SPEC", help="as for run")
    parser.add_argument("--experiments", type=int, metavar="N", help="stop after so many")
    parser.add_argument("--budget", type=float, default=12.0, metavar="SECONDS")
    parser.add_argument("--confirm-share", type=float, default=0.75, metavar="SHARE")
    parser.add_argument("--order", type=int, default=0, metavar="SEED", help="of the patches")
    parser.add_argument("--effects", type=int, default=0, metavar="SEEDS")
    return parser.parse_args()


def chosen(names: Sequence[str]) -> list[Edit]:
    """Return the bugs of these names; "all" is all of them.

    Raises:
        SystemExit: there is no such bug.
    """
    known = named(BUGS)
    if names == ["all"]:
        return list(BUGS)
    if unknown := [name for name in names if name not in known]:
        raise SystemExit(f"no bug {', '.join(unknown)}: choose of {', '.join(known)}")
    return [known[name] for name in names]


# --- the night


def patches(bugs: Sequence[Edit], order: int = 0) -> list[PatchFile]:
    """Return the bugs' fixes and the decoys in an order drawn by a seed."""
    clean = template()
    planted = apply(clean, bugs)
    found = [
        PatchFile(bug.name, f"Mend: {bug.about}", planted, mended(planted, bug)) for bug in bugs
    ]
    found += [
        PatchFile(decoy.name, decoy.about, planted, apply(planted, [decoy])) for decoy in DECOYS
    ]
    random.Random(order).shuffle(found)
    return found


def mended(source: str, bug: Edit) -> str:
    """Return the source without a bug."""
    return apply(source, [Edit(bug.name, bug.about, bug.wrong, bug.right)])


def play(night: RealNight, folder: Path, bugs: Sequence[Edit], options: argparse.Namespace) -> None:
    """Run the study to its end."""
    specs = options.proposer or [write_patches(folder / "patches", patches(bugs, options.order))]
    limit = ["--experiments", str(options.experiments)] if options.experiments else []
    night.act(
        "run", *(word for spec in specs for word in ("--proposer", spec)), *limit,
        "--budget", f"{options.budget:g}s", "--tag", TAG,
        "--confirm-share", str(options.confirm_share),
    )  # fmt: skip


def told(night: RealNight, bugs: Sequence[Edit], bench: Bench) -> None:
    """Print what became of bugs, of everything else, and of the score."""
    rows = [row for row, _ in night.rows()]
    trainings = sum(len(trials) for _, trials in night.rows())
    incumbent = night.incumbent()
    fixes = fixed(night, rows, incumbent, bugs)
    print(f"\n{len(rows) - 1} experiments, {trainings} trainings\n")
    print("| Bug | fixed by | standing | measured | claim |\n|---|---|---|---|---|")
    for fix in fixes:
        print(f"| {fix.bug} | {_cells(fix.experiment)} |")
    mending = {fix.experiment.id for fix in fixes if fix.experiment}
    others = [row for row in rows[1:] if row.id not in mending]
    print("\n| Not a fix | verdict | standing | measured |\n|---|---|---|---|")
    for row in others:
        measured = _effect(row.measured, row.measured_error)
        print(f"| {row.hypothesis} | {row.verdict} | {row.standing or '-'} | {measured} |")
    bars(fixes, others)
    score(bench, night.source(incumbent.commit_sha or ""))


def fixed(
    night: RealNight, rows: Sequence[Experiment], incumbent: Experiment, bugs: Sequence[Edit]
) -> list[Fix]:
    """Return for each bug the keep from which on the incumbent's line is without it."""
    by_id = {row.id: row for row in rows}
    line = [incumbent]
    while (parent := by_id.get(line[-1].parent_id)) is not None:
        line.append(parent)
    seen = {row.id: probed(night, night.source(row.commit_sha or "")) for row in line}
    found = []
    for bug in bugs:
        mending = None
        for row in line:  # from the incumbent back to the baseline
            if seen[row.id].get(bug.name) is not False:
                break
            mending = row
        found.append(Fix(bug.name, mending))
    return found


def probed(night: RealNight, source: str) -> Mapping[str, bool | None]:
    """Return which bugs a train.py has; None where it cannot be told."""
    with place() as folder:
        for name in ("prepare.py", "autoresearch.toml"):
            (folder / name).write_text((night.root / name).read_text())
        (folder / "train.py").write_text(source)
        return ask(folder)


def ask(folder: Path) -> Mapping[str, bool | None]:
    """Return what the probes say of a folder's train.py."""
    done = subprocess.run(
        [sys.executable, str(PROBES), str(folder)], capture_output=True, text=True, check=False
    )
    found: dict[str, bool | None] = json.loads(done.stdout) if done.returncode == 0 else {}
    return found


def bars(fixes: Sequence[Fix], others: Sequence[Experiment]) -> None:
    """Print in a line how many bugs are fixed and confirmed, and what else is."""
    kept = [fix.experiment for fix in fixes if fix.experiment]
    sure = sum(row.standing is Standing.CONFIRMED for row in kept)
    false = [row for row in others if row.standing is Standing.CONFIRMED]
    luck = sum(row.verdict is Verdict.KEEP for row in others)
    print(
        f"\nOf {len(fixes)} bugs {len(kept)} fixed, {sure} of the fixes confirmed; "
        f"of {len(others)} others {luck} kept, {len(false)} confirmed."
    )


def score(bench: Bench, final: str) -> None:
    """Print the final code's score beside the clean template's, on the same fresh seeds."""
    clean = template()
    pairs = [(bench.read(clean, seed).bpb, bench.read(final, seed).bpb) for seed in FRESH]
    gaps = [mine - theirs for theirs, mine in pairs]
    print(
        f"final {fmean(mine for _, mine in pairs):.4f}, clean template "
        f"{fmean(theirs for theirs, _ in pairs):.4f}; difference on {len(pairs)} common seeds "
        f"{_effect(fmean(gaps), stdev(gaps) / math.sqrt(len(gaps)))}"
    )


def _cells(row: Experiment | None) -> str:
    if row is None:
        return "- | - | - | -"
    claim = f"{row.claim:.3f} on {row.claim_pairs}" if row.claim is not None else "-"
    measured = _effect(row.measured, row.measured_error)
    return f"{row.id} | {row.standing or '-'} | {measured} | {claim}"


def _effect(mean: float | None, error: float | None) -> str:
    if mean is None:
        return "-"
    return f"{mean:+.4f}" + (f" ± {error:.4f}" if error is not None else "")


# --- effects


def effects(bench: Bench, bugs: Sequence[Edit], seeds: Sequence[int]) -> None:
    """Print what each bug costs alone, and what its fix gains among all; decoys in both places."""
    clean, planted = template(), apply(template(), bugs)
    base = {name: [bench.read(source, seed).bpb for seed in seeds] for name, source in (
        ("clean", clean), ("all", planted))}  # fmt: skip
    print(f"clean {fmean(base['clean']):.4f}, all bugs {fmean(base['all']):.4f} bpb\n")
    print("| Edit | alone | fixed among all |\n|---|---|---|")
    for bug in bugs:
        alone = _gap(bench, apply(clean, [bug]), seeds, base["clean"])
        among = _gap(bench, mended(planted, bug), seeds, base["all"])
        print(f"| {bug.name} | {alone} | {among} |", flush=True)
    for decoy in DECOYS:
        alone = _gap(bench, apply(clean, [decoy]), seeds, base["clean"])
        among = _gap(bench, apply(planted, [decoy]), seeds, base["all"])
        print(f"| decoy {decoy.name} | {alone} | {among} (added) |", flush=True)


def _gap(bench: Bench, source: str, seeds: Sequence[int], base: Sequence[float]) -> str:
    reads = [bench.read(source, seed).bpb for seed in seeds]
    gaps = [mine - theirs for mine, theirs in zip(reads, base, strict=True)]
    error = stdev(gaps) / math.sqrt(len(gaps)) if len(gaps) > 1 else None
    return _effect(fmean(gaps), error)


if __name__ == "__main__":
    main()
