"""Which way a metric is better, in words."""

from autoresearch.records.metric import Metric


def of_scores(metric: Metric) -> str:
    """Return which scores are the better ones."""
    return f"{metric.direction} is better"


def of_effects(metric: Metric) -> str:
    """Return which effects are good ones."""
    return f"{metric.side} zero is better"


def side(metric: Metric, stored: float) -> str:
    """Return on which side a stored difference lies as it is shown: "below" or "above"."""
    return "below" if metric.shown(stored) < 0 else "above"
