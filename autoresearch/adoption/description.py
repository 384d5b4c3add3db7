"""What was adopted, in sentences: what would be run, what is read, how far that can be trusted."""

from collections.abc import Iterator

from autoresearch.adoption.adopting import Adopted
from autoresearch.adoption.history import History
from autoresearch.adoption.values import Found
from autoresearch.adoption.writing import duration
from autoresearch.records.metric import MetricSource
from autoresearch.records.text import counted
from autoresearch.records.values import Trust, Verdict

_GUIDE = "docs/your-project.md"


def described(adopted: Adopted) -> Iterator[str]:
    """Yield the lines about what was found and made.

    The last one says what would be run and read, how far it can be trusted, and what if more.
    """
    found = adopted.found
    if found.upstream:
        yield (
            "This has the shape of karpathy/autoresearch: program.md is your strategy, prepare.py "
            "and its data stay as they are, and so does its clock."
        )
    if adopted.history is not None:
        yield _told(adopted.history)
    yield from (f"Note: {note}." for note in adopted.notes)
    better = f"{found.metric} ({found.direction} is better)"
    yield (
        f"A trial would run `{found.command}` on {found.device}, {duration(found.total)} at most, "
        f"with changes to {', '.join(found.editable)}; its score is {better}, {_read(found)}: "
        f"{_trust(found)}."
    )


def _read(found: Found) -> str:
    if found.source is MetricSource.EVALUATED:
        return f"as {found.evaluator} finds it afterwards, in a sandbox of its own"
    if found.source is MetricSource.FILE:
        return f"{found.key} in {found.file}, which it leaves"
    return f"from the last line `{found.metric}: …` that it prints"


def _trust(found: Found) -> str:
    if found.source is MetricSource.EVALUATED:
        return (
            f"{Trust.EVALUATED}, as far as the data is out of the trial's reach. Name that under "
            f"[data] held_out ({_GUIDE})"
        )
    return (
        f"{Trust.SELF_REPORTED}, the trial's own word. A program of yours that scores what a trial "
        f"leaves, on data it cannot read, would make it {Trust.EVALUATED} ([metric] evaluator, "
        f"{_GUIDE})"
    )


def _told(history: History) -> str:
    table, metric = history.table, history.metric
    kept = [row for row in table.rows if row.verdict is Verdict.KEEP]
    scores = [row.score for row in kept if row.score is not None]
    went = f", {metric.name} {scores[0]:.6f} → {scores[-1]:.6f}" if scores else ""
    unread = f"; {counted(len(table.unread), 'line')} that say nothing" if table.unread else ""
    return (
        f"results.tsv: {counted(len(table.rows), 'experiment')}, {len(kept)} kept{went}{unread}. "
        "Proposers are told of them; `autoresearch status --tag imported` shows them."
    )
