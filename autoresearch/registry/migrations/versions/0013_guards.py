"""Other numbers than the score, for guards; whether trainings take the seed they are given."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    """Add the columns; what is there had no other number, and took its seeds."""
    op.add_column("trial", sa.Column("numbers", sa.JSON, nullable=False, server_default="{}"))
    op.add_column("study", sa.Column("seeded", sa.Boolean, nullable=False, server_default="1"))
