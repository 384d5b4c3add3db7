"""What comes down a trial's streams: bounded whatever it is, and readable to its end."""

import json
import math

from hypothesis import given
from hypothesis import strategies as st

from autoresearch.workers.streams import MAX_ROW_BYTES, CappedLog, Facts, parse_control


def written(data: bytes, limit: int = 10_000, size: int = 7) -> bytes:
    log = CappedLog(limit)
    for at in range(0, len(data), size):
        log.write(data[at : at + size])
    return log.read()


def on_screen(log: bytes) -> list[bytes]:
    return [row.rstrip(b"\r").rpartition(b"\r")[2] for row in log.split(b"\n")]


def test_megabytes_of_a_progress_bar_push_nothing_out() -> None:
    bar = b"\r".join(b"it %d loss 1.0" % each for each in range(20_000)) + b"\r"
    log = b"".join(b"%sstep %05d\n" % (bar, step) for step in range(10)) + b"saved" + bar
    kept = written(log, limit=2000, size=2**16)
    assert kept == b"".join(b"step %05d\n" % step for step in range(10)) + b"it 19999 loss 1.0\r"


@given(st.lists(st.sampled_from([b"a", b"bc", b"\r", b"\n"]), max_size=40), st.integers(1, 9))
def test_what_is_on_the_screen_stays(parts: list[bytes], size: int) -> None:
    data = b"".join(parts)
    assert on_screen(written(data, size=size)) == on_screen(data)


def test_every_flood_is_bounded_and_loses_no_last_word() -> None:
    for flood in (b"x", b"\r", b"\n", b"x\r", b"\r\n", b"x" * (MAX_ROW_BYTES + 1) + b"\r"):
        kept = written(b"first\n" + flood * (2**18 // len(flood)) + b"\nlast\n", 20_000, 2**14)
        assert len(kept) < 21_000
        assert kept.startswith(b"first\n")
        assert kept.endswith(b"last\n")
    assert (
        written(b"a" * 30 + b"b", limit=4)
        == b"aa\n[\xe2\x80\xa6 27 bytes left out \xe2\x80\xa6]\nab"
    )
    assert b"[\xe2\x80\xa6 1 byte left out" in written(b"abcde", limit=4)


def test_facts_that_are_no_strict_json_are_left_out() -> None:
    line = b'{"event": "facts", "values": {"x": NaN, "y": Infinity, "z": 1e-9, "w": -Infinity}}'
    message = parse_control(line)
    assert message is not None
    facts = Facts()
    facts.update(message["values"])
    facts.update({"big": 2**53, "list": [math.nan], "deep": {"a": math.nan}, "n": 3})
    assert dict(facts.values()) == {"z": 1e-9, "n": 3}
    json.dumps(dict(facts.values()), allow_nan=False)
    assert parse_control(b'{"event": "facts", "values": {"x": %s}}' % (b"9" * 5000)) is None
