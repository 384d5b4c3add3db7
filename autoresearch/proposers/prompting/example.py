"""Briefs on which a project's own templates are tried before a run depends on them."""

from dataclasses import replace

from autoresearch.policy import Guard, Noise, scale_of
from autoresearch.proposers.base import (
    Brief,
    HistoryEntry,
    Machine,
    Measuring,
    Pending,
    Remaining,
    TextSize,
    TrialSummary,
)
from autoresearch.proposers.known import Known, KnownIdea
from autoresearch.records.metric import BITS_PER_BYTE, Direction, Metric, MetricSource
from autoresearch.records.proposals import Change, Notes
from autoresearch.records.training import ProfileRow
from autoresearch.records.values import Category, Chances, Estimate, Verdict

_RUN = TrialSummary(2.0, 100, 1000, 50.0, 2**30, 20.0, (4.0, None, 3.0), {"peak_memory_gib": 1.0})
_MEASURING = Measuring(
    2048,
    128,
    1,
    10,
    10_000,
    3.0,
    TextSize(9, 900, 300),
    Machine("a processor", "", "torch", compiles=True),
)
_BASELINE = HistoryEntry(
    1, "baseline", "the unchanged project", Change.none(), Verdict.KEEP, Category.BASELINE, run=_RUN
)


def examples(proposer: str) -> tuple[Brief, Brief, Brief]:
    """Return a brief with nothing but its files, one with a bit of everything, and another one.

    The last is of a project with a metric and a command of its own. `proposer` is the author of the
    example history, so that predictions of its own are in it.
    """
    bare = Brief(
        study="example",
        number=2,
        incumbent_id=1,
        program="",
        entry="train.py",
        files={"train.py": "A = 1\n"},
        base_files={"train.py": "A = 1\n"},
    )
    invalid = replace(_crash(5), verdict=Verdict.INVALID, patch="", traceback="", fingerprint="")
    surprise = replace(_discard(6), delta=-0.002, predicted_delta=0.001)
    stale = replace(_crash(7), verdict=Verdict.STALE, traceback="", fingerprint="", pairs=())
    entries = (_discard(2), _crash(3), _crash(4), invalid, surprise, stale)
    rich = replace(
        bare,
        program="Make it better.\n",
        fixed_files={"prepare.py": "B = 1\n", "other.py": "C = 1\n"},
        history=(_BASELINE, *(replace(each, proposer=proposer) for each in entries)),
        pending=(Pending(8, proposer, "another rate", Change.none(), Category.SCHEDULE),),
        notes=("Leave the tokenizer alone.",),
        score=Estimate(2.0, 0.001),
        noise=Noise(),
        measuring=_MEASURING,
        profile=(ProfileRow(0, 0.9, "train.py", 1, "A = 1"),),
        parameters=1000,
        baseline=((1, 2.0),),
        remaining=Remaining(3600.0, 10, 5.0),
        known=(Known("results.tsv", BITS_PER_BYTE, (KnownIdea(Verdict.KEEP, 2.0, "an idea"),)),),
    )
    accuracy = Metric("accuracy", "accuracy", Direction.HIGHER, MetricSource.EVALUATED)
    other = replace(
        rich,
        command="python train.py",
        scale=scale_of(accuracy, "cpu", (), paired=False),
        guards=(Guard("peak_memory_gib", most=22.0),),
        measuring=None,
    )
    return bare, rich, other


def _discard(number: int) -> HistoryEntry:
    return replace(
        _BASELINE,
        id=number,
        verdict=Verdict.DISCARD,
        category=Category.SCHEDULE,
        risk="none",
        notes=Notes(("another idea",)),
        reason="no better",
        delta=0.001,
        delta_error=0.001,
        chances=Chances(0.2, 0.7),
        pairs=((1, -0.001), (2, 0.002)),
        beside=_RUN,
        steers="train.py",
        predicted_delta=-0.01,
        parent_id=1,
        patch="+a\n",
    )


def _crash(number: int) -> HistoryEntry:
    return replace(
        _discard(number),
        verdict=Verdict.CRASH,
        delta=None,
        delta_error=None,
        run=None,
        traceback="ValueError: odd",
        fingerprint="odd",
    )
