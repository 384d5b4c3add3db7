"""What all searches over the constants of train.py share: where these may move, what is new."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from random import Random

from autoresearch.patching import Number, numbers, set_constants, unified_diff
from autoresearch.proposers.base import Brief, Check
from autoresearch.proposers.space import Span, span
from autoresearch.records.proposals import Change, ChangeFormat, Proposal
from autoresearch.records.values import Category

ATTEMPTS = 300  # draws for one proposal
_REFUSALS = 8
_KINDS = (
    (Category.REGULARIZATION, frozenset({"DECAY", "DROPOUT", "SMOOTHING"})),
    (Category.SCHEDULE, frozenset({"WARMUP", "WARMDOWN", "COOLDOWN", "FINAL", "SCHEDULE"})),
    (Category.OPTIMIZER, frozenset({"LR", "BETA", "BETA1", "BETA2", "MOMENTUM", "EPS", "BATCH"})),
    (Category.ARCHITECTURE, frozenset({"DEPTH", "DIM", "HEAD", "HEADS", "LAYERS", "ASPECT"})),
)

# From a brief and where each constant may move: new values for some of them, draw after draw.
Draws = Callable[[Brief, Mapping[str, Span]], Iterator[dict[str, Number]]]


@dataclass(frozen=True, eq=False)
class Tuner:
    """Changes one to three constants around the incumbent to values never tried together."""

    name: str
    draws: Draws
    refused: list[dict[str, Number]] = field(default_factory=list)

    def propose(self, brief: Brief, check: Check) -> Proposal | None:
        """Return a change to values never tried together; None where all have been.

        Changes that `check` refuses are passed over, `_REFUSALS` at most: the last one is returned.
        """
        source = brief.files.get(brief.entry, "")
        now = numbers(source)
        space = search_space(brief, now)
        tried = [now, *(dict(entry.constants) for entry in brief.history)]
        tried += [dict(each.constants) for each in brief.pending]
        refused = 0
        for values in self.draws(brief, space) if space else ():
            moved = {name: value for name, value in values.items() if value != now[name]}
            drawn = {**now, **moved}
            if not moved or drawn in tried or drawn in self.refused:
                continue
            proposal = _proposal(self.name, brief.entry, source, now, moved)
            if check(proposal) is None:
                return proposal
            self.refused.append(drawn)
            refused += 1
            if refused >= _REFUSALS:
                return proposal
        return None


def search_space(brief: Brief, now: Mapping[str, Number]) -> dict[str, Span]:
    """Return where each of the incumbent's constants may move.

    The range comes from the base commit's value; for a constant that a later experiment added, from
    the first value it had. So it stays the same throughout a study.
    """
    first = {**now}
    for entry in reversed(brief.history):
        first.update({name: entry.constants[name] for name in now if name in entry.constants})
    first.update(
        {k: v for k, v in numbers(brief.base_files.get(brief.entry, "")).items() if k in now}
    )
    spans = {name: span(name, first[name]) for name in sorted(now)}
    return {name: each for name, each in spans.items() if each is not None}


def some_of(space: Mapping[str, Span], seed: str) -> tuple[Random, list[str]]:
    """Return a random generator for this seed, and one to three constants that it chose."""
    rng = Random(seed)  # noqa: S311 - no secret depends on it
    count = min(len(space), rng.choices((1, 2, 3), (3, 2, 1))[0])
    return rng, rng.sample(sorted(space), count)


def _proposal(
    proposer: str,
    entry: str,
    source: str,
    now: Mapping[str, Number],
    moved: Mapping[str, Number],
) -> Proposal:
    diff = unified_diff({entry: source}, {entry: set_constants(source, moved)})
    words = ", ".join(f"{name} {now[name]!r} → {moved[name]!r}" for name in sorted(moved))
    return Proposal(proposer, words, Change(ChangeFormat.DIFF, diff), _category(moved))


def _category(moved: Mapping[str, Number]) -> Category:
    """Return the category of all moved constants by their names, `other` where these differ."""
    kinds = {
        next((kind for kind, words in _KINDS if words & set(name.split("_"))), Category.OTHER)
        for name in moved
    }
    return kinds.pop() if len(kinds) == 1 else Category.OTHER
