"""Which file an imported study was read from."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    """Add the column; what is there was trained here."""
    op.add_column("study", sa.Column("origin", sa.Text, nullable=False, server_default=""))
