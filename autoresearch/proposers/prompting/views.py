"""The values of a prompt's templates: our own numbers, and text of others as untrusted blocks.

Each is named as the templates name it. A block is empty where there is nothing to show.
"""

import math
from collections.abc import Mapping, Sequence
from statistics import fmean
from types import SimpleNamespace

from autoresearch import patching
from autoresearch.policy import power
from autoresearch.policy.confirmation import CONFIRMED
from autoresearch.policy.verdicts import ENOUGH_REPEATS, MAX_PAIRS
from autoresearch.proposers.base import Brief, HistoryEntry
from autoresearch.proposers.prompting import digest, untrusted_blocks
from autoresearch.proposers.prompting.history import experiment_data
from autoresearch.proposers.prompting.untrusted_blocks import UntrustedBlocks
from autoresearch.records.values import Category, Standing

_CATEGORIES = " | ".join(
    each for each in Category if each not in (Category.BASELINE, Category.OTHER)
)
_PROGRAM = "program.md"
_NAMES = 40  # of fixed files that are not shown
_SMALL = (14, 900)  # lines and characters of a patch that is shown for a second time
_READINGS = 12  # of the baseline
_NUMBERS = 8  # of experiments that crashed in the same way
_PENDING, _SHORT = 64, 100  # experiments at work that are named, and characters of each one


def setting(brief: Brief, proposals: int) -> SimpleNamespace:
    """Return what never changes in a study: for the rules, and for how to answer.

    `line_price` and `tie` are in the metric's unit; or in `shares` of the noise between seeds,
    where that is still being learned, so that they stay the same throughout the study.
    """
    unit = 1.0 if brief.scale.metric.is_bits_per_byte else brief.scale.noise.seed
    machine = brief.measuring.machine if brief.measuring else None
    parts = (machine.processor, machine.card, machine.software) if machine else ()
    return SimpleNamespace(
        entry=untrusted_blocks.line(brief.entry, 120),
        command=untrusted_blocks.line(brief.command, 300),
        total=brief.total,
        paired=brief.scale.noise.paired,
        guards=[f"`{each.name}` {each.description}" for each in brief.guards],
        example=brief.example_delta,
        editable=untrusted_blocks.line(", ".join(brief.editable), 300),
        several=len(brief.editable) > 1 or "*" in brief.editable[0],
        device=untrusted_blocks.line(brief.device, 40),
        seconds=brief.budget.training,
        clock=brief.budget.clock,
        startup=brief.budget.startup,
        categories=_CATEGORIES,
        proposals=proposals,
        measuring=brief.measuring,
        threads=brief.limits.threads,
        memory=brief.limits.memory,
        machine=untrusted_blocks.line(", ".join(filter(None, parts)), 200),
        compiles=machine.compiles if machine else None,
        shares=unit != 1.0,
        line_price=brief.scale.line_price / unit,
        tie=brief.scale.tie / unit,
        first_repeats=ENOUGH_REPEATS,
        most_pairs=MAX_PAIRS,
        confirmed=CONFIRMED,
    )


def shown_files(brief: Brief, globs: Sequence[str]) -> dict[str, str]:
    """Return the fixed files that the globs name, smallest first; the program is shown anyway."""
    named = patching.matching(brief.fixed_files, globs)
    named.pop(_PROGRAM, None)
    return dict(sorted(named.items(), key=lambda item: (len(item[1]), item[0])))


def project(
    brief: Brief, blocks: UntrustedBlocks, shown: Mapping[str, str], dropped: Sequence[str]
) -> SimpleNamespace:
    """Return what a brief says about all that no proposal can change."""
    named = {*shown, *dropped, _PROGRAM}
    others = [path for path in sorted(brief.fixed_files) if path not in named]
    program = untrusted_blocks.code(brief.program)
    return SimpleNamespace(
        program=blocks.instructions(program) if brief.program.strip() else "",
        shown=_files(blocks, dict(sorted(shown.items()))),
        dropped=_names(blocks, sorted(dropped)),
        others=_names(blocks, others),
    )


def incumbent(brief: Brief, blocks: UntrustedBlocks) -> SimpleNamespace:
    """Return the code to change, and where it spends its time."""
    return SimpleNamespace(
        number=brief.incumbent_id,
        files=_files(blocks, brief.files),
        parameters=brief.parameters,
        profile=blocks.data("profile", _profile(brief)) if brief.profile else "",
    )


def now(brief: Brief, blocks: UntrustedBlocks, proposer: str = "") -> SimpleNamespace:
    """Return what is new in every brief; `proposer` is the one whose predictions are compared."""
    history, left, noise = brief.history, brief.remaining, brief.noise
    line = digest.lineage(history, brief.incumbent_id)
    return SimpleNamespace(
        incumbent=brief.incumbent_id,
        score=brief.score,
        first=next((entry.id for entry in history if entry.category is Category.BASELINE), 0),
        baseline=brief.baseline[:_READINGS],
        noise=noise,
        more_steps=noise.slope * math.log(1.4) if noise else 0.0,  # what 40 % more are worth
        smallest=power(noise, brief.scale).gain if noise else 0.0,  # that pairs would confirm
        line_price=brief.scale.line_price,
        tie=brief.scale.tie,
        since_keep=digest.since_keep(history),
        pending=_pending(brief, blocks),
        line=[_keep(entry, blocks) for entry in line[1:]],
        refuted=_experiments([entry for entry in history if entry.standing is Standing.REFUTED]),
        remaining=left,
        trainings=int((left.seconds or 0) // max(left.training or brief.budget.training, 1e-9)),
        tallies=digest.tallies(history),
        calibration=digest.calibration(history, proposer),
        by_category=digest.calibrations(history, proposer),
        ideas=[
            SimpleNamespace(
                number=number, words=blocks.inline("idea", untrusted_blocks.line(text, 300))
            )
            for number, text in digest.open_ideas(history, proposer)
        ],
        overtaken=[
            SimpleNamespace(
                number=number,
                of=entry.id,
                category=entry.category,
                measured=entry.measured,
                parent=entry.parent_id,
                data=blocks.data("experiment", experiment_data(entry, *_SMALL)),
            )
            for number, entry in digest.overtaken(history, brief.pending, proposer)
        ],
        near=[_near(entry, line, blocks) for entry in digest.near_misses(history)],
        crashes=[_crash(same, blocks) for same in digest.repeated_crashes(history)],
        notes=blocks.added(brief.notes),
    )


def _files(blocks: UntrustedBlocks, files: Mapping[str, str]) -> list[str]:
    return [blocks.data("file", untrusted_blocks.code(text), name) for name, text in files.items()]


def _profile(brief: Brief) -> str:
    """Return the rows of a profile as lines; rows outside of the entry name their file."""
    lines = list[str]()
    for row in brief.profile:
        text = row.text if row.path == brief.entry else f"{row.path}: {row.text}"
        shown = untrusted_blocks.line(f"{100 * row.share:.0f}% {text}", 140)
        lines.append("  " * row.depth + shown)
    return "\n".join(lines)


def _names(blocks: UntrustedBlocks, paths: Sequence[str]) -> str:
    lines = [untrusted_blocks.line(path, 120) for path in paths[:_NAMES]]
    if len(paths) > _NAMES:
        lines.append(f"and {len(paths) - _NAMES} more")
    return blocks.data("names", "\n".join(lines)) if lines else ""


def _pending(brief: Brief, blocks: UntrustedBlocks) -> str:
    """Return what is at work or waits, a line each."""
    lines = [
        f"{each.id}, {each.category}: {untrusted_blocks.line(each.hypothesis, _SHORT)}"
        for each in brief.pending[:_PENDING]
    ]
    if len(brief.pending) > _PENDING:
        lines.append(f"and {len(brief.pending) - _PENDING} more")
    return blocks.data("hypotheses", "\n".join(lines)) if lines else ""


def _experiments(entries: Sequence[HistoryEntry]) -> str:
    """Return experiments by their numbers: "experiments 3, 4 and 7"; empty for none."""
    numbers = [str(entry.id) for entry in entries]
    if len(numbers) < 2:
        return "".join(f"experiment {each}" for each in numbers)
    return f"experiments {', '.join(numbers[:-1])} and {numbers[-1]}"


def _words(entry: HistoryEntry, blocks: UntrustedBlocks) -> str:
    return blocks.inline("hypothesis", untrusted_blocks.line(entry.hypothesis, 160))


def _keep(entry: HistoryEntry, blocks: UntrustedBlocks) -> SimpleNamespace:
    """Return a keep that the incumbent builds on, with what further pairs have read since."""
    return SimpleNamespace(
        number=entry.id,
        category=entry.category,
        believed=entry.delta,
        error=entry.delta_error,
        pairs=len(entry.further),
        further=fmean(read for _, read in entry.further) if entry.further else None,
        standing=entry.standing or "",
        words=_words(entry, blocks),
    )


def _near(
    entry: HistoryEntry, line: Sequence[HistoryEntry], blocks: UntrustedBlocks
) -> SimpleNamespace:
    """Return a discard worth another thought, with the keeps since it was measured (`mended`)."""
    # `line` is oldest first: keeps that come after its parent were made after it.
    at = next((at for at, each in enumerate(line) if each.id == entry.parent_id), len(line))
    return SimpleNamespace(
        number=entry.id,
        measured=entry.measured or 0.0,
        chances=entry.chances,
        parent=entry.parent_id,
        mended=_experiments(line[at + 1 :]),
        words=_words(entry, blocks),
    )


def _crash(same: Sequence[HistoryEntry], blocks: UntrustedBlocks) -> SimpleNamespace:
    """Return a kind of crash that was seen again, with the latest one's reason."""
    return SimpleNamespace(
        count=len(same),
        numbers=_experiments(same[-_NUMBERS:]),
        banned=len(same) >= digest.BAN,
        words=blocks.inline("reason", untrusted_blocks.line(same[-1].reason, 160)),
    )
