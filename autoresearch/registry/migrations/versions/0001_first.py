"""The first tables: study, experiment, trial, call, and the leaderboard view."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

TIME = sa.DateTime(timezone=True)
WORD = sa.String(24)

LEADERBOARD = """
CREATE VIEW leaderboard AS
SELECT study.tag AS study, experiment.id AS experiment, experiment.verdict,
       experiment.val_bpb, experiment.val_bpb_error, experiment.delta,
       experiment.proposer, experiment.hypothesis, experiment.category,
       experiment.seconds, experiment.peak_memory, experiment.commit_sha
FROM experiment JOIN study ON study.id = experiment.study_id
WHERE experiment.val_bpb IS NOT NULL
ORDER BY study.id DESC, experiment.val_bpb
"""


def upgrade() -> None:
    """Create everything."""
    _study()
    _experiment()
    _trial()
    _call()
    op.execute(LEADERBOARD)


def _study() -> None:
    op.create_table(
        "study",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("tag", sa.Text, nullable=False, unique=True),
        sa.Column("branch", sa.Text, nullable=False),
        sa.Column("base_commit", sa.Text, nullable=False),
        sa.Column("profile", sa.Text, nullable=False),
        sa.Column("device", sa.Text, nullable=False),
        sa.Column("corpus", sa.Text, nullable=False),
        sa.Column("comparability", sa.Text, nullable=False),
        sa.Column("budget_seconds", sa.Float, nullable=False),
        sa.Column("clock", WORD, nullable=False),
        sa.Column("trust", WORD, nullable=False),
        sa.Column("state", WORD, nullable=False),
        sa.Column("sigma", sa.Float),
        sa.Column("created_at", TIME, nullable=False),
    )


def _experiment() -> None:
    op.create_table(
        "experiment",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("study_id", sa.Integer, sa.ForeignKey("study.id"), nullable=False, index=True),
        sa.Column("parent_id", sa.Integer, sa.ForeignKey("experiment.id")),
        sa.Column("state", WORD, nullable=False),
        sa.Column("verdict", WORD),
        sa.Column("proposer", sa.Text, nullable=False),
        sa.Column("hypothesis", sa.Text, nullable=False),
        sa.Column("category", WORD, nullable=False),
        sa.Column("predicted_delta", sa.Float),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("val_bpb", sa.Float),
        sa.Column("val_bpb_error", sa.Float),
        sa.Column("delta", sa.Float),
        sa.Column("delta_error", sa.Float),
        sa.Column("test_bpb", sa.Float),
        sa.Column("seconds", sa.Float, nullable=False),
        sa.Column("peak_memory", sa.BigInteger, nullable=False),
        sa.Column("parent_sha", sa.Text),
        sa.Column("commit_sha", sa.Text),
        sa.Column("effect_hash", sa.Text, index=True),
        sa.Column("lines_added", sa.Integer, nullable=False),
        sa.Column("lines_removed", sa.Integer, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("finished_at", TIME),
        sa.Column("change_format", sa.Text, nullable=False),
        sa.Column("change_text", sa.Text, nullable=False),
        sa.Column("patch", sa.Text, nullable=False),
    )
    for name, column in (
        ("verdict", "verdict"),
        ("state", "state"),
        ("created", "created_at"),
        ("finished", "finished_at"),
    ):
        op.create_index(f"ix_experiment_study_{name}", "experiment", ["study_id", column])


def _trial() -> None:
    op.create_table(
        "trial",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column(
            "experiment_id", sa.Integer, sa.ForeignKey("experiment.id"), nullable=False, index=True
        ),
        sa.Column("seed", sa.Integer, nullable=False),
        sa.Column("worker", sa.Text, nullable=False),
        sa.Column("state", WORD, nullable=False),
        sa.Column("ending", WORD),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("val_bpb", sa.Float),
        sa.Column("trust", WORD),
        sa.Column("mismatch", sa.Float),
        sa.Column("startup_seconds", sa.Float, nullable=False),
        sa.Column("training_seconds", sa.Float, nullable=False),
        sa.Column("total_seconds", sa.Float, nullable=False),
        sa.Column("scoring_seconds", sa.Float, nullable=False),
        sa.Column("steps", sa.Integer, nullable=False),
        sa.Column("tokens", sa.BigInteger, nullable=False),
        sa.Column("peak_memory", sa.BigInteger, nullable=False),
        sa.Column("exit_code", sa.Integer),
        sa.Column("signal", sa.Integer),
        sa.Column("started_at", TIME, nullable=False),
        sa.Column("heartbeat_at", TIME, nullable=False),
        sa.Column("finished_at", TIME),
        sa.Column("traceback", sa.Text, nullable=False),
        sa.Column("facts", sa.JSON, nullable=False),
        sa.Column("curve", sa.JSON, nullable=False),
        sa.Column("doc_bits", sa.LargeBinary),
        sa.Column("log", sa.LargeBinary),
    )


def _call() -> None:
    op.create_table(
        "call",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("study_id", sa.Integer, sa.ForeignKey("study.id"), nullable=False, index=True),
        sa.Column("experiment_id", sa.Integer, sa.ForeignKey("experiment.id"), index=True),
        sa.Column("provider", sa.Text, nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("tokens_in", sa.Integer, nullable=False),
        sa.Column("tokens_cached", sa.Integer, nullable=False),
        sa.Column("tokens_out", sa.Integer, nullable=False),
        sa.Column("price", sa.Text, nullable=False),
        sa.Column("cost_usd", sa.Float, nullable=False),
        sa.Column("latency_seconds", sa.Float, nullable=False),
        sa.Column("ending", sa.Text, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
    )
