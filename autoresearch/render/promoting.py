"""What `promote` shows before it acts: the evidence for an experiment, in a few lines."""

from collections.abc import Iterator, Sequence

from rich.text import Text

from autoresearch.records.tables import Experiment, Study
from autoresearch.registry import Registry
from autoresearch.render import testset, words

_INTERVAL = 1.96  # standard errors on either side that hold the effect with 95 %
_MOST = 12  # pairs that are told one by one


def lines(
    registry: Registry, study: Study, row: Experiment, pairs: Sequence[tuple[int, float, bool]]
) -> Iterator[Text]:
    """Yield who it is, its effect, its pairs, its claim, and what test says.

    Args:
        registry: where it is.
        study: its own.
        row: the experiment.
        pairs: seed, difference in bits per byte, and whether it is a fresh one.

    Raises:
        RegistryError: the registry is damaged.
    """
    head = [Text(f"experiment {row.id}", style="bold"), words.fate(row), words.trust(study.trust)]
    yield words.joined([*head, words.line(row.hypothesis, 100)])
    yield Text(f"  effect  {effect(row)}")
    yield Text(f"  pairs   {_told(pairs)}")
    claim = row.claim_reason or "none yet: --confirm trains fresh pairs"
    yield Text("  claim   ").append_text(words.line(claim, 200))
    if row.test_bpb is not None:
        yield Text("  test    ").append_text(testset.told(registry, study, row))


def effect(row: Experiment, digits: int = 4) -> str:
    """Return the effect that is believed, with its interval and what is likely."""
    if row.delta is None:
        return "not known"
    told = words.delta(row.delta, row.delta_error, digits)
    if row.delta_error is not None:
        reach = _INTERVAL * row.delta_error
        low, high = (words.delta(row.delta + each, None, digits) for each in (-reach, reach))
        told += f" (95%: {low} to {high})"
    return f"{told}; {row.chances}" if row.chances else told


def _told(pairs: Sequence[tuple[int, float, bool]]) -> str:
    """Return the differences by seed; the fresh ones have a star."""
    if not pairs:
        return "none"
    shown = [
        f"{words.delta(difference)}{'*' if fresh else ''} on seed {seed}"
        for seed, difference, fresh in pairs[:_MOST]
    ]
    shown += [f"and {len(pairs) - _MOST} more"] if len(pairs) > _MOST else []
    fresh = "; * fresh" if any(each for _, _, each in pairs) else ""
    return ", ".join(shown) + fresh
