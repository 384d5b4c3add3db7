"""Where a step's time goes, facts of corpus and machine, calls that made several experiments."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Add the columns; the next run fills them."""
    op.add_column("trial", sa.Column("profile", sa.JSON, nullable=False, server_default="[]"))
    op.add_column("experiment", sa.Column("call_id", sa.Integer))
    op.add_column("study", sa.Column("facts", sa.JSON, nullable=False, server_default="{}"))
