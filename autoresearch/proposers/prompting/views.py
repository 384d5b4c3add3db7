"""What the templates of a prompt are given: our own numbers, and text that was framed before."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from autoresearch import patching
from autoresearch.policy import Calibration
from autoresearch.proposers.base import Brief, Past, Remaining
from autoresearch.proposers.prompting import digest, frames
from autoresearch.proposers.prompting.digest import Tally
from autoresearch.proposers.prompting.frames import Frames
from autoresearch.records.values import Category, Estimate, Standing

CATEGORIES = " | ".join(
    each for each in Category if each not in (Category.BASELINE, Category.OTHER)
)
_PROGRAM = "program.md"
_NAMES = 40  # of fixed files that are not shown
_NUMBERS = 8  # of experiments that crashed in the same way


@dataclass(frozen=True)
class Setting:
    """What never changes in a study."""

    entry: str
    editable: str
    device: str
    seconds: float
    clock: str
    startup: float
    categories: str


@dataclass(frozen=True)
class ProjectView:
    """The person's words and the fixed files, framed; empty where there is nothing."""

    program: str
    shown: tuple[str, ...]
    dropped: str
    others: str


@dataclass(frozen=True)
class IncumbentView:
    """The code to change, framed."""

    number: int
    files: tuple[str, ...]


@dataclass(frozen=True)
class NearMiss:
    """A discard worth another thought."""

    number: int
    delta: float
    error: float | None
    parent: int | None
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
    """What is new in every brief."""

    incumbent: int
    score: Estimate | None
    noise: float | None
    since_keep: int
    confirmed: str
    refuted: str
    remaining: Remaining
    trainings: int
    tallies: tuple[Tally, ...]
    calibration: Calibration | None
    near: tuple[NearMiss, ...]
    crashes: tuple[CrashKind, ...]


def setting(brief: Brief) -> Setting:
    """Return what the rules, and how to answer, are told."""
    return Setting(
        entry=frames.line(brief.entry, 120),
        editable=frames.line(", ".join(brief.editable), 300),
        device=frames.line(brief.device, 40),
        seconds=brief.budget.training,
        clock=str(brief.budget.clock),
        startup=brief.budget.startup,
        categories=CATEGORIES,
    )


def shown_files(brief: Brief, globs: Sequence[str]) -> dict[str, str]:
    """Return the fixed files that the globs name, smallest first; the program is told anyway."""
    named = patching.matching(brief.fixed_files, globs)
    named.pop(_PROGRAM, None)
    return dict(sorted(named.items(), key=lambda item: (len(item[1]), item[0])))


def project(
    brief: Brief, frame: Frames, shown: Mapping[str, str], dropped: Sequence[str]
) -> ProjectView:
    """Return what is told of all that no proposal can change."""
    told = {*shown, *dropped, _PROGRAM}
    others = [path for path in sorted(brief.fixed_files) if path not in told]
    return ProjectView(
        program=frame.instructions(frames.code(brief.program)) if brief.program.strip() else "",
        shown=_files(frame, dict(sorted(shown.items()))),
        dropped=_names(frame, sorted(dropped)),
        others=_names(frame, others),
    )


def incumbent(brief: Brief, frame: Frames) -> IncumbentView:
    """Return the code to change."""
    return IncumbentView(brief.incumbent_id, _files(frame, brief.files))


def now(brief: Brief, frame: Frames, proposer: str = "") -> Now:
    """Return what is new in every brief; `proposer` is whose predictions are looked back on."""
    history, left = brief.history, brief.remaining
    near = digest.near_misses(history, brief.noise)
    crashes = digest.repeated_crashes(history)
    return Now(
        incumbent=brief.incumbent_id,
        score=brief.score,
        noise=brief.noise,
        since_keep=digest.since_keep(history),
        confirmed=_standing(history, Standing.CONFIRMED),
        refuted=_standing(history, Standing.REFUTED),
        remaining=left,
        trainings=int((left.seconds or 0) // max(brief.budget.training, 1e-9)),
        tallies=tuple(digest.tallies(history)),
        calibration=digest.calibration(history, proposer),
        near=tuple(_near(past, frame) for past in near),
        crashes=tuple(_crash(same, frame) for same in crashes),
    )


def _files(frame: Frames, files: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(frame.data("file", frames.code(text), name) for name, text in files.items())


def _names(frame: Frames, paths: Sequence[str]) -> str:
    if not paths:
        return ""
    lines = [frames.line(path, 120) for path in paths[:_NAMES]]
    if left := len(paths) - _NAMES:
        lines += [f"and {left} more"] if left > 0 else []
    return frame.data("names", "\n".join(lines))


def _standing(history: Sequence[Past], standing: Standing) -> str:
    return ", ".join(str(past.id) for past in history if past.standing is standing)


def _near(past: Past, frame: Frames) -> NearMiss:
    words = frame.inline("hypothesis", frames.line(past.hypothesis, 160))
    return NearMiss(past.id, past.delta or 0.0, past.delta_error, past.parent_id, words)


def _crash(same: Sequence[Past], frame: Frames) -> CrashKind:
    numbers = ", ".join(str(past.id) for past in same[-_NUMBERS:])
    words = frame.inline("reason", frames.line(same[-1].reason, 160))
    return CrashKind(len(same), numbers, len(same) >= digest.BAN, words)
