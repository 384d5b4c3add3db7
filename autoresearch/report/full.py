"""One experiment with all that belongs to it, and what two say of each other by document."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from autoresearch import policy
from autoresearch.records.tables import Call, Experiment, Study, Trial
from autoresearch.registry import Registry
from autoresearch.registry.packing import unpack_counts
from autoresearch.report.experiments import compared, distance, later_ideas
from autoresearch.report.values import LaterIdea


@dataclass(frozen=True)
class TestScore:
    """What test says of an experiment, as far as it is known.

    `distance` is how far test lies from val for one checkpoint of it, `baseline_distance` the same
    for the baseline, where that is another one.
    """

    score: float | None
    distance: float | None
    baseline_distance: float | None
    gap: policy.GeneralizationGap | None


@dataclass(frozen=True)
class ExperimentInFull:
    """An experiment's rows, whole, and what is made of them. `made` are a call's experiments."""

    study: Study
    row: Experiment
    trials: tuple[Trial, ...]
    calls: tuple[Call, ...]
    made: Mapping[int, Sequence[int]]
    documents: policy.ByDocument | None
    later: tuple[LaterIdea, ...]
    test: TestScore


def experiment_in_full(registry: Registry, number: int) -> ExperimentInFull:
    """Return one experiment of the registry.

    Raises:
        RegistryError: there is none with this number, or the registry is damaged.
    """
    row = registry.experiment(number)
    study = registry.study_of(row)
    calls = registry.calls_of(row, whole=True)
    documents = None
    if row.parent_id is not None:
        documents = by_document(registry, registry.experiment(row.parent_id), row)
    return ExperimentInFull(
        study=study,
        row=row,
        trials=tuple(registry.trials(row, whole=True)),
        calls=tuple(calls),
        made=registry.made_by(calls),
        documents=documents,
        later=later_ideas(registry.experiments(study)).get(number, ()) if row.notes else (),
        test=test_score(registry, study, row),
    )


def test_score(registry: Registry, study: Study, row: Experiment) -> TestScore:
    """Return what test says of an experiment.

    Raises:
        RegistryError: the registry is damaged.
    """
    if row.test_bpb is None:
        return TestScore(None, None, None, None)
    base = registry.summary(study).baseline
    theirs = None
    if base is not None and base.id != row.id:
        theirs = distance(base, registry.trials(base))
    mine = distance(row, registry.trials(row))
    return TestScore(row.test_bpb, mine, theirs, compared(row, registry.scale(study)))


def by_document(
    registry: Registry, before: Experiment, after: Experiment
) -> policy.ByDocument | None:
    """Return how two experiments differ document by document, within one corpus only.

    Raises:
        RegistryError: the registry is damaged.
    """
    studies = registry.study_of(before), registry.study_of(after)
    corpora = [json.loads(each.comparability).get("corpus") for each in studies]
    sizes = [unpack_counts(each.doc_bytes) for each in studies]
    if corpora[0] != corpora[1] or sizes[0] != sizes[1] or not sizes[0]:
        return None
    after_bits, before_bits = registry.document_bits(after), registry.document_bits(before)
    return policy.by_document(after_bits, before_bits, sizes[0])
