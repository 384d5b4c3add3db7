"""Tunes the constants of train.py: needs no key and no network, and is the control arm too."""

import math
from collections.abc import Iterator, Mapping
from random import Random

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import TrialState, create_trial

from autoresearch.patching import Number, numbers, set_constants, unified_diff
from autoresearch.proposers.base import Brief, Check, Past
from autoresearch.proposers.space import Choice, Span, rounded, span
from autoresearch.records.values import Category, Change, ChangeFormat, Proposal, Verdict

_ATTEMPTS = 300
_REFUSALS = 8
_PATIENCE = 50  # attempts before the sampler that learns makes way for one that wanders
_KINDS = (
    (Category.REGULARIZATION, frozenset({"DECAY", "DROPOUT", "SMOOTHING"})),
    (Category.SCHEDULE, frozenset({"WARMUP", "WARMDOWN", "COOLDOWN", "FINAL", "SCHEDULE"})),
    (Category.OPTIMIZER, frozenset({"LR", "BETA", "BETA1", "BETA2", "MOMENTUM", "EPS", "BATCH"})),
    (Category.ARCHITECTURE, frozenset({"DEPTH", "DIM", "HEAD", "HEADS", "LAYERS", "ASPECT"})),
)


class OptunaProposer:
    """Changes one to three constants around the incumbent, drawn by a tree-structured estimator.

    The estimator (TPE; Bergstra and others, NeurIPS 2011) is told the whole history anew each
    time, a crash as pruned, and seeded by study and experiment: the same brief, the same proposal.
    """

    def __init__(self) -> None:
        self._refused: list[dict[str, Number]] = []
        optuna.logging.set_verbosity(optuna.logging.WARNING)

    @property
    def name(self) -> str:
        """The spec."""
        return "optuna"

    def propose(self, brief: Brief, check: Check) -> Proposal | None:
        """Return a change to values never tried together; None where all have been.

        What `check` refuses is passed over, a few times: the last refusal is worth a row.
        """
        source = brief.files.get(brief.entry, "")
        now = numbers(source)
        space = search_space(brief, now)
        tried = [now, *(dict(past.constants) for past in brief.history)]
        refused = 0
        for values in _draws(brief, space):
            moved = {name: value for name, value in values.items() if value != now[name]}
            drawn = {**now, **moved}
            if not moved or drawn in tried or drawn in self._refused:
                continue
            proposal = _proposal(brief.entry, source, now, moved)
            if check(proposal) is None:
                return proposal
            self._refused.append(drawn)
            refused += 1
            if refused >= _REFUSALS:
                return proposal
        return None


def search_space(brief: Brief, now: Mapping[str, Number]) -> dict[str, Span]:
    """Return where each of the incumbent's constants may move.

    The range comes from the base commit's value; for a constant that a later experiment brought
    in, from the first value it was seen with. So it stays as it is all night.
    """
    first = {**now}
    for past in reversed(brief.history):
        first.update({name: past.constants[name] for name in now if name in past.constants})
    first.update(
        {k: v for k, v in numbers(brief.base_files.get(brief.entry, "")).items() if k in now}
    )
    spans = {name: span(name, first[name]) for name in sorted(now)}
    return {name: each for name, each in spans.items() if each is not None}


def _draws(brief: Brief, space: Mapping[str, Span]) -> Iterator[dict[str, Number]]:
    if not space:
        return
    study = optuna.create_study(direction="minimize")
    for past in brief.history:
        _tell(study, space, past)
    for attempt in range(_ATTEMPTS):
        dice = Random(f"{brief.study}/{brief.number}/{attempt}")  # noqa: S311 - no secret hangs on it
        count = min(len(space), dice.choices((1, 2, 3), (3, 2, 1))[0])
        names = dice.sample(sorted(space), count)
        study.sampler = _sampler(dice.getrandbits(32), wander=attempt >= _PATIENCE)
        # Only the constants that move are asked for; all others keep the incumbent's values.
        trial = study.ask({name: _distribution(space[name]) for name in names})
        study.tell(trial, state=TrialState.FAIL)
        yield {name: _value(value) for name, value in trial.params.items()}


def _sampler(seed: int, *, wander: bool) -> optuna.samplers.BaseSampler:
    if wander:
        return optuna.samplers.RandomSampler(seed=seed)
    return optuna.samplers.TPESampler(seed=seed)


def _tell(study: optuna.Study, space: Mapping[str, Span], past: Past) -> None:
    values = {
        name: value
        for name, value in past.constants.items()
        if name in space and space[name].holds(value)
    }
    scored = past.val_bpb is not None and math.isfinite(past.val_bpb)
    failed = past.verdict in (Verdict.CRASH, Verdict.DISQUALIFIED)
    if not values or not (scored or failed):
        return
    study.add_trial(
        create_trial(
            state=TrialState.PRUNED if failed else TrialState.COMPLETE,
            value=None if failed else past.val_bpb,
            params=values,
            distributions={name: _distribution(space[name]) for name in values},
        )
    )


def _distribution(where: Span) -> BaseDistribution:
    if isinstance(where, Choice):
        return CategoricalDistribution(where.values)
    if where.whole:
        return IntDistribution(int(where.low), int(where.high), log=where.log, step=where.step)
    return FloatDistribution(where.low, where.high, log=where.log)


def _value(drawn: Number) -> Number:
    return rounded(drawn) if isinstance(drawn, float) else drawn


def _proposal(
    entry: str, source: str, now: Mapping[str, Number], moved: Mapping[str, Number]
) -> Proposal:
    diff = unified_diff({entry: source}, {entry: set_constants(source, moved)})
    words = ", ".join(f"{name} {now[name]!r} → {moved[name]!r}" for name in sorted(moved))
    return Proposal("optuna", words, Change(ChangeFormat.DIFF, diff), _category(moved))


def _category(moved: Mapping[str, Number]) -> Category:
    kinds = {_kind(name) for name in moved}
    return kinds.pop() if len(kinds) == 1 else Category.OTHER


def _kind(name: str) -> Category:
    words = set(name.split("_"))
    return next((kind for kind, known in _KINDS if words & known), Category.OTHER)
