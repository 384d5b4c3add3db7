"""Trials that were stopped early, in one line: what it saved, and whether winners were lost."""

from dataclasses import asdict

from rich.text import Text

from autoresearch import policy
from autoresearch.registry import PruningCounts
from autoresearch.render import words


def line(counts: PruningCounts) -> Text | None:
    """Return the account of what was stopped early; None where nothing ever was."""
    if not counts.stopped and not counts.audited:
        return None
    told = f"{words.count(counts.stopped)} stopped early"
    if counts.stopped:
        told += f", {words.duration(counts.saved_seconds)} of training saved"
    return Text(f"{told}; {_audit(counts)}")


def plain(counts: PruningCounts) -> dict[str, object]:
    """Return the account for programs; `lost_at_most` is None before the first audit."""
    return asdict(counts) | {"lost_at_most": _bound(counts)}


def _audit(counts: PruningCounts) -> str:
    bound = _bound(counts)
    if bound is None:
        return "none audited yet"
    return (
        f"of {words.count(counts.audited)} run on as an audit {words.count(counts.kept)} "
        f"{'was' if counts.kept == 1 else 'were'} kept (at most {bound:.0%} of the hopeless win, "
        "95% sure)"
    )


def _bound(counts: PruningCounts) -> float | None:
    return policy.share_bound(counts.kept, counts.audited) if counts.audited else None
