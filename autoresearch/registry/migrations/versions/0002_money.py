"""Calls with reservations, the risk of a proposal, a study's salt."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

WORD = sa.String(24)


def upgrade() -> None:
    """Add the columns; the call table is made anew, since nothing wrote to it before."""
    op.add_column("study", sa.Column("salt", sa.Text, nullable=False, server_default=""))
    op.add_column("experiment", sa.Column("risk", sa.Text, nullable=False, server_default=""))
    op.drop_table("call")
    op.create_table(
        "call",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("study_id", sa.Integer, sa.ForeignKey("study.id"), nullable=False, index=True),
        sa.Column("experiment_id", sa.Integer, sa.ForeignKey("experiment.id"), index=True),
        sa.Column("proposer", sa.Text, nullable=False),
        sa.Column("provider", sa.Text, nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("purpose", sa.Text, nullable=False),
        sa.Column("state", WORD, nullable=False),
        sa.Column("ending", WORD),
        sa.Column("tokens_in", sa.Integer, nullable=False),
        sa.Column("tokens_cached", sa.Integer, nullable=False),
        sa.Column("tokens_written", sa.Integer, nullable=False),
        sa.Column("tokens_out", sa.Integer, nullable=False),
        sa.Column("price", sa.Text, nullable=False),
        sa.Column("reserved_usd", sa.Float, nullable=False),
        sa.Column("cost_usd", sa.Float, nullable=False),
        sa.Column("latency_seconds", sa.Float, nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("sent_back", sa.Text, nullable=False),
        sa.Column("answer", sa.LargeBinary),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
    )
