"""What was stopped early is called pruned, as elsewhere."""

from alembic import op

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    """Rename the column and the ending."""
    op.execute("ALTER TABLE trial RENAME COLUMN condemned_at TO pruned_at")
    op.execute("UPDATE trial SET ending = 'pruned' WHERE ending = 'raced'")
