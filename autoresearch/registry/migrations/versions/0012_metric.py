"""What a study measures, where that is not bits per byte."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """Add the columns; what is there measures bits per byte."""
    op.add_column("study", sa.Column("measure", sa.JSON, nullable=False, server_default="{}"))
    op.add_column("study", sa.Column("test_bytes", sa.LargeBinary))
