"""Briefs with a past, for tests of what is made of them."""

from dataclasses import replace
from typing import Any

from autoresearch.policy import Noise
from autoresearch.proposers import Brief, HistoryEntry, Measuring, Remaining, TrialSummary
from autoresearch.proposers.models import Prompt
from autoresearch.records.proposals import Change
from autoresearch.records.values import Category, Chances, Estimate, Verdict

SALT = "00112233445566778899aabbccddeeff"
RUN = TrialSummary(1.9, 400, 40_000, 2000.0, 2**30, 20.0, (5.0, None, 4.0, 3.5))
NOISE = Noise(seed=0.003, pair=0.001, seed_repeats=3, pair_repeats=2)


def a_past(number: int, verdict: Verdict = Verdict.DISCARD, **changes: Any) -> HistoryEntry:
    """A finished experiment; whatever is not said is plausible for its verdict."""
    values: dict[str, Any] = {
        "id": number,
        "proposer": "anthropic:a-model",
        "hypothesis": f"idea {number}",
        "change": Change.none(),
        "verdict": verdict,
        "category": Category.OPTIMIZER,
        "reason": f"reason {number}",
        "parent_id": 1,
    }
    if verdict in (Verdict.KEEP, Verdict.DISCARD):
        values |= {"delta": -0.01 if verdict is Verdict.KEEP else 0.01, "run": RUN, "beside": RUN}
        values |= {"delta_error": 0.001, "predicted_delta": -0.004, "patch": patch(number)}
        values |= {"pairs": ((1, values["delta"]),), "chances": Chances(0.2, 0.7)}
    return HistoryEntry(**(values | changes))


def patch(number: int, lines: int = 3) -> str:
    head = f"--- a/train.py\n+++ b/train.py\n@@ -{number},1 +{number},{lines} @@\n"
    return head + "".join(f"+LINE_{number}_{line} = {line}\n" for line in range(lines))


def baseline() -> HistoryEntry:
    return HistoryEntry(
        1, "baseline", "the unchanged project", Change.none(), Verdict.KEEP, Category.BASELINE,
        reason="the baseline", val_bpb=1.9, error=0.002, run=RUN,
    )  # fmt: skip


def a_brief(*past: HistoryEntry, **changes: Any) -> Brief:
    """A brief whose history is the baseline and these."""
    values: dict[str, Any] = {
        "study": "nov23",
        "number": len(past) + 2,
        "incumbent_id": 1,
        "program": "# Strategy\n\nLower val_bpb.\n",
        "entry": "train.py",
        "files": {"train.py": "DEPTH = 4\n\n\ndef main():\n    pass\n"},
        "base_files": {"train.py": "DEPTH = 4\n"},
        "fixed_files": {"prepare.py": "FIXED = True\n", "notes.txt": "a note\n"},
        "history": (baseline(), *past),
        "score": Estimate(1.9, 0.002),
        "noise": NOISE,
        "measuring": Measuring(2048, 128, 1, 10, 10_000, 3.0),
        "remaining": Remaining(7200.0, None, 3.5),
        "salt": SALT,
    }
    return Brief(**(values | changes))


def longer(brief: Brief, *past: HistoryEntry) -> Brief:
    """The brief after these experiments."""
    return replace(brief, history=(*brief.history, *past), number=brief.number + len(past))


def whole(prompt: Prompt) -> str:
    return "".join(section.text for section in (*prompt.system, *prompt.user))
