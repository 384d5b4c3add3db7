import ast
import math
import subprocess
import sys
from collections.abc import Callable, Mapping
from difflib import SequenceMatcher
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from autoresearch.patching import (
    Delta,
    apply_blocks,
    apply_diff,
    apply_file,
    comparing,
    constants,
    delta,
    effect_hash,
    matches,
    numbers,
    parse_blocks,
    set_constants,
    steering_change,
    syntax_fault,
    unified_diff,
)
from autoresearch.patching.syntax import read
from autoresearch.records.proposals import Rejection

SOURCE = '''"""é ünïcode docstring."""
import math

DEPTH = 8  # layers — “many”
LR: float = 4e-2; BETA = 0.95
NEGATIVE = -1.5
BATCH = 2**16  # tokens
PRODUCT = 8 * 128
USE_IT = True
PATTERN = "SSSL"
BETAS = (0.8, 0.95)
COMPUTED = math.pi
lower = 3
TWICE = 1
TWICE = 2
GROWING = 1
GROWING += 1
NONE = None


def main():
    INNER = 5
    return INNER
'''

literals = st.one_of(
    st.integers(-(10**9), 10**9),
    st.floats(allow_nan=False, allow_infinity=False),
    st.booleans(),
    st.text(max_size=20),
)
names = st.from_regex(r"[A-Z][A-Z0-9_]{0,8}", fullmatch=True)
comments = st.text(st.characters(codec="utf-8", exclude_characters="\n\r\0\f"), max_size=15)


class TestConstants:
    def test_finds_literals_bound_once_at_the_top(self) -> None:
        assert {each.name: each.value for each in constants(SOURCE)} == {
            "DEPTH": 8,
            "LR": 0.04,
            "BETA": 0.95,
            "NEGATIVE": -1.5,
            "BATCH": 65536,
            "PRODUCT": 1024,
            "USE_IT": True,
            "PATTERN": "SSSL",
        }
        assert "PATTERN" not in numbers(SOURCE)

    def test_spans_are_the_literals_bytes(self) -> None:
        data = SOURCE.encode()
        shown = {each.name: data[slice(*each.span)].decode() for each in constants(SOURCE)}
        assert shown["LR"] == "4e-2"
        assert shown["BATCH"] == "2**16"
        assert shown["NEGATIVE"] == "-1.5"

    def test_sets_and_keeps_everything_else(self) -> None:
        changed = set_constants(SOURCE, {"DEPTH": 12, "LR": 0.062, "BATCH": 131072})
        expected = SOURCE.replace("DEPTH = 8 ", "DEPTH = 12 ").replace("4e-2", "0.062")
        assert changed == expected.replace("2**16", "131072")

    def test_an_equal_value_keeps_its_spelling(self) -> None:
        assert set_constants(SOURCE, {"BATCH": 65536, "LR": 0.04}) == SOURCE

    def test_one_and_true_are_not_the_same(self) -> None:
        assert set_constants("A = 1\n", {"A": True}) == "A = True\n"
        assert set_constants("A = 0.0\n", {"A": -0.0}) == "A = -0.0\n"

    @pytest.mark.parametrize("values", [{"INNER": 1}, {"TWICE": 1}, {"LR": math.nan}])
    def test_what_cannot_be_set_is_an_error(self, values: Mapping[str, float]) -> None:
        with pytest.raises(ValueError, match=r"no constant|cannot be written"):
            set_constants(SOURCE, values)

    @pytest.mark.parametrize(
        "source",
        [
            "A = 10**10**10", "A = 9**9999", "A = 1e999", "A = -True", "A = 2**-1", "A = 1j", "A =",
            f"A = 1{'0' * 32}", f"A = -{'9' * 400}", f"A = 0x{'f' * 5000}", f"A = {'9' * 5000}",
        ],
    )  # fmt: skip
    def test_what_is_no_plain_literal_is_left_out(self, source: str) -> None:
        assert constants(source) == []

    @pytest.mark.parametrize("source", ["\0", "(" * 500, "\ud800", "x = " + "-" * 5000 + "1"])
    def test_broken_sources_have_none(self, source: str) -> None:
        assert constants(source) == []

    @pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
    def test_every_kind_of_line_end(self, end: str) -> None:
        source = end.join(["# é", "A = 1", "'''x", "y'''", "\fB = 2 # ü", "C = (", " 3)", ""])
        expected = source.replace("1", "10").replace("2 ", "20 ").replace("3", "30")
        assert set_constants(source, {"A": 10, "B": 20, "C": 30}) == expected

    def test_a_byte_order_mark_does_not_shift(self) -> None:
        source = "\ufeffA = 1; B = 2\n"
        assert set_constants(source, {"A": 3, "B": 4}) == "\ufeffA = 3; B = 4\n"

    @given(st.dictionaries(names, st.tuples(literals, literals, comments), min_size=1, max_size=6))
    def test_round_trip_keeps_every_other_byte(
        self, told: dict[str, tuple[int | float | str, int | float | str, str]]
    ) -> None:
        lines = [f"{name} = {_spelled(old)}  # {note}\n" for name, (old, _, note) in told.items()]
        source = "".join(lines)
        assume(syntax_fault("x.py", source) is None)
        changed = set_constants(source, {name: new for name, (_, new, _) in told.items()})
        found = {each.name: each.value for each in constants(changed)}
        assert found == {name: new for name, (_, new, _) in told.items()}
        assert set_constants(changed, {name: old for name, (old, _, _) in told.items()}) == source


def _spelled(value: float | str) -> str:
    return ascii(value) if isinstance(value, str) else repr(value)


FILES = {"train.py": "a = 1\nb = 2\nmax_b = 2\nc = 3\n", "prepare.py": "p = 1\nc = 3\n"}


def block(search: str, replace: str, above: str = "", name: str = "") -> str:
    return f"{above}<<<<<<< SEARCH{name}\n{search}=======\n{replace}>>>>>>> REPLACE\n"


def applied(text: str, files: Mapping[str, str] = FILES) -> dict[str, str]:
    after = apply_blocks(files, text, ["train.py"])
    assert not isinstance(after, Rejection), after.reason
    return after


def refused(text: str, files: Mapping[str, str] = FILES) -> str:
    after = apply_blocks(files, text, ["train.py"])
    assert isinstance(after, Rejection)
    assert "\n" not in after.reason
    return after.reason


class TestBlocks:
    def test_whole_lines_exactly_once(self) -> None:
        text = "I think:\n```python\n" + block("b = 2\n", "b = 5\nd = 6\n") + "```\nthat's it\n"
        assert applied(text)["train.py"] == "a = 1\nb = 5\nd = 6\nmax_b = 2\nc = 3\n"

    def test_in_order_each_on_what_the_last_left(self) -> None:
        text = block("a = 1\n", "a = 7\n") + block("a = 7\nb = 2\n", "")
        assert applied(text)["train.py"] == "max_b = 2\nc = 3\n"

    @pytest.mark.parametrize("above", ["prepare.py\n", "### `prepare.py`:\n", "**prepare.py**\n\n"])
    def test_a_file_is_named_above(self, above: str) -> None:
        assert applied(block("c = 3\n", "c = 4\n", above))["prepare.py"] == "p = 1\nc = 4\n"

    def test_a_file_is_named_beside(self) -> None:
        text = block("c = 3\n", "c = 4\n", name=" ./prepare.py")
        assert applied(text)["prepare.py"] == "p = 1\nc = 4\n"

    def test_a_new_file(self) -> None:
        assert applied(block("", "z = 1\n", "new/file.py\n"))["new/file.py"] == "z = 1\n"

    def test_windows_line_ends_stay(self) -> None:
        files = {"train.py": "a = 1\r\nb = 2\r\n"}
        assert applied(block("b = 2\n", "b = 3\n"), files)["train.py"] == "a = 1\r\nb = 3\r\n"
        from_windows = block("b = 2\n", "b = 3\n").replace("\n", "\r\n")
        assert "\r" not in applied(from_windows)["train.py"]

    def test_no_line_end_at_the_end_stays_so(self) -> None:
        assert applied(block("b\n", "c\n"), {"train.py": "a\nb"})["train.py"] == "a\nc"

    @pytest.mark.parametrize(
        ("text", "why"),
        [
            ("nothing here", "no <<<<<<< SEARCH block"),
            (block("bb = 2\n", ""), "not in train.py; nearest is line 2, `b = 2`, you wrote `bb"),
            (block("zzzzzz\n", ""), "no line like `zzzzzz`"),
            (block("c = 3\na = 1\n", ""), "not in this order"),
            (block("  b = 2\n", ""), "not in train.py"),
            (block("", "x\n"), "since its SEARCH is empty"),
            ("<<<<<<< SEARCH\na\n=======\nb\n", "no line >>>>>>> REPLACE ends it"),
            ("<<<<<<< SEARCH\na\n>>>>>>> REPLACE\n", "no line ======= divides"),
            ("<<<<<<< SEARCH\na\n" + block("a\n", "b\n"), "another SEARCH begins"),
            (">>>>>>> REPLACE\n", "no line <<<<<<< SEARCH begins it"),
            (block("a = 1\n", "b\n") + block("q\n", ""), "block 2: "),
        ],
    )
    def test_refusals_help_to_mend(self, text: str, why: str) -> None:
        assert why in refused(text)

    def test_ambiguity_names_the_lines(self) -> None:
        reason = refused(block("x\n", "y\n"), {"train.py": "x\nx\n\nx\n"})
        assert "3 times (lines 1, 2, 4)" in reason

    def test_without_a_name_the_one_that_fits_is_meant(self) -> None:
        editable = ["train.py", "prepare.py"]
        after = apply_blocks(FILES, block("p = 1\n", "p = 2\n"), editable)
        assert after == {**FILES, "prepare.py": "p = 2\nc = 3\n"}
        both = apply_blocks(FILES, block("c = 3\n", "c = 4\n"), editable)
        assert isinstance(both, Rejection)
        assert "fits 2 of the editable files" in both.reason

    @given(
        st.lists(st.text("ab \t#=<é\u2028\f", max_size=6), min_size=1, max_size=12),
        st.data(),
    )
    def test_a_block_changes_its_lines_and_no_others(
        self, lines: list[str], data: st.DataObject
    ) -> None:
        start = data.draw(st.integers(0, len(lines) - 1))
        end = data.draw(st.integers(start + 1, len(lines)))
        new = data.draw(st.lists(st.text("xyz", min_size=1, max_size=4), max_size=4))
        search = lines[start:end]
        occurrences = [
            at for at in range(len(lines) - len(search) + 1) if lines[at:][: len(search)] == search
        ]
        assume(any(line.strip() for line in search))
        text = block("".join(f"{x}\n" for x in search), "".join(f"{x}\n" for x in new))
        files = {"train.py": "".join(f"{line}\n" for line in lines)}
        after = apply_blocks(files, text, ["train.py"])
        if len(occurrences) > 1:
            assert isinstance(after, Rejection)
        elif not isinstance(after, Rejection):
            expected = [*lines[:start], *new, *lines[end:]]
            assert after["train.py"] == "".join(f"{line}\n" for line in expected)
        else:
            # Only the end of the file, itself an empty line, can make a second occurrence.
            assert "2 times" in after.reason
            assert search[-1] == ""

    @given(st.text(max_size=300))
    def test_any_text_is_an_answer(self, text: str) -> None:
        parse_blocks(text, FILES)
        marked = text.replace("a", "<<<<<<< SEARCH\n").replace("b", "=======\n")
        apply_blocks(FILES, marked.replace("c", ">>>>>>> REPLACE\n"), ["train.py"])


class TestWholeFile:
    @pytest.mark.parametrize(
        ("text", "path"),
        [
            ("x = 1\n", "train.py"),
            ("```python\nx = 1\n```", "train.py"),
            ("prepare.py\n```python\nx = 1\n```\n", "prepare.py"),
            ("\n`src/new.py`\n\n~~~\nx = 1\n~~~\n", "src/new.py"),
        ],
    )
    def test_bare_or_fenced(self, text: str, path: str) -> None:
        assert apply_file(FILES, text, ["train.py"]) == {**FILES, path: "x = 1\n"}

    def test_a_fence_inside_a_bare_file_is_its_own(self) -> None:
        text = 'x = """\n```\ncode\n```\n"""\n'
        assert apply_file(FILES, text, ["train.py"]) == {**FILES, "train.py": text}

    def test_refusals(self) -> None:
        many = apply_file(FILES, "x = 1\n", list(FILES))
        assert many == Rejection("name the file above the code: prepare.py, train.py")
        assert isinstance(apply_file(FILES, "```\n```", ["train.py"]), Rejection)


texts = st.text(st.sampled_from("ab-+@ \\\t\r\n\f\u2028é#"), max_size=40)
paths = st.sampled_from(["a.py", "my file.py", "dir/ü.py", 'q"uote.py', "b/c d/e.py"])


def twenty_thousand(change: Callable[[int], object]) -> list[str]:
    return [str(change(number)) for number in range(20_000)]


HOSTILE_PAIRS = {
    "equal lines": (["x"] * 20_000, [*["x"] * 19_999, "y"]),
    "equal but for one": (["x"] * 20_000, ["y", *["x"] * 19_000]),
    "shifted": (["a", "x"] * 10_000, ["x", "b"] * 10_000),
    "each line two hundred times": (
        twenty_thousand(lambda number: number % 100),
        twenty_thousand(lambda number: number * number % 101 % 100),
    ),
    "every other line": (
        twenty_thousand(lambda number: number),
        twenty_thousand(lambda number: number if number % 2 else -number),
    ),
    "backwards": (
        twenty_thousand(lambda number: number),
        twenty_thousand(lambda number: 19_999 - number),
    ),
    "long lines": (["ab" * 5000 + str(each) for each in range(50)] * 2, ["ba" * 5000] * 100),
}


class TestDiffs:
    @given(st.dictionaries(paths, texts), st.dictionaries(paths, texts))
    def test_git_applies_what_we_write(self, old: dict[str, str], new: dict[str, str]) -> None:
        assume(not any(not text and old.get(path) is None for path, text in new.items()))
        assume(not any(not text and path not in new for path, text in old.items()))
        made = delta(old, new)
        if old == new:
            assert made == Delta("", 0, 0)
        else:
            assert apply_diff(old, made.text) == new
            assert made.added + made.removed > 0

    @pytest.mark.parametrize("name", HOSTILE_PAIRS)
    def test_what_comparing_may_cost_is_bounded_before_it_begins(
        self, name: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        old, new = ("".join(f"{line}\n" for line in lines) for lines in HOSTILE_PAIRS[name])
        asked: list[int] = []
        search = SequenceMatcher.find_longest_match

        def counted(self: SequenceMatcher[str], *where: int) -> object:
            asked.append(where[1] - where[0] + where[3] - where[2])
            return search(self, *where)

        monkeypatch.setattr(SequenceMatcher, "find_longest_match", counted)
        made = delta({"a.py": old}, {"a.py": new})
        assert sum(asked) <= comparing.MOST_STEPS
        assert apply_diff({"a.py": old}, made.text) == {"a.py": new}

    def test_of_a_long_file_only_what_changed_is_told(self) -> None:
        old = [f"line {number}" if number % 7 else "" for number in range(20_000)]
        new = ["first", *old[:15_000], "between", *old[15_000:]]
        made = delta({"a": "\n".join(old)}, {"a": "\n".join(new)})
        assert (made.added, made.removed) == (2, 0)
        odd = [line + "!" if number % 100 == 1 else line for number, line in enumerate(old)]
        made = delta({"a": "\n".join(old)}, {"a": "\n".join(odd)})
        assert (made.added, made.removed) == (200, 200)

    @given(
        st.lists(st.sampled_from("abcdefgh"), max_size=12),
        st.lists(st.sampled_from("abcdefgh"), max_size=12),
        st.sampled_from([0, 30, comparing.MOST_STEPS]),
    )
    def test_whatever_is_left_out_the_difference_is_true(
        self, old: list[str], new: list[str], most: int
    ) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(comparing, "MOST_STEPS", most)
            runs = comparing.LineMatcher(old, new).get_matching_blocks()
        for here, there, size in runs:
            assert old[here : here + size] == new[there : there + size]
        told = [(each.a, each.b) for each in runs]
        assert told == sorted(told)
        assert runs[-1] == (len(old), len(new), 0)
        assert {*zip(old, new, strict=False)} != {("a", "a")} or runs[0].size > 0

    def test_the_nearest_of_very_many_or_very_long_lines(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        compared: list[tuple[int, int]] = []

        def close(line: str, lines: list[str], **more: float) -> list[str]:
            compared.append((len(lines), max(map(len, [line, *lines]))))
            return lines[:1]

        monkeypatch.setattr(comparing, "get_close_matches", close)
        many = [f"{'a' * 90}{number}" for number in range(20_000)]
        assert comparing.nearest("a" * 90 + "7", many) == many[0]
        assert comparing.nearest("ab" * 500_000, [f"{'ab' * 400_000}{n}" for n in range(20)])
        assert compared == [(comparing.MOST_LINES, 93), (1, comparing.MOST_CHARACTERS)]

    @given(st.lists(st.sampled_from(["", "a", "b"]), max_size=9), st.data())
    def test_places_are_where_a_run_of_lines_begins(
        self, lines: list[str], data: st.DataObject
    ) -> None:
        some = data.draw(st.lists(st.sampled_from(["", "a", "b"]), min_size=1, max_size=3))
        every = range(len(lines) - len(some) + 1)
        expected = [at for at in every if lines[at : at + len(some)] == some]
        assert comparing.places(some, lines) == expected

    def test_counts_lines_that_look_like_headers(self) -> None:
        made = delta({"a.py": "-- x\ny\n"}, {"a.py": "++ z\ny\nw\n"})
        assert (made.added, made.removed) == (2, 1)

    def test_reads_like_git(self) -> None:
        assert unified_diff({"a": "x\ny"}, {"a": "x\nz\n"}) == (
            "--- a/a\n+++ b/a\n@@ -1,2 +1,2 @@\n x\n-y\n\\ No newline at end of file\n+z\n"
        )


class TestEffect:
    @pytest.mark.parametrize(
        "same",
        [
            "def f(x):\n    return x + 1\n",
            "# why\ndef f(x):\n\n    return (x\n      + 1)  # so\n",
            '"""Doc."""\ndef f(x):\n    """Doc."""\n    return x + 0x1\n',
        ],
    )
    def test_layout_comments_and_docstrings_do_not_count(self, same: str) -> None:
        expected = effect_hash({"train.py": "def f(x): return x + 1\n"})
        assert effect_hash({"train.py": same}) == expected

    def test_all_else_counts(self) -> None:
        sources = ["x = 1", "x = 1.0", "x = True", "y = 1", "x = '1'", "x = -1", "def", "def "]
        hashes = {effect_hash({"train.py": source}) for source in sources}
        hashes |= {effect_hash({"a.py": "x = 1"}), effect_hash({"train.py": "x = 1", "b": ""})}
        hashes |= {effect_hash({"notes.md": "x = 1"}), effect_hash({"notes.md": "x =  1"})}
        assert len(hashes) == 12

    def test_borders_between_files_cannot_be_moved(self) -> None:
        assert effect_hash({"a": "bc"}) != effect_hash({"ab": "c"})

    def test_deep_nesting_is_no_fault(self) -> None:
        deep = "x = " + "+".join("1" * 5000)
        assert effect_hash({"train.py": deep}) != effect_hash({"train.py": deep + "+1"})

    @pytest.mark.parametrize(
        ("source", "fault"),
        [
            ("x = 1\n", None),
            ("x = '\\d'\n", None),
            ("x = 1\ny =\n", "train.py line 2: "),
            ("return 1\n", "outside function"),
            ("x = '\0'\n", "null bytes"),
            ("(" * 1000, "train.py"),
        ],
    )
    def test_syntax(self, source: str, fault: str | None) -> None:
        told = syntax_fault("train.py", source)
        assert (told is None) if fault is None else fault in (told or "")

    def test_other_files_have_no_syntax(self) -> None:
        assert syntax_fault("notes.md", "x =") is None

    def test_nothing_is_run(self, tmp_path: Path) -> None:
        witness = tmp_path / "ran"
        assert syntax_fault("train.py", f"open({str(witness)!r}, 'w')") is None
        assert not witness.exists()


class TestPaths:
    @pytest.mark.parametrize(
        ("path", "glob", "named"),
        [
            ("train.py", "train.py", True),
            ("src/train.py", "train.py", False),
            ("train.py", "*.py", True),
            ("src/a.py", "*.py", False),
            ("src/a.py", "src/*.py", True),
            ("src/x/y/a.py", "src/**/*.py", True),
            ("src/a.py", "src/**/*.py", True),
            ("src/a.py", "**", True),
            ("ab.py", "a?.py", True),
            ("a/.py", "a?.py", False),
            ("a1.py", "a[0-9].py", True),
            ("a1.py", "a[!0-9].py", False),
            ("a+b (1).py", "a+b (1).py", True),
            ("trainXpy", "train.py", False),
            ("../x.py", "**", False),
            ("/etc/passwd", "**", False),
            (".git/config", "**", False),
            ("sub/.GIT/hooks/x", "**", False),
            ("a\nb", "**", False),
            ("", "**", False),
        ],
    )
    def test_globs(self, path: str, glob: str, *, named: bool) -> None:
        assert matches(path, [glob]) is named


def test_importing_costs_nothing_heavy() -> None:
    code = "import sys, autoresearch.patching; sys.exit(bool({'optuna', 'git'} & {*sys.modules}))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_tree_of_a_set_constant_is_the_value() -> None:
    changed = set_constants("A = 1\n", {"A": "it's \"\\\n\u202e"})
    assert ast.literal_eval(changed.removeprefix("A = ")) == "it's \"\\\n\u202e"


def test_a_shared_tree_is_changed_by_nobody() -> None:
    source = '"""Text."""\nX = 1\n\n\nclass A:\n    """Text."""\n\n    y = X\n'
    known = read(source)
    assert known is not None
    before = ast.dump(known.tree)
    files = {"a.py": source}
    effect_hash(files)
    set_constants(source, {"X": 2})
    steering_change(files, {"a.py": source.replace("y = X", "lr = X")})
    syntax_fault("a.py", source)
    assert read(source) is known
    assert ast.dump(known.tree) == before
