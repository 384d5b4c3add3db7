import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoresearch.records.text import counted, safe_line, safe_reason, safe_text, whole_text

HOSTILE = st.text(
    st.one_of(
        st.characters(),
        st.sampled_from("\x1b\x9b\x9d\x90[]m;\x07\\\r\n\t\0\x7f\u202e\u200b\ufeff\u0301\U000e0041"),
    ),
    max_size=400,
)


def unsafe(text: str) -> list[str]:
    def bad(code: int) -> bool:
        return 0xFE00 <= code <= 0xFE0F or 0xE0000 <= code <= 0xE0FFF or 0x180B <= code <= 0x180F

    return [each for each in text if not each.isprintable() or bad(ord(each))]


def test_no_character_of_all_is_unsafe() -> None:
    codes = range(sys.maxunicode + 1)
    lines = ["".join(map(chr, codes[at : at + 256])) for at in codes[::256]]
    assert unsafe("".join(safe_text(each, lines=256, size=10_000) for each in lines)) == ["\n"]


@given(HOSTILE, st.integers(1, 300))
def test_no_unsafe_character_survives_in_a_line(text: str, width: int) -> None:
    line = safe_line(text, width)
    assert unsafe(line) == []
    assert len(line) <= width
    assert "\n" not in line


@given(HOSTILE)
def test_no_unsafe_character_survives_in_a_text(text: str) -> None:
    assert unsafe(safe_text(text).replace("\n", "")) == []


@given(st.binary(max_size=400), st.integers(1, 9), st.integers(1, 99))
def test_any_bytes_become_a_bounded_safe_text(data: bytes, lines: int, size: int) -> None:
    text = safe_text(data, lines=lines, size=size)
    assert unsafe(text.replace("\n", "")) == []
    assert len(text) <= size
    assert text.count("\n") < lines


@given(HOSTILE)
def test_what_is_safe_stays_as_it_is(text: str) -> None:
    line = safe_line(text)
    assert safe_line(line) == line


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("größe 日本 😀", "größe 日本 😀"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07after", "after"),
        ("\x1b]8;;http://evil\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("a\tb\nc\r\nd", "a b c d"),
        ("bell\x07", "bell\\x07"),
        ("\x9b31m", "\\x9b31m"),
        ("left\u202eright", "left\\u{202e}right"),
        ("zero\u200bwidth", "zero\\u{200b}width"),
        ("e\u0301\u0301\u0301\u0301", "e\u0301\u0301"),
        ("\ud800", "\\u{d800}"),
        ("\U000e0041", "\\u{e0041}"),
        ("x\ufe0f", "x\\u{fe0f}"),
    ],
)
def test_a_line(text: str, shown: str) -> None:
    assert safe_line(text) == shown


def test_a_line_is_cut_with_a_mark() -> None:
    assert safe_line("x" * 50, 10) == "x" * 9 + "…"


def test_an_unterminated_sequence_does_not_swallow_the_traceback() -> None:
    assert safe_text("\x1b]0;never ends\nValueError: real\n") == "\nValueError: real"


def test_of_a_redrawn_line_the_last_drawing_is_kept() -> None:
    assert safe_text(b"step 1\rstep 2\rstep 3\r\ndone\r\n") == "step 3\ndone"


def test_bytes_that_are_no_text_are_shown_as_escapes() -> None:
    assert safe_text(b"caf\xe9 \xff") == "caf\\xe9 \\xff"


def test_the_end_of_a_long_log_is_kept() -> None:
    text = safe_text("\n".join(f"line {n}" for n in range(1000)), lines=3)
    assert text == "line 997\nline 998\nline 999"


def test_long_runs_are_elided_and_long_lines_cut() -> None:
    assert safe_text("=" * 5000) == "========…(5000 times)"
    assert len(safe_text("ab" * 5000)) == 300


def test_a_long_text_is_cut_at_its_beginning() -> None:
    text = safe_text("\n".join(["ab" * 100] * 50), size=500)
    assert len(text) == 500
    assert text.startswith("…")


def test_of_a_log_all_is_shown_that_a_terminal_would_show() -> None:
    bars = b"".join(b"it %d\r" % each for each in range(200_000))
    log = (
        b"first\n" + bars + b"\n" + b"step\r\n" * 20_000 + b"x" * 5000 + b"\r\n\xff\x1b[2Jlast\r\n"
    )
    rows = whole_text(log).split("\n")
    assert rows[:3] == ["first", "it 199999", "step"]
    assert rows[-2:] == ["x" * 5000, "\\xfflast"]
    assert len(rows) == 20_004


@given(st.binary(max_size=400))
def test_any_log_is_shown_safely(data: bytes) -> None:
    assert unsafe(whole_text(data).replace("\n", "")) == []


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("RuntimeError: one\n  two\nthree", "RuntimeError: one two three"),
        (
            f"RuntimeError: {'x ' * 40}\n{'y ' * 40}\nlast words",
            f"RuntimeError: {'x ' * 11}x … last words",
        ),
        (f"RuntimeError: first\n{'y' * 500}", f"RuntimeError: f… {'y' * 32}…"),
        ("z" * 500, "z" * 49 + "…"),
        (f"one\n{'m' * 50_000}\nlast", f"one {'m' * 40}… last"),
        ("a\n\x1b[2J\u202eb\n\n", "a \\u{202e}b"),
    ],
)
def test_a_reason_ends_with_the_last_line_that_was_said(text: str, shown: str) -> None:
    assert safe_reason(text, 50) == shown


@given(HOSTILE, st.integers(9, 300))
def test_any_reason_is_a_safe_line(text: str, width: int) -> None:
    said = safe_reason(text, width)
    assert unsafe(said) == []
    assert len(said) <= width


def test_one_is_no_plural() -> None:
    assert [counted(each, "pair") for each in (0, 1, 2, 1200)] == [
        "0 pairs", "1 pair", "2 pairs", "1,200 pairs",
    ]  # fmt: skip
    assert counted(1, "entry", "entries") == "1 entry"
    assert counted(3, "entry", "entries") == "3 entries"
    assert [counted(each, "second") for each in (0.5, 1.0)] == ["0.5 seconds", "1 second"]
