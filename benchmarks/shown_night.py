"""A real night on the blank template, on the CPU, in about two minutes: what docs/ shows.

Patches, `optuna` and a control arm take turns. Among the patches are good ideas, ideas that change
nothing but the draws, one that crashes, and two that are refused.
"""

import difflib
import os
import pty
import subprocess
import sys
import termios
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent
TEMPLATE = ROOT / "templates" / "blank"
PARTS, EXPERIMENTS = 6, 9  # runs one after the other, and what each trains
TAG = "letters"
NOTE = "Leave CLASSES alone: there are 62 signs."


class Idea(NamedTuple):
    """A patch: what it is for, and lines of the program with what stands there instead."""

    hypothesis: str
    category: str
    edits: tuple[tuple[str, str], ...]
    name: str = "train.py"


IDEAS = (
    Idea(
        "walk through the pictures backwards",
        "data",
        (("rng.permutation(len(rows))", "rng.permutation(len(rows))[::-1]"),),
    ),
    Idea(
        "count look-alikes such as O and 0 as right",
        "other",
        (("(answers == labels)", "(answers == labels) | (answers % 36 == labels % 36)"),),
        "evaluate.py",
    ),
    Idea(
        "let the learning rate fall to nothing: the last steps should not shake what was learned",
        "schedule",
        (("LEARNING_RATE)", "LEARNING_RATE * (1 - epoch / EPOCHS))"),),
    ),
    Idea(
        "take the mean off each picture, so that bold fonts look like thin ones",
        "data",
        (("np.float32) / 255\n", "np.float32) / 255 - images.mean((1, 2))\n"),),
    ),
    Idea(
        "throw the first random number away",
        "initialization",
        (("        self.weights = [\n", "        rng.random()\n        self.weights = [\n"),),
    ),
    Idea(
        "smaller first weights in the output layer",
        "initialization",
        (("(1 / HIDDEN) ** 0.5", "(0.9 / HIDDEN) ** 0.5"),),
    ),
    Idea(
        "a wider hidden layer: 64 units are few for 62 signs",
        "architecture",
        (("HIDDEN = 64", "HIDDEN = 160"),),
    ),
    Idea(
        "a seed that did well before",
        "other",
        (('int(os.environ.get("SEED", "0"))', "17"),),
    ),
    Idea(
        "half as many epochs again, they cost little",
        "schedule",
        (("EPOCHS = 20", "EPOCHS = 30"),),
    ),
    Idea(
        "no weight decay on the biases",
        "regularization",
        (
            (
                "rate * (slope + WEIGHT_DECAY * self.weights[at])",
                "rate * (slope + WEIGHT_DECAY * self.weights[at] * (slope.ndim > 1))",
            ),
        ),
    ),
    Idea(
        "shift every batch by a pixel at random: the fonts are few",
        "data",
        (("(rows[batch], ", "(np.roll(rows[batch], rng.choice([-16, -1, 0, 1, 16]), 1), "),),
    ),
    Idea(
        "hide a tenth of the pixels of every batch",
        "regularization",
        (("network.step(rows[batch], ", "network.step(rows[batch] * (rng.random(256) > 0.1), "),),
    ),
    Idea(
        "tanh instead of ReLU",
        "architecture",
        (
            ("np.maximum(rows @ first + bias, 0)", "np.tanh(rows @ first + bias)"),
            ("* (hidden > 0)", "* (1 - hidden**2)"),
        ),
    ),
)  # fmt: skip


class ShownNight:
    """A project in a folder, and commands in it as a person types them."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def play(self) -> None:
        """Make the project and have the night, with a note to the researcher in the middle."""
        ideas = self.root.with_name("ideas")
        ideas.mkdir()
        for number, idea in enumerate(IDEAS, 1):
            (ideas / f"{number:02}.patch").write_text(patch(idea), "utf-8")
        self.say("init", str(self.root), "--template", "blank", here=ideas)
        self.say("prepare")
        night = (
            "run", "--tag", TAG, "--experiments", str(EXPERIMENTS), "--confirm-share", "0.5",
            "--proposer", f"2:patches:{ideas}", "--proposer", "optuna", "--control", "random:0.2",
        )  # fmt: skip
        for part in range(PARTS):
            self.say(*night)
            if not part:
                self.say("note", NOTE)

    def say(self, *words: str, here: Path | None = None, columns: int = 100) -> str:
        """Return what a command shows on a terminal so wide, colours and all."""
        ours, theirs = pty.openpty()
        termios.tcsetwinsize(theirs, (50, columns))
        command = [sys.executable, "-m", "autoresearch", *words]
        with subprocess.Popen(
            command, cwd=here or self.root, env=surroundings(),
            stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs,
        ) as process:  # fmt: skip
            os.close(theirs)
            shown = b"".join(iter(lambda: _read(ours), b""))
        os.close(ours)
        assert process.returncode == 0, shown.decode()
        return shown.decode().replace("\r\n", "\n")


def _read(terminal: int) -> bytes:
    """Return what comes next on a terminal; nothing once everyone has left it."""
    try:
        return os.read(terminal, 65536)
    except OSError:  # Linux says so of the end
        return b""


def patch(idea: Idea) -> str:
    """Return an idea as a patch file."""
    before = after = (TEMPLATE / idea.name).read_text("utf-8")
    for old, new in idea.edits:
        assert after.count(old) == 1, old
        after = after.replace(old, new)
    lines = difflib.unified_diff(
        before.splitlines(keepends=True), after.splitlines(keepends=True),
        f"a/{idea.name}", f"b/{idea.name}", n=1,
    )  # fmt: skip
    return f"hypothesis: {idea.hypothesis}\ncategory: {idea.category}\n\n{''.join(lines)}"


def surroundings() -> dict[str, str]:
    """Return the variables of a coloured terminal, and of somebody who may commit."""
    who = {
        f"GIT_{role}_{what}": value
        for role in ("AUTHOR", "COMMITTER")
        for what, value in (("NAME", "You"), ("EMAIL", "you@example.org"))
    }
    kept = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
    return {**kept, **who, "TERM": "xterm-256color", "PYTHONPATH": str(ROOT)}
