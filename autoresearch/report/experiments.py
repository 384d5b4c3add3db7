"""One experiment's rows as a value: its evidence, its cost, its trainings."""

from collections.abc import Mapping, Sequence

from autoresearch import policy
from autoresearch.records.hardware import Hardware
from autoresearch.records.tables import Experiment, Trial
from autoresearch.records.text import safe_text
from autoresearch.records.values import UNCOUNTED, Estimate, FailureKind, Notes, Reading
from autoresearch.registry.packing import unpack
from autoresearch.report.values import Cost, ExperimentReport, LaterIdea, Pair, TrialReport

POINTS = 60  # of a learning curve
LOG_BYTES = 16_384
LOG_LINES = 40
LOG_SIZE = 4_000


def experiment_report(
    row: Experiment,
    trials: Sequence[Trial],
    readings: Mapping[int, Sequence[Reading]],
    *,
    scale: policy.Scale,
    cost: Cost,
    later: tuple[LaterIdea, ...],
) -> ExperimentReport:
    """Return an experiment as a value.

    `row` and `trials` must be whole, `readings` and `scale` are the study's.
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
        gap=compared(row, scale),
        seconds=row.seconds,
        memory=row.peak_memory,
        commit=row.commit_sha or "",
        lines=(row.lines_added, row.lines_removed),
        opened=row.created_at,
        finished=row.finished_at,
        reverts=row.reverts_id,
        cost=cost,
        change=row.patch or row.change_text,
        log=_log(trials),
        traceback=next((each.traceback for each in reversed(trials) if each.traceback), ""),
        later=later,
        trials=tuple(map(_trial, trials)),
    )


def estimate(mean: float | None, error: float | None) -> Estimate | None:
    """Return two columns of a row as an estimate; None where nothing is known."""
    return None if mean is None else Estimate(mean, error)


def compared(row: Experiment, scale: policy.Scale) -> policy.Gap | None:
    """Return how an experiment fares against the baseline on val and on test, once known."""
    val = estimate(row.val_gain, row.val_gain_error)
    test = estimate(row.test_gain, row.test_gain_error)
    return None if val is None or test is None else policy.Gap(val, test, scale)


def later_ideas(row: Experiment, others: Sequence[Experiment]) -> tuple[LaterIdea, ...]:
    """Return the ideas that an author noted beside a proposal, and what became of each.

    `others` are the study's experiments of the same proposer.
    """
    ideas = Notes.of(row.notes).later
    numbered = ((f"{row.id}.{place}", idea) for place, idea in enumerate(ideas, 1))
    return tuple(LaterIdea(number, idea, _fate(number, others)) for number, idea in numbered)


def _fate(number: str, others: Sequence[Experiment]) -> str:
    for each in others:
        if number in Notes.of(each.notes).takes and each.verdict not in UNCOUNTED:
            return f"taken up by experiment {each.id}"
    dropped = any(number in Notes.of(each.notes).drops for each in others)
    return "dropped" if dropped else ""


def _pairs(row: Experiment, readings: Mapping[int, Sequence[Reading]]) -> tuple[Pair, ...]:
    mine, theirs = readings.get(row.id or 0, ()), readings.get(row.parent_id or 0, ())
    incumbent = {(each.seed, each.epoch): each.bpb for each in theirs}
    read = {(each.seed, each.epoch): each.bpb for each in mine}
    return tuple(
        Pair(place[0], incumbent[place], bpb) for place, bpb in read.items() if place in incumbent
    )


def _log(trials: Sequence[Trial]) -> str:
    for each in reversed(trials):
        if each.log:
            raw = unpack(each.log)[-LOG_BYTES:]
            return safe_text(raw, lines=LOG_LINES, size=LOG_SIZE)
    return ""


def _trial(row: Trial) -> TrialReport:
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
        tokens=row.tokens,
        memory=row.peak_memory,
        hardware=str(hardware) if hardware else "",
        detectable=row.detectable,
        curve=_thinned(row.curve),
    )


def _thinned(curve: Sequence[Sequence[float]]) -> tuple[tuple[float, float], ...]:
    """Return points of progress and loss at even distances, the last one among them."""
    step = max((len(curve) - 1) / (POINTS - 1), 1.0)
    count = min(len(curve), POINTS)
    places = [min(round(at * step), len(curve) - 1) for at in range(count)]
    return tuple((round(curve[at][3], 4), round(curve[at][1], 5)) for at in places)
