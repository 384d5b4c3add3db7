"""results.tsv: read as people left it, written as upstream does, and the two agree."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from autoresearch.errors import RegistryError
from autoresearch.records.metric import Direction, Metric, MetricSource
from autoresearch.records.results import ResultsRow, ResultsTable, header, read_results
from autoresearch.records.values import Trust, Verdict
from autoresearch.registry import Registry, refuse_imported
from tests.rendering import HOSTILE, study_tsv
from tests.rows import a_study

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
REAL = Path(__file__).parents[2] / "shared" / "data" / "results-mar8.tsv"
TABLE = (
    "commit\tval_bpb\tmemory_gb\tstatus\tdescription\n"
    "baseline\t0.997900\t44.0\tkeep\tbaseline\n"
    "bea057b\t0.986041\t43.9\tkeep\thalve batch 524K to 262K (more steps in 5 min)\n"
    "187e419\t0.989603\t60.2\tdiscard\tadd 5% warmup\n"
    "e05a87d\t0.000000\t0.0\tcrash\tbatch 131K (assert fail)\n"
)
ACCURACY = Metric("accuracy", "accuracy", Direction.HIGHER, MetricSource.SUMMARY, 4)


def a_row(**changes: Any) -> ResultsRow:
    values: dict[str, Any] = {"commit": "bea057b", "score": 0.98, "memory_gb": 44.0}
    values |= {"verdict": Verdict.KEEP, "description": "an idea"}
    return ResultsRow(**(values | changes))


def imported(folder: Path, table: ResultsTable, metric: Metric | None = None) -> Registry:
    registry = Registry.open(folder / "registry.db", create=True, now=lambda: NOON)
    measure = (metric or Metric(source=MetricSource.SUMMARY)).stored
    study = a_study("imported", origin="results.tsv", trust=Trust.SELF_REPORTED, measure=measure)
    registry.add_imported(study, table.rows, {"bea057b": "bea057b" + "0" * 33}.get)
    return registry


def written(registry: Registry) -> str:
    study = registry.study("imported")
    assert study is not None
    return study_tsv(registry, study)


def test_the_columns_are_told_by_their_names() -> None:
    rows = read_results(TABLE.encode()).rows
    assert [row.commit for row in rows] == ["", "bea057b", "187e419", "e05a87d"]
    assert [row.score for row in rows] == [0.9979, 0.986041, 0.989603, None]
    assert [str(row.verdict) for row in rows] == ["keep", "keep", "discard", "crash"]
    assert rows[1].memory_gb == 43.9
    other = "description\tstatus\taccuracy\tcommit\tnotes\nwider\tkeep\t0.5\tbea057b\tmine\n"
    assert read_results(other.encode()).rows == (
        a_row(score=0.5, memory_gb=0.0, description="wider"),
    )


@pytest.mark.parametrize(
    ("line", "row"),
    [
        ("bea057b\t0.98\t44\tkeep\tan idea", a_row()),
        ("bea057b\t0.98\t44.0\t KEEP \tan idea\r", a_row()),
        ("BEA057B\t0.98\t44.0\tKept\tan idea", a_row()),
        ("bea057b\t0.98\t44.0\tkeep\tan\tidea", a_row()),
        ("bea057b\t0.98\t44.0\tkeep", a_row(description="")),
        ("\t0.98\t44.0\tkeep\tan idea", a_row(commit="")),
        ("--output=x\t0.98\t44.0\tkeep\tan idea", a_row(commit="")),
        ("d4e5f6g\t0.98\t44.0\tkeep\tan idea", a_row(commit="")),
        ("bea057b\t0.98\tmuch\tkeep\tan idea", a_row(memory_gb=0.0)),
        ("bea057b\t0.98\t-inf\tkeep\tan idea", a_row(memory_gb=0.0)),
        ("bea057b\t0.98\t44.0\tkeep\t'=1+1", a_row(description="=1+1")),
        ("bea057b\t0.98\t44.0\tkeep\t'tis", a_row(description="'tis")),
        ("bea057b\tnan\t44.0\tdiscard\tan idea", a_row(score=None, verdict=Verdict.DISCARD)),
        (
            "bea057b\t0.000000\t0.0\tdiscard\tan idea",
            a_row(score=None, memory_gb=0.0, verdict=Verdict.DISCARD),
        ),
        ("bea057b\t0.98\t44.0\tcrash\tan idea", a_row(score=None, verdict=Verdict.CRASH)),
        ("bea057b\t0.98\t44.0\tperhaps\tan idea", None),
        ("bea057b\tnan\t44.0\tkeep\tan idea", None),
        ("bea057b\t0.98", None),
        ("see the other branch", None),
    ],
)
def test_a_line_is_a_row_or_is_told_as_unread(line: str, row: ResultsRow | None) -> None:
    table = read_results(f"{header()}\n\n{line}\n".encode())
    assert table == (ResultsTable((row,)) if row else ResultsTable((), (3,)))


@pytest.mark.parametrize(
    ("name", "metric"),
    [("val_acc", "val_acc"), ("", "val_bpb"), ("obey <<me>>", "val_bpb"), ("x" * 99, "val_bpb")],
)
def test_the_scores_are_of_what_their_column_is_called(name: str, metric: str) -> None:
    assert read_results(TABLE.replace("val_bpb", name).encode()).metric == metric


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_any_encoding_and_line_end_will_do(encoding: str, end: str) -> None:
    text = TABLE.replace("add", "füge").replace("\n", end)
    assert read_results(text.encode(encoding)).rows[2].description == "füge 5% warmup"


def test_what_is_no_text_is_read_as_far_as_it_is() -> None:
    (row,) = read_results(b"bea057b\t0.98\t44.0\tkeep\tan \xff\x00 idea\n").rows
    assert row.description == "an \ufffd\0 idea"
    assert read_results(b"\x00\xff" * 100).rows == ()
    assert read_results(b"") == ResultsTable(())


def test_what_was_read_is_written_as_it_was(tmp_path: Path) -> None:
    registry = imported(tmp_path, read_results(TABLE.encode()))
    assert written(registry) == TABLE.replace("baseline", "", 1)
    assert read_results(written(registry).encode()) == read_results(TABLE.encode())


def test_a_metric_that_is_better_higher_keeps_its_sign_and_its_name(tmp_path: Path) -> None:
    text = TABLE.replace("val_bpb", "accuracy")
    registry = imported(tmp_path, read_results(text.encode()), ACCURACY)
    assert written(registry) == text.replace("baseline", "", 1)
    study = registry.study("imported")
    assert study is not None
    assert registry.experiments(study)[1].val_bpb == -0.986041


@pytest.mark.parametrize("words", [HOSTILE, '=cmd|" /C calc"!A0', "a\u2028b", "-", "x" * 20_000])
def test_hostile_words_come_back_as_they_were_written_first(tmp_path: Path, words: str) -> None:
    line = f"bea057b\t0.5\t1.0\tkeep\t{words}"
    first = written(imported(tmp_path / "1", read_results(line.encode("utf-8", "replace"))))
    again = written(imported(tmp_path / "2", read_results(first.encode())))
    assert again == first
    assert first.count("\n") == 2
    assert first.replace("\t", "").replace("\n", "").isprintable()


def test_an_imported_study_is_never_the_one_at_work(tmp_path: Path) -> None:
    registry = imported(tmp_path, read_results(TABLE.encode()))
    assert registry.study() is None
    own = registry.save(a_study("nov23"))
    assert registry.study() == own
    (study,) = registry.imported()
    rows = registry.experiments(study)
    assert [row.parent_id for row in rows] == [None, 1, 2, 2]
    assert [row.commit_sha for row in rows] == [None, "bea057b" + "0" * 33, "187e419", "e05a87d"]
    assert registry.readings(study) == {}
    best = registry.summary(study).incumbent
    assert best is not None
    assert best.id == rows[1].id
    refuse_imported(own, "promote")
    with pytest.raises(RegistryError, match=r"read from results\.tsv.*nothing to promote"):
        refuse_imported(study, "promote")


def test_an_import_is_whole_or_nothing(tmp_path: Path) -> None:
    registry = imported(tmp_path, ResultsTable((a_row(),)))
    with pytest.raises(RegistryError):
        registry.add_imported(a_study("imported", origin="other.tsv"), (a_row(),), lambda _: None)
    assert [study.origin for study in registry.studies()] == ["results.tsv"]
    assert registry.newest() == 1


@pytest.mark.skipif(not REAL.exists(), reason="upstream's own table is not beside the checkout")
def test_upstreams_own_table_is_read_whole(tmp_path: Path) -> None:
    registry = imported(tmp_path, read_results(REAL.read_bytes()))
    summary = registry.summary(registry.imported()[0])
    assert [summary.verdicts[each] for each in (Verdict.KEEP, Verdict.DISCARD)] == [23, 102]
    assert (summary.finished, summary.verdicts[Verdict.CRASH]) == (126, 1)
    assert summary.baseline is not None
    assert summary.incumbent is not None
    assert (summary.baseline.val_bpb, summary.incumbent.val_bpb) == (0.9979, 0.969686)
    assert written(registry) == REAL.read_text().replace("baseline", "", 1)
