"""Units of scores: the baseline's first score says which they are, others are not compared."""

from dataclasses import replace
from pathlib import Path

import pytest

from autoresearch.execution import TrialResult
from autoresearch.policy import by_document
from autoresearch.records.events import Event, Notice
from autoresearch.records.metric import Metric, MetricSource
from autoresearch.records.scores import Score, Unscored
from autoresearch.records.tables import Experiment, Study
from autoresearch.records.training import Outcome
from autoresearch.records.values import Ending, FailureKind, Purpose, Trust
from autoresearch.registry import Registry
from autoresearch.registry.packing import unpack_counts
from autoresearch.research.baseline_score import StudyUnits
from autoresearch.research.trial_recorder import TrialRecorder
from tests.rows import a_study, an_experiment

ACCURACY = Metric("accuracy", "accuracy", source=MetricSource.EVALUATED)
FOLDS = Score(-0.5, (-1.0, -2.0), (2, 4), Trust.EVALUATED, 0, 0, 0.0, 1.0)


class Book:
    """A study with its baseline and a candidate, and what was told."""

    def __init__(self, place: Path, metric: Metric = ACCURACY) -> None:
        self.registry = Registry.open(place / "registry.db", create=True)
        study = self.registry.save(a_study("night", measure=metric.stored))
        self.baseline = self.registry.save(an_experiment(study))
        later = an_experiment(study, parent_id=self.baseline.id)
        self.candidate = self.registry.save(later)
        self.told: list[Event] = []
        self.units = StudyUnits(self.registry, self.told.append)

    @property
    def study(self) -> Study:
        found = self.registry.study("night")
        assert found is not None
        return found

    def kept(self, experiment: Experiment, score: Score) -> tuple[int, ...]:
        found = self.units.comparable(experiment, score)
        assert isinstance(found, Score)
        assert found.bpb == score.bpb
        assert len(found.doc_bits) == len(found.doc_bytes)
        recording = TrialRecorder(self.registry, "local")
        trial = recording.begin(experiment, 1, Purpose.SCREENING)
        recording.end(trial, TrialResult(Outcome(Ending.FINISHED), found), None)
        return found.doc_bytes


def test_the_baselines_first_score_says_what_the_units_are(tmp_path: Path) -> None:
    book = Book(tmp_path)
    assert book.kept(book.baseline, FOLDS) == (2, 4)
    assert unpack_counts(book.study.doc_bytes) == (2, 4)
    assert book.kept(book.candidate, replace(FOLDS, doc_bits=(-2.0, -1.0))) == (2, 4)
    assert book.kept(book.baseline, FOLDS) == (2, 4)
    assert book.told == []


@pytest.mark.parametrize(
    ("units", "said"),
    [
        ((2, 4, 1), "has 3 units, the first score's 2"),
        ((), "has 0 units, the first score's 2"),
        ((4, 2), "has units of other weights"),
    ],
)
def test_other_units_are_left_out_and_that_is_said_once(
    tmp_path: Path, units: tuple[int, ...], said: str
) -> None:
    book = Book(tmp_path)
    book.kept(book.baseline, FOLDS)
    other = replace(FOLDS, doc_bits=tuple(map(float, units)), doc_bytes=units)
    assert book.kept(book.candidate, other) == ()
    assert book.kept(book.baseline, other) == ()
    assert unpack_counts(book.study.doc_bytes) == (2, 4)
    (notice,) = book.told
    assert isinstance(notice, Notice)
    assert f"experiment 2's score {said}" in str(notice)


def test_a_baseline_without_units_has_none(tmp_path: Path) -> None:
    book = Book(tmp_path)
    book.kept(book.baseline, replace(FOLDS, doc_bits=(), doc_bytes=()))
    assert book.kept(book.candidate, FOLDS) == ()
    assert by_document({1: ()}, {1: ()}, unpack_counts(book.study.doc_bytes)) is None


def test_on_test_the_first_score_says_what_the_units_are(tmp_path: Path) -> None:
    book = Book(tmp_path)
    assert book.units.on_test(book.candidate, FOLDS) is FOLDS
    assert unpack_counts(book.study.test_bytes) == (2, 4)
    assert book.units.on_test(book.baseline, FOLDS) is FOLDS
    other = book.units.on_test(book.baseline, replace(FOLDS, doc_bytes=(1, 1)))
    assert (other.bpb, other.doc_bits, len(book.told)) == (FOLDS.bpb, (), 1)
    corpus = Book(tmp_path / "corpus", Metric())
    assert corpus.units.on_test(corpus.baseline, FOLDS) is FOLDS
    assert corpus.study.test_bytes is None


def test_another_baseline_has_units_of_its_own(tmp_path: Path) -> None:
    # The first one's were written, and then it had no score after all.
    book = Book(tmp_path)
    book.units.comparable(book.baseline, FOLDS)
    assert book.kept(book.baseline, replace(FOLDS, doc_bytes=(1, 1))) == (1, 1)
    assert unpack_counts(book.study.doc_bytes) == (1, 1)


def test_documents_of_the_corpus_and_failures_are_left_alone(tmp_path: Path) -> None:
    book = Book(tmp_path, Metric())
    assert book.units.comparable(book.baseline, FOLDS) is FOLDS
    assert book.study.doc_bytes is None
    failed = Unscored("metric", "there is none", FailureKind.IDEA)
    assert book.units.comparable(book.candidate, failed) is failed
    assert book.units.comparable(book.candidate, None) is None


def test_weighted_units_differ_by_their_mean(tmp_path: Path) -> None:
    book = Book(tmp_path)
    book.kept(book.baseline, FOLDS)
    sizes = unpack_counts(book.study.doc_bytes)
    better = replace(FOLDS, bpb=-0.75, doc_bits=(-1.5, -3.0))
    found = by_document({1: better.doc_bits}, {1: FOLDS.doc_bits}, sizes)
    assert found is not None
    assert found.bpb == pytest.approx(better.bpb - FOLDS.bpb)
    assert (found.better, found.documents) == (1.0, 2)
