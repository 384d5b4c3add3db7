"""`status --tsv`: a study as upstream's results.tsv."""

from typing import TextIO

from autoresearch.records.metric import Metric
from autoresearch.records.results import LONGEST, ResultsRow, header
from autoresearch.records.tables import Experiment, Study
from autoresearch.records.text import safe_line
from autoresearch.records.values import Verdict
from autoresearch.registry import Registry

_STATUS = {
    Verdict.KEEP: Verdict.KEEP,
    Verdict.DISCARD: Verdict.DISCARD,
    Verdict.STALE: Verdict.DISCARD,
}


def write_tsv(registry: Registry, study: Study, out: TextIO) -> None:
    """Write a study exactly as upstream's results.tsv; the score's column is the metric's name.

    That format knows keep, discard and crash only. What was refused before training (invalid),
    broke a rule (disqualified) or was discarded without a score (stopped early) becomes a crash row
    with ``0.000000`` and ``0.0`` whose description ends in its verdict, such as "(invalid)". What
    another keep overtook (stale) is a discard that says so, if it has a score. Without one nothing
    came of it that upstream has a word for: it is left out, as the unfinished are.
    """
    metric = study.metric
    out.write(header(metric.name) + "\n")
    for experiment in registry.experiments(study):
        verdict, scored = experiment.verdict, experiment.val_bpb is not None
        if verdict is not None and (verdict is not Verdict.STALE or scored):
            out.write(_row(experiment, verdict, metric).line + "\n")


def _row(experiment: Experiment, verdict: Verdict, metric: Metric) -> ResultsRow:
    status, stored = _STATUS.get(verdict, Verdict.CRASH), experiment.val_bpb
    status = Verdict.CRASH if stored is None else status
    foreign = f" ({verdict})" if verdict is not status else ""
    return ResultsRow(
        commit=experiment.commit_sha or "",
        score=None if stored is None else metric.shown(stored),
        memory_gb=experiment.peak_memory / 2**30,
        verdict=status,
        description=safe_line(experiment.hypothesis, LONGEST - len(foreign)) + foreign,
    )
