"""What a trial ran on, and how long it compiled."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Add the columns; of earlier trials neither is known."""
    hardware = sa.Column("hardware", sa.JSON, nullable=False, server_default="{}")
    op.add_column("trial", hardware)
    op.add_column("trial", sa.Column("compile_seconds", sa.Float))
