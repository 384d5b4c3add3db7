"""One experiment's rows as a value: its evidence, its cost, its trainings."""

from collections.abc import Iterable, Mapping, Sequence

from autoresearch import policy
from autoresearch.records.hardware import Hardware
from autoresearch.records.proposals import Notes
from autoresearch.records.tables import Experiment, Trial
from autoresearch.records.text import safe_text
from autoresearch.records.values import UNCOUNTED, Estimate, FailureKind, Reading, TrialState
from autoresearch.registry.packing import unpack
from autoresearch.report.values import Cost, ExperimentReport, LaterIdea, Pair, TrialReport

POINTS = 60  # of a learning curve
LOG_BYTES = 16_384
LOG_LINES = 40
LOG_SIZE = 4_000
_NO_TEXTS = {"change": "", "log": "", "traceback": ""}


def experiment_report(
    row: Experiment,
    trials: Sequence[Trial],
    readings: Mapping[int, Sequence[Reading]],
    *,
    scale: policy.Scale,
    cost: Cost,
    later: tuple[LaterIdea, ...],
    whole: bool = True,
) -> ExperimentReport:
    """Return an experiment as a value; `readings` and `scale` are the study's.

    Unless `row` and `trials` are `whole` it has no texts of code and logs, and no curves.
    """
    return ExperimentReport(
        number=int(row.id or 0),
        parent=row.parent_id,
        verdict=row.verdict,
        standing=row.standing,
        state=str(row.state),
        proposer=row.proposer,
        control=row.control,
        category=str(row.category),
        hypothesis=row.hypothesis,
        risk=row.risk,
        reason=row.reason,
        bpb=estimate(row.val_bpb, row.val_bpb_error),
        delta=estimate(row.delta, row.delta_error),
        predicted=row.predicted_delta,
        measured=estimate(row.measured, row.measured_error),
        documents_error=row.documents_error,
        pairs=_pairs(row, readings),
        chances=row.chances,
        claim=row.claim_reason,
        test_bpb=row.test_bpb,
        test_distance=distance(row, trials),
        gap=compared(row, scale),
        seconds=row.seconds,
        memory=row.peak_memory,
        commit=row.commit_sha or "",
        lines=(row.lines_added, row.lines_removed),
        opened=row.created_at,
        reverts=row.reverts_id,
        cost=cost,
        later=later,
        trials=tuple(_trial(each, whole=whole) for each in trials),
        **(_texts(row, trials) if whole else _NO_TEXTS),
    )


def estimate(mean: float | None, error: float | None) -> Estimate | None:
    """Return two columns of a row as an estimate; None where nothing is known."""
    return None if mean is None else Estimate(mean, error)


def compared(row: Experiment, scale: policy.Scale) -> policy.GeneralizationGap | None:
    """Return how an experiment fares against the baseline on val and on test, once known."""
    val = estimate(row.val_gain, row.val_gain_error)
    test = estimate(row.test_gain, row.test_gain_error)
    return None if val is None or test is None else policy.GeneralizationGap(val, test, scale)


def distance(row: Experiment, trials: Sequence[Trial]) -> float | None:
    """Return how far test lies from val for the checkpoint that was scored on test."""
    val = next((each.val_bpb for each in trials if each.id == row.test_trial_id), None)
    return None if row.test_bpb is None or val is None else row.test_bpb - val


def later_ideas(rows: Iterable[Experiment]) -> dict[int, tuple[LaterIdea, ...]]:
    """Return the ideas that authors noted beside their proposals, and what became of each.

    `rows` are a study's experiments, oldest first; those that noted any are named by number.
    """
    noting = [(row, Notes.of(row.notes)) for row in rows if row.notes]
    # An idea is its author's: others have the same numbers.
    fates = {(row.proposer, each): "dropped" for row, notes in noting for each in notes.drops}
    for row, notes in reversed(noting):  # who took it up first, comes last
        if row.verdict not in UNCOUNTED:
            taken = f"taken up by experiment {row.id}"
            fates |= {(row.proposer, each): taken for each in notes.takes}
    return {
        row.id or 0: tuple(
            LaterIdea(f"{row.id}.{at}", idea, fates.get((row.proposer, f"{row.id}.{at}"), ""))
            for at, idea in enumerate(notes.later, 1)
        )
        for row, notes in noting
    }


def _pairs(row: Experiment, readings: Mapping[int, Sequence[Reading]]) -> tuple[Pair, ...]:
    mine, theirs = readings.get(row.id or 0, ()), readings.get(row.parent_id or 0, ())
    incumbent = {(each.seed, each.epoch): each.bpb for each in theirs}
    read = {(each.seed, each.epoch): each.bpb for each in mine}
    return tuple(
        Pair(place[0], incumbent[place], bpb) for place, bpb in read.items() if place in incumbent
    )


def _texts(row: Experiment, trials: Sequence[Trial]) -> dict[str, str]:
    traced = (each.traceback for each in reversed(trials) if each.traceback)
    change = row.patch or row.change_text
    return {"change": change, "log": _log(trials), "traceback": next(traced, "")}


def _log(trials: Sequence[Trial]) -> str:
    for each in reversed(trials):
        if each.log:
            raw = unpack(each.log)[-LOG_BYTES:]
            return safe_text(raw, lines=LOG_LINES, size=LOG_SIZE)
    return ""


def _trial(row: Trial, *, whole: bool) -> TrialReport:
    hardware = Hardware.of(row.hardware)
    return TrialReport(
        number=int(row.id or 0),
        seed=row.seed,
        purpose=str(row.purpose),
        ending=str(row.ending or row.state),
        faulty=row.failure is FailureKind.MACHINE,
        bpb=row.val_bpb,
        detail=row.detail,
        startup=row.startup_seconds,
        compiling=row.compile_seconds or 0.0,
        training=row.training_seconds,
        scoring=row.scoring_seconds,
        total=row.total_seconds,
        steps=row.steps,
        memory=row.peak_memory,
        hardware=str(hardware) if hardware else "",
        detectable=row.detectable,
        curve=_thinned(row.curve) if whole else (),
        at_work=row.state is TrialState.RUNNING,
        last_sign=row.finished_at or row.heartbeat_at,
    )


def _thinned(curve: Sequence[Sequence[float]]) -> tuple[tuple[float, float], ...]:
    """Return points of progress and loss at even distances, the last one among them."""
    step = max((len(curve) - 1) / (POINTS - 1), 1.0)
    count = min(len(curve), POINTS)
    places = [min(round(at * step), len(curve) - 1) for at in range(count)]
    return tuple((round(curve[at][3], 4), round(curve[at][1], 5)) for at in places)
