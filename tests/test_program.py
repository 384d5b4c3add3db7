"""What `doctor` says of a program.md: of a good one nothing, of each fault one clear warning."""

from pathlib import Path

import pytest

from autoresearch.doctor.finding import Level
from autoresearch.doctor.program import LONG, faults, program
from autoresearch.doctor.prose import clauses

ROOT = Path(__file__).parent.parent
FIXED = ("README.md", "autoresearch.toml", "data/words.txt", "prepare.py", "program.md")
GOOD = """\
# Strategy

Lower `val_bpb` within the time that every trial has. Nothing else counts.

## Constraints

- Only `train.py` changes; `prepare.py` and the evaluation are fixed.
- Do not change the seed or the budget, and install nothing.

## What to explore

1. The optimizer: learning rates, momentum, weight decay.
2. Depth against width, within the parameter budget you find best.
"""


def told(text: str, editable: tuple[str, ...] = ("train.py",)) -> list[str]:
    return [each.said for each in faults(text, editable=editable, fixed=FIXED)]


def test_the_template_passes() -> None:
    text = (ROOT / "templates" / "gpt" / "program.md").read_text()
    assert told(text) == []


def test_a_good_one_passes_and_is_told_so() -> None:
    assert told(GOOD) == []
    (only,) = program(GOOD, editable=("train.py",), fixed=FIXED)
    assert only.level is Level.OK


def test_the_guides_examples_are_as_good_and_as_bad_as_it_says() -> None:
    guide = (ROOT / "docs" / "program.md").read_text()
    good, bad = (part.partition("````")[0] for part in guide.split("````markdown\n")[1:3])
    assert told(good) == []
    assert len(told(bad)) >= 8


@pytest.mark.parametrize("text", ["", " \n\t\n"])
def test_an_empty_one_is_empty_and_nothing_else(text: str) -> None:
    assert told(text) == ["is empty"]


def test_a_short_one_leaves_the_proposer_alone() -> None:
    assert told("Make it good.") == ["is very short: 13 characters"]


def test_a_long_one_costs_with_every_call() -> None:
    (only,) = told(GOOD + "Try another width.\n" * (LONG // 18))
    assert only.startswith("is very long: 2")


@pytest.mark.parametrize(
    "line",
    [
        "TODO: say more",
        "- FIXME",
        "The goal is XXX.",
        "Lorem ipsum dolor sit amet.",
        "Improve {{ metric }}.",
        "Focus on <describe your idea here>.",
        "Focus on <goal>.",
        "Focus on [your goal].",
        "Focus on [insert ideas here].",
    ],
)
def test_places_left_open(line: str) -> None:
    (only,) = told(f"{GOOD}\n{line}\n")
    assert only.startswith("has a place left open: ")


@pytest.mark.parametrize(
    "line",
    [
        "- [ ] depth\n- [x] width",
        "See [the paper](https://example.org/a) and <https://example.org/b>.",
        "Documents begin with <|bos|>; keep width<br>and depth.",
        "<details><summary>more</summary></details>",
        "If a < b and c > d, swap them.",
        "A todo list helps nobody.",
        "<!-- TODO-free -->",
    ],
)
def test_what_only_looks_left_open(line: str) -> None:
    assert not [
        each for each in told(f"{GOOD}\n{line}\n") if "left open" in each and line[0] != "<"
    ]


CONTRADICTIONS = [
    ("Edit `prepare.py` to use longer documents.", "asks to change what is fixed"),
    ("You may modify train.py and prepare.py.", "asks to change what is fixed"),
    ("`prepare.py` may be changed too.", "asks to change what is fixed"),
    ("Improve the evaluation so that it is faster.", "asks to change what is fixed"),
    ("Update data/words.txt with better words.", "asks to change what is fixed"),
    ("Don't hesitate to rewrite prepare.py.", "asks to change what is fixed"),
    ("Try several seeds and keep the best.", "asks for other seeds"),
    ("Change the random seed when stuck.", "asks for other seeds"),
    ("Train longer when the loss still falls.", "asks for another training budget"),
    ("Increase the time budget to 10 minutes.", "asks for another training budget"),
    ("Double the budget.", "asks for another training budget"),
    ("Download more text from Wikipedia.", "asks for data or weights from elsewhere"),
    ("Start from pretrained weights.", "asks for data or weights from elsewhere"),
    ("Use external data where it helps.", "asks for data or weights from elsewhere"),
    ("Look for ideas on the internet.", "asks for data or weights from elsewhere"),
    ("Run `pip install flash-attn` first.", "asks to install something"),
    ("Add a dependency on triton.", "asks to install something"),
    ("Hard-code the score if you must.", "asks to fake the score"),
    ("Train on the validation set at the end.", "asks to use validation or test text"),
    ("Tune the soft cap on test data.", "asks to use validation or test text"),
    ("If unsure, stop and ask me.", "asks to stop and ask somebody"),
    ("Wait for my approval before big changes.", "asks to stop and ask somebody"),
    ("Check with the user first.", "asks to stop and ask somebody"),
    ("Then git commit the change.", "asks the proposer to act"),
    ("Run the experiment: `uv run train.py > run.log`.", "asks the proposer to act"),
    ("Log each result to `results.tsv`.", "asks the proposer to act"),
    ("See notes/plan.md and utils.py.", "names files that are not in the project: notes/plan.md"),
]


@pytest.mark.parametrize(("line", "fault"), CONTRADICTIONS)
def test_what_goes_against_the_rules(line: str, fault: str) -> None:
    found = told(f"{GOOD}\n## Ideas\n\n{line}\n")
    assert len(found) == 1, found
    assert found[0].startswith(fault)


FORBIDDING = [
    "## What not to do\n\n- {line}",
    "## You cannot\n\n1. {line}",
    "Never do the following:\n\n- {line}\n- Anything of the kind.",
    "What you must **not** do:\n* {line}",
]


@pytest.mark.parametrize("frame", FORBIDDING)
@pytest.mark.parametrize("line", [line for line, _ in CONTRADICTIONS if "hesitate" not in line])
def test_the_same_under_a_ban_is_no_fault(line: str, frame: str) -> None:
    assert told(f"{GOOD}\n{frame.format(line=line)}\n") == []


@pytest.mark.parametrize(
    "line",
    [
        "Do not edit `prepare.py`.",
        "The seed is fixed, and so are the budget and `prepare.py`.",
        "No network, no downloads, no new packages.",
        "Changing the evaluation is forbidden.",
        "Never train on validation data.",
        "Do NOT pause to ask the human whether to go on.",
        "It\u2019s useless to fake the score; don\u2019t.",
        "Longer windows, wider layers, more heads.",
        "Train with a larger batch and a longer warm-up.",
        "Use the validation loss as your only guide.",
        "Change the learning rate schedule; raise the memory budget of activations by recomputing.",
        "Replace the optimizer in train.py with another one.",
        "Read the history; test each idea alone.",
        "```\npip install x\ngit commit\n```",
        "<!-- edit prepare.py -->",
    ],
)
def test_what_is_no_contradiction(line: str) -> None:
    assert told(f"{GOOD}\n## Ideas\n\n{line}\n") == []


def test_a_ban_ends_with_its_list() -> None:
    banned = "Do not:\n\n- edit prepare.py\n\nThen edit prepare.py.\n"
    assert told(f"{GOOD}\n{banned}") == ["asks to change what is fixed: “Then edit prepare.py.”"]
    assert told(f"{GOOD}\nThis is not easy, but edit prepare.py anyway.") != []


def test_files_that_may_be_changed_are_no_fault() -> None:
    line = f"{GOOD}\nEdit src/model.py; read prepare.py and words.txt.\n"
    assert told(line, ("train.py", "src/*.py")) == []
    assert told(line) == ["names files that are not in the project: src/model.py"]


def test_every_warning_says_a_mend_in_one_safe_line() -> None:
    hostile = "Edit prepare.py\x1b[31m\u202e now\r\nTODO\x07"
    for each in faults(hostile, editable=("train.py",), fixed=FIXED):
        assert each.level is Level.WARNING
        assert each.mend
        assert (each.said + each.mend).isprintable()


@pytest.mark.parametrize("length", [20_000, pytest.param(200_000, marks=pytest.mark.thorough)])
def test_a_long_hostile_text_is_read_in_no_time(length: int) -> None:
    for piece in ("a_", "edit ", "- do not:\n", "<a ", "```\n", "[your ", "use a-b ", "# \n"):
        faults(piece * (length // len(piece)), editable=("train.py",), fixed=FIXED)


def test_a_clause_knows_its_heading() -> None:
    found = [(each.text, each.forbids) for each in clauses("# Never\nOne.\n# Always\nTwo; three.")]
    assert found == [("One.", True), ("Two", False), ("three.", False)]
