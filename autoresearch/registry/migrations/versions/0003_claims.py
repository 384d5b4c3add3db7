"""Why a trial was trained, the evidence for a verdict, claims, test scores, and control arms."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

WORD = sa.String(24)

ARMS = (
    "category", "verdict", "reverts_id", "proposer", "control", "seconds", "standing", "delta",
    "delta_error", "predicted_delta",
)  # fmt: skip

# Scores are comparable where `conditions` is the same: the first study that had them.
LEADERBOARD = """
CREATE VIEW leaderboard AS
SELECT study.tag AS study, experiment.id AS experiment, experiment.verdict, experiment.standing,
       experiment.val_bpb, experiment.val_bpb_error, experiment.test_bpb, experiment.delta,
       experiment.delta_error, experiment.claim, experiment.proposer, experiment.hypothesis,
       experiment.category, experiment.seconds, experiment.peak_memory, experiment.commit_sha,
       study.trust, (
           SELECT MIN(alike.id) FROM study AS alike WHERE alike.comparability = study.comparability
       ) AS conditions
FROM experiment JOIN study ON study.id = experiment.study_id
WHERE experiment.val_bpb IS NOT NULL
ORDER BY conditions DESC, experiment.val_bpb
"""


def upgrade() -> None:
    """Add the columns."""
    op.add_column(
        "study", sa.Column("steady_since", sa.Integer, nullable=False, server_default="0")
    )
    op.add_column("study", sa.Column("doc_bytes", sa.LargeBinary))
    for column in (
        sa.Column("purpose", WORD, nullable=False, server_default="screening"),
        sa.Column("condemned_at", sa.Float),
    ):
        op.add_column("trial", column)
    reading = ["experiment_id", "purpose", "val_bpb", "seed", "steps"]
    op.create_index("ix_trial_reading", "trial", reading)
    for column in (
        sa.Column("control", sa.Text, nullable=False, server_default=""),
        sa.Column("measured", sa.Float),
        sa.Column("measured_error", sa.Float),
        sa.Column("pairs", sa.Integer, nullable=False, server_default="0"),
        sa.Column("p_better", sa.Float),
        sa.Column("documents_error", sa.Float),
        sa.Column("standing", WORD),
        sa.Column("claim", sa.Float),
        sa.Column("claim_pairs", sa.Integer, nullable=False, server_default="0"),
        sa.Column("claim_reason", sa.Text, nullable=False, server_default=""),
        sa.Column("test_trial_id", sa.Integer),
        sa.Column("test_bits", sa.LargeBinary),
        *(
            sa.Column(f"{split}_gain{part}", sa.Float)
            for split in ("val", "test")
            for part in ("", "_error")
        ),
    ):
        op.add_column("experiment", column)
    # SQLite takes a reference only within the statement that adds its column.
    op.execute("ALTER TABLE experiment ADD COLUMN reverts_id INTEGER REFERENCES experiment (id)")
    op.create_index("ix_experiment_arms", "experiment", ["study_id", *ARMS])
    op.execute("DROP VIEW leaderboard")
    op.execute(LEADERBOARD)
