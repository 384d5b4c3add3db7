"""Who is worth it: each proposer's gains beside the control's, and how it predicted them."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from autoresearch.policy.arms import (
    Comparison,
    Difference,
    Record,
    calibrations,
    compare,
    records,
)
from autoresearch.policy.calibration import Calibration
from autoresearch.records.tables import Study
from autoresearch.registry import Registry
from autoresearch.render import words
from autoresearch.render.scores import ScoreFormat

FEWEST = 3  # predictions that are worth a line
GAP = 2
NARROWEST = 12  # columns of a proposer's name
NAME = 60
BPB = ScoreFormat()
_COLUMNS: Mapping[str, Callable[[Record], str]] = MappingProxyType(
    {
        "trained": lambda each: words.count(each.trained),
        "kept": lambda each: words.count(each.kept),
        "confirmed": lambda each: words.count(each.confirmed),
        "gained": lambda each: f"{each.gained:.4f} ± {each.gained_error:.4f}",
        "an experiment": lambda each: f"{each.per_experiment:.5f}",
        "an hour": lambda each: "-" if each.per_hour is None else f"{each.per_hour:.4f}",
    }
)
_GIVE_WAY = ("an hour", "confirmed", "an experiment")  # as the terminal narrows


def arms(registry: Registry, study: Study, console: Console) -> None:
    """Print who gained what, who beats the control, and whose predictions are worth something.

    Nothing where there is nothing to compare: a single proposer that predicts nothing.

    Raises:
        RegistryError: the registry is damaged.
    """
    trained = registry.trained(study)
    rows = records(trained)
    if len(rows) > 1:
        console.print(_table(rows, console.width))
    for comparison in compare(trained):
        console.print(compared(comparison), highlight=False)
    for name, each in calibrations(trained).items():
        if each.pairs >= FEWEST:
            console.print(calibrated(name, each), highlight=False)


def compared(comparison: Comparison, form: ScoreFormat = BPB) -> Text:
    """Return in words whether a proposer beats the control.

    It does, or falls short, where both intervals say so: an experiment, and an hour of training.
    """
    one, hour = comparison.per_experiment, comparison.per_hour
    name, control = (words.line(each, NAME) for each in (comparison.proposer, comparison.control))
    if one is None:
        nothing = ": no difference can be seen yet, as nothing was kept"
        return name.append(" and the control ").append_text(control).append(nothing)
    if one.seen and (hour is None or (hour.seen and _alike(one, hour))):
        verb = "beats" if one.value > 0 else "falls short of"
        name.append(f" {verb} the control ").append_text(control)
        return name.append(f" by {_amounts(one, hour, form, signed=False)}")
    unseen = f": no difference can be seen yet, {_amounts(one, hour, form, signed=True)}"
    return name.append(" and the control ").append_text(control).append(unseen)


def calibrated(name: str, calibration: Calibration, form: ScoreFormat = BPB) -> Text:
    """Return in words what became of a proposer's predictions."""
    told = (
        f" predicted {form.delta(calibration.predicted)} in the middle of "
        f"{calibration.pairs}, came out {form.delta(calibration.actual)}"
    )
    if calibration.signs is not None:
        right, chance = calibration.signs
        told += f", right sign {right:.0%} (chance {chance:.0%})"
    if calibration.rank is not None:
        told += f", rank correlation {calibration.rank:+.2f}"
    if calibration.slope is not None:
        told += f", slope {calibration.slope:+.2f}"
    return words.line(name, NAME).append(told)


def _alike(one: Difference, other: Difference) -> bool:
    return (one.value > 0) is (other.value > 0)


def _amounts(one: Difference, hour: Difference | None, form: ScoreFormat, *, signed: bool) -> str:
    digits = form.metric.decimals
    told = _interval(one, f"{form.unit} an experiment", digits + 1, signed=signed)
    return told + (f", {_interval(hour, ' an hour', digits, signed=signed)}" if hour else "")


def _interval(difference: Difference, unit: str, digits: int, *, signed: bool) -> str:
    low, value, high = difference.low, difference.value, difference.high
    if signed:
        told = [words.delta(each, digits=digits) for each in (low, value, high)]
    else:
        told = [f"{each:.{digits}f}" for each in sorted(map(abs, (low, value, high)))]
    return f"{told[1]}{unit} ({told[0]} to {told[2]})"


def _table(rows: Sequence[Record], width: int) -> Table:
    columns, room = _fit(rows, width)
    table = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0), header_style="bold")
    table.add_column("arm", no_wrap=True, max_width=room)
    for name in columns:
        table.add_column(name, no_wrap=True, justify="right")
    for each in rows:
        arm = _arm(each)
        arm.truncate(room, overflow="ellipsis")
        table.add_row(arm, *(_COLUMNS[column](each) for column in columns))
    return table


def _arm(record: Record) -> Text:
    name = words.line(record.proposer, NAME)
    return Text("control ").append_text(name) if record.control else name


def _fit(rows: Sequence[Record], width: int) -> tuple[list[str], int]:
    """Return the columns that fit beside the names, and the room that these have."""
    columns = list(_COLUMNS)
    for name in (*_GIVE_WAY, None):
        taken = sum(_wide(each, rows) + GAP for each in columns)
        room = width - taken - GAP
        if room >= NARROWEST or name is None:
            break
        columns.remove(name)
    return columns, max(room, 1)


def _wide(column: str, rows: Sequence[Record]) -> int:
    return max(cell_len(each) for each in (column, *map(_COLUMNS[column], rows)))
