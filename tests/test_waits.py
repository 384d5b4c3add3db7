"""How long somebody asks to be left alone, in the forms that providers and programs say it in."""

from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from autoresearch.proposers.waits import DAY, field_wait, requested_wait

NOW = datetime(2026, 11, 29, 1, 0, tzinfo=UTC)  # 2:00 in Brussels, 20:00 in New York; a Sunday
SINCE_1970 = int(NOW.timestamp())
MINUTE, HOUR = 60.0, 3600.0

TOLD = [
    ("Rate limit reached. Please try again in 7m12s.", 7 * MINUTE + 12),
    ("in 2 hours 5 minutes", 2 * HOUR + 5 * MINUTE),
    ("Usage limit reached, available in 1 hour, 5 minutes and 3 seconds", HOUR + 5 * MINUTE + 3),
    ("retry after 30 seconds", 30),
    ("Please wait 1.5s", 1.5),
    ("Please try again in 540ms. Visit ...", 0.54),
    ("Please retry in 37.25s.", 37.25),
    ("Your quota will reset after 18h31m10s.", 18 * HOUR + 31 * MINUTE + 10),
    ("Try again in about an hour", HOUR),
    ("Please wait 2 more minutes", 2 * MINUTE),
    ("blocked for 10 minutes", 10 * MINUTE),
    ("Retry in: 00:02:30", 2.5 * MINUTE),
    ("wait for 01:05:00", HOUR + 5 * MINUTE),
    ("try again in less than a minute", MINUTE),
    ("limit resets in: 3h 24m", 3 * HOUR + 24 * MINUTE),
    ("retrying in 2s... retrying in 4s... giving up; try again in 3 hours", 3 * HOUR),
    ("try again in 3 days", DAY),
    ("Retry-After: 30", 30),
    ('{"retryDelay": "37s"}', 37),
    ("retry_delay {\n  seconds: 41\n}", 41),
    ('{"type":"usage_limit_reached","resets_in_seconds":4200}', 4200),
    (f'{{"resets_at":{SINCE_1970 + 600}}}', 600),
    (f"Claude AI usage limit reached|{SINCE_1970 + 5000}", 5000),
    (f"usage limit reached|{SINCE_1970 - 20}", MINUTE),
    (f"blocked until {SINCE_1970 + 90}000", 90),
    ("You've hit your limit · resets 3:20am (Europe/Brussels)", HOUR + 20 * MINUTE),
    ("5-hour limit reached ∙ resets 3am", 2 * HOUR),
    ("resets at 3pm", 14 * HOUR),
    ("resets 1:59am (Europe/Brussels)", MINUTE),
    ("resets 12:50am", MINUTE),
    ("resets 11pm", 22 * HOUR),
    ("resets at 8:30 p.m. (America/New_York)", HALF := 30 * MINUTE),
    ("try again after 17:30 PST", HALF),
    ("Your quota resets at midnight Pacific time", 7 * HOUR),
    ("resets daily at 02:00 UTC", HOUR),
    ("resets at 03:00 UTC+1", HOUR),
    ("resets tomorrow at 12:30am", 23.5 * HOUR),
    ("resets Sunday at 4am", 3 * HOUR),
    ("resets 3:20AM CET", HOUR + 20 * MINUTE),
    ("resets on 29 November at 04:00 UTC", 3 * HOUR),
    ("restored at 4:00 AM", 3 * HOUR),
    ("weekly limit: resets Dec 5, 3pm (UTC)", DAY),
    ("try again at Nov 29th, 2026 3:20 AM.", 2 * HOUR + 20 * MINUTE),
    ("try again at 2026-11-29T01:10:00Z", 10 * MINUTE),
    ("resets 2026-11-29 03:10:00.123+02:00", 10 * MINUTE),
    ("available again at 2026-11-29 01:10 UTC", 10 * MINUTE),
]
UNTOLD = [
    "", "finished in 3 s", "the limit resets every 5 hours", "100 requests per minute",
    "resets 25pm", "resets at 25:71", "wait 3 times", "max_retries: 3", "resets Feb 31, 3pm",
    "until 2026-99-99T10:00", f'{{"ts": {SINCE_1970 - 5}}}', "request 17600000001234",
    "resets at 2031-01-01T00:00:00Z",
]  # fmt: skip


def test_a_text_tells_how_long_to_wait_in_many_forms() -> None:
    for text, seconds in TOLD:
        assert requested_wait(text, NOW) == seconds, text
        assert requested_wait(f"Error 7: so it is. {text}\nBye.", NOW) == seconds, text
    for text in UNTOLD:
        assert requested_wait(text, NOW) is None, text


def test_a_time_without_a_zone_is_in_the_zone_of_the_clock() -> None:
    there = NOW.astimezone(timezone(timedelta(hours=-5)))
    assert requested_wait("resets at 8:30pm", there) == HALF
    assert requested_wait("resets at 8:30pm (Nowhere/Land)", there) == HALF


def test_a_field_tells_it_by_its_name_and_its_value() -> None:
    table = [
        ("retryDelay", "37s", 37),
        ("retry_after_ms", 1500, 1.5),
        ("retry_after", "12", 12),
        ("Retry-After", "Sun, 29 Nov 2026 01:02:00 GMT", 120),
        ("X-RateLimit-Reset", str((SINCE_1970 + 60) * 1000), 60),
        ("X-RateLimit-Reset", SINCE_1970 + 60, 60),
        ("x-ratelimit-reset-tokens", "6m0s", 360),
        ("anthropic-ratelimit-tokens-reset", "2026-11-29T01:01:00Z", 60),
        ("resets", "PT1H30M", 5400),
        ("retry_after", 10**7, DAY),
        ("retry_after", -3, 0),
        ("reset", SINCE_1970 - 9 * 3600, None),
        ("reset", 10**300, None),
        ("reset", 10**400, None),
        ("reset", "nan", None),
        ("reset", True, None),
        ("reset", None, None),
        ("reset", [5], None),
        ("reset", "soon", None),
        ("reset", "Fri, 01 Jan 2999 00:00:00 GMT", None),
        ("reset", "Mon, 01 Jan 999999999999999999999 00:00:00 GMT", None),
        ("reset", "Mon, 01 Jan 2026 00:00:00 -9999999999999999999999", None),
    ]
    for name, value, seconds in table:
        assert field_wait(name, value, NOW) == seconds, (name, value)


@given(st.text(), st.sampled_from([text for text, _ in TOLD]), st.text())
def test_whatever_is_said_a_wait_is_none_or_between_nothing_and_a_day(
    before: str, told: str, after: str
) -> None:
    for text in (before, f"{before}{told}{after}", f"resets at {before}"):
        wait = requested_wait(text, NOW)
        assert wait is None or 0 <= wait <= DAY
    wait = field_wait("reset", before, NOW)
    assert wait is None or 0 <= wait <= DAY
