"""What scoring allows for rounding, and how small a leak it would have found all the same."""

from collections.abc import Iterator

from rich.text import Text

from autoresearch import policy
from autoresearch.render.scores import ScoreFormat
from autoresearch.report import StudyReport


def lines(report: StudyReport, form: ScoreFormat) -> Iterator[Text]:
    """Yield what `status` says; nothing of studies of older versions."""
    if (found := report.allowance) is None:
        return
    told = f"a prediction computed again may differ by {found.tolerance:.2g} nats"
    scored = report[report.best].trials if report.best else ()
    known = [each.detectable for each in scored if each.detectable is not None]
    if known:
        told += f"; in the best's score a leak worth {form.leak(max(known))} would have been found"
    yield Text(told, style="dim")
    if policy.at_ceiling(found):
        yield Text(policy.too_noisy(found), style="yellow")
