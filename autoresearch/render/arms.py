"""Who is worth it: each proposer's gains beside the control's, and how it predicted them."""

from collections.abc import Callable, Iterator, Mapping, Sequence

from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

from autoresearch.policy.calibration import Calibration
from autoresearch.policy.proposer_comparison import Difference, ProposerComparison, ProposerRecord
from autoresearch.render import words
from autoresearch.render.scores import BPB, ScoreFormat
from autoresearch.report.values import Proposers

FEWEST = 3  # predictions that are worth a line
GAP = 2
NARROWEST = 12  # columns of a proposer's name
NAME = 60
_GIVE_WAY = ("an hour", "confirmed", "an experiment")  # as the terminal narrows


def arms(proposers: Proposers, form: ScoreFormat, width: int) -> Iterator[Table | Text]:
    """Yield who gained what, who beats the control, and whose predictions are worth something.

    Nothing where there is nothing to compare: a single proposer that predicts nothing.
    """
    if len(proposers.records) > 1:
        yield _table(proposers.records, form, width)
    for comparison in proposers.comparisons:
        yield compared(comparison, form)
    for name, each in proposers.calibrations.items():
        if each.pairs >= FEWEST:
            yield calibrated(name, each, form)


def compared(comparison: ProposerComparison, form: ScoreFormat = BPB) -> Text:
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
    told = _interval(one, f"{form.unit} an experiment", form.metric.decimals + 1, signed=signed)
    if hour is None:
        return told
    return f"{told}, {_interval(hour, ' an hour', form.metric.decimals, signed=signed)}"


def _interval(difference: Difference, unit: str, digits: int, *, signed: bool) -> str:
    """Return how much more was gained; above zero is better, whichever way the metric goes."""
    low, value, high = difference.low, difference.value, difference.high
    if signed:
        told = [f"{round(each, digits) + 0.0:+.{digits}f}" for each in (low, value, high)]
    else:
        told = [f"{each:.{digits}f}" for each in sorted(map(abs, (low, value, high)))]
    return f"{told[1]}{unit} ({told[0]} to {told[2]})"


Cells = Mapping[str, Callable[[ProposerRecord], str]]


def _cells(form: ScoreFormat) -> Cells:
    digits = form.metric.decimals
    return {
        "trained": lambda each: words.count(each.trained),
        "kept": lambda each: words.count(each.kept),
        "confirmed": lambda each: words.count(each.confirmed),
        "gained": lambda each: f"{each.gained:.{digits}f} ± {each.gained_error:.{digits}f}",
        "an experiment": lambda each: f"{each.per_experiment:.{digits + 1}f}",
        "an hour": lambda each: "-" if each.per_hour is None else f"{each.per_hour:.{digits}f}",
    }


def _table(rows: Sequence[ProposerRecord], form: ScoreFormat, width: int) -> Table:
    cells, room = _fit(rows, _cells(form), width)
    table = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0), header_style="bold")
    table.add_column("arm", no_wrap=True, max_width=room)
    for name in cells:
        table.add_column(name, no_wrap=True, justify="right")
    for each in rows:
        arm = _arm(each)
        arm.truncate(room, overflow="ellipsis")
        table.add_row(arm, *(cell(each) for cell in cells.values()))
    return table


def _arm(record: ProposerRecord) -> Text:
    name = words.line(record.proposer, NAME)
    return Text("control ").append_text(name) if record.control else name


def _fit(rows: Sequence[ProposerRecord], cells: Cells, width: int) -> tuple[Cells, int]:
    """Return the columns that fit beside the names, and the room that these have."""
    left = dict(cells)
    for name in (*_GIVE_WAY, None):
        taken = sum(_wide(column, cell, rows) + GAP for column, cell in left.items())
        room = width - taken - GAP
        if room >= NARROWEST or name is None:
            break
        del left[name]
    return left, max(room, 1)


def _wide(
    column: str, cell: Callable[[ProposerRecord], str], rows: Sequence[ProposerRecord]
) -> int:
    return max(cell_len(each) for each in (column, *map(cell, rows)))
