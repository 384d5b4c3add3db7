"""Checks of a proposed change before minutes of training are spent on it.

`check` reads a change and runs nothing; a `SmokeTest` trains it for two tiny steps on the CPU.
"""

from autoresearch.preflight.check import MAX_CHANGE, ApplyDiff, check, tried_before
from autoresearch.preflight.smoke_test import SmokeTest

__all__ = ["MAX_CHANGE", "ApplyDiff", "SmokeTest", "check", "tried_before"]
