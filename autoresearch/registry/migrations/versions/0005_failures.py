"""Whose fault it is that a trial has no score."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Say it of earlier trials, too: until now what failed was the idea's, or broke a rule."""
    op.add_column("trial", sa.Column("failure", sa.String(24)))
    op.execute(
        "UPDATE trial SET failure = CASE WHEN ending IN ('late', 'finished') THEN 'rule' "
        "ELSE 'idea' END WHERE state = 'done' AND val_bpb IS NULL "
        "AND ending NOT IN ('raced', 'interrupted')"
    )
