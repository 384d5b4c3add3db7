"""What the templates of a prompt are given: our own numbers, and text that was framed before."""

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
    """The person's words and the fixed files, framed; empty where there is nothing."""

    program: str
    shown: tuple[str, ...]
    dropped: str
    others: str


@dataclass(frozen=True)
class IncumbentView:
    """The code to change, framed; `profile`, where it spends its time, is empty if not known."""

    number: int
    files: tuple[str, ...]
    parameters: int | None
    profile: str


@dataclass(frozen=True)
class NearMiss:
    """A discard worth another thought; `mended` are the keeps since it was measured."""

    number: int
    measured: float
    chances: Chances | None
    parent: int | None
    mended: str
    words: str


@dataclass(frozen=True)
class PendingView:
    """An experiment that has no verdict yet; `words` is its hypothesis, framed."""

    number: int
    category: str
    words: str


@dataclass(frozen=True)
class Idea:
    """What an author has noted for later, framed."""

    number: str
    words: str


@dataclass(frozen=True)
class Keep:
    """One step on the incumbent's way; `standing` is empty where there is no claim yet.

    `further` is the mean that `pairs` have read since its verdict; None without.
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
    """A crash that came back; `words` is the latest one's reason, framed."""

    count: int
    numbers: str
    banned: bool
    words: str


@dataclass(frozen=True)
class Now:
    """What is new in every brief.

    `first` is the baseline's number. `more_steps` is what two fifths more steps are worth,
    `smallest` the gain that a few pairs would confirm, `line_price` and `tie` are what the rules
    tell in shares. `notes` are the person's own words, framed as such.
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
    """Return the fixed files that the globs name, smallest first; the program is told anyway."""
    named = patching.matching(brief.fixed_files, globs)
    named.pop(_PROGRAM, None)
    return dict(sorted(named.items(), key=lambda item: (len(item[1]), item[0])))


def project(
    brief: Brief, frame: UntrustedBlocks, shown: Mapping[str, str], dropped: Sequence[str]
) -> ProjectView:
    """Return what is told of all that no proposal can change."""
    told = {*shown, *dropped, _PROGRAM}
    others = [path for path in sorted(brief.fixed_files) if path not in told]
    return ProjectView(
        program=frame.instructions(untrusted_blocks.code(brief.program))
        if brief.program.strip()
        else "",
        shown=_files(frame, dict(sorted(shown.items()))),
        dropped=_names(frame, sorted(dropped)),
        others=_names(frame, others),
    )


def incumbent(brief: Brief, frame: UntrustedBlocks) -> IncumbentView:
    """Return the code to change."""
    profile = frame.data("profile", _profile(brief)) if brief.profile else ""
    files = _files(frame, brief.files)
    return IncumbentView(brief.incumbent_id, files, brief.parameters, profile)


def now(brief: Brief, frame: UntrustedBlocks, proposer: str = "") -> Now:
    """Return what is new in every brief; `proposer` is whose predictions are looked back on."""
    history, left = brief.history, brief.remaining
    line = digest.lineage(history, brief.incumbent_id)
    near = digest.near_misses(history)
    crashes = digest.repeated_crashes(history)
    return Now(
        incumbent=brief.incumbent_id,
        score=brief.score,
        first=next((past.id for past in history if past.category is Category.BASELINE), 0),
        baseline=brief.baseline[:_READINGS],
        noise=brief.noise,
        more_steps=brief.noise.slope * math.log(1.4) if brief.noise else 0.0,
        smallest=power(brief.noise, brief.scale).gain if brief.noise else 0.0,
        line_price=brief.scale.line_price,
        tie=brief.scale.tie,
        since_keep=digest.since_keep(history),
        pending=tuple(_pending(each, frame) for each in brief.pending[:_NUMBERS]),
        line=tuple(_keep(past, frame) for past in line[1:]),
        refuted=_experiments([past for past in history if past.standing is Standing.REFUTED]),
        remaining=left,
        trainings=int((left.seconds or 0) // max(left.training or brief.budget.training, 1e-9)),
        tallies=tuple(digest.tallies(history)),
        calibration=digest.calibration(history, proposer),
        by_category=digest.calibrations(history, proposer),
        ideas=tuple(
            Idea(number, frame.inline("idea", untrusted_blocks.line(text, 300)))
            for number, text in digest.open_ideas(history, proposer)
        ),
        near=tuple(_near(past, line, frame) for past in near),
        crashes=tuple(_crash(same, frame) for same in crashes),
        notes=frame.added(brief.notes),
    )


def _files(frame: UntrustedBlocks, files: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(
        frame.data("file", untrusted_blocks.code(text), name) for name, text in files.items()
    )


def _profile(brief: Brief) -> str:
    """Return the rows of a profile as lines; only what lies outside the entry names its file."""
    lines = list[str]()
    for row in brief.profile:
        text = row.text if row.path == brief.entry else f"{row.path}: {row.text}"
        lines.append(untrusted_blocks.line(f"{100 * row.share:.0f}% {text}", 140))
    return "\n".join(
        "  " * row.depth + line for row, line in zip(brief.profile, lines, strict=True)
    )


def _names(frame: UntrustedBlocks, paths: Sequence[str]) -> str:
    if not paths:
        return ""
    lines = [untrusted_blocks.line(path, 120) for path in paths[:_NAMES]]
    if left := len(paths) - _NAMES:
        lines += [f"and {left} more"] if left > 0 else []
    return frame.data("names", "\n".join(lines))


def _experiments(pasts: Sequence[HistoryEntry]) -> str:
    """Return experiments by their numbers: "experiments 3, 4 and 7"; empty for none."""
    numbers = [str(past.id) for past in pasts]
    if len(numbers) < 2:
        return "".join(f"experiment {each}" for each in numbers)
    return f"experiments {', '.join(numbers[:-1])} and {numbers[-1]}"


def _words(past: HistoryEntry | Pending, frame: UntrustedBlocks) -> str:
    return frame.inline("hypothesis", untrusted_blocks.line(past.hypothesis, 160))


def _pending(each: Pending, frame: UntrustedBlocks) -> PendingView:
    return PendingView(each.id, str(each.category), _words(each, frame))


def _keep(past: HistoryEntry, frame: UntrustedBlocks) -> Keep:
    return Keep(
        number=past.id,
        category=str(past.category),
        believed=past.delta,
        error=past.delta_error,
        pairs=len(past.further),
        further=fmean(read for _, read in past.further) if past.further else None,
        standing="" if past.standing is None else str(past.standing),
        words=_words(past, frame),
    )


def _near(past: HistoryEntry, line: Sequence[HistoryEntry], frame: UntrustedBlocks) -> NearMiss:
    # The line holds what was kept, oldest first: what comes after its parent came after it.
    at = next((at for at, each in enumerate(line) if each.id == past.parent_id), len(line))
    mended = _experiments(line[at + 1 :])
    words = _words(past, frame)
    return NearMiss(past.id, past.measured or 0.0, past.chances, past.parent_id, mended, words)


def _crash(same: Sequence[HistoryEntry], frame: UntrustedBlocks) -> CrashKind:
    words = frame.inline("reason", untrusted_blocks.line(same[-1].reason, 160))
    return CrashKind(len(same), _experiments(same[-_NUMBERS:]), len(same) >= digest.BAN, words)
