"""Briefs as text: what a model or a command is told, from templates that a person can change."""

from autoresearch.proposers.prompting.writer import Prompting

__all__ = ["Prompting"]
