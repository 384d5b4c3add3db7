"""Briefs as text for a model or a command, from templates that a person can change."""

from autoresearch.proposers.prompting.writer import Prompting

__all__ = ["Prompting"]
