"""Scores on the sealed test set, and what they say of the choices that were made on val."""

from collections.abc import Iterator, Sequence

from rich.text import Text

from autoresearch import policy
from autoresearch.records.tables import Experiment, Study
from autoresearch.registry import Registry
from autoresearch.render import words
from autoresearch.report.experiments import compared


def line(registry: Registry, study: Study, row: Experiment) -> Text:
    """Return in one line what test says of an experiment."""
    return Text(f"experiment {row.id} on test: ").append_text(told(registry, study, row))


def lines(registry: Registry, study: Study, rows: Sequence[Experiment]) -> Iterator[Text]:
    """Yield a line for the newest of these rows that has a score on test, and for the fitted."""
    scored = [row for row in rows if row.test_bpb is not None and row.parent_id is not None]
    for row in scored:
        found = compared(row, registry.scale(study))
        if row is scored[-1] or (found is not None and found.fitted):
            yield line(registry, study, row)


def told(registry: Registry, study: Study, row: Experiment, digits: int = 4) -> Text:
    """Return an experiment's score on test and its gap to val, as far as they are known.

    Raises:
        RegistryError: the registry is damaged.
    """
    said = words.score(row.test_bpb, None, study.trust, digits)
    if distance := _gap(registry, study, row):
        said.append(f", {distance}")
    found = compared(row, registry.scale(study))
    return said if found is None else said.append("; ").append_text(_judged(found))


def _gap(registry: Registry, study: Study, row: Experiment) -> str:
    """Return how far test lies from val for one checkpoint, and for the baseline's."""
    mine = _distance(registry, row)
    if mine is None:
        return ""
    base = registry.summary(study).baseline
    theirs = _distance(registry, base) if base is not None and base.id != row.id else None
    beside = "" if theirs is None else f" (the baseline's: {words.delta(theirs)})"
    return f"{words.delta(mine)} to val{beside}"


def _distance(registry: Registry, row: Experiment) -> float | None:
    if row.test_bpb is None:
        return None
    trials = {trial.id: trial.val_bpb for trial in registry.trials(row)}
    val = trials.get(row.test_trial_id)
    return None if val is None else row.test_bpb - val


def _judged(found: policy.Gap) -> Text:
    val, test = (words.delta(each.mean, each.error) for each in (found.val, found.test))
    said = Text(f"against the baseline {val} on val and {test} on test: ")
    return said.append(found.words, style="yellow" if found.fitted else "")
