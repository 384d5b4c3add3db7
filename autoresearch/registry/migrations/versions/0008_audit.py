"""How far predictions may differ in a study, as its baseline showed; which leaks were found."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Add the columns; studies from before keep the tolerance of their settings."""
    op.add_column("study", sa.Column("audit_tolerance", sa.Float))
    op.add_column("study", sa.Column("audit_noise", sa.Float))
    op.add_column("trial", sa.Column("detectable", sa.Float))
