"""How likely a change makes no difference: with the chance of better, all three are known."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Add the column; what earlier verdicts thought of it is not known."""
    op.add_column("experiment", sa.Column("p_neutral", sa.Float))
