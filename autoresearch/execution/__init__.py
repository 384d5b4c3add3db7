"""Executing trials: what is asked for, what comes of it, and who does it, here or elsewhere.

`execute_trial` knows neither registry nor git nor money; an `Executor` runs it on its slots.
"""

from autoresearch.execution import messages
from autoresearch.execution.base import ClusterExecutor, Ended, Executor, Message, Terms, Told
from autoresearch.execution.command_hosting import CommandHost
from autoresearch.execution.command_task import CommandTask
from autoresearch.execution.fetching import FetchingStore
from autoresearch.execution.hosting import HostFacts, HostPlan, StudyHost
from autoresearch.execution.local import LocalExecutor
from autoresearch.execution.packing import pack, unpack
from autoresearch.execution.ray import RayExecutor
from autoresearch.execution.spec import PruningReference, TrialResult, TrialSpec
from autoresearch.execution.task import Place, Task
from autoresearch.execution.text_task import TextTask
from autoresearch.execution.trial import Checkout, Host, ReadyScorer, Scorer, Watch, execute_trial

__all__ = [
    "Checkout",
    "ClusterExecutor",
    "CommandHost",
    "CommandTask",
    "Ended",
    "Executor",
    "FetchingStore",
    "Host",
    "HostFacts",
    "HostPlan",
    "LocalExecutor",
    "Message",
    "Place",
    "PruningReference",
    "RayExecutor",
    "ReadyScorer",
    "Scorer",
    "StudyHost",
    "Task",
    "Terms",
    "TextTask",
    "Told",
    "TrialResult",
    "TrialSpec",
    "Watch",
    "execute_trial",
    "messages",
    "pack",
    "unpack",
]  # fmt: skip
