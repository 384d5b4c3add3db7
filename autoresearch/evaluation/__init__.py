"""Trusted code that turns a checkpoint into a score, without running any of the tree's code.

`Evaluator.score` starts the tree's model in server processes (`runtime/serve.py`), has it commit
to the log-probability of every token of the sealed documents, then challenges it.
"""

from autoresearch.evaluation.evaluator import Evaluator
from autoresearch.evaluation.rules import Cause
from autoresearch.evaluation.text import Tokenizer

PROTOCOL = 2  # scores made under another one are not comparable

__all__ = ["PROTOCOL", "Cause", "Evaluator", "Tokenizer"]
