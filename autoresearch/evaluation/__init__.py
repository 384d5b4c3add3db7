"""Trusted code that turns what a trial left into a score.

`Evaluator.score` starts the trial's model in server processes (`runtime/serve.py`), has it commit
to the log-probability of every token of the sealed documents, then challenges it. For a metric of
the project's own, `ProgramScorer` runs the project's fixed program on what a trial left, and
`ReportedScorer` believes the number that the trial reports. None of them runs any of the trial's
code in this process.
"""

from autoresearch.evaluation.evaluator import Evaluator
from autoresearch.evaluation.fixed import require_fixed, runs_editable
from autoresearch.evaluation.program import TEST, VAL, ProgramScorer, doubt
from autoresearch.evaluation.reported import ReportedScorer
from autoresearch.evaluation.rules import Cause
from autoresearch.evaluation.text import Tokenizer

PROTOCOL = 2  # scores made under another one are not comparable

__all__ = [
    "PROTOCOL", "TEST", "VAL", "Cause", "Evaluator", "ProgramScorer", "ReportedScorer",
    "Tokenizer", "doubt", "require_fixed", "runs_editable",
]  # fmt: skip
