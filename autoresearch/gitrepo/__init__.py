"""Every git question and act: one repository, its trees, its refs, its messages."""

from autoresearch.gitrepo.messages import (
    CONFIRMED,
    EXPERIMENT,
    SCORE,
    STUDY,
    TEST,
    Commit,
    commit_message,
    read_trailers,
)
from autoresearch.gitrepo.picking import Conflict, Nothing, Picked, Picker
from autoresearch.gitrepo.repo import NO_REF, GitRepo

__all__ = [
    "CONFIRMED",
    "EXPERIMENT",
    "NO_REF",
    "SCORE",
    "STUDY",
    "TEST",
    "Commit",
    "Conflict",
    "GitRepo",
    "Nothing",
    "Picked",
    "Picker",
    "commit_message",
    "read_trailers",
]
