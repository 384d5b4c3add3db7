"""Durations as a person writes them."""

import re

from autoresearch.errors import ProjectError

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)([smh]?)")


def parse_duration(text: str | float) -> float:
    """Return seconds from "300", "20s", "5m" or "1h30m".

    Raises:
        ProjectError: not a duration, or not above zero.
    """
    spelled = str(text).strip().lower()
    parts = _DURATION.findall(spelled)
    seconds = sum(float(number) * _UNITS[unit or "s"] for number, unit in parts)
    if "".join(number + unit for number, unit in parts) != spelled or seconds <= 0:
        msg = f"{text!r} is no duration above zero: write 300, 20s, 5m or 1h30m"
        raise ProjectError(msg)
    return seconds
