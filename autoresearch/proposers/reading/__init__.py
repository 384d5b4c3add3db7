"""What models and programs answer, read as proposals.

An answer's lines are taken apart (`patching` finds edits and diffs, `fences` and `wholes` files,
`headers` what is said of them, `enclosures` what is a thought), and `answers` puts together the one
proposal that it makes, or says why it makes none.
"""

from autoresearch.proposers.reading.answers import (
    NoChange,
    header,
    read,
    read_change,
    unread,
)
from autoresearch.proposers.reading.headers import HYPOTHESIS, Header

__all__ = ["HYPOTHESIS", "Header", "NoChange", "header", "read", "read_change", "unread"]
