"""Duty in one line: how much of the slots' time was training, and what held back the rest."""

from dataclasses import asdict

from rich.text import Text

from autoresearch.policy import Duty
from autoresearch.records.text import counted
from autoresearch.render import words

_SHOWN = 0.01  # of the time that was no training: what is less is not worth a word
UNKNOWN = "duty unknown: these trials say nothing of their seconds"


def line(duty: Duty | None) -> Text | None:
    """Return a study's duty; None before a trial has ended."""
    if duty is None:
        return None
    if duty.share is None:
        return Text(UNKNOWN, style="dim")
    told = f"duty {duty.share:.0%} of {words.duration(duty.slot_seconds)}, "
    told += f"{duty.per_hour:.1f} experiments an hour a device"
    held = [f"{name} {share:.0%}" for name, share in duty.shares.items() if share >= _SHOWN]
    told += f"; of the rest: {', '.join(held)}" if held else ""
    if duty.unknown:
        told += f" (without {counted(duty.unknown, 'trial')} of unknown seconds)"
    return Text(told)


def plain(duty: Duty | None) -> dict[str, object] | None:
    """Return the duty for programs; None before a trial has ended."""
    if duty is None:
        return None
    return asdict(duty) | {"per_hour": duty.per_hour, "shares": dict(duty.shares)}
