"""`status --tsv`: a study as upstream's results.tsv."""

from collections.abc import Iterable
from typing import TextIO

from autoresearch.records.metric import Metric
from autoresearch.records.results import LONGEST, ResultsRow, header
from autoresearch.records.text import safe_line
from autoresearch.records.values import Verdict
from autoresearch.report import ExperimentReport


def write_tsv(rows: Iterable[ExperimentReport], metric: Metric, out: TextIO) -> None:
    """Write experiments exactly as upstream's results.tsv; its second column has the metric's name.

    That format knows keep, discard and crash only. What was refused before training (invalid),
    broke a rule (disqualified) or was discarded without a score (stopped early) becomes a crash row
    with ``0.000000`` and ``0.0`` whose description ends in its verdict, such as "(invalid)". What
    another keep overtook (stale) is a discard that says so, if it has a score. Without one nothing
    came of it that upstream has a word for: it is left out, as the unfinished are.
    """
    out.write(header(safe_line(metric.name, LONGEST)) + "\n")
    for row in rows:
        verdict, scored = row.verdict, row.bpb is not None
        if verdict is not None and (verdict is not Verdict.STALE or scored):
            out.write(_row(row, verdict, metric).line + "\n")


def _row(row: ExperimentReport, verdict: Verdict, metric: Metric) -> ResultsRow:
    kept_or_not = Verdict.KEEP if verdict is Verdict.KEEP else Verdict.DISCARD
    status = Verdict.CRASH if row.bpb is None or verdict.failed else kept_or_not
    foreign = f" ({verdict})" if verdict is not status else ""
    return ResultsRow(
        commit=row.commit,
        score=None if row.bpb is None else metric.shown(row.bpb.mean),
        memory_gb=row.memory / 2**30,
        verdict=status,
        description=safe_line(row.hypothesis, LONGEST - len(foreign)) + foreign,
    )
