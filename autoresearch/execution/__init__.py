"""Executing trials: what is asked for, what comes of it, and who does it, here or elsewhere.

`execute_trial` knows neither registry nor git nor money; an `Executor` runs it on its slots.
"""

from autoresearch.execution.base import Ended, Executor, Message, Told
from autoresearch.execution.local import LocalExecutor
from autoresearch.execution.pruning import Pruner, PruningReference
from autoresearch.execution.spec import TrialResult, TrialSpec
from autoresearch.execution.trial import Host, ReadyScorer, Scorer, Watch, execute_trial

__all__ = [
    "Ended", "Executor", "Host", "LocalExecutor", "Message", "Pruner", "PruningReference",
    "ReadyScorer", "Scorer", "Told", "TrialResult", "TrialSpec", "Watch", "execute_trial",
]  # fmt: skip
