"""Language models behind their providers' APIs: one file for each API, all with one interface."""

from autoresearch.proposers.models.base import Model, Prompt, Reply, Section

__all__ = ["Model", "Prompt", "Reply", "Section"]
