"""What models answer: what is clear is applied, all else is sent back; never something else."""

from dataclasses import replace

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from autoresearch.patching import unified_diff
from autoresearch.policy import scale_of
from autoresearch.proposers.prompting.untrusted_blocks import UntrustedBlocks
from autoresearch.proposers.reading import header, predicted, read, read_change, unread
from autoresearch.records.metric import Direction, Metric, MetricSource
from autoresearch.records.proposals import Change, ChangeFormat, Notes, Proposal, Rejection
from autoresearch.records.values import Category, Estimate, Reading
from tests import answers
from tests.answers import (
    BARE,
    BLOCK,
    DRAFT,
    FORM,
    GOOD,
    HEADER,
    NEW,
    SOURCE,
    a_brief,
    each_line,
    edit,
)

WANTED = unified_diff({"train.py": SOURCE}, {"train.py": NEW})


def refused(answer: str, source: str = SOURCE) -> str:
    made = read(answer, "fake:model", a_brief(source))
    assert isinstance(made, Rejection)
    assert made.reason.isprintable()
    return made.reason


def diff(answer: str, source: str = SOURCE, **others: str) -> str:
    made = read(answer, "fake:model", a_brief(source, **others))
    assert isinstance(made, Proposal), made
    return made.change.text


def test_what_is_clear_is_applied_and_nothing_else() -> None:
    for name, answer in answers.CLEAR.items():
        made = read(answer, "fake:model", a_brief())
        assert isinstance(made, Proposal), (name, made)
        assert made.change == Change(ChangeFormat.DIFF, WANTED), name
        assert made.hypothesis == "a larger rate helps", name
        assert made.category in (Category.OPTIMIZER, Category.OTHER), name
        assert made.predicted_delta in (-0.004, None), name
        assert made.risk in ("noise", ""), name
        assert (made.proposer, made.fault) == ("fake:model", ""), name


def test_ideas_for_later_are_kept_and_echoes_of_the_form_are_none() -> None:
    lines = [
        "later: tie the embeddings",
        "- **later**: one sentence: an idea for another turn of yours; up to five such lines",
        "later: a longer warm-down\n  once the rate is right",
        *(f"later: idea {number} <|im_end|> \x1b[31m" for number in range(7)),
        "takes: 4.2",
        "drops: 4.1 and 5.3, 10.25, v2.0.1",
    ]
    answer = HEADER + "\n".join(lines) + "\n\n" + BLOCK
    made = read(answer, "fake:model", a_brief())
    assert isinstance(made, Proposal), made
    assert made.change.text == WANTED
    assert (made.hypothesis, made.risk) == ("a larger rate helps", "noise")
    assert made.notes.later[:2] == (
        "tie the embeddings", "a longer warm-down once the rate is right",
    )  # fmt: skip
    assert len(made.notes.later) == 5
    assert all(each.isprintable() for each in made.notes.later)
    assert (made.notes.takes, made.notes.drops) == (("4.2",), ("4.1", "5.3"))
    assert read(GOOD, "fake:model", a_brief()).notes == Notes()  # type: ignore[union-attr]
    assert unread(answer, "fake:model", Rejection("no"), a_brief()).notes == made.notes


def test_what_is_unclear_is_sent_back_with_its_fault() -> None:
    for name, (answer, told) in answers.UNCLEAR.items():
        assert told in refused(answer), name


def test_no_objection_shows_two_lines_that_look_the_same() -> None:
    line = "    alpha = " + "beta + " * 20 + "1"
    for changed in (line[4:], f"\t{line}", line.replace("1", "2"), line.replace("+ 1", "+  1")):
        told = refused(edit(f"{changed}\n", "x\n"), f"{SOURCE}\n{line}\n")
        theirs, mine = told.split("`")[1::2]
        assert theirs != mine, told


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_file_keeps_its_mark_and_the_ends_of_its_lines(end: str) -> None:
    lines = SOURCE.split("\n")
    mixed = "".join(f"{line}{end if at % 3 else chr(10)}" for at, line in enumerate(lines[:-1]))
    for before in (mixed, f"\ufeff{mixed}", mixed.removesuffix(end)):
        after = before.replace("RATE = 0.04", "RATE = 0.05")
        wanted = unified_diff({"train.py": before}, {"train.py": after})
        assert diff(GOOD, before) == wanted
        assert diff(GOOD.replace("\n", "\r\n"), before) == wanted
        assert diff(f"{HEADER}\n{answers.FILE}", before) == wanted
        assert diff(f"{HEADER}\n```diff\n{answers.DIFF}```\n", before) == wanted


def test_seven_signs_can_be_written() -> None:
    heads = SOURCE.replace("import math", '"""\nTitle\n=======\n"""\nimport math')
    wanted = unified_diff({"train.py": heads}, {"train.py": heads.replace("Title", "Name")})
    assert diff(edit("Title\n=======\n", "Name\n=======\n"), heads) == wanted
    banner = SOURCE.replace("import math", '"""\n=======\nText\n=======\n"""\nimport math')
    wanted = unified_diff({"train.py": banner}, {"train.py": banner.replace("Text", "Other")})
    text = "=======\nText\n=======\n"
    assert diff(edit(text, text.replace("Text", "Other")), banner) == wanted
    assert "not in train.py" in refused(edit(text, "Other\n"))
    assert "+=======" in diff(edit("import math\n", '"""\nA\n=======\n"""\nimport math\n'))
    text = each_line("<<<<<<< SEARCH\nA = 1\n=======\nA = 2\n>>>>>>> REPLACE\n", "    ")
    twice = "A = 1\nif A:\n    A = 1\n"
    assert "as they are indented and also without" in refused(f"{HEADER}\n{text}", twice)


def test_of_several_files_the_one_that_is_named_or_fits_is_meant() -> None:
    other = "class Other:\n    RATE = 0.04\n    SIZE = 1\n"
    two = f"{GOOD}\n**model.py**\n{BARE.replace('RATE', '    RATE')}"
    assert "+++ b/model.py" in diff(two, model=other)
    assert "+++ b/train.py" in diff(f"{HEADER}\n{BARE}", model=other)
    files = f"{HEADER}\n{answers.FILE}\n```python model.py\n{other.replace('1', '2')}```\n"
    assert "+    SIZE = 2" in diff(files, model=other)
    made = read(f"{HEADER}\n{BARE}", "m", a_brief(model="RATE = 0.04\n"))
    assert made == Rejection("block 1: it fits 2 of the editable files: name the file above it")
    first = f"{HEADER}\n{BLOCK}{BARE.replace('RATE', 'X').replace('0.0', '')}"
    assert "+X = 5" in diff(first, f"{SOURCE}X = 4\n", model="X = 4\n")


def test_words_that_count_join_or_name_lead_to_one_more_edit() -> None:
    both = SOURCE.replace("RATE = 0.04", "RATE = 0.05").replace("DECAY = 0.2", "DECAY = 0.1")
    wanted = unified_diff({"train.py": SOURCE}, {"train.py": both})
    for said in (
        "", "2. Lower it", "(b) less of it", "**Step 2:**", "Second edit:", "and", "Also there:",
        "Then:", "Finally, this:", "`Model.size`:", "The decay has to follow, since it is larger:",
        "### Edit 2: `train.py`", "Then\n\n```python", "No change to the momentum; the decay:",
    ):  # fmt: skip
        assert diff(f"{GOOD}\n{said}\n\n{answers.DRAFT_BLOCK}") == wanted, said


def test_a_part_of_a_file_without_functions_is_no_whole_one() -> None:
    constants = "A = 1\nB: int = 2\nC = 3\n"
    part = f"{HEADER}\n```\nA = 2\n```\n"
    assert "holds 1 line and train.py has 3" in refused(part, constants)
    assert "+A = 2" in diff(f"{HEADER}\n```\n{constants.replace('= 1', '= 2')}```\n", constants)


def test_a_new_file_is_made_where_that_is_said_plainly() -> None:
    for told in (
        "<<<<<<< SEARCH extra.py\n=======\nX = 1\n>>>>>>> REPLACE\n",
        "`extra.py`:\n<<<<<<< SEARCH\n=======\nX = 1\n>>>>>>> REPLACE\n",
        "```diff\n--- /dev/null\n+++ b/extra.py\n@@ -0,0 +1 @@\n+X = 1\n```\n",
        "*** Begin Patch\n*** Add File: extra.py\n+X = 1\n*** End Patch\n",
    ):
        wanted = "--- /dev/null\n+++ b/extra.py\n@@ -0,0 +1 @@\n+X = 1\n"
        assert diff(f"{HEADER}\n{told}") == wanted, told


def test_a_predicted_effect_is_taken_only_where_it_is_a_number() -> None:
    for said, meant in (
        ("-0.004", -0.004), ("\u22120.004 bpb", -0.004), ("+0.01", 0.01), ("about -0,02", -0.02),
        ("-2e-3", -0.002), ("-.5", -0.5), ("improves by 0.004", -0.004), ("1.5e-3 lower", -0.0015),
        ("0.002 worse", 0.002), ("-0.004 (i.e. 0.4% better)", -0.004),
        ("-0.4% (-0.004 bpb)", -0.004), ("-0.004 \u00b1 0.002", -0.004),
        ("-0.004 +/- 0.002", -0.004), ("-0.01 bits per byte", -0.01),
        ("lower", None), ("nan", None), ("-inf", None), ("1e9", None), ("9" * 5000, None),
        ("2 %", None), ("from 1.82 to 1.81", None), ("between 0 and -0.01", None), ("1,234", None),
        ("-1,200e-6", None), ("\u00b10.002", None), ("no improvement of 0.01", None),
        ("-4 mbpb", None), ("-0.004 worse", None), ("+0.01 better", None), ("-4e-3x", None),
        ("-4 * 10^-3", None), ("0.01 better or worse", None), ("falls to 0.98", None),
        ("1.812", None), ("negative 0.004", -0.004), ("-0.004, confidence 0.6", None),
        ("improves by 0.004 to 1.81", None),
    ):  # fmt: skip
        told = predicted(header(f"hypothesis: x\npredicted_delta: {said}").predicted, a_brief())
        assert told == meant, (said, told)


def test_a_predicted_effect_is_in_the_direction_of_the_metric_and_stored_below_zero() -> None:
    accuracy = Metric("accuracy", "points", Direction.HIGHER, MetricSource.EVALUATED)
    loss = replace(accuracy, name="val_loss", unit="nats", direction=Direction.LOWER)
    read = [[Reading(1, 350.0), Reading(2, 354.0)]]
    for metric, said, meant in (
        (accuracy, "+0.02", -0.02), (accuracy, "0.02", -0.02), (accuracy, "-0.02", 0.02),
        (accuracy, "improves by 0.02", -0.02), (accuracy, "0.02 higher", -0.02),
        (accuracy, "drops by 0.02", 0.02), (accuracy, "0.02 worse", 0.02),
        (accuracy, "0.02 points", -0.02), (accuracy, "+0.02 accuracy", -0.02),
        (accuracy, "+0.02 lower", None), (accuracy, "-0.02 better", None),
        (accuracy, "2 %", None), (accuracy, "rises to 0.93", None), (accuracy, "0.93", None),
        (loss, "-3.5", -3.5), (loss, "-3.5 nats", -3.5), (loss, "lower by 3.5", -3.5),
        (loss, "345", None), (loss, "3.5 higher", 3.5),
    ):  # fmt: skip
        higher = metric is accuracy
        scale = scale_of(metric, "cpu", [[Reading(1, -0.9)]] if higher else read)
        brief = replace(a_brief(), scale=scale, score=Estimate(-0.9 if higher else 352.0))
        assert predicted(said, brief) == meant, (metric.name, said)


def test_a_category_is_the_nearest_one() -> None:
    for said, meant in (
        ("regularisation", "regularization"), ("Optimierer", "optimizer"), ("`data`", "data"),
        ("optimization", "optimizer"), ("optimizer | schedule", "optimizer"),
        ("bug-fix", "bug fix"), ("Bugfix", "bug fix"), ("learning rate schedule", "schedule"),
        ("Architecture.", "architecture"), ("Optimisation", "optimizer"), ("arch", "architecture"),
        ("LR schedule", "schedule"), ("optmizer", "optimizer"),
        ("magic", "other"), ("baseline", "other"), ("hyperparameter", "other"), ("", "other"),
    ):  # fmt: skip
        assert header(f"hypothesis: x\ncategory: {said}").category == meant, said


def test_of_several_headers_the_last_is_meant() -> None:
    assert header(f"{DRAFT}\n{GOOD}\n{FORM}").hypothesis == "a larger rate helps"
    assert header(BLOCK.replace("RATE = 0.05", "hypothesis: in code")).hypothesis == ""


def test_hostile_words_are_made_printable_and_cost_no_time() -> None:
    made = read(f"hypothesis: \x1b[2Jgone\u202e {'x' * 9000}\n{BLOCK}", "m", a_brief())
    assert isinstance(made, Proposal)
    assert made.hypothesis.isprintable()
    assert len(made.hypothesis) <= 500
    for piece in (
        "<<<<<<< OLD\n",
        "```a\n",
        " * " * 999 + "\n",
        "hypothesis: a\n\n",
        "<a>\n",
        "@@\n-",
    ):
        read(piece * (100_000 // len(piece)), "m", a_brief())
    assert "at most" in refused("x" * (2**20 + 1))


def test_an_answer_that_cannot_be_read_is_kept_and_no_change() -> None:
    kept = unread(GOOD, "fake:model", Rejection("it was cut"), a_brief())
    assert kept.change == Change(ChangeFormat.ANSWER, GOOD)
    assert (kept.hypothesis, kept.fault) == ("a larger rate helps", "it was cut")
    assert unread("hm", "m", Rejection("no blocks"), a_brief()).hypothesis == (
        "an answer that could not be read: no blocks"
    )


def test_what_repeats_the_brief_is_no_answer() -> None:
    told = UntrustedBlocks("salt").data("experiment", f"{DRAFT}\npatch:\n{answers.DIFF}")
    assert diff(f"{told}\n\n{GOOD}") == WANTED
    assert diff(f"{GOOD}\n{told}") == WANTED
    assert "there are only words" in refused(told)
    assert read_change(f"{told}\ndone", a_brief()) is None


def test_what_a_program_prints_needs_no_header() -> None:
    assert read_change(f"$ thinking\n{BLOCK}done", a_brief()) == Change(ChangeFormat.DIFF, WANTED)
    assert read_change(f"{FORM}\n{GOOD}", a_brief()) == Change(ChangeFormat.DIFF, WANTED)
    assert read_change("all is well", a_brief()) is None
    assert isinstance(read_change(BLOCK[:50], a_brief()), Rejection)


MARKINGS = st.sampled_from(
    [("<think>", "</think>"), ("[PLAN]", "[/PLAN]"), ("<x-y>", "</x-y>"), ("", ""), ("Draft:", "")]
)
PROSE = st.lists(
    st.sampled_from(
        [
            *("I think so.", "", "```", "```python", "x = 1", "---", "=======", "## Notes", "{"),
            *("train.py", "- a point", "<b>", "</think>", "hypothesis", "Risk: none", "> quoted"),
            *("+ RATE = 0.3", "<<<<<<< SEARCH", ">>>>>>> REPLACE", "RATE = 0.04", "@@ -1 +1 @@"),
            *("-RATE = 0.04", "category: data", "...", DRAFT, FORM, HEADER, answers.FILE),
        ]
    ),
    max_size=4,
)
FORMS = st.sampled_from([*answers.CLEAR.values()])


@settings(max_examples=150)
@given(FORMS, PROSE, PROSE, MARKINGS, st.sampled_from(["\n", "\r\n"]))
def test_a_right_proposal_in_anything_is_applied_or_sent_back(
    answer: str, before: list[str], after: list[str], marking: tuple[str, str], end: str
) -> None:
    inside = "\n".join([marking[0], *before, marking[1]])
    text = f"{inside}\n\n{answer}\n" + "\n".join(after)
    made = read(text.replace("\n", end), "m", a_brief())
    if isinstance(made, Proposal) and made.hypothesis == "a larger rate helps":
        assert made.change.text == WANTED
    elif isinstance(made, Proposal):
        # The last whole proposal is another one, and all of it.
        assert made.hypothesis == "the dropped draft"
        assert "the dropped draft" in "".join(after)
        assert made.change.text == unified_diff(
            {"train.py": SOURCE}, {"train.py": SOURCE.replace("DECAY = 0.2", "DECAY = 0.1")}
        )


@settings(max_examples=100)
@given(FORMS, st.data())
def test_a_cut_proposal_is_whole_or_sent_back(answer: str, data: st.DataObject) -> None:
    assume("+RATE" not in answer or "```" in answer)  # such a diff may end at any line
    made = read(answer[: data.draw(st.integers(0, len(answer)))], "m", a_brief())
    if isinstance(made, Proposal) and made.hypothesis != "the dropped draft":
        assert made.change.text == WANTED


@settings(max_examples=100)
@given(st.text(max_size=300))
def test_any_text_has_an_answer(text: str) -> None:
    marked = text.replace("a", "\n<<<<<<< SEARCH\n").replace("b", "\n=======\n")
    for each in (text, HEADER + marked.replace("c", "\n>>>>>>> REPLACE\n"), f"{HEADER}@@\n{text}"):
        made = read(each, "m", a_brief())
        assert isinstance(made, Proposal | Rejection)
