"""Tunes the constants of train.py by an estimator that learns; needs no key and no network."""

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

_PATIENCE = 50  # attempts before values are drawn at random instead


class OptunaProposer(Tuner):
    """Changes one to three constants around the incumbent, drawn by a tree-structured estimator.

    The estimator (TPE; Bergstra and others, NeurIPS 2011) is given the whole history each time, a
    crash as pruned, and seeded by study and experiment: the same brief gives the same proposal.
    """

    def __init__(self) -> None:
        super().__init__("optuna", _draws)
        optuna.logging.set_verbosity(optuna.logging.WARNING)


def _draws(brief: Brief, space: Mapping[str, Span]) -> Iterator[dict[str, Number]]:
    study = optuna.create_study(direction="minimize")
    for entry in brief.history:
        _tell(study, space, entry)
    for attempt in range(ATTEMPTS):
        rng, names = some_of(space, f"{brief.study}/{brief.number}/{attempt}")
        learning = attempt < _PATIENCE
        kind = optuna.samplers.TPESampler if learning else optuna.samplers.RandomSampler
        study.sampler = kind(seed=rng.getrandbits(32))
        # Only the constants that move are asked for; all others keep the incumbent's values.
        trial = study.ask({name: _distribution(space[name]) for name in names})
        study.tell(trial, state=TrialState.FAIL)
        yield {
            name: rounded(value) if isinstance(value, float) else value
            for name, value in trial.params.items()
        }


def _tell(study: optuna.Study, space: Mapping[str, Span], entry: HistoryEntry) -> None:
    values = {
        name: value
        for name, value in entry.constants.items()
        if name in space and space[name].holds(value)
    }
    scored = entry.val_bpb is not None and math.isfinite(entry.val_bpb)
    failed = entry.verdict in (Verdict.CRASH, Verdict.DISQUALIFIED)
    # Stopped early, or out of a guard's bounds: not to be repeated, whatever its score.
    failed = failed or (entry.verdict is Verdict.DISCARD and not scored) or bool(entry.broke)
    if not values or not (scored or failed):
        return
    study.add_trial(
        create_trial(
            state=TrialState.PRUNED if failed else TrialState.COMPLETE,
            value=None if failed else entry.val_bpb,
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
