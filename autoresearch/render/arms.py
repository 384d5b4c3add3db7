"""Who is worth it: each proposer's gains beside the control's, and how it predicted them."""

from collections.abc import Iterator

from rich.table import Table
from rich.text import Text

from autoresearch.policy.calibration import Calibration
from autoresearch.policy.proposer_comparison import Difference, ProposerComparison, ProposerRecord
from autoresearch.render import words
from autoresearch.render.fitted_table import Cells, fitted_table
from autoresearch.render.scores import BPB, ScoreFormat
from autoresearch.report.values import Proposers

FEWEST = 3  # predictions that are worth a line
NAME = 60
_GIVE_WAY = ("an hour", "confirmed", "an experiment")  # as the terminal narrows


def arms(proposers: Proposers, form: ScoreFormat, width: int) -> Iterator[Table | Text]:
    """Yield who gained what, who beats the control, and whose predictions are worth something.

    Nothing where there is nothing to compare: a single proposer that predicts nothing.
    """
    if len(proposers.records) > 1:
        yield fitted_table(proposers.records, "arm", arm, cells(form), width, give_way=_GIVE_WAY)
    yield from notes(proposers, form)


def notes(proposers: Proposers, form: ScoreFormat) -> Iterator[Text]:
    """Yield who beats the control, and whose predictions are worth something."""
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
    if one.seen and (hour is None or (hour.seen and (one.value > 0) is (hour.value > 0))):
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


def cells(form: ScoreFormat) -> Cells[ProposerRecord]:
    """Return what is told of a proposer, by what the columns are called."""
    digits = form.metric.decimals
    return {
        "trained": lambda each: words.count(each.trained),
        "kept": lambda each: words.count(each.kept),
        "confirmed": lambda each: words.count(each.confirmed),
        "gained": lambda each: f"{each.gained:.{digits}f} ± {each.gained_error:.{digits}f}",
        "an experiment": lambda each: f"{each.per_experiment:.{digits + 1}f}",
        "an hour": lambda each: "-" if each.per_hour is None else f"{each.per_hour:.{digits}f}",
    }


def arm(record: ProposerRecord) -> Text:
    """Return a proposer's name, and whether it is a control."""
    name = words.line(record.proposer, NAME)
    return Text("control ").append_text(name) if record.control else name
