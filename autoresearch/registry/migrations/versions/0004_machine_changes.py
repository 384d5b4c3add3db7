"""Every change of the machine, not the last one alone."""

import sqlite3

import sqlalchemy as sa
from alembic import op

DROPS = (3, 35)  # the first SQLite that can drop a column; before, an unused one is left

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Make a list of the one number there was."""
    op.add_column(
        "study", sa.Column("machine_changes", sa.JSON, nullable=False, server_default="[]")
    )
    op.execute("UPDATE study SET machine_changes = '[' || steady_since || ']' WHERE steady_since")
    if sqlite3.sqlite_version_info >= DROPS:
        op.drop_column("study", "steady_since")
