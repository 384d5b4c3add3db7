"""The loop: propose, check, train, score, decide, keep or discard, all night."""

from autoresearch.research.controller import Controller, StopRules
from autoresearch.research.study import open_study, recover
from autoresearch.research.trials import TrialRunner

__all__ = ["Controller", "StopRules", "TrialRunner", "open_study", "recover"]
