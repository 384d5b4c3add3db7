"""A night of patches that change nothing, on the `blank` template's accuracy: none is confirmed.

    python benchmarks/null_metric.py [--patches 40] [--write]

By the real command line, on real trainings scored by the project's own evaluator. A second of
training gives the same answers each time, so the dozen patches that only spell something otherwise
(null_patches.py) read no difference at all; all others draw random numbers that nobody uses, which
gives every training another start, as another seed would: what they read is luck.
With --write the table goes into results/null-metric.md.
"""

import argparse
import resource
import time
from collections.abc import Sequence
from pathlib import Path

from null_patches import null_patches
from real_night import TAG, PatchFile, RealNight, machine, place, write_patches

from autoresearch.records.tables import Experiment, Trial
from autoresearch.records.values import Category, Standing, Verdict
from autoresearch.scaffold import render

HERE = Path(__file__).parent
SPELT = 12  # the program is short
COMMAND = ("python", "benchmarks/null_metric.py", "--write")
# Each on lines of its own, so that they apply whatever was kept before them.
_DRAWN = "DRAWN_{} = 0\n# numbers that\n# nobody uses\n"
_GENERATOR = 'rng = np.random.default_rng(int(os.environ.get("SEED", "0")))\n'


def main() -> None:
    """Play the night; print and perhaps write."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--patches", type=int, default=40, metavar="N")
    parser.add_argument("--write", action="store_true", help="into results/")
    options = parser.parse_args()
    begun = time.monotonic()
    stirs = options.patches - SPELT
    clean = stirred(render("blank", "cpu")["train.py"], stirs)
    with place() as folder:
        night = RealNight(folder, clean, corpus="", template="blank")
        spec = write_patches(folder / "patches", patches(clean, options.patches, stirs))
        night.act("run", "--proposer", spec, "--tag", TAG)
        lines = [machine(), "", *told(night.rows())]
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = f"{used.ru_utime + used.ru_stime:.0f} CPU seconds"
    lines += ["", f"{(time.monotonic() - begun) / 60:.0f} minutes, {spent}"]
    print("\n".join(lines))
    if options.write:
        head = ["# Patches that change nothing: an accuracy", "", f"`{' '.join(COMMAND)}`", ""]
        text = "\n".join([*head, *lines, ""])
        (HERE / "results" / "null-metric.md").write_text(text)


def stirred(source: str, count: int) -> str:
    """Return the program with so many numbers that say how many random numbers are thrown away."""
    names = [f"DRAWN_{number}" for number in range(count)]
    constants = "".join(_DRAWN.format(number) for number in range(count))
    thrown = "".join(f"    rng.random({at + 1} * {name})\n" for at, name in enumerate(names))
    assert _GENERATOR in source
    head, classes, rest = source.partition("CLASSES = 62\n")
    return head + classes + constants + rest.replace(_GENERATOR, _GENERATOR + thrown)


def patches(clean: str, count: int, stirs: int) -> list[PatchFile]:
    """Return both kinds in turn."""
    nulls = null_patches(clean, count - stirs)
    spelt = [PatchFile("null", each.kind, clean, each.source) for each in nulls]
    thrown = [
        PatchFile("stir", "another start", clean, clean.replace(f"{name} = 0\n", f"{name} = 1\n"))
        for name in (f"DRAWN_{number}" for number in range(stirs))
    ]
    both = [each for pair in zip(spelt, thrown, strict=False) for each in pair]
    return [*both, *thrown[len(spelt) :]]


def told(rows: Sequence[tuple[Experiment, Sequence[Trial]]]) -> list[str]:
    """Return what was kept, confirmed and taken back."""
    tried = [(row, trials) for row, trials in rows if row.category is not Category.BASELINE]
    trainings = sum(len(trials) for _, trials in rows)
    lines = [
        f"{len(tried)} patches, {trainings} trainings.",
        "",
        "| verdict | patches |",
        "|---|---|",
        *(
            f"| {verdict} | {count} |"
            for verdict in Verdict
            if (count := sum(row.verdict is verdict for row, _ in tried))
        ),
    ]
    confirmed = sum(row.standing is Standing.CONFIRMED for row, _ in tried)
    refuted = sum(row.standing is Standing.REFUTED for row, _ in tried)
    met = "met" if not confirmed else "missed"
    lines += ["", f"Confirmed {confirmed}, refuted or taken back {refuted}. None is to be: {met}."]
    spread = sorted({round(-t.val_bpb, 4) for _, ts in rows for t in ts if t.val_bpb is not None})
    return [*lines, "", f"Accuracies read: {spread[0]:.4f} to {spread[-1]:.4f}."]


if __name__ == "__main__":
    main()
