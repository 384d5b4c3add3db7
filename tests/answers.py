"""Answers of models to one brief, in the forms that models give them."""

from autoresearch.proposers import Brief

SOURCE = '''"""A small model. Importing it does nothing."""
import math

DEPTH = 2  # layers
RATE = 0.04
MOMENTUM = 0.95
DECAY = 0.2


class Model:
    def size(self):
        return DEPTH * 32

    def width(self):
        short = max(1, DEPTH)
        return short * 8


def load_model(directory, device):
    return Model()


def main():
    model = load_model(".", "cpu")
    for step in range(3):
        print(step, model.width(), math.pi)
'''
NEW = SOURCE.replace("RATE = 0.04", "RATE = 0.05")
FIXED = {"prepare.py": "VOCAB = 8\n", "program.md": "# Goal\n"}
HEADER = """\
hypothesis: a larger rate helps
category: optimizer
predicted_delta: -0.004
risk: noise
"""
BLOCK = """\
train.py
<<<<<<< SEARCH
RATE = 0.04
=======
RATE = 0.05
>>>>>>> REPLACE
"""
BARE = BLOCK.removeprefix("train.py\n")
DRAFT = """\
hypothesis: the dropped draft
category: schedule

train.py
<<<<<<< SEARCH
DECAY = 0.2
=======
DECAY = 0.1
>>>>>>> REPLACE
"""
DRAFT_BLOCK = DRAFT[DRAFT.index("train.py") :]
FORM = """\
hypothesis: one sentence: what changes, and why it should help
category: architecture | optimizer
predicted_delta: -0.004
risk: one sentence: what may go wrong

train.py
<<<<<<< SEARCH
whole lines, exactly as they are in the incumbent
=======
the lines that take their place
>>>>>>> REPLACE
"""
GOOD = f"{HEADER}\n{BLOCK}"
HUNK = "-RATE = 0.04\n+RATE = 0.05\n"
HEADS = "--- a/train.py\n+++ b/train.py\n"
DIFF = f"{HEADS}@@ -3,3 +3,3 @@\n DEPTH = 2  # layers\n{HUNK} MOMENTUM = 0.95\n"
FILE = f"```python\n{NEW}```\n"


def edit(search: str, replace: str) -> str:
    """Return an answer with one block."""
    return f"{HEADER}\ntrain.py\n<<<<<<< SEARCH\n{search}=======\n{replace}>>>>>>> REPLACE\n"


def each_line(text: str, before: str) -> str:
    """Return a text with something before each of its lines."""
    return "".join(f"{before}{line}\n" for line in text.splitlines())


def a_brief(source: str = SOURCE, **others: str) -> Brief:
    """Return the brief that these answers are to; `others`: more editable files, by stem."""
    files = {"train.py": source, **{f"{stem}.py": text for stem, text in others.items()}}
    return Brief(
        study="night",
        number=2,
        incumbent_id=1,
        program="# Goal",
        entry="train.py",
        files=files,
        base_files=files,
        fixed_files=FIXED,
        editable=("*.py",) if others else ("train.py",),
        salt="salt",
    )


# Each of them is the same proposal: HEADER's words (those of them that it has) and RATE = 0.05.
CLEAR = {
    "plain": GOOD,
    "nothing but a hypothesis": f"hypothesis: a larger rate helps\n\n{BLOCK}",
    "white space at line ends": GOOD.replace("0.04", "0.04 ").replace("SEARCH", "SEARCH  "),
    "windows": GOOD.replace("\n", "\r\n"),
    "old mac": GOOD.replace("\n", "\r"),
    "byte order mark": f"\ufeff{GOOD}",
    "six to nine marks": GOOD.replace("<<<<<<<", "<" * 9).replace("=======", "=" * 6),
    "five marks": GOOD.replace("<<<<<<<", "<" * 5).replace("=======", "=" * 5),
    "dashes and plus": GOOD.replace("<<<<<<<", "-------").replace(">>>>>>>", "+++++++"),
    "other words": GOOD.replace("SEARCH", "ORIGINAL").replace("REPLACE", "UPDATED"),
    "lower case": GOOD.replace("SEARCH", "search").replace("REPLACE", "replace"),
    "words without a space": GOOD.replace(" SEARCH", "SEARCH").replace(" REPLACE", "REPLACE"),
    "words with more": GOOD.replace("SEARCH", "SEARCH:").replace("REPLACE", "REPLACE train.py"),
    "the word in the middle": GOOD.replace("=======", "======= REPLACE").replace(
        "> REPLACE", "> END"
    ),
    "the wrong mark at the end": GOOD.replace(">>>>>>> REPLACE", "<<<<<<< REPLACE"),
    "escaped mark": GOOD.replace("<<<<<<<", r"\<\<\<\<\<\<\<"),
    "token behind": f"{GOOD.rstrip()}<|im_end|>",
    "fence behind": f"{GOOD.rstrip()}```",
    "end said twice": GOOD + ">>>>>>> REPLACE\n",
    "divided twice": GOOD.replace("0.05\n", "0.05\n=======\n"),
    "headings of seven": f"Idea\n=======\n\n{GOOD}\nSummary\n=======\nWe raise it.\n",
    "all of it indented": each_line(GOOD, "    "),
    "block indented": f"{HEADER}\n1. Edit:\n\n{each_line(BLOCK, '    ')}",
    "marks indented": GOOD.replace("<<<<<<<", "  <<<<<<<").replace(">>>>>>>", "  >>>>>>>"),
    "quoted": f"{HEADER}\n{each_line(BLOCK, '> ')}",
    "all of it quoted": each_line(GOOD, "> "),
    "fenced": f"{HEADER}\ntrain.py\n```python\n{BARE}```\n",
    "fenced with its path": f"{HEADER}\n```python:train.py\n{BARE}```\n",
    "all of it fenced": f"```\n{GOOD}```\n",
    "header fenced": f"```text\n{HEADER}```\n\n```python\n{BLOCK}```\n",
    "fences inside the block": edit("```\nRATE = 0.04\n```\n", "```\nRATE = 0.05\n```\n"),
    "two fences": f"{HEADER}\n**SEARCH**\n```python\nRATE = 0.04\n```\n"
    "**REPLACE WITH**\n```python\nRATE = 0.05\n```\n",
    "two elements": f"{HEADER}\n<search>\nRATE = 0.04\n</search>\n"
    "<replace>\nRATE = 0.05\n</replace>\n",
    "a mark in the prose": f"I use `<<<<<<< SEARCH` blocks.\n\n{GOOD}",
    "a fixed file quoted": f"{HEADER}\nAs in\nprepare.py\n```\nVOCAB = 8\n```\n\n{BLOCK}",
    "fences in a fence": f"```\n{HEADER}\n```python\n{BLOCK}```\n```\n",
    "words below the header": f"{HEADER}Here it is:\n{BLOCK}",
    "a snippet first": f"{HEADER}\nIt will be\n```python\nRATE = 0.05\n```\nso:\n\n{BLOCK}",
    # Names above the block.
    **{
        f"path {shown}": f"{HEADER}\n{shown}\n{BARE}"
        for shown in (
            "./train.py", "a/train.py", r".\train.py", "Train.py", "`train.py`", "**train.py**",
            "### File: `train.py`", "**File:** `train.py`", "- train.py", "<train.py>",
            "train.py (the optimizer)", "/home/me/project/train.py", "In `train.py`, the rate:",
            "`torch.nn`", "### `Model.width`", "1.1", "v2.1", "model.py",
            "It stems from prepare.py.", "train.py\n\n`Model.width`:",
        )
    },
    # Thoughts of any marking, with a draft.
    **{
        f"draft in {before}": f"{before}\nFirst try:\n\n{DRAFT}\nNo, better:\n{after}\n\n{GOOD}"
        for before, after in (
            ("<think>", "</think>"), ("<Think time='3'>", "</Think>"), ("[THINK]", "[/THINK]"),
            ("<brand:new>", "</brand:new>"), ("<details>", "</details>"), ("", "</musing>"),
            ("<|channel|>analysis<|message|>", "<|end|><|channel|>final<|message|>"),
            ("<|channel>thought", "<channel|>"), ("Thinking...", "...done thinking."),
            ("## Option 1", "## Option 2"), ("> Reasoning", ""),
            ("\u25c1think\u25b7", "\u25c1/think\u25b7"),
        )
    },
    "draft that is quoted": f"{each_line(DRAFT, '> ')}\n{GOOD}",
    "draft without a header": f"First try:\n\n{DRAFT_BLOCK}\nNo, better:\n\n{GOOD}",
    "draft of a header": f"Hypothesis: a thought that I dropped\n\nNo, better:\n\n{GOOD}",
    "thoughts glued to the header": f"I want more rate.</musing>{GOOD}",
    "prose glued to the header": f"Working on it.{GOOD}",
    "channel glued to the header": f"<|start|>assistant<|channel|>final<|message|>{GOOD}<|return|>",
    "channel glued without marks": f"analysis{DRAFT}\nassistantfinal{GOOD}",
    "two options and a choice": f"## Option 1\n{DRAFT}\n## Option 2\nI choose this one.\n{GOOD}",
    "a draft and a token": f"{DRAFT}\n{GOOD}<|end_of_text|>",
    "somebody else's turn": f"{GOOD}<|im_end|>\n<|im_start|>user\nMore.\n{DRAFT}",
    "what to try later": f"{GOOD}\nIf it fails, try less decay instead.\n\nNo more is due.\n",
    "glued to thoughts": f"<think>{DRAFT.rstrip()}</think>{GOOD}",
    "thoughts in tokens": f"<|begin_of_thought|>\n{DRAFT}<|end_of_thought|>\n{GOOD}",
    "the token of an end": f"{GOOD.rstrip()}</s>",
    "block said twice": f"{GOOD}\nIn all:\n\n{BLOCK}",
    "block, then its diff": f"{GOOD}\nAs a diff:\n\n```diff\n{HUNK}```\n",
    "fields and a path in elements": f"{HEADER}\n<edit>\n<path>train.py</path>\n<diff>\n{BARE}"
    "</diff>\n</edit>\n",
    "sides in an element of the file": f'{HEADER}\n<edit file="train.py">\n<old_string>RATE = 0.04'
    "</old_string>\n<new_string>\nRATE = 0.05\n</new_string>\n</edit>\n",
    "file in an element below its path": f"{HEADER}\n<path>train.py</path>\n<content>\n{NEW}"
    "</content>\n",
    "fences in a list": f"{HEADER}\n1. Find:\n   ```\n   RATE = 0.04\n   ```\n   Replace with:\n"
    "   ```\n   RATE = 0.05\n   ```\n",
    "replace, with": f"{HEADER}\nIn train.py, replace:\n```\nRATE = 0.04\n```\nwith:\n"
    "```\nRATE = 0.05\n```\n",
    "no word after the first mark": GOOD.replace("<<<<<<< SEARCH", "<<<<<<<"),
    "a path after the first mark": f"{HEADER}\n{BARE.replace('SEARCH', 'train.py')}",
    "a mark that ends as one of layout": f":::note\n{GOOD}:::\n",
    "answer in an element": f"<answer>\n{GOOD}</answer>\n",
    "header said twice": f"{HEADER}\nOnce more:\n\n{GOOD}",
    "header restated": f"{GOOD}\n{HEADER}",
    "hypothesis restated": f"{GOOD}\n**Summary**\n- Hypothesis: a larger rate helps\n",
    "fields on one line": "hypothesis: a larger rate helps; category: optimizer | **Risk**: noise\n"
    f"\n{BLOCK}",
    "folded yaml": f"hypothesis: >-\n  a larger\n  rate helps\nrisk: |\n  noise\n\n{BLOCK}",
    "comments of a page": f"<!-- hypothesis: a larger rate helps -->\n\n{BLOCK}",
    "form echoed": f"The form is\n\n{FORM}\nso:\n\n{GOOD}",
    "form echoed at the end": f"{GOOD}\nThe form was:\n{FORM}",
    "block of the form echoed": f"The form is\n\n{BARE.replace('RATE', 'x')}\nso:\n\n{GOOD}",
    # Headers.
    "header below": f"{BLOCK}\n{HEADER}",
    "json": '{"hypothesis": "a larger rate helps", "category": "optimizer", "predicted_delta": '
    f'-0.004, "risk": "noise"}}\n\n{BLOCK}',
    "json of several lines": '```json\n{\n  "hypothesis": "a larger rate helps",\n'
    f'"category": "optimizer",\n"predicted_delta": -0.004,\n"risk": "noise"\n}}\n```\n{BLOCK}',
    "yaml": "---\nhypothesis: 'a larger rate helps'\ncategory: \"optimizer\"\n"
    f"predicted_delta: '-0.004'\nrisk: noise\n---\n\n{BLOCK}",
    "table": "| Field | Value |\n|---|---|\n| hypothesis | a larger rate helps |\n"
    f"| category | optimizer |\n\n{BLOCK}",
    "headings": "## Hypothesis\n\na larger rate helps\n\n## Category\noptimizer\n\n"
    f"## Predicted delta\n-0.004\n\n## Risk\nnoise\n\n{BLOCK}",
    "elements": "<hypothesis>\na larger rate helps\n</hypothesis>\n"
    f"<category>optimizer</category>\n\n{BLOCK}",
    **{
        f"header like {shape}": "".join(
            f"{shape.replace('NAME', name).replace('VALUE', value)}\n"
            for name, value in (
                ("hypothesis", "a larger rate helps"), ("category", "optimizer"),
                ("predicted_delta", "-0.004"), ("risk", "noise"),
            )
        )
        + f"\n{BLOCK}"
        for shape in (
            "**NAME:** VALUE", "- **NAME**: VALUE", "1. NAME: VALUE", "NAME = VALUE",
            "> NAME: VALUE", "NAME\uff1aVALUE", "* NAME: `VALUE`", "### NAME: VALUE",
            "NAME:\nVALUE\n", "My NAME: VALUE", "NAME -> VALUE", "NAME:: VALUE",
            "<b>NAME:</b> VALUE<br>",
            "\U0001f52c NAME: VALUE", "**NAME.** VALUE", "NAME - VALUE", "- NAME:\n  VALUE",
        )
    },
    "wrapped": f"* hypothesis: a larger\n  rate helps\n* category: optimizer\n\n{BLOCK}",
    "another language": "Hypothese: a larger rate helps\nKategorie: Optimierer\n"
    f"Erwartetes Delta: -0,004\nRisiko: noise\n\n{BLOCK}",
    # Diffs.
    "diff": f"{HEADER}\n```diff\n{DIFF}```\n",
    "diff not fenced": f"{HEADER}\n{DIFF}\nIt is larger.\n",
    "git's diff": f"{HEADER}\n```diff\ndiff --git a/train.py b/train.py\nindex 1a..2b\n{DIFF}```\n",
    "diff of wrong numbers": f"{HEADER}\n```diff\n{DIFF.replace('-3,3 +3,3', '-90,7 +91,8')}```\n",
    "diff without a space": f"{HEADER}\n```diff\n{DIFF.replace(' DEPTH', 'DEPTH')}```\n",
    "diff like aider's": f"{HEADER}\n```diff\n--- train.py\n+++ train.py\n@@ ... @@\n{HUNK}```\n",
    "diff in a list": f"{HEADER}\n1. The rate:\n\n   ```diff\n{each_line(HUNK, '   ')}   ```\n",
    "diff with a space after its marks": f"{HEADER}\n```diff\n- RATE = 0.04\n+ RATE = 0.05\n```\n",
    "diff without a head": f"{HEADER}\n```diff\n{HUNK}```\n",
    "apply_patch": f"{HEADER}\n*** Begin Patch\n*** Update File: train.py\n@@\n{HUNK}"
    "*** End Patch\n",
    "apply_patch without @@": f"{HEADER}\n*** Begin Patch\n*** Update File: train.py\n{HUNK}"
    "*** End Patch\n",
    "apply_patch in a shell": f"{HEADER}\n```bash\napply_patch <<'EOF'\n*** Begin Patch\n"
    f"*** Update File: train.py\n@@ import math\n{HUNK}*** End Patch\nEOF\n```\n",
    # Whole files.
    **{
        f"file below {shown}": f"{HEADER}\n{shown}\n{FILE}"
        for shown in ("train.py", "", "**File: train.py**", "The complete file.", "### a/train.py")
    },
    **{
        f"file fenced {opened}": f"{HEADER}\n{opened}\n{NEW}{closed}\n"
        for opened, closed in (
            ("```", "```"), ("~~~python", "~~~"), ("````python", "````"), ("```{python}", "```"),
            ("```python train.py", "```"), ("```python:train.py", "```"),
            ('```python title="train.py"', "```"), ("```python\n# train.py", "```"),
            ('<file path="train.py">', "</file>"), ('<file name="train.py">\n```', "```\n</file>"),
        )
    },
    "file with the header in its fence": f"```\n{HEADER}\ntrain.py\n{NEW}```\n",
    "file right below the header in its fence": f"```\n{HEADER}{NEW}```\n",
    "file below a header of comments": f"```\n{each_line(HEADER, '# ')}{NEW}```\n",
    "file in an element in a fence": f'{HEADER}\n```\n<file path="train.py">\n{NEW}</file>\n```\n',
    "file of windows": f"{HEADER}\n{FILE}".replace("\n", "\r\n"),
    "file beside commands": f"{HEADER}\n```bash\npip install x\n```\n{FILE}\nRun it:\n"
    "```bash\npython train.py\n```\n",
    "file beside the old one": f"{HEADER}\nOld:\n```python\n{SOURCE}```\nNew:\n{FILE}",
    "file beside its block": f"{GOOD}\nThe whole file:\n{FILE}",
}  # fmt: skip

# What each of them is sent back with.
UNCLEAR = {
    "nothing": ("", "the line `hypothesis: ...` is missing, and so is a change"),
    "words": ("I would lower it.", "there are only words"),
    "a block alone": (BLOCK, "the line `hypothesis: ...` is missing above the change"),
    "a header alone": (HEADER, "SEARCH/REPLACE blocks are missing"),
    "a form not filled in": (GOOD.replace("a larger rate helps", "<why>"), "only repeats the form"),
    "dots for a hypothesis": (GOOD.replace("a larger rate helps", "..."), "only repeats the form"),
    "the form alone": (FORM, "only repeats the form"),
    "a mark that is none": (
        GOOD.replace("<<<<<<<", "<<<").replace(">>>>>>>", ">>>"),
        "`<<< SEARCH` is no mark",
    ),
    "json edits": (
        '{"hypothesis": "x", "edits": [{"search": "a", "replace": "b"}]}',
        "written as JSON",
    ),
    "a call of a tool": (
        (
            '<tool_call>\n{"name": "edit", "arguments": {"old_string": "a", "new_string": "b"}}\n'
            "</tool_call>\n"
        ),
        "written as JSON",
    ),
    "no mark that divides": (GOOD.replace("=======\n", ""), "no line ======= divides"),
    "no mark that begins": (
        GOOD.replace("<<<<<<< SEARCH\n", ""),
        "no line <<<<<<< SEARCH begins it",
    ),
    "no mark that ends": (GOOD.replace(">>>>>>> REPLACE\n", ""), "so it was cut off"),
    "a mark that is cut": (GOOD[:-5], "so it was cut off"),
    "a block that is cut": (f"{GOOD}\n{DRAFT_BLOCK[:40]}", "block 2: no line >>>>>>> REPLACE"),
    "a mark of a block that is cut": (f"{GOOD}\n<<<<<<< SEA", "`<<<<<<< SEA` is no whole mark"),
    "a name with nothing below": (f"{GOOD}\ntrain.py\n", "ends with `train.py`"),
    "a fence with nothing below": (
        f"{GOOD}\nNow the rest:\n\n```python\n",
        "so the answer was cut",
    ),
    "a heading with nothing below": (f"{GOOD}\n### 2. The decay\n", "`### 2. The decay`"),
    "a part that follows": (f"{GOOD}\n[continued in the next message]\n", "a part is missing"),
    "words that announce": (f"{GOOD}\nThe second half follows:\n", "a part is missing"),
    "two blocks of one place": (
        f"{GOOD}\nAnd then:\n{BLOCK.replace('0.05', '0.08')}",
        "if this one takes their place, give it alone",
    ),
    "a draft above a header that has no change": (
        f"First try:\n\n{DRAFT_BLOCK}\nNo, better:\n\n{HEADER}",
        "`No, better:` stands below a change",
    ),
    "another change instead": (
        f"{GOOD}\nOn reflection, rather this:\n\n{DRAFT_BLOCK}",
        "`On reflection, rather this:` stands below a change",
    ),
    "two options under one header": (
        f"{HEADER}\n### Option A\n{BLOCK}\n### Option B\n{DRAFT_BLOCK}",
        "`### Option B` stands below a change",
    ),
    **{
        f"then {said}": (f"{GOOD}\n{said}\n\n{DRAFT_BLOCK}", "stands below a change")
        for said in (
            "If that diverges:",
            "You could also try:",
            "For an ablation, run this separately:",
            "### Next experiment",
            "Correction:",
            "Scratch that.",
            "Final version:",
            "A milder form of it:",
            "What I do NOT propose:",
            "Rejected idea:",
            "Plan B",
            "My second choice:",
            "It was:",
            "\u274c",
            "Second attempt:",
            "**Revised change:**",
            "Fallback:",
            "Oops.",
            "UPDATE: this is better",
        )
    },
    "neither of two is dropped": (f"{GOOD}\nMain\n\n{DRAFT}", "drops the first"),
    "two in a list": (f"1.\n{GOOD}\n2.\n{DRAFT}", "drops the first"),
    "an item with nothing below": (f"{HEADER}\n1. The rate\n\n{BLOCK}\n2. The decay\n", "2. The"),
    "only a fence of thoughts": (f"```thinking\n{GOOD}```\n", "stands inside <thinking>"),
    "only tokens of thoughts": (f"<|START_THINKING|>\n{GOOD}", "stands inside <THINKING>"),
    "taken back": (f"{GOOD}\nOn second thought, keep the old rate.\n", "stands below a change"),
    "a proposal and a backup": (f"{GOOD}\n**Backup proposal**\n\n{DRAFT}", "drops the first"),
    "two options": (f"## Option 1\n{GOOD}\n## Option 2\n{DRAFT}", "drops the first"),
    "two options, one named": (f"**A**\n{GOOD}\n**B**\n{DRAFT}\nUse A\n", "drops the first"),
    "a snippet of a fixed file": (
        f"{HEADER}\nprepare.py\n```\nX = 1\n```\n",
        "prepare.py is fixed",
    ),
    "a second header without a change": (
        f"{GOOD}\nhypothesis: another thing\n",
        "two proposals, `a larger rate helps` and `another thing`",
    ),
    "two whole ones and a choice": (f"{GOOD}\n{DRAFT}\nI take the first one.\n", "two proposals"),
    "the header below several drafts": (
        f"{DRAFT_BLOCK}\nNo, this one is so much better:\n{BLOCK}\n{HEADER}",
        "which of them are meant cannot be known",
    ),
    "only thoughts": (f"<ponder>\n{GOOD}</ponder>\nDone.\n", "stands inside <ponder>"),
    "thoughts that do not end": (f"<ponder>\n{GOOD}", "stands inside <ponder>"),
    "thoughts in other brackets": (f"\u25c1think\u25b7\n{GOOD}", "stands inside <think>"),
    "thoughts that did not begin": (f"{GOOD}\n</ponder>\n", "stands inside <ponder>"),
    "only a channel of thoughts": (f"<|channel|>analysis<|message|>\n{GOOD}", "inside <analysis>"),
    "header in thoughts": (f"<ponder>\n{HEADER}\n</ponder>\n{BLOCK}", "stands inside <ponder>"),
    "draft after the header": (
        f"{HEADER}\n<ponder>\n{DRAFT_BLOCK}</ponder>\n{BLOCK}",
        "stands inside <ponder>",
    ),
    "a fixed file": (f"{HEADER}\nprepare.py\n{BARE}", "prepare.py is fixed; only train.py may"),
    "a fixed file in a diff": (
        f"{HEADER}\n```diff\n{DIFF.replace('train.py', 'prepare.py')}```\n",
        "prepare.py is fixed",
    ),
    "nothing new": (edit("RATE = 0.04\n", "RATE = 0.04\n"), "changes nothing"),
    "no place": (edit("", "import os\n"), "take a line that is there and repeat it"),
    "a hunk without a place": (f"{HEADER}\n```diff\n@@ -1 +1 @@\n+X = 1\n```\n", "take a line"),
    "a diff that is cut": (f"{HEADER}\n```diff\n{DIFF}", "so the answer was cut off"),
    "a file that is cut": (f"{HEADER}\n```python\n{NEW}", "so the answer was cut off"),
    "a file in no fence": (f"{HEADER}\n{NEW}", "the file stands in no fence"),
    "a snippet": (
        f"{HEADER}\n```python\nRATE = 0.05\n```\n",
        "the fence holds 1 line and train.py has 26",
    ),
    "two files": (f"{HEADER}\n{FILE}\n{FILE.replace('0.05', '0.08')}", "two versions of train.py"),
    "block and another file": (f"{GOOD}\n{FILE.replace('0.05', '0.08')}", "two versions"),
    "a file that leaves out": (
        f"{HEADER}\n{FILE.replace('        short = max(1, DEPTH)', '        # ...')}",
        "'# ...' stands where the file has code",
    ),
    "a block that leaves out": (
        edit(
            "        short = max(1, DEPTH)\n        return short * 8\n", "        # (as before)\n"
        ),
        "stands where the file has code",
    ),
    "a block that leaves out and adds": (
        edit("RATE = 0.04\nMOMENTUM = 0.95\n", "A = 1\nB = 2\nC = 3\n# ... existing code ...\n"),
        "'# ... existing code ...' stands where",
    ),
    "a search that leaves out": (edit("RATE = 0.04\n...\n", "x\n"), "`...` stands for no lines"),
    "spaces at the beginning": (
        edit("short = max(1, DEPTH)\n", "x\n"),
        "at the beginning of lines: line 15 is `········short·=·max(1,·DEPTH)`, you wrote `short·",
    ),
    "tabs": (edit("\t\tshort = max(1, DEPTH)\n", "x\n"), "you wrote `→→short·=·max(1,·DEPTH)`"),
    "spaces within": (edit("RATE=0.04\n", "x\n"), "only in white space: line 5 is `RATE·=·0.04`"),
    "no-break space": (edit("RATE\xa0= 0.04\n", "x\n"), "you wrote `RATE\\u{a0}=·0.04`"),
    "quotes": (
        edit("    model = load_model(\u201c.\u201d, \u201ccpu\u201d)\n", "x\n"),
        "only in characters that look alike",
    ),
    "another alphabet": (edit("R\u0410TE = 0.04\n", "x\n"), "you wrote `R\\u{410}TE = 0.04`"),
    "line numbers": (edit("5 | RATE = 0.04\n", "x\n"), "only in the line numbers"),
    "empty lines": (edit("\nRATE = 0.04\n\n", "x\n"), "only in empty lines: the text is at line 5"),
    "a comment of its own": (
        edit("RATE = 0.04  # the rate\n", "x\n"),
        "nearest is line 5, `RATE = 0.04`, you wrote `RATE = 0.04  # the rate`",
    ),
    "another order": (edit("MOMENTUM = 0.95\nRATE = 0.04\n", "x\n"), "not in this order"),
    "lines found twice": (edit("\n", "x\n"), "take a line that is there"),
    "marks in two ways": (
        f"{HEADER}\n  <<<<<<< SEARCH\n  x = 1\n  =======\n  y = 1\n  >>>>>>> REPLACE\n",
        "not in train.py",
    ),
}
