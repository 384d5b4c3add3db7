"""A brief of an invented night with a bit of everything, as docs/brief.md shows it.

    python -m tests.recorded

writes that page anew after a change of the prompt's words.
"""

from dataclasses import replace
from pathlib import Path

from autoresearch.config import LlmSettings
from autoresearch.policy import Noise
from autoresearch.proposers import (
    Brief,
    HistoryEntry,
    Machine,
    Measuring,
    Pending,
    Remaining,
    TextSize,
    TrialSummary,
)
from autoresearch.proposers.prompting import Prompting
from autoresearch.records.proposals import Change, Notes
from autoresearch.records.training import Budget, ProfileRow
from autoresearch.records.values import Category, Chances, Clock, Estimate, Standing, Verdict
from tests.briefs import a_brief, a_past, baseline, whole

PAGE = Path(__file__).parents[1] / "docs" / "brief.md"
AUTHOR, TUNER = "anthropic:a-model", "optuna"
HEAD = """\
# What a model is told

A brief of an invented night, word for word as a language model gets it ([in what
order](proposers.md#what-a-model-is-told)); the code is cut to a few lines. `python -m
tests.recorded` writes this page, and a test holds it to the templates.

````text
"""
LOSSES = (7.21, 6.52, 6.19, 5.98, 5.84, 5.72, 5.63, 5.57)
FIRST = TrialSummary(2.3412, 148, 303_104, 5146.0, 655_360_000, 58.9, LOSSES)
WIDER = "--- a/train.py\n+++ b/train.py\n@@ -4,7 +4,7 @@\n ASPECT_RATIO = 32\n"
CODE = """\
DEPTH = 1
MUON_STEPS = 5
UNEMBEDDING_LR = 0.02


def main():
    ...  # some 560 lines
"""
OVERTAKEN = "experiment 7 was kept before its turn came: its change conflicts in train.py"
TRACE = """\
Traceback (most recent call last):
  File "/tmp/autoresearch-0/5a/trial-9/tree/train.py", line 402, in _learn
    loss.backward()
RuntimeError: element 0 of tensors does not require grad
"""


def night() -> Brief:
    """Return the brief of the night's twelfth experiment."""
    base = replace(baseline(), val_bpb=2.3466, error=0.006, run=FIRST)
    return replace(
        a_brief(),
        history=(base, *_history()),
        number=12,
        incumbent_id=7,
        pending=(Pending(11, TUNER, "UNEMBEDDING_LR 0.02 → 0.024", Change.none()),),
        notes=("Leave the tokenizer alone; the schedule looks more promising.",),
        program="# Goal\n\nLower `val_bpb` of a model that trains for a minute.\n",
        files={"train.py": CODE},
        base_files={"train.py": CODE},
        fixed_files={"prepare.py": "CONTEXT = 128\n", "README.md": "A project.\n"},
        profile=_profile(),
        parameters=295_488,
        baseline=((1, 2.3412), (2, 2.3522)),
        score=Estimate(2.2592, 0.0041),
        noise=Noise(seed=0.0121, pair=0.0065, seed_repeats=5.0, pair_repeats=3.4, speed=0.021),
        measuring=Measuring(
            2048, 128, 1, 213, 1_843_200, 3.41, TextSize(3821, 31_400_000, 9_210_000),
            Machine("a processor", "", "Python 3.11, torch 2.9.0", compiles=True),
        ),
        budget=Budget(60.0, Clock.CPU),
        remaining=Remaining(5400.0, None, 3.5, 95.0),
    )  # fmt: skip


def page() -> str:
    """Return docs/brief.md."""
    prompt = Prompting(LlmSettings(), folder=None, proposer=AUTHOR).prompt(night())
    return f"{HEAD}{whole(prompt).rstrip()}\n````\n"


def _history() -> tuple[HistoryEntry, ...]:
    keep, discard = Verdict.KEEP, Verdict.DISCARD
    same = {"traceback": TRACE, "fingerprint": "same", "parent_id": 2, "category": Category.OTHER}
    why = f"exception: {TRACE.splitlines()[-1]}"
    return (
        _scored(2, keep, "The rate of the unembedding is too low for so short a training: raise it",
                (-0.0310, -0.0241), -0.0247, 0.0051, Chances(0.994, 0.004), predicted_delta=-0.02,
                further=((3, -0.0262), (4, -0.0215)), standing=Standing.CONFIRMED,
                notes=Notes(("tie the value embeddings of all layers", "a shorter warm-down"))),
        _scored(3, discard, "MUON_STEPS 5 → 4", (-0.0031,), -0.0009, 0.0031, Chances(0.31, 0.49),
                proposer=TUNER, category=Category.OTHER, parent_id=2, predicted_delta=None,
                patch=f"{WIDER}-MUON_STEPS = 5\n+MUON_STEPS = 4\n"),
        a_past(4, Verdict.CRASH, hypothesis="Detach the stream before the loss", reason=why,
               patch=f"{WIDER}+    stream = stream.detach()\n", **same),
        a_past(5, Verdict.CRASH, hypothesis="Detach half of the stream", reason=why,
               patch=f"{WIDER}+    half = stream[:, ::2].detach()\n", **same),
        a_past(6, Verdict.INVALID, hypothesis="Begin from a better seed", category=Category.OTHER,
               reason="train.py line 13: `random.seed(7)` touches the seed", parent_id=2),
        _scored(7, keep, "One layer instead of two: a step takes half the time", (-0.0522, -0.0467),
                -0.0441, 0.0069, Chances(0.998, 0.001), category=Category.EFFICIENCY, parent_id=2,
                predicted_delta=-0.03, steps=231),
        _scored(8, discard, "A longer warm-down", (0.0213,), 0.0122, 0.0062, Chances(0.01, 0.12),
                category=Category.SCHEDULE, parent_id=7, predicted_delta=-0.01, steers="train.py",
                patch=f"{WIDER}-WARMDOWN_RATIO = 0.7\n+WARMDOWN_RATIO = 0.9\n", steps=231),
        _scored(9, discard, "A wider head", (-0.0042, -0.0008), -0.0017, 0.0030,
                Chances(0.42, 0.45), category=Category.ARCHITECTURE, parent_id=7,
                predicted_delta=-0.008, risk="steps cost more", steps=212,
                patch=f"{WIDER}-    split = (-1, HEADS, HEAD_DIM)\n+    split = (-1, 1, WIDTH)\n"),
        a_past(10, Verdict.STALE, hypothesis="Two layers that share their weights", parent_id=2,
               category=Category.ARCHITECTURE, reason=OVERTAKEN,
               patch=f"{WIDER}-    layers = two()\n+    layers = [one()] * 2\n"),
    )  # fmt: skip


def _scored(
    number: int,
    verdict: Verdict,
    hypothesis: str,
    read: tuple[float, ...],
    believed: float,
    error: float,
    chances: Chances,
    *,
    steps: int = 149,
    **changes: object,
) -> HistoryEntry:
    """Return an experiment that was trained; its curve ends as much lower as it has read."""
    beside = INCUMBENTS[changes.get("parent_id", 1)]
    return a_past(
        number, verdict, hypothesis=hypothesis, delta=believed, delta_error=error, chances=chances,
        pairs=tuple(enumerate(read, 1)), beside=beside, reason="no better: ...",
        run=_run(steps, read[0] + beside.val_bpb - FIRST.val_bpb), **changes,
    )  # fmt: skip


def _run(steps: int, better: float) -> TrialSummary:
    shift = 2.36 * better  # nats a token
    curve = tuple(loss + shift * (at + 1) / len(LOSSES) for at, loss in enumerate(LOSSES))
    speed = FIRST.speed * steps / FIRST.steps
    return replace(FIRST, val_bpb=FIRST.val_bpb + better, steps=steps, speed=speed, curve=curve)


INCUMBENTS: dict[object, TrialSummary] = {1: FIRST, 2: _run(149, -0.031), 7: _run(231, -0.0832)}


def _profile() -> tuple[ProfileRow, ...]:
    rows = (
        (0, 0.99, "loss = float(trainer.step(feed, lr_scale(before)))"),
        (1, 0.92, "loss = sum(self._learn(*next(feed)) for _ in range(self.times))"),
        (2, 0.52, "stream.backward(torch.cat([part.grad for part in parts]))"),
        (2, 0.22, "loss = self.loss_of(part, aims) / (targets.numel() * self.times)"),
        (1, 0.07, "self.optimizer.step(scale)"),
    )
    return tuple(ProfileRow(depth, share, "train.py", 1, text) for depth, share, text in rows)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
