"""What briefs tell: chances of no difference, the bytes of text in a token, authors' notes."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Add the columns; what earlier verdicts thought is not known, the next run fills the other."""
    op.add_column("experiment", sa.Column("p_neutral", sa.Float))
    op.add_column("experiment", sa.Column("notes", sa.JSON, nullable=False, server_default="{}"))
    op.add_column("study", sa.Column("token_bytes", sa.Float))
