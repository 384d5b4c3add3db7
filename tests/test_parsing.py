"""What models answer, read strictly."""

import pytest

from autoresearch.proposers.parsing import header, parse, unreadable
from autoresearch.records.values import Category, ChangeFormat, Proposal, Rejection

HEADER = """\
hypothesis: no soft cap: it costs a third of a step
category: efficiency
predicted_delta: -0.05
risk: logits may grow
"""
BLOCK = """\
train.py
<<<<<<< SEARCH
SOFTCAP = 15.0
=======
SOFTCAP = 0.0
>>>>>>> REPLACE
"""
FILE = "train.py\n```python\nprint('all of it')\n```\n"


def read(answer: str) -> Proposal:
    made = parse(answer, "fake:model")
    assert isinstance(made, Proposal), made
    return made


def refused(answer: str) -> str:
    made = parse(answer, "fake:model")
    assert isinstance(made, Rejection)
    return made.reason


def test_a_header_and_blocks() -> None:
    made = read(f"{HEADER}\n{BLOCK}")
    assert made.hypothesis == "no soft cap: it costs a third of a step"
    assert made.category is Category.EFFICIENCY
    assert made.predicted_delta == -0.05
    assert made.risk == "logits may grow"
    assert made.change.format is ChangeFormat.BLOCKS
    assert BLOCK in made.change.text
    assert made.proposer == "fake:model"


def test_a_header_and_a_whole_file() -> None:
    made = read(f"Here it is.\n\n{HEADER}\n{FILE}\nGood luck!")
    assert made.change.format is ChangeFormat.FILE
    assert made.change.text.strip() == FILE.strip()


def test_fences_inside_a_file_do_not_end_it() -> None:
    inside = 'train.py\n```python\nx = """\n```\n"""\n```'
    assert read(f"{HEADER}\n{inside}\n").change.text == inside


def test_a_file_without_its_name_is_left_to_preflight() -> None:
    assert read(f"{HEADER}\n```\nx = 1\n```").change.text.strip() == "```\nx = 1\n```"


@pytest.mark.parametrize(
    "header_lines",
    [
        "**Hypothesis:** more heads\n**Category:** `architecture`\n",
        "- hypothesis: more heads\n- category: Architecture.\n",
        "Sure! Thinking about it...\n\nHYPOTHESIS: more heads\nCATEGORY: architecture\n",
    ],
)
def test_decoration_is_no_fault(header_lines: str) -> None:
    made = read(f"{header_lines}\n{BLOCK}")
    assert (made.hypothesis, made.category) == ("more heads", Category.ARCHITECTURE)
    assert made.predicted_delta is None


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("-0.004", -0.004),
        ("\u22120.004 bpb", -0.004),
        ("+0.01", 0.01),
        ("about -0,02", -0.02),
        ("-2e-3", -0.002),
        ("-.5", -0.5),
        ("lower", None),
        ("nan", None),
        ("-inf", None),
        ("1e9", None),
        ("9" * 5000, None),
    ],
)
def test_a_predicted_effect(said: str, meant: float | None) -> None:
    assert header(f"predicted_delta: {said}").predicted_delta == meant


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ("", "hypothesis"),
        ("I would lower the learning rate.", "hypothesis"),
        (BLOCK, "hypothesis: ...` is missing"),
        ("hypothesis: x\n" + BLOCK, "category: ...` is missing"),
        ("hypothesis: x\ncategory: magic\n" + BLOCK, "no category 'magic': it is one of arch"),
        ("hypothesis: x\ncategory: baseline\n" + BLOCK, "no category 'baseline'"),
        (HEADER, "SEARCH/REPLACE blocks are missing"),
        (HEADER + "```python\nx = 1\n", "the closing fence of the file is missing"),
    ],
)
def test_what_is_missing_is_named(answer: str, told: str) -> None:
    assert told in refused(answer)


def test_a_header_inside_a_block_is_code() -> None:
    assert "hypothesis" in refused(BLOCK.replace("SOFTCAP = 0.0", "hypothesis: fake"))


def test_hostile_words_are_made_printable() -> None:
    made = read("hypothesis: \x1b[2Jgone\u202e " + "x" * 9000 + "\ncategory: data\n" + BLOCK)
    assert made.hypothesis.isprintable()
    assert len(made.hypothesis) <= 500


def test_what_cannot_be_read_is_kept_whole() -> None:
    kept = unreadable("nothing of use", "fake:model", "no blocks")
    assert kept.change.text == "nothing of use"
    assert kept.hypothesis == "an answer that could not be read: no blocks"
    assert unreadable(HEADER, "m", "no blocks").hypothesis.startswith("no soft cap")
