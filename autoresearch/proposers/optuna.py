"""Tunes the constants of train.py with an estimator that learns: needs no key and no network."""

import math
from collections.abc import Iterator, Mapping

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import TrialState, create_trial

from autoresearch.patching import Number
from autoresearch.proposers.base import Brief, HistoryEntry
from autoresearch.proposers.space import Choice, Span, rounded
from autoresearch.proposers.tuning import ATTEMPTS, Tuner, some_of
from autoresearch.records.values import Verdict

_PATIENCE = 50  # attempts before the sampler that learns makes way for one that wanders


class OptunaProposer(Tuner):
    """Changes one to three constants around the incumbent, drawn by a tree-structured estimator.

    The estimator (TPE; Bergstra and others, NeurIPS 2011) is told the whole history anew each
    time, a crash as pruned, and seeded by study and experiment: the same brief, the same proposal.
    """

    def __init__(self) -> None:
        super().__init__("optuna", _draws)
        optuna.logging.set_verbosity(optuna.logging.WARNING)


def _draws(brief: Brief, space: Mapping[str, Span]) -> Iterator[dict[str, Number]]:
    study = optuna.create_study(direction="minimize")
    for past in brief.history:
        _tell(study, space, past)
    for attempt in range(ATTEMPTS):
        dice, names = some_of(space, f"{brief.study}/{brief.number}/{attempt}")
        study.sampler = _sampler(dice.getrandbits(32), wander=attempt >= _PATIENCE)
        # Only the constants that move are asked for; all others keep the incumbent's values.
        trial = study.ask({name: _distribution(space[name]) for name in names})
        study.tell(trial, state=TrialState.FAIL)
        yield {name: _value(value) for name, value in trial.params.items()}


def _sampler(seed: int, *, wander: bool) -> optuna.samplers.BaseSampler:
    if wander:
        return optuna.samplers.RandomSampler(seed=seed)
    return optuna.samplers.TPESampler(seed=seed)


def _tell(study: optuna.Study, space: Mapping[str, Span], past: HistoryEntry) -> None:
    values = {
        name: value
        for name, value in past.constants.items()
        if name in space and space[name].holds(value)
    }
    scored = past.val_bpb is not None and math.isfinite(past.val_bpb)
    failed = past.verdict in (Verdict.CRASH, Verdict.DISQUALIFIED)
    # Stopped early, or out of bounds: its score is none to come near.
    failed = failed or (past.verdict is Verdict.DISCARD and not scored) or bool(past.broke)
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
