"""What `promote` shows before it acts: the evidence for an experiment, in a few lines."""

from collections.abc import Iterator, Sequence

from rich.text import Text

from autoresearch.records.tables import Experiment, Study
from autoresearch.records.values import Estimate
from autoresearch.registry import Registry
from autoresearch.render import testset, words
from autoresearch.render.scores import ScoreFormat
from autoresearch.report.full import test_score

_MOST = 12  # pairs that are told one by one


def lines(
    registry: Registry, study: Study, row: Experiment, pairs: Sequence[tuple[int, float, bool]]
) -> Iterator[Text]:
    """Yield who it is, its effect, its pairs, its claim, and what test says.

    Args:
        registry: where it is.
        study: its own.
        row: the experiment.
        pairs: seed, difference in the metric's unit, and whether it is a fresh one.

    Raises:
        RegistryError: the registry is damaged.
    """
    form = ScoreFormat.of(study)
    head = [Text(f"experiment {row.id}", style="bold"), words.fate(row), words.trust(study.trust)]
    yield words.joined([*head, words.line(row.hypothesis, 100)])
    yield Text(f"  effect  {effect(row, form)}")
    yield Text(f"  pairs   {_told(pairs, form)}")
    claim = row.claim_reason or "none yet: --confirm trains fresh pairs"
    yield Text("  claim   ").append_text(words.line(claim, 200))
    if row.test_bpb is not None:
        found = test_score(registry, study, row)
        yield Text("  test    ").append_text(testset.described(found, form))


def effect(row: Experiment, form: ScoreFormat) -> str:
    """Return the effect that is believed, with its interval and what is likely."""
    if row.delta is None:
        return "not known"
    told = form.delta(row.delta, row.delta_error)
    if interval := form.interval(Estimate(row.delta, row.delta_error)):
        told += f" (95%: {interval})"
    return f"{told}; {row.chances}" if row.chances else told


def _told(pairs: Sequence[tuple[int, float, bool]], form: ScoreFormat) -> str:
    """Return the differences by seed; the fresh ones have a star."""
    if not pairs:
        return "none"
    shown = [
        f"{form.delta(difference)}{'*' if fresh else ''} on seed {seed}"
        for seed, difference, fresh in pairs[:_MOST]
    ]
    shown += [f"and {len(pairs) - _MOST} more"] if len(pairs) > _MOST else []
    fresh = "; * fresh" if any(each for _, _, each in pairs) else ""
    return ", ".join(shown) + fresh
