"""`status --tsv`: a study as upstream's results.tsv, and what a spreadsheet takes for a cell."""

from collections.abc import Iterable
from typing import TextIO

from autoresearch.records.metric import Metric
from autoresearch.records.text import safe_line
from autoresearch.records.values import Verdict
from autoresearch.report import ExperimentReport

TSV_HEADER = "commit\t{}\tmemory_gb\tstatus\tdescription"
# What a spreadsheet takes for a formula or an open quote, at full width too.
_LEADING = ("=", "+", "-", "@", '"', "\uff1d", "\uff0b", "\uff0d", "\uff20")

_STATUS = {
    Verdict.KEEP: Verdict.KEEP,
    Verdict.DISCARD: Verdict.DISCARD,
    Verdict.STALE: Verdict.DISCARD,
}


def harmless(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula or a quoted cell."""
    return f"'{text}" if text.startswith(_LEADING) else text


def write_tsv(rows: Iterable[ExperimentReport], metric: Metric, out: TextIO) -> None:
    """Write experiments exactly as upstream's results.tsv; its second column has the metric's name.

    That format knows keep, discard and crash only. What was refused before training (invalid),
    broke a rule (disqualified) or was discarded without a score (stopped early) becomes a crash row
    with ``0.000000`` and ``0.0`` whose description ends in its verdict, such as "(invalid)". What
    another keep overtook (stale) is a discard that says so, if it has a score. Without one nothing
    came of it that upstream has a word for: it is left out, as the unfinished are.
    """
    out.write(TSV_HEADER.format(_cell(metric.name)) + "\n")
    for row in rows:
        verdict, scored = row.verdict, row.bpb is not None
        if verdict is not None and (verdict is not Verdict.STALE or scored):
            out.write(_tsv_row(row, verdict, metric) + "\n")


def _tsv_row(row: ExperimentReport, verdict: Verdict, metric: Metric) -> str:
    status = _STATUS.get(verdict, Verdict.CRASH)
    score = None if status is Verdict.CRASH or row.bpb is None else row.bpb.mean
    status = Verdict.CRASH if score is None else status
    memory = 0.0 if score is None else row.memory / 2**30
    shown = f"{0.0 if score is None else metric.shown(score):.6f}"
    foreign = f" ({verdict})" if verdict is not status else ""
    description = _cell(row.hypothesis) + foreign
    return f"{row.commit[:7]}\t{shown}\t{memory:.1f}\t{status}\t{description}"


def _cell(text: str) -> str:
    return harmless(safe_line(text, 10_000))  # one line, without tabs
