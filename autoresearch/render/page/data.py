"""What the page's charts are drawn from, as plain values for JSON."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate

from autoresearch.policy.proposer_comparison import ProposerComparison
from autoresearch.records.metric import Direction
from autoresearch.records.text import safe_line
from autoresearch.render.scores import ScoreFormat
from autoresearch.report import ExperimentReport, StudyReport
from autoresearch.report.values import interval

SHOWN = 160  # characters of a hypothesis
NAME = 40
CURVES = 12
EFFECTS = 40
COLUMNS = (
    "number", "fate", "kept", "score", "error", "effect", "effect_error", "predicted", "proposer",
    "category", "hypothesis", "minutes", "parent", "usd", "seconds",
)  # fmt: skip


def chart_data(report: StudyReport) -> dict[str, object]:
    """Return the study as lists: `experiments` are rows of `columns`, oldest first.

    Scores and effects are as the project knows them; in `effects`, `proposers` and `categories`
    stand gains, which are better above zero whatever the metric.
    """
    form = ScoreFormat.of(report.study)
    return {
        "columns": COLUMNS,
        "experiments": _experiments(report),
        "metric": {
            "name": form.name,
            "unit": form.unit.strip() or form.name,
            "digits": form.metric.decimals,
            "higher": form.metric.direction is Direction.HIGHER,
            "better": form.better_effects,
            "axis": f"{form.name} ({form.better_scores}, {form.trust})",
            "trust": str(form.trust),
        },
        "best": report.best,
        "baseline": report.baseline,
        "near": report.near_misses,
        "seen": report.machine.power.gain if report.trained_here else None,
        "curves": list(_curves(report)),
        "proposers": list(_beside(report.proposers.comparisons)),
        "categories": list(_beside(report.categories.comparisons)),
        "effects": list(_effects(report)),
        "money": report.tariff.gpu is not None or report.usd > 0,
        "time": list(_time(report)),
    }


def _experiments(report: StudyReport) -> list[list[object]]:
    gpu, shown = report.tariff.gpu, report.study.metric.shown
    costs = (each.cost.usd + (gpu.cost(each.seconds) if gpu else 0) for each in report.experiments)
    spent = accumulate(costs)
    began = report.experiments[0].opened if report.experiments else report.made
    return [
        [
            each.number,
            each.fate,
            int(each.kept),
            _short(shown(each.bpb.mean) if each.bpb else None),
            _short(each.bpb.error if each.bpb else None),
            _short(shown(each.delta.mean) if each.delta else None),
            _short(each.delta.error if each.delta else None),
            _short(None if each.predicted is None else shown(each.predicted)),
            safe_line(each.proposer, NAME),
            each.category,
            safe_line(each.hypothesis, SHOWN),
            round((each.opened - began).total_seconds() / 60, 1),
            each.parent,
            round(usd, 4),
            round(each.seconds, 1),
        ]
        for each, usd in zip(report.experiments, spent, strict=True)
    ]


def _short(value: float | None) -> float | None:
    return None if value is None else round(value, 6)


def _curves(report: StudyReport) -> Iterator[dict[str, object]]:
    kept = [each for each in report.experiments if each.kept]
    for each in [*kept[:1], *kept[1:][-CURVES:]]:
        if curve := curve_of(each):
            yield {"number": each.number, "points": curve}


def _time(report: StudyReport) -> Iterator[tuple[str, float]]:
    """Yield what the slots' seconds went to, as far as it is known; first what trained."""
    duty = report.duty
    if duty is not None and duty.share is not None:
        yield "counted training", round(duty.share * duty.slot_seconds, 1)
        for why, seconds in duty.held.items():
            yield why, round(seconds, 1)
    elif (phases := report.phases).total:
        yield "training", round(phases.training, 1)
        yield "start-up", round(phases.startup, 1)
        yield "scoring", round(phases.scoring, 1)
        if (rest := report.at_work - phases.total) > 0:
            yield "between trials", round(rest, 1)


def curve_of(row: ExperimentReport, seed: int | None = None) -> Sequence[tuple[float, float]]:
    """Return the curve of an experiment's first training, if it can of the one on a seed."""
    curves = {trial.seed: trial.curve for trial in reversed(row.trials) if len(trial.curve) > 1}
    first = next(reversed(curves.values()), ())
    return first if seed is None else curves.get(seed, first)


def _beside(comparisons: Iterable[ProposerComparison]) -> Iterator[dict[str, object]]:
    for each in comparisons:
        if (found := each.per_experiment) is not None:
            yield {
                "label": safe_line(each.proposer, NAME),
                "note": f"{each.trained} against {each.control_trained} of "
                f"{safe_line(each.control, NAME)}",
                "value": found.value,
                "low": found.low,
                "high": found.high,
            }


def _effects(report: StudyReport) -> Iterator[dict[str, object]]:
    """Yield the believed gains of keeps and near misses, the newest last: above zero = better."""
    shown = [each for each in report.experiments if each.kept or each.number in report.near_misses]
    for each in shown[-EFFECTS:]:
        if each.delta is not None:
            low, high = interval(each.delta) or (each.delta.mean, each.delta.mean)
            yield {
                "label": f"{each.number} {each.fate}",
                "note": safe_line(each.hypothesis, SHOWN),
                "number": each.number,
                "value": -each.delta.mean,
                "low": -high,
                "high": -low,
            }
