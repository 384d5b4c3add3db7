"""`status --tsv`: a study as upstream's results.tsv, and what a spreadsheet takes for a cell."""

from typing import TextIO

from autoresearch.records.tables import Experiment, Study
from autoresearch.records.text import safe_line
from autoresearch.records.values import Verdict
from autoresearch.registry import Registry

TSV_HEADER = "commit\tval_bpb\tmemory_gb\tstatus\tdescription"
# What a spreadsheet takes for a formula or an open quote, at full width too.
_LEADING = ("=", "+", "-", "@", '"', "\uff1d", "\uff0b", "\uff0d", "\uff20")

_STATUS = {
    Verdict.KEEP: Verdict.KEEP,
    Verdict.DISCARD: Verdict.DISCARD,
    Verdict.STALE: Verdict.DISCARD,
}


def harmless(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula or a quoted cell.

    Some pass over blanks, tabs and line ends before they look.
    """
    return f"'{text}" if text.lstrip().startswith(_LEADING) else text


def write_tsv(registry: Registry, study: Study, out: TextIO) -> None:
    """Write a study exactly as upstream's results.tsv.

    That format knows keep, discard and crash only. What was refused before training (invalid),
    broke a rule (disqualified) or was discarded without a score (stopped early) becomes a crash row
    with ``0.000000`` and ``0.0`` whose description ends in its verdict, such as "(invalid)". What
    another keep overtook (stale) is a discard that says so, if it has a score. Without one nothing
    came of it that upstream has a word for: it is left out, as the unfinished are.
    """
    out.write(TSV_HEADER + "\n")
    for experiment in registry.experiments(study):
        verdict, scored = experiment.verdict, experiment.val_bpb is not None
        if verdict is not None and (verdict is not Verdict.STALE or scored):
            out.write(_tsv_row(experiment, verdict) + "\n")


def _tsv_row(experiment: Experiment, verdict: Verdict) -> str:
    status = _STATUS.get(verdict, Verdict.CRASH)
    bpb = None if status is Verdict.CRASH else experiment.val_bpb
    status = Verdict.CRASH if bpb is None else status
    memory = 0.0 if bpb is None else experiment.peak_memory / 2**30
    foreign = f" ({verdict})" if verdict is not status else ""
    commit = (experiment.commit_sha or "")[:7]
    description = _description(experiment.hypothesis) + foreign
    return f"{commit}\t{bpb or 0.0:.6f}\t{memory:.1f}\t{status}\t{description}"


def _description(hypothesis: str) -> str:
    return harmless(safe_line(hypothesis, 10_000))  # one line, without tabs
