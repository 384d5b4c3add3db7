"""Registries of earlier versions are brought forward: whole, once, with every row."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlmodel import SQLModel

from autoresearch.errors import RegistryError
from autoresearch.records.money import Caps, Intent
from autoresearch.records.values import Verdict
from autoresearch.registry import Registry, schema
from tests.apart import check, start_apart

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def first_registry(path: Path) -> None:
    """Make what version 0001 left behind: a study with an experiment and its trial."""
    engine = schema._engine(path)
    schema._migrate(engine, "0001")
    engine.dispose()
    with closing(sqlite3.connect(path)) as old, old:
        for statement in FIRST_ROWS:
            old.execute(statement)


FIRST_ROWS = (
    (
        "INSERT INTO study VALUES (1, 'nov23', 'autoresearch/nov23', 'abc', 'cpu', 'cpu', "
        "'stdlib', '{}', 20.0, 'cpu', 'unsealed', 'stopped', NULL, '2026-11-23 12:00:00.000000')"
    ),
    (
        "INSERT INTO experiment VALUES (1, 1, NULL, 'done', 'keep', 'baseline', 'unchanged', "
        "'baseline', NULL, '', 1.9, 0.01, NULL, NULL, NULL, 42.0, 5, 'abc', 'abc', 'hash', 0, 0, "
        "'2026-11-23 12:00:00.000000', '2026-11-23 12:01:00.000000', 'diff', '', '')"
    ),
    (
        "INSERT INTO trial VALUES (1, 1, 5, 'local', 'done', 'finished', '', 1.9, 'unsealed', 0.0, "
        "1.0, 20.0, 25.0, 2.0, 10, 100, 5, 0, NULL, '2026-11-23 12:00:00.000000', "
        "'2026-11-23 12:00:00.000000', '2026-11-23 12:01:00.000000', '', '{}', '[]', NULL, NULL)"
    ),
)


def is_of_this_version(path: Path) -> bool:
    engine = schema.connect(path)
    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"version_table": schema.VERSION_TABLE}
        )
        changes = compare_metadata(context, SQLModel.metadata)
    engine.dispose()
    return not changes


def test_a_registry_of_the_first_version_is_brought_forward_with_its_rows(tmp_path: Path) -> None:
    path = tmp_path / "registry.db"
    first_registry(path)
    registry = Registry.open(path, now=lambda: NOON)
    study = registry.study("nov23")
    assert study is not None
    assert (study.salt, study.created_at, study.allowance) == ("", NOON, None)
    (experiment,) = registry.experiments(study, whole=True)
    assert (experiment.risk, experiment.val_bpb, experiment.verdict) == ("", 1.9, Verdict.KEEP)
    assert registry.trials(experiment)[0].val_bpb == 1.9
    assert registry.calls(study) == []
    assert isinstance(registry.ledger(study, Caps(run=1.0)).reserve(intent()), int)
    registry.check()
    registry.close()
    assert is_of_this_version(path)


@pytest.mark.parametrize(
    "version",
    [
        "0001",
        "0002",
        "0003",
        "0004",
        "0006",
        "0007",
        "0008",
        "0009",
        "0010",
        "0011",
        "0012",
        "0013",
        "0014",
    ],
)
def test_looking_reads_every_older_version_and_leaves_it_as_it_was(
    tmp_path: Path, version: str
) -> None:
    path = tmp_path / "registry.db"
    first_registry(path)
    engine = schema._engine(path)
    schema._migrate(engine, version)
    engine.dispose()
    before = path.read_bytes()
    registry = Registry.look(path)
    study = registry.study()
    assert study is not None
    (experiment,) = registry.experiments(study, whole=True)
    assert (experiment.val_bpb, registry.trials(experiment)[0].val_bpb) == (1.9, 1.9)
    assert registry.summary(study).per_hour == 60.0
    with registry._engine.connect() as copy:
        readable(copy.exec_driver_sql)
    registry.check()
    registry.close()
    assert path.read_bytes() == before
    assert version_of(path) == version
    Registry.open(path).close()
    assert version_of(path) == schema.HEAD
    with closing(sqlite3.connect(path)) as file:
        readable(file.execute)


def readable(ask: Callable[[str], Any]) -> None:
    """See that every view of the file can be read: a later migration may change what is below."""
    views = [name for (name,) in ask("SELECT name FROM sqlite_master WHERE type = 'view'")]
    assert {"leaderboard", "experiments_readable", "proposers_readable"} < {*views}
    for name in views:
        ask(f"SELECT * FROM {name}").fetchall()
    rows = ask("SELECT study, experiment, status, proposer FROM experiments_readable").fetchall()
    assert [tuple(row) for row in rows] == [("nov23", 1, "kept", "baseline")]


def version_of(path: Path) -> str:
    with closing(sqlite3.connect(path)) as file:
        (row,) = file.execute(f"SELECT version_num FROM {schema.VERSION_TABLE}")
    return str(row[0])


def intent() -> Intent:
    return Intent("openai:gpt-5.5", "openai", "gpt-5.5", "propose", 0.5)


def test_a_migration_that_fails_halfway_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "registry.db"
    first_registry(path)
    with closing(sqlite3.connect(path)) as old, old:
        old.execute("ALTER TABLE call RENAME TO calls")
    with pytest.raises(RegistryError, match="no such table: call"):
        Registry.open(path)
    with closing(sqlite3.connect(path)) as old, old:
        old.execute("ALTER TABLE calls RENAME TO call")
    registry = Registry.open(path)
    assert [each.tag for each in registry.studies()] == ["nov23"]
    registry.close()
    assert is_of_this_version(path)


@pytest.mark.parametrize(("since", "changes"), [(0, []), (7, [7])])
def test_the_one_change_of_the_machine_becomes_the_first(
    tmp_path: Path, since: int, changes: list[int]
) -> None:
    path = tmp_path / "registry.db"
    first_registry(path)
    engine = schema._engine(path)
    schema._migrate(engine, "0003")
    engine.dispose()
    with closing(sqlite3.connect(path)) as old, old:
        old.execute(f"UPDATE study SET steady_since = {since}")
    study = Registry.open(path).study("nov23")
    assert study is not None
    assert (study.machine_changes, study.steady_since) == (changes, since)


def test_two_that_bring_it_forward_at_once_do_it_once(tmp_path: Path) -> None:
    path = tmp_path / "registry.db"
    first_registry(path)
    openers = [start_apart(check, path) for _ in range(3)]
    for opener in openers:
        opener.join()
    assert [opener.exitcode for opener in openers] == [0, 0, 0]
    assert is_of_this_version(path)


def test_the_newest_migration_is_the_version_written() -> None:
    scripts = ScriptDirectory(str(schema.MIGRATIONS))
    assert [scripts.get_current_head()] == scripts.get_heads() == [schema.HEAD]


def test_the_migrated_schema_is_the_models_schema(tmp_path: Path) -> None:
    schema.create(tmp_path / "r.db")
    assert is_of_this_version(tmp_path / "r.db")
