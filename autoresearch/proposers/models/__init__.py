"""Language models behind their providers' APIs, one file each, all with the same manners."""

from autoresearch.proposers.models.base import Model, Prompt, Reply, Section

__all__ = ["Model", "Prompt", "Reply", "Section"]
