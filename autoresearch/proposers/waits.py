"""How long a provider or a program asks to wait, read from what it prints or answers.

Pure: text and the time in, seconds out. A wait is stated as a duration ("try again in 7m12s"), a
time of day ("resets 3:20am (Europe/Brussels)"), a date, the seconds since 1970, or a field that
holds one of these, such as Google's `retryDelay` or OpenRouter's `X-RateLimit-Reset`.

Only the length is read here: call it where it is known that there is a wait.
"""

import email.utils
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

from autoresearch.proposers.models.fields import number

DAY = 86400.0  # seconds; no wait is longer
# A time that has just passed comes from another clock, or passed while the answer was on its way.
_JUST_PASSED, _SHORT = 3600.0, 60.0
_FARTHEST = 366 * DAY  # a number that is farther off is no time
_MOST_TEXT = 16 * 1024  # characters; the last ones count

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": DAY, "w": 7 * DAY}
_UNIT = (
    r"(?:milliseconds?|msecs?|ms|seconds?|secs?|s|minutes?|mins?|m|hours?|hrs?|h|days?|d|weeks?|w)"
    r"(?![a-z])"
)
_PIECE = rf"(?:(?<![\d.:])(\d+(?:\.\d+)?)[\s-]*(?:more\s+)?|\b(?:an?|one)\s+)({_UNIT})"
_SPAN = rf"{_PIECE}(?:,?\s*(?:and\s+)?{_PIECE})*"
_CUE = (
    r"\b(?:again|retry|retrying|wait|resets?|renews?|refills?|refresh(?:es)?|available|back|until"
    r"|expires?|ends|lifts?|lifted|restored|unlocks?|cool[- ]?down|blocked|paused|suspended)\b"
)


def _then(*but: str) -> str:
    """Return what may stand after a cue: no digit, no new sentence, none of these words."""
    return rf"(?:(?!\b(?:{'|'.join(but)})\b)[^.!?\d\n]){{0,40}}?"


# "in" is cue enough for a wait, but not in "finished in 3 s".
_DURATION = re.compile(
    rf"(?:{_CUE}{_then('every', 'per', 'each')}|(?<!ed )(?<!done )\bin\s)(?P<span>{_SPAN})",
    re.IGNORECASE,
)
_COUNTDOWN = re.compile(r"\b(?:in|for|after)\b:?\s(\d{1,3}):(\d\d):(\d\d)\b", re.IGNORECASE)
_FIELD = re.compile(
    r"(?<![\w-])(?P<name>[\w-]{0,40}(?:retry[-_]?(?:after|delay|in)|resets?(?![a-z])|wait[-_]?(?:time|for|seconds|ms))"
    r"[\w-]{0,40})[\\\"']{0,3}\s{0,9}[:={][\s\\\"']{0,9}(?:seconds:\s{0,9})?(?P<value>[\w.:+-]{1,80})",
    re.IGNORECASE,
)
# Without a cue only a time in the future: else it is when a line was logged.
_EPOCH = re.compile(
    rf"(?P<cue>{_CUE}{_then('in')}|\|)?(?<![\w.-])(?P<epoch>1\d{{9}}(?:\d{{3}})?)(?![\w.-])",
    re.IGNORECASE,
)
_ZONE = r"\s*\(?(?P<zone>(?:UTC|GMT)?[+-]\d\d?(?::?\d\d)?|[a-z]+/[\w/+-]+|[a-z]+)?"
_DATE = re.compile(
    rf"{_CUE}{_then('in')}"
    rf"(?P<date>\d{{4}}-\d\d-\d\d)[T ](?P<time>\d\d:\d\d(?::\d\d)?)(?:\.\d+)?{_ZONE}",
    re.IGNORECASE,
)
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH, _NTH = rf"(?:{'|'.join(_MONTHS)})[a-z]*\.?", r"\d\d?(?:st|nd|rd|th)?"
_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_CLOCK = re.compile(
    rf"{_CUE}{_then('in', 'for')}"
    rf"(?:\b(?:(?P<month>{_MONTH})\s+(?P<day>{_NTH})|(?P<nth>{_NTH})\s+(?P<of>{_MONTH})"
    rf"|(?P<weekday>{'|'.join(_WEEKDAYS)})[a-z]*|(?P<morrow>tomorrow))"
    r"(?:,?\s+(?P<year>\d{4}))?[\s,]+(?:at\s+)?)?"
    r"\b(?:(?P<hour>\d\d?)(?::(?P<minute>\d\d)(?::\d\d)?)?\s*(?P<half>[ap]\.?m\b\.?)?"
    rf"|(?P<word>midnight|noon)){_ZONE}",
    re.IGNORECASE,
)
# Abbreviations of providers and programs, beside the names that every list of zones has.
_ZONES = {
    "z": "UTC", "utc": "UTC", "gmt": "UTC", "pt": "America/Los_Angeles",
    "pst": "America/Los_Angeles", "pdt": "America/Los_Angeles", "pacific": "America/Los_Angeles",
    "et": "America/New_York", "est": "America/New_York", "edt": "America/New_York",
    "cest": "Europe/Berlin", "bst": "Europe/London", "cst": "America/Chicago",
    "cdt": "America/Chicago",
}  # fmt: skip


def requested_wait(text: str, now: datetime) -> float | None:
    """Return how many seconds a text asks to wait, at most a day; None where it asks for none.

    Of several the longest counts: a program that tries again by itself reports its short waits
    first.

    Args:
        text: what was printed or answered.
        now: aware; times of day without a zone are in its zone.
    """
    text = text[-_MOST_TEXT:]
    fields = (field_wait(match["name"], match["value"], now) for match in _FIELD.finditer(text))
    waits = (*_durations(text), *fields, *_epochs(text, now), *_times(text, now))
    return max((each for each in waits if each is not None), default=None)


def field_wait(name: str, value: object, now: datetime) -> float | None:
    """Return how many seconds a field such as `retry_after_ms` asks to wait; None for none.

    Args:
        name: the field's or header's.
        value: a number, or a text that holds one, a duration or a date.
        now: aware.
    """
    amount = number(value)
    if amount is None:
        return _of_text(value.strip(), now) if isinstance(value, str) else None
    milliseconds = amount > 1e11 or re.search(r"(?:ms|milli\w*)$", name, re.IGNORECASE)
    seconds = amount / 1000 if milliseconds else amount
    if seconds > _FARTHEST:  # they are since 1970
        return _until(seconds, now)
    return min(max(seconds, 0.0), DAY)


def _of_text(value: str, now: datetime) -> float | None:
    if re.fullmatch(rf"(?:PT?)?{_SPAN}", value, re.IGNORECASE):
        return _added(value)
    if value[:4].isdecimal():
        times = _times(f"until {value}", now)
        return next((each for each in times if each is not None), None)
    try:
        return _until(email.utils.parsedate_to_datetime(value).timestamp(), now)
    except (ValueError, OverflowError):
        return None


def _added(span: str) -> float:
    """Return the seconds of a span such as "2 hours 5 minutes"."""
    total = 0.0
    for amount, unit in re.findall(_PIECE, span, re.IGNORECASE):
        name = unit.lower()
        short = "ms" if name.startswith(("ms", "mil")) else name[0]
        total += float(amount or 1) * _SECONDS[short]
    return min(total, DAY)


def _durations(text: str) -> Iterator[float]:
    for match in _DURATION.finditer(text):
        yield _added(match["span"])
    for hours, minutes, seconds in _COUNTDOWN.findall(text):
        yield min(int(hours) * 3600.0 + int(minutes) * 60 + int(seconds), DAY)


def _epochs(text: str, now: datetime) -> Iterator[float]:
    for match in _EPOCH.finditer(text):
        moment = float(match["epoch"]) / (1000 if len(match["epoch"]) > 10 else 1)
        wait = _until(moment, now)
        if wait is not None and (match["cue"] or moment > now.timestamp()):
            yield wait


def _times(text: str, now: datetime) -> Iterator[float | None]:
    for read, form in ((_dated, _DATE), (_clocked, _CLOCK)):
        for match in form.finditer(text):
            moment = read(match, now)
            yield None if moment is None else _until(moment.timestamp(), now)


def _until(moment: float, now: datetime) -> float | None:
    """Return the seconds until a moment since 1970; None where it cannot be the end of a wait."""
    left = moment - now.timestamp()
    if -_JUST_PASSED <= left <= 0:
        return _SHORT
    return min(left, DAY) if 0 < left <= _FARTHEST else None


def _dated(match: re.Match[str], now: datetime) -> datetime | None:
    try:
        moment = datetime.fromisoformat(f"{match['date']}T{match['time']}")
    except ValueError:
        return None
    return moment.replace(tzinfo=_zone(match["zone"] or "", now))


def _clocked(match: re.Match[str], now: datetime) -> datetime | None:
    local = now.astimezone(_zone(match["zone"] or "", now))
    hour = _hour(match)
    if hour is None:
        return None
    minute = int(match["minute"] or 0)
    try:
        moment = _day(match, local).replace(hour=hour, minute=minute, second=0, microsecond=0)
    except ValueError:
        return None
    if match["weekday"]:
        ahead = (_WEEKDAYS.index(match["weekday"].lower()) - local.weekday()) % 7
        return moment + timedelta(days=ahead)
    if match["month"] or match["of"]:
        return moment
    passed = (local - moment).total_seconds() > _JUST_PASSED
    return moment + timedelta(days=bool(match["morrow"]) or passed)


def _hour(match: re.Match[str]) -> int | None:
    """Return the hour that is meant; None where the number is no time of day."""
    if match["word"]:
        return 0 if match["word"].lower() == "midnight" else 12
    hour, half = int(match["hour"]), (match["half"] or "")[:1].lower()
    if not half:
        return hour if match["minute"] else None
    return hour % 12 + 12 * (half == "p") if hour <= 12 else None


def _day(match: re.Match[str], local: datetime) -> datetime:
    name, day = match["month"] or match["of"], match["day"] or match["nth"]
    if not name:
        return local
    month = _MONTHS.index(name[:3].lower()) + 1
    year = int(match["year"] or local.year + (month < local.month))
    return local.replace(year=year, month=month, day=int(re.sub(r"\D", "", day)))


def _zone(name: str, now: datetime) -> tzinfo:
    offset = re.fullmatch(r"(?:UTC|GMT)?([+-])(\d\d?):?(\d\d)?", name, re.IGNORECASE)
    if offset:
        minutes = int(offset[2]) * 60 + int(offset[3] or 0)
        return timezone((-1 if offset[1] == "-" else 1) * timedelta(minutes=min(minutes, 14 * 60)))
    known = _ZONES.get(name.lower(), name if "/" in name else name.upper())
    try:
        return ZoneInfo(known) if known else now.tzinfo or UTC
    except (KeyError, ValueError, OSError):  # the machine has no list of zones, or not this one
        return now.tzinfo or UTC
