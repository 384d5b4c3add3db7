"""Every git question and act: one repository, its trees, its refs, its messages."""

from autoresearch.gitrepo.cloned import committed, exclude, unignored
from autoresearch.gitrepo.committing import CommitOptions
from autoresearch.gitrepo.comparing import Difference, FileChange
from autoresearch.gitrepo.gaps import Gap
from autoresearch.gitrepo.messages import (
    CONFIRMED,
    EXPERIMENT,
    SCORE,
    STUDY,
    TEST,
    TEST_BPB,
    VAL_BPB,
    Commit,
    MessagePart,
    commit_message,
    read_trailers,
    squash_message,
)
from autoresearch.gitrepo.picking import Conflict, Merged, Nothing, Picked, Picker
from autoresearch.gitrepo.refs import NO_REF, default_tag
from autoresearch.gitrepo.repo import GitRepo

__all__ = [
    "CONFIRMED", "EXPERIMENT", "NO_REF", "SCORE", "STUDY", "TEST", "TEST_BPB", "VAL_BPB", "Commit",
    "CommitOptions", "Conflict", "Difference", "FileChange", "Gap", "GitRepo", "Merged",
    "MessagePart", "Nothing", "Picked", "Picker", "commit_message", "committed", "default_tag",
    "exclude", "read_trailers", "squash_message", "unignored",
]  # fmt: skip
