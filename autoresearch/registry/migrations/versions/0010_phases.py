"""Where the seconds of a slot went, by trial."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"

SECONDS = (
    "waiting_seconds", "idle_seconds", "paused_seconds", "machine_seconds", "deciding_seconds",
    "slot_seconds",
)  # fmt: skip
# What duty is made of, so that it is answered by the index alone.
PHASES = (
    "experiment_id", "purpose", "state", "ending", *SECONDS[1:], "startup_seconds",
    "training_seconds", "total_seconds", "scoring_seconds",
)  # fmt: skip


def upgrade() -> None:
    """Add the columns; of earlier trials nothing is known."""
    for name in SECONDS:
        op.add_column("trial", sa.Column(name, sa.Float))
    op.add_column("study", sa.Column("idle", sa.JSON, nullable=False, server_default="{}"))
    op.create_index("ix_trial_phases", "trial", list(PHASES))
