"""Trials that were stopped early, in one line: what it saved, and whether winners were lost."""

from dataclasses import asdict

from rich.text import Text

from autoresearch import policy
from autoresearch.registry import Raced
from autoresearch.render import words


def line(raced: Raced) -> Text | None:
    """Return the account of a study's races; None where nothing was ever condemned."""
    if not raced.stopped and not raced.audited:
        return None
    told = f"{words.count(raced.stopped)} stopped early"
    if raced.stopped:
        told += f", {words.duration(raced.saved_seconds)} of training saved"
    return Text(f"{told}; {_audit(raced)}")


def plain(raced: Raced) -> dict[str, object]:
    """Return the account for programs; `lost_at_most` is None before the first audit."""
    return asdict(raced) | {"lost_at_most": _bound(raced)}


def _audit(raced: Raced) -> str:
    bound = _bound(raced)
    if bound is None:
        return "none audited yet"
    return (
        f"of {words.count(raced.audited)} run on as an audit {words.count(raced.kept)} "
        f"{'was' if raced.kept == 1 else 'were'} kept (at most {bound:.0%} of the hopeless win, "
        "95% sure)"
    )


def _bound(raced: Raced) -> float | None:
    return policy.share_bound(raced.kept, raced.audited) if raced.audited else None
