"""The values for a prompt's templates: our own numbers, and text of others as untrusted blocks."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from autoresearch import patching
from autoresearch.policy import Calibration, Noise, power
from autoresearch.proposers.base import Brief, HistoryEntry, Pending, Remaining
from autoresearch.proposers.prompting import digest, untrusted_blocks
from autoresearch.proposers.prompting.digest import Tally
from autoresearch.proposers.prompting.untrusted_blocks import UntrustedBlocks
from autoresearch.records.values import Category, Chances, Estimate, Standing

_PROGRAM = "program.md"
_NAMES = 40  # of fixed files that are not shown
_READINGS = 12  # of the baseline
_NUMBERS = 8  # of experiments that are at work, or crashed in the same way


@dataclass(frozen=True)
class ProjectView:
    """The person's words and the fixed files, as blocks; empty where there is nothing."""

    program: str
    shown: tuple[str, ...]
    dropped: str
    others: str


@dataclass(frozen=True)
class IncumbentView:
    """The code to change, as blocks; `profile`, where it spends its time, is empty if not known."""

    number: int
    files: tuple[str, ...]
    parameters: int | None
    profile: str


@dataclass(frozen=True)
class NearMiss:
    """A discard worth another thought; `mended` names the keeps since it was measured."""

    number: int
    measured: float
    chances: Chances | None
    parent: int | None
    mended: str
    words: str


@dataclass(frozen=True)
class PendingView:
    """An experiment that has no verdict yet; `words` is a block with its hypothesis."""

    number: int
    category: str
    words: str


@dataclass(frozen=True)
class Idea:
    """An idea that an author has noted for later, as a block."""

    number: str
    words: str


@dataclass(frozen=True)
class Keep:
    """One keep that the incumbent builds on; `standing` is empty where there is none yet.

    `further` is the mean difference of its `pairs` since the verdict; None without any.
    """

    number: int
    category: str
    believed: float | None
    error: float | None
    pairs: int
    further: float | None
    standing: str
    words: str


@dataclass(frozen=True)
class CrashKind:
    """A kind of crash that was seen again; `words` is a block with the latest one's reason."""

    count: int
    numbers: str
    banned: bool
    words: str


@dataclass(frozen=True)
class Now:
    """What is new in every brief.

    `first` is the baseline's number. `more_steps` is what two fifths more steps are worth,
    `smallest` the gain that a few pairs would confirm; `line_price` and `tie` are in the metric's
    unit. `notes` is a block with the person's own words.
    """

    incumbent: int
    score: Estimate | None
    first: int
    baseline: tuple[tuple[int, float], ...]
    noise: Noise | None
    more_steps: float
    smallest: float
    line_price: float
    tie: float
    since_keep: int
    pending: tuple[PendingView, ...]
    line: tuple[Keep, ...]
    refuted: str
    remaining: Remaining
    trainings: int
    tallies: tuple[Tally, ...]
    calibration: Calibration | None
    by_category: Mapping[Category, Calibration]
    ideas: tuple[Idea, ...]
    near: tuple[NearMiss, ...]
    crashes: tuple[CrashKind, ...]
    notes: str


def shown_files(brief: Brief, globs: Sequence[str]) -> dict[str, str]:
    """Return the fixed files that the globs name, smallest first; the program is shown anyway."""
    named = patching.matching(brief.fixed_files, globs)
    named.pop(_PROGRAM, None)
    return dict(sorted(named.items(), key=lambda item: (len(item[1]), item[0])))


def project(
    brief: Brief, blocks: UntrustedBlocks, shown: Mapping[str, str], dropped: Sequence[str]
) -> ProjectView:
    """Return what a brief says about all that no proposal can change."""
    named = {*shown, *dropped, _PROGRAM}
    others = [path for path in sorted(brief.fixed_files) if path not in named]
    return ProjectView(
        program=blocks.instructions(untrusted_blocks.code(brief.program))
        if brief.program.strip()
        else "",
        shown=_files(blocks, dict(sorted(shown.items()))),
        dropped=_names(blocks, sorted(dropped)),
        others=_names(blocks, others),
    )


def incumbent(brief: Brief, blocks: UntrustedBlocks) -> IncumbentView:
    """Return the code to change."""
    profile = blocks.data("profile", _profile(brief)) if brief.profile else ""
    files = _files(blocks, brief.files)
    return IncumbentView(brief.incumbent_id, files, brief.parameters, profile)


def now(brief: Brief, blocks: UntrustedBlocks, proposer: str = "") -> Now:
    """Return what is new in every brief; `proposer` is the one whose predictions are compared."""
    history, left = brief.history, brief.remaining
    line = digest.lineage(history, brief.incumbent_id)
    near = digest.near_misses(history)
    crashes = digest.repeated_crashes(history)
    return Now(
        incumbent=brief.incumbent_id,
        score=brief.score,
        first=next((entry.id for entry in history if entry.category is Category.BASELINE), 0),
        baseline=brief.baseline[:_READINGS],
        noise=brief.noise,
        more_steps=brief.noise.slope * math.log(1.4) if brief.noise else 0.0,
        smallest=power(brief.noise, brief.scale).gain if brief.noise else 0.0,
        line_price=brief.scale.line_price,
        tie=brief.scale.tie,
        since_keep=digest.since_keep(history),
        pending=tuple(
            PendingView(each.id, str(each.category), _words(each, blocks))
            for each in brief.pending[:_NUMBERS]
        ),
        line=tuple(_keep(entry, blocks) for entry in line[1:]),
        refuted=_experiments([entry for entry in history if entry.standing is Standing.REFUTED]),
        remaining=left,
        trainings=int((left.seconds or 0) // max(left.training or brief.budget.training, 1e-9)),
        tallies=tuple(digest.tallies(history)),
        calibration=digest.calibration(history, proposer),
        by_category=digest.calibrations(history, proposer),
        ideas=tuple(
            Idea(number, blocks.inline("idea", untrusted_blocks.line(text, 300)))
            for number, text in digest.open_ideas(history, proposer)
        ),
        near=tuple(_near(entry, line, blocks) for entry in near),
        crashes=tuple(_crash(same, blocks) for same in crashes),
        notes=blocks.added(brief.notes),
    )


def _files(blocks: UntrustedBlocks, files: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(
        blocks.data("file", untrusted_blocks.code(text), name) for name, text in files.items()
    )


def _profile(brief: Brief) -> str:
    """Return the rows of a profile as lines; rows outside of the entry name their file."""
    lines = list[str]()
    for row in brief.profile:
        text = row.text if row.path == brief.entry else f"{row.path}: {row.text}"
        lines.append(untrusted_blocks.line(f"{100 * row.share:.0f}% {text}", 140))
    return "\n".join(
        "  " * row.depth + line for row, line in zip(brief.profile, lines, strict=True)
    )


def _names(blocks: UntrustedBlocks, paths: Sequence[str]) -> str:
    if not paths:
        return ""
    lines = [untrusted_blocks.line(path, 120) for path in paths[:_NAMES]]
    if left := len(paths) - _NAMES:
        lines += [f"and {left} more"] if left > 0 else []
    return blocks.data("names", "\n".join(lines))


def _experiments(entries: Sequence[HistoryEntry]) -> str:
    """Return experiments by their numbers: "experiments 3, 4 and 7"; empty for none."""
    numbers = [str(entry.id) for entry in entries]
    if len(numbers) < 2:
        return "".join(f"experiment {each}" for each in numbers)
    return f"experiments {', '.join(numbers[:-1])} and {numbers[-1]}"


def _words(entry: HistoryEntry | Pending, blocks: UntrustedBlocks) -> str:
    return blocks.inline("hypothesis", untrusted_blocks.line(entry.hypothesis, 160))


def _keep(entry: HistoryEntry, blocks: UntrustedBlocks) -> Keep:
    return Keep(
        number=entry.id,
        category=str(entry.category),
        believed=entry.delta,
        error=entry.delta_error,
        pairs=len(entry.further),
        further=fmean(read for _, read in entry.further) if entry.further else None,
        standing="" if entry.standing is None else str(entry.standing),
        words=_words(entry, blocks),
    )


def _near(entry: HistoryEntry, line: Sequence[HistoryEntry], blocks: UntrustedBlocks) -> NearMiss:
    # `line` is oldest first: keeps that come after its parent were made after it.
    at = next((at for at, each in enumerate(line) if each.id == entry.parent_id), len(line))
    mended = _experiments(line[at + 1 :])
    words = _words(entry, blocks)
    return NearMiss(entry.id, entry.measured or 0.0, entry.chances, entry.parent_id, mended, words)


def _crash(same: Sequence[HistoryEntry], blocks: UntrustedBlocks) -> CrashKind:
    words = blocks.inline("reason", untrusted_blocks.line(same[-1].reason, 160))
    return CrashKind(len(same), _experiments(same[-_NUMBERS:]), len(same) >= digest.BAN, words)
