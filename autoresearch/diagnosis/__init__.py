"""What is wrong with a set-up and how it is mended: asked before the night, not during it."""

from autoresearch.diagnosis.finding import Chapter, Finding, Level, plain, worst
from autoresearch.diagnosis.situation import Situation, diagnose

__all__ = ["Chapter", "Finding", "Level", "Situation", "diagnose", "plain", "worst"]
