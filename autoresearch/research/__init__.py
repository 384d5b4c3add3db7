"""The loop: propose, check, train, score, decide, keep or discard, all night."""

from autoresearch.research.loop import Research, StopRules
from autoresearch.research.study import open_study, recover
from autoresearch.research.trials import TrialRunner

__all__ = ["Research", "StopRules", "TrialRunner", "open_study", "recover"]
