"""Results known before the study, for a brief: the keeps, and others if there is room."""

from collections.abc import Sequence
from types import SimpleNamespace

from autoresearch.proposers.known import Known, KnownIdea
from autoresearch.proposers.prompting import untrusted_blocks
from autoresearch.proposers.prompting.history import estimate
from autoresearch.proposers.prompting.untrusted_blocks import UntrustedBlocks
from autoresearch.records.metric import Direction
from autoresearch.records.values import Verdict

_WORDS = 160  # characters of an idea
_WORD = {Verdict.KEEP: "kept", Verdict.DISCARD: "discarded", Verdict.CRASH: "crashed"}


def known_view(known: Known, blocks: UntrustedBlocks, room: int) -> SimpleNamespace:
    """Return what a brief says of earlier results, in about `room` tokens.

    `first` is the score of the first keep and `best` that of the best, in digits, "" for none;
    `left` is how many rows did not fit into the block of `results`.
    """
    keeps = [each.score for each in known.ideas if _kept(each) and each.score is not None]
    higher = known.metric.direction is Direction.HIGHER
    best = (max if higher else min)(keeps, default=None)
    lines = [untrusted_blocks.line(_line(each, known), _WORDS) for each in known.ideas]
    shown = _fitting(known.ideas, lines, room)
    return SimpleNamespace(
        origin=untrusted_blocks.line(known.origin, 120),
        metric=untrusted_blocks.line(known.metric.name, 60),
        direction=known.metric.direction,
        counts=", ".join(
            f"{sum(each.verdict is verdict for each in known.ideas)} {word}"
            for verdict, word in _WORD.items()
        ),
        first=_digits(keeps[0] if keeps else None, known),
        best=_digits(best, known),
        inside=known.inside,
        results=blocks.data("results", "\n".join(lines[at] for at in shown)) if shown else "",
        left=len(lines) - len(shown),
    )


def _fitting(ideas: Sequence[KnownIdea], lines: Sequence[str], room: int) -> list[int]:
    """Return the rows that fit, in their order: keeps go first, and newer ones before older."""
    fitting = list[int]()
    for at in sorted(range(len(ideas)), key=lambda at: (not _kept(ideas[at]), -at)):
        room -= estimate(f"{lines[at]}\n")
        if room < 0:
            break
        fitting.append(at)
    return sorted(fitting)


def _line(idea: KnownIdea, known: Known) -> str:
    score = f" {digits}" if (digits := _digits(idea.score, known)) else ""
    return f"{_WORD.get(idea.verdict, idea.verdict)}{score}: {idea.words}"


def _digits(score: float | None, known: Known) -> str:
    return "" if score is None else f"{score:.{known.metric.decimals + 1}f}"


def _kept(idea: KnownIdea) -> bool:
    return idea.verdict is Verdict.KEEP
