"""Whether a program that failed says that its provider's limit is reached, and for how long."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from autoresearch.proposers.spoken import spoken
from autoresearch.proposers.waits import told_wait
from autoresearch.records.text import safe_line, unescaped

# What is used up, in the words of providers. That alone is no sign: only beside a time to wait.
_USED_UP = re.compile(
    r"limit|quota|too many requests|\b[45]29\b|exhausted|overloaded|capacity|throttl|credits?\b"
    r"|out of (?:\w+ )?(?:usage|requests|messages|tokens)",
    re.IGNORECASE,
)
_MOST_LINES = 12  # at the end of each stream: before them a program may talk of anything


@dataclass(frozen=True)
class Limit:
    """How many seconds to wait, and the line that says so."""

    seconds: float
    said: str

    def until(self, now: datetime) -> str:
        """Return when it ends, on this machine's clock."""
        then = now + timedelta(seconds=self.seconds)
        return f"{then:%H:%M}" if then.date() == now.date() else f"{then:%Y-%m-%d %H:%M}"


def told_limit(texts: tuple[str, ...], now: datetime) -> Limit | None:
    """Return the limit that the ends of some texts tell of; None where they tell of none.

    Args:
        texts: what a program printed, stream by stream.
        now: aware, in this machine's zone.
    """
    for text in texts:
        rows = [row for row in unescaped(text).splitlines() if row.strip()][-_MOST_LINES:]
        tail = "\n".join(rows)
        seconds = told_wait(tail, now) if _USED_UP.search(tail) else None
        if seconds is not None:
            named = [row for row in rows if _USED_UP.search(row)]
            return Limit(seconds, safe_line(spoken(named[-1], failed=True) or named[-1], 200))
    return None
