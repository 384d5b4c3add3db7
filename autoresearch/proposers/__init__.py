"""Proposers, chosen by name: each suggests the next change from a brief."""

from pathlib import Path

from autoresearch.errors import ProposerError
from autoresearch.proposers.base import Brief, Check, Past, Proposer, Remaining, Run, Unable

KNOWN = ("optuna", "patches:DIR")

__all__ = [
    "KNOWN",
    "Brief",
    "Check",
    "Past",
    "Proposer",
    "Remaining",
    "Run",
    "Unable",
    "build",
]


def _expanded(argument: str) -> Path:
    try:
        return Path(argument).expanduser()
    except RuntimeError as fault:
        msg = f"patches:{argument}: {fault}"
        raise ProposerError(msg) from None


def build(spec: str, root: Path) -> Proposer:
    """Return the proposer that a spec names.

    Args:
        spec: "optuna", or "patches:DIR".
        root: what a relative DIR is relative to.

    Raises:
        ProposerError: no such proposer, or it cannot work here.
    """
    kind, _, argument = spec.partition(":")
    if spec == "optuna":
        # Imported when chosen: optuna takes a second to load.
        from autoresearch.proposers.optuna import OptunaProposer  # noqa: PLC0415

        return OptunaProposer()
    if kind == "patches" and argument:
        from autoresearch.proposers.patches import PatchesProposer  # noqa: PLC0415

        return PatchesProposer(spec, root / _expanded(argument))
    msg = f"no proposer {spec!r}: known are {', '.join(KNOWN)}"
    raise ProposerError(msg)
