"""The loop: propose, check, train, score, decide, keep or discard, all night."""

from autoresearch.research.assembling import controller_for
from autoresearch.research.controller import Controller
from autoresearch.research.stopping import StopRules
from autoresearch.research.study import open_study, recover
from autoresearch.research.trials import TrialRunner

__all__ = ["Controller", "StopRules", "TrialRunner", "controller_for", "open_study", "recover"]
