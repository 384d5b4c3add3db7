import errno
from collections.abc import Mapping
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoresearch.errors import GitError
from autoresearch.patching import apply_diff, effect_hash, unified_diff
from autoresearch.preflight import MAX_CHANGE, ApplyDiff, check, tried_before
from autoresearch.preflight.check import Changed
from autoresearch.records.proposals import Change, ChangeFormat, Patch, Proposal, Rejection

TRAIN = "DEPTH = 2  # layers\nLR = 0.1\n\n\ndef main():\n    return DEPTH\n"
FILES = {"train.py": TRAIN, "prepare.py": "X = 1\n", "program.md": "Lower it.\n"}
EDITABLE = ("train.py", "src/**")


def proposal(text: str, format_: ChangeFormat = ChangeFormat.DIFF) -> Proposal:
    return Proposal("test", "try it", Change(format_, text))


def changing(changes: Mapping[str, str | None]) -> Proposal:
    after = {**FILES, **{path: text for path, text in changes.items() if text is not None}}
    for path in [path for path, text in changes.items() if text is None]:
        del after[path]
    return proposal(unified_diff(FILES, after))


def judged(asked: Proposal, seen: Mapping[str, int] | None = None) -> Patch | Rejection:
    found = check(asked, FILES, editable=EDITABLE, apply_diff=apply_diff)
    return found if isinstance(found, Rejection) else tried_before(found, seen or {}) or found


def accepted(asked: Proposal) -> Patch:
    result = judged(asked)
    assert isinstance(result, Patch), result.reason
    return result


def refused(asked: Proposal, seen: Mapping[str, int] | None = None) -> str:
    result = judged(asked, seen)
    assert isinstance(result, Rejection)
    assert result.reason.isprintable()
    assert len(result.reason) <= 300
    return result.reason


DEEPER = TRAIN.replace("DEPTH = 2", "DEPTH = 3")


class TestAccepted:
    @pytest.mark.parametrize(
        "asked",
        [
            changing({"train.py": DEEPER}),
            proposal(
                "<<<<<<< SEARCH\nDEPTH = 2  # layers\n=======\nDEPTH = 3  # layers\n"
                ">>>>>>> REPLACE\n",
                ChangeFormat.BLOCKS,
            ),
            proposal(DEEPER, ChangeFormat.FILE),
            proposal(f"```python\n{DEEPER}```\n", ChangeFormat.FILE),
        ],
    )
    def test_every_way_of_writing_gives_the_same_patch(self, asked: Proposal) -> None:
        patch = accepted(asked)
        assert patch.files == {"train.py": DEEPER}
        assert patch.diff == unified_diff({"train.py": TRAIN}, {"train.py": DEEPER})
        assert patch.effect_hash == effect_hash({"train.py": DEEPER})
        assert (patch.lines_added, patch.lines_removed) == (1, 1)

    def test_a_new_editable_file(self) -> None:
        patch = accepted(changing({"src/deep/model.py": "A = 1\n"}))
        assert dict(patch.files) == {"train.py": TRAIN, "src/deep/model.py": "A = 1\n"}
        assert (patch.lines_added, patch.lines_removed) == (1, 0)


class TestRefused:
    @pytest.mark.parametrize(
        ("asked", "why"),
        [
            (proposal(" \n"), "the change is empty"),
            (proposal(TRAIN, ChangeFormat.FILE), "the change changes nothing"),
            (changing({"prepare.py": "X = 2\n"}), "prepare.py is fixed; only train.py, src/**"),
            (
                changing({"prepare.py": "X = 2\n", "program.md": "Raise it.\n"}),
                "prepare.py, program.md are fixed",
            ),
            (changing({"train.py": DEEPER, "prepare.py": "X = 2\n"}), "prepare.py is fixed"),
            (changing({"new.py": "X = 2\n"}), "new.py is fixed"),
            (changing({"train.py": None}), "it removes train.py"),
            (changing({"train.py": "def f(:\n"}), "syntax error: train.py line 1"),
            (changing({"train.py": "return 1\n"}), "syntax error"),
            (changing({"src/x.py": "a b\n"}), "syntax error: src/x.py line 1"),
            (changing({"train.py": TRAIN.replace("layers", "deep")}), "only comments"),
            (proposal("--- a/train.py\n+++ b/train.py\n@@ -1 +1 @@\n-A\n+B\n"), "does not apply"),
            (proposal("--- a/prepare.py\n+++ b/prepare.py\n@@ -1 +1 @@\n-A\n+B\n"), "is fixed"),
            (proposal("just words"), "does not apply"),
            (proposal("just words", ChangeFormat.BLOCKS), "no <<<<<<< SEARCH block"),
            (
                proposal(
                    "prepare.py\n<<<<<<< SEARCH\nX = 7\n=======\nX = 2\n>>>>>>> REPLACE\n",
                    ChangeFormat.BLOCKS,
                ),
                "prepare.py is fixed",
            ),
            (proposal("prepare.py\n```\nX = 2\n```\n", ChangeFormat.FILE), "prepare.py is fixed"),
            (proposal("../up.py\n```\nX = 2\n```\n", ChangeFormat.FILE), "../up.py is fixed"),
            (proposal("src/.git/x.py\n```\nX\n```\n", ChangeFormat.FILE), "src/.git/x.py is fixed"),
            (proposal("A = '\0'\n", ChangeFormat.FILE), "not clean UTF-8"),
            (proposal("A = '\ud800'\n", ChangeFormat.FILE), "not clean UTF-8"),
            (proposal("A = 'caf\ufffd'\n", ChangeFormat.FILE), "not clean UTF-8"),
            (proposal("#" * (MAX_CHANGE + 1), ChangeFormat.FILE), "characters long"),
            (proposal(DEEPER, ChangeFormat.ANSWER), "no change could be read"),
            (replace(changing({"train.py": DEEPER}), fault="it was cut"), "it was cut"),
        ],
    )
    def test_with_the_right_words(self, asked: Proposal, why: str) -> None:
        assert why in refused(asked)

    def test_the_same_effect_as_an_earlier_experiment(self) -> None:
        seen = {effect_hash({"train.py": DEEPER}): 7}
        asked = changing({"train.py": DEEPER.replace("# layers", "# of them")})
        assert refused(asked, seen) == "it has the same effect as experiment 7"

    def test_a_folder_where_a_file_is(self) -> None:
        result = check(
            proposal("train.py/x.py\n```\nA = 1\n```\n", ChangeFormat.FILE),
            FILES,
            editable=("**",),
            apply_diff=apply_diff,
        )
        assert result == Rejection("train.py/x.py cannot be: a folder of that name is a file")

    def test_a_name_that_would_take_all_memory_to_parse(self) -> None:
        for dot in (".", " .", "\\\n."):
            endless = "import " + dot.join(["os"] * 100_000) + "\n"
            assert "has a name of more than 250 parts" in refused(changing({"train.py": endless}))

    def test_hostile_names_are_escaped(self) -> None:
        assert "a\\u{202e}.py" in refused(changing({"a\u202e.py": "A = 1\n"}))


DIGITS, BITS = "7" * 4000, "f" * 5000
HOSTILE = {
    "seed of 4,000 digits": f"session.seed = {DIGITS}",
    "seed of 20,000 bits": f"session.seed = 0x{BITS}",
    "seed counted up by them": f"seed = seed + 0x{BITS}",
    "manual seed": f"torch.manual_seed(0x{BITS})",
    "default": f"def f(seed=0x{BITS}): pass",
    "literal of 4,000 digits": f"BIG = {DIGITS}",
    "literal that Python does not read": f"BIG = {'7' * 5000}",
    "literal of 20,000 bits": f"BIG = 0x{BITS}",
    "float": "BIG = 1e400",
    "part of the session": f"session._clock[0x{BITS}].x = 1",
    "sum": "BIG = " + "+".join(["1"] * 20_000),
    "brackets": "BIG = " + "(" * 150 + "1" + ")" * 150,
    "too many brackets": "BIG = " + "(" * 5000 + "1" + ")" * 5000,
    "minus": "BIG = " + "-" * 20_000 + "1",
    "seed minus": "seed = " + "-" * 2000 + "seed",
    "lists": "BIG = " + "[" * 90 + "]" * 90,
    "calls": "BIG = f" + "()" * 5000,
    "attributes": "BIG = a" + ".b" * 240,
    "comparisons": "BIG = seed" + " < 1" * 20_000,
    "lambdas": "BIG = " + "lambda: " * 3000 + "1",
    "conditions": "BIG = " + "1 if 1 else " * 3000 + "seed",
    "blocks": "".join("    " * deep + "if 1:\n" for deep in range(99)) + "    " * 99 + "pass",
    "text of surrogates": "BIG = '\\ud800'",
    "nul": "BIG = 'a\0b'",
    "surrogate": "BIG = '\ud800'",
    "form feeds": "\f" * 5000 + "BIG = 1",
    "other line ends": "A = 1\u2028B = 2\x85C = 3\rD = 4\r",
    "mark": "\ufeffBIG = 1",
    "decorators": "@f\n" * 3000 + "def g(): pass",
    "formatted": "BIG = f'" + "{1:" * 3 + "}" * 3 + "'",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_code_is_answered_in_a_line(name: str) -> None:
    for place in ("train.py", "src/new.py"):
        text = (TRAIN if place == "train.py" else "") + HOSTILE[name] + "\n"
        result = judged(proposal(f"{place}\n```\n{text}```\n", ChangeFormat.FILE))
        if isinstance(result, Rejection):
            assert result.reason.isprintable()
            assert len(result.reason) <= 300
        else:
            assert place in result.files


def test_what_no_check_can_print_is_refused_with_a_reason() -> None:
    reason = refused(changing({"train.py": TRAIN + f"session.seed = 0x{BITS}\n"}))
    assert reason.startswith("it cannot be read (ValueError: Exceeds the limit")


def test_names_that_no_folder_or_repository_takes() -> None:
    for path in (f"src/{'x' * 253}.py", "src/" + "x/" * 600 + "y.py", "src/git~1/x.py", "src/a\\b"):
        assert "is no name for a file" in refused(
            proposal(
                f"<<<<<<< SEARCH {path}\n=======\nA = 1\n>>>>>>> REPLACE\n", ChangeFormat.BLOCKS
            )
        )


def test_a_fault_of_the_machine_refuses_nobody() -> None:
    def failing(fault: Exception) -> ApplyDiff:
        def apply(_files: Mapping[str, str], _diff: str) -> Rejection:
            raise fault

        return apply

    def asked(fault: Exception) -> Patch | Rejection:
        return check(proposal("x"), FILES, editable=EDITABLE, apply_diff=failing(fault))

    for fault in (OSError(errno.ENOSPC, "No space left on device"), GitError("git is gone")):
        with pytest.raises(type(fault), match=r"space|gone"):
            asked(fault)
    too_long = asked(OSError(errno.ENAMETOOLONG, "File name too long"))
    assert isinstance(too_long, Rejection)
    assert asked(RecursionError()) == Rejection("it cannot be read (RecursionError)")


PIECES = st.sampled_from(
    [DIGITS, f"0x{BITS}", "seed", "session.seed", "-", "(", ")", "[", "]", "=", "\n", " ", "1e400",
     "lambda:", "if 1:", "import ", "torch.manual_seed(", "'", '"""', "\\", "\0", "\ud800", "f'{",
     "}"]
)  # fmt: skip


@settings(max_examples=60)
@given(pieces=st.lists(PIECES, max_size=12), times=st.sampled_from([1, 1, 1, 300, 3000]))
def test_any_code_has_an_answer(pieces: list[str], times: int) -> None:
    text = "".join(pieces)
    result = judged(proposal(TRAIN + text * min(times, 200_000 // (len(text) + 1)),
                             ChangeFormat.FILE))  # fmt: skip
    assert isinstance(result, Patch | Rejection)


@settings(max_examples=60)
@given(text=st.text(max_size=300), format_=st.sampled_from(ChangeFormat), marked=st.booleans())
def test_any_proposal_has_an_answer(text: str, format_: ChangeFormat, *, marked: bool) -> None:
    if marked:
        text = f"--- a/train.py\n+++ b/train.py\n@@ -1 +1 @@\n{text}"
    result = judged(proposal(text, format_))
    assert isinstance(result, Patch | Rejection)
    if isinstance(result, Patch):
        assert set(result.files) == {"train.py"}


def test_nothing_is_left_in_the_temporary_folder(tmp_path: Path) -> None:
    accepted(changing({"train.py": DEEPER}))
    refused(proposal("just words"))
    assert list((tmp_path / "tmp").iterdir()) == []


def test_every_rule_is_asked_of_a_change_that_applies(monkeypatch: pytest.MonkeyPatch) -> None:
    module = import_module("autoresearch.preflight.check")
    asked: list[Changed] = []

    def no_layers(change: Changed) -> Rejection | None:
        asked.append(change)
        return Rejection("too\ndeep") if "DEPTH = 3" in change.after["train.py"] else None

    monkeypatch.setattr(module, "RULES", (*module.RULES, no_layers))
    assert refused(changing({"train.py": DEEPER})) == "too deep"
    accepted(changing({"train.py": TRAIN.replace("0.1", "0.2")}))
    assert [(each.entry, each.before) for each in asked] == [("train.py", {"train.py": TRAIN})] * 2
