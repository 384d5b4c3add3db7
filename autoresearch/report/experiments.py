"""One experiment's rows as a value: its evidence, its cost, its trainings."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

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
        finished=row.finished_at,
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


@dataclass(frozen=True)
class Fates:
    """What became of ideas for later, by proposer and number of the idea."""

    taken: Mapping[tuple[str, str], int]
    dropped: Collection[tuple[str, str]]

    @classmethod
    def of(cls, rows: Iterable[Experiment]) -> Self:
        """Read them from the notes of a study's experiments, oldest first."""
        taken: dict[tuple[str, str], int] = {}
        dropped = set[tuple[str, str]]()
        for row in rows:
            notes = Notes.of(row.notes)
            dropped.update((row.proposer, number) for number in notes.drops)
            if row.verdict not in UNCOUNTED:
                for number in notes.takes:
                    taken.setdefault((row.proposer, number), row.id or 0)
        return cls(taken, dropped)

    def of_idea(self, proposer: str, number: str) -> str:
        """Return what became of one in words; "" of one that is still open."""
        if by := self.taken.get((proposer, number)):
            return f"taken up by experiment {by}"
        return "dropped" if (proposer, number) in self.dropped else ""


def later_ideas(row: Experiment, fates: Fates) -> tuple[LaterIdea, ...]:
    """Return the ideas that an author noted beside a proposal, and what became of each."""
    numbered = ((f"{row.id}.{at}", idea) for at, idea in enumerate(Notes.of(row.notes).later, 1))
    return tuple(
        LaterIdea(number, idea, fates.of_idea(row.proposer, number)) for number, idea in numbered
    )


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
        tokens=row.tokens,
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
