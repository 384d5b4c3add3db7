"""Where a step of the incumbent spends its time: looked at once for each, beside its trials."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from autoresearch.records.tables import Experiment
from autoresearch.records.training import ProfileRow
from autoresearch.records.values import Ending, Purpose, TrialState
from autoresearch.registry import Registry

_TEXT = 90  # characters of a line


def seed_to_profile(registry: Registry, incumbent: Experiment) -> int | None:
    """Return a seed that the program came through; None where it was profiled, or never scored.

    A failure is no matter: then there is no profile.
    """
    trials = registry.trials(incumbent)
    done = any(
        each.purpose is Purpose.PROFILE
        and each.state is TrialState.DONE
        and each.ending is not Ending.INTERRUPTED
        for each in trials
    )
    seeds = [each.seed for each in trials if each.val_bpb is not None]
    return None if done or not seeds else seeds[-1]


def quoted(rows: Sequence[ProfileRow], files: Mapping[str, str]) -> tuple[ProfileRow, ...]:
    """Return the rows with what their lines say; none where one of them is in no file."""
    lines = {row.path: files.get(row.path, "").split("\n") for row in rows}
    found = [
        replace(row, text=lines[row.path][row.line - 1].strip()[:_TEXT])
        for row in rows
        if row.path in files and row.line <= len(lines[row.path])
    ]
    return tuple(found) if len(found) == len(rows) else ()
