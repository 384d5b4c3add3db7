"""What is wrong with a set-up and how it is mended: asked before the night, not during it."""

from autoresearch.doctor.finding import Chapter, Finding, Level, plain, worst
from autoresearch.doctor.machine import missing_device
from autoresearch.doctor.situation import Situation, diagnose

__all__ = [
    "Chapter",
    "Finding",
    "Level",
    "Situation",
    "diagnose",
    "missing_device",
    "plain",
    "worst",
]
