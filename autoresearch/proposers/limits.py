"""Whether a program that failed reports that its provider's limit is reached, and for how long."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from autoresearch.proposers.agent_speech import extract_speech
from autoresearch.proposers.waits import requested_wait
from autoresearch.records.text import safe_line, unescaped

# Words of providers for a limit that is used up. They count only together with a time to wait.
_USED_UP = re.compile(
    r"limit|quota|too many requests|\b[45]29\b|exhausted|overloaded|capacity|throttl|credits?\b"
    r"|out of (?:\w+ )?(?:usage|requests|messages|tokens)",
    re.IGNORECASE,
)
_MOST_LINES = 12  # at the end of each stream: what a program prints before may be about anything


@dataclass(frozen=True)
class Limit:
    """How many seconds to wait until a limit is renewed, and the line that says so."""

    seconds: float
    line: str

    def until(self, now: datetime) -> str:
        """Return the time of day at which it ends, on this machine's clock."""
        then = now + timedelta(seconds=self.seconds)
        return f"{then:%H:%M}" if then.date() == now.date() else f"{then:%Y-%m-%d %H:%M}"


def reported_limit(texts: tuple[str, ...], now: datetime) -> Limit | None:
    """Return the limit that the ends of some texts report; None where they report none.

    Args:
        texts: what a program printed, one text for each stream.
        now: aware, in this machine's zone.
    """
    for text in texts:
        rows = [row for row in unescaped(text).splitlines() if row.strip()][-_MOST_LINES:]
        tail = "\n".join(rows)
        seconds = requested_wait(tail, now) if _USED_UP.search(tail) else None
        if seconds is not None:
            last = [row for row in rows if _USED_UP.search(row)][-1]
            return Limit(seconds, safe_line(extract_speech(last, failed=True) or last, 200))
    return None
