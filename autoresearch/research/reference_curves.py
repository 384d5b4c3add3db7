"""Hopeless trials are stopped early; a few of them, drawn by lot, run on to see what that costs."""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from autoresearch import patching, policy
from autoresearch.config import Settings
from autoresearch.execution import PruningReference
from autoresearch.gitrepo import GitRepo
from autoresearch.records.tables import Experiment, Study, Trial
from autoresearch.records.training import Point
from autoresearch.records.values import Purpose
from autoresearch.registry import Registry


@dataclass(frozen=True)
class _Curve:
    """What a scored trial left: whose it is, on which seed, its score and its curve."""

    experiment: int
    seed: int
    bpb: float
    screening: bool
    rows: NDArray[np.float64]  # [points, 5]; the columns are a point's

    @property
    def points(self) -> Iterator[Point]:
        for step, loss, tokens, progress, seconds in self.rows.tolist():
            yield Point(int(step), loss, int(tokens), progress, seconds)


class ReferenceCurves:
    """What a screening trial is held against: a curve, and the study's own thresholds if any."""

    def __init__(
        self,
        settings: Settings,
        registry: Registry,
        repo: GitRepo,
        chance: Callable[[], float] | None = None,
    ) -> None:
        self._settings = settings
        self._registry = registry
        self._repo = repo
        self._chance = chance or random.SystemRandom().random
        self._curves: dict[int, _Curve] = {}
        self._known: dict[int, policy.FinishedTraining | None] = {}
        self._families: dict[int, bool] = {}

    def reference(self, experiment: Experiment, seed: int) -> PruningReference | None:
        """Return what a screening trial is held against, None where it is to run to its end.

        It needs thresholds, the incumbent's curve on this seed, and a change that leaves alone what
        gives a curve its meaning.
        """
        if not self._settings.pruning.enabled or experiment.parent_id is None:
            return None
        study = self._registry.study_of(experiment)
        self._read(study)
        rival = self._rival(experiment, seed, after=study.steady_since)
        if rival is None or not self._comparable(experiment):
            return None
        thresholds = policy.thresholds_for(self._finished(study), self._shipped(study))
        if thresholds is None:
            return None
        spared = self._chance() < self._settings.pruning.audit
        return PruningReference(tuple(rival.points), thresholds, spared=spared)

    def _read(self, study: Study) -> None:
        """Read the curves that have come since."""
        for trial in self._registry.curves(study, after=max(self._curves, default=0)):
            self._curves[trial.number] = _curve(trial)

    def _rival(self, experiment: Experiment, seed: int, after: int = 0) -> _Curve | None:
        """Return the incumbent's last curve on a seed."""
        mine = [
            curve
            for number, curve in self._curves.items()
            if number > after and (curve.experiment, curve.seed) == (experiment.parent_id, seed)
        ]
        return mine[-1] if mine else None

    def _finished(self, study: Study) -> list[policy.FinishedTraining]:
        """Return what ran to its end beside its incumbent, in order; of many, not all."""
        rows = {row.id: row for row in self._registry.experiments(study)}
        found: list[policy.FinishedTraining] = []
        for number, curve in self._curves.items():
            if number not in self._known:
                row, plenty = rows.get(curve.experiment), len(found) >= policy.PLENTY
                self._known[number] = self._beside(row, curve, winners_only=plenty)
            if known := self._known[number]:
                found.append(known)
        return found

    def _beside(
        self, row: Experiment | None, curve: _Curve, *, winners_only: bool
    ) -> policy.FinishedTraining | None:
        rival = self._rival(row, curve.seed) if row and curve.screening else None
        if row is None or rival is None or (winners_only and curve.bpb >= rival.bpb):
            return None
        if not self._comparable(row):
            return None
        lags = policy.lags(curve.points, policy.ReferenceCurve(rival.points))
        return policy.FinishedTraining(lags, curve.bpb - rival.bpb)

    def _comparable(self, experiment: Experiment) -> bool:
        number = experiment.number
        if number not in self._families:
            editable = self._settings.target.editable
            shas = (str(experiment.parent_sha), str(experiment.commit_sha))
            before, after = (self._repo.read_files(sha, editable) for sha in shas)
            self._families[number] = patching.steering_change(before, after) is None
        return self._families[number]

    def _shipped(self, study: Study) -> policy.PruningThresholds | None:
        if not study.metric.is_bits_per_byte:  # it was made from losses that predict those
            return None
        return policy.default_thresholds(
            profile=study.profile,
            clock=study.clock,
            budget=study.budget_seconds,
            vocab_size=self._settings.corpus.vocab_size,
        )


def _curve(trial: Trial) -> _Curve:
    return _Curve(
        experiment=trial.experiment_id,
        seed=trial.seed,
        bpb=trial.val_bpb or 0.0,
        screening=trial.purpose is Purpose.SCREENING,
        rows=np.array(trial.curve, dtype=np.float64).reshape(-1, 5),
    )
