"""Views for people who open the file in a browser of databases: one name a thing, plain words."""

from alembic import op

revision = "0015"
down_revision = "0014"

STATUS = """
CASE
    WHEN e.standing = 'refuted' THEN 'refuted'
    WHEN e.verdict IS NULL THEN 'unfinished'
    WHEN e.verdict = 'keep' AND e.standing = 'confirmed' THEN 'confirmed'
    WHEN e.verdict = 'keep' THEN 'kept'
    WHEN e.verdict = 'discard' THEN 'discarded'
    WHEN e.verdict = 'crash' THEN 'crashed'
    WHEN e.verdict = 'invalid' THEN 'refused'
    ELSE e.verdict
END
"""

# A score that is better where it is higher is stored below zero.
OWN = "(CASE json_extract(s.measure, '$.direction') WHEN 'higher' THEN -1 ELSE 1 END)"
METRIC = "COALESCE(json_extract(s.measure, '$.name'), 'val_bpb')"

EXPERIMENTS = f"""
CREATE VIEW experiments_readable AS
SELECT s.tag AS study, e.id AS experiment, {STATUS} AS status, e.hypothesis, e.proposer, e.category,
       {METRIC} AS metric, ROUND({OWN} * e.val_bpb, 6) AS score,
       ROUND(e.val_bpb_error, 6) AS score_error, s.trust,
       ROUND({OWN} * e.delta, 6) AS effect, ROUND(e.delta_error, 6) AS effect_error,
       ROUND(100 * e.p_better, 1) AS percent_better,
       ROUND(100 * e.p_neutral, 1) AS percent_no_difference,
       ROUND(100 * (1 - e.p_better - e.p_neutral), 1) AS percent_worse,
       e.pairs, e.claim_pairs AS confirming_pairs, ROUND({OWN} * e.test_bpb, 6) AS test_score,
       e.parent_id AS builds_on, e.reason,
       ROUND(e.seconds / 60, 1) AS minutes, ROUND(e.peak_memory / 1073741824.0, 2) AS memory_gib,
       e.lines_added, e.lines_removed, e.commit_sha AS "commit",
       datetime(e.created_at) AS opened, datetime(e.finished_at) AS finished
FROM experiment AS e JOIN study AS s ON s.id = e.study_id
ORDER BY e.id DESC
"""  # noqa: S608 - of constants

TRIALS = f"""
CREATE VIEW trials_readable AS
SELECT s.tag AS study, t.experiment_id AS experiment, {STATUS} AS experiment_status, t.id AS trial,
       t.seed, t.purpose, COALESCE(t.ending, t.state) AS ended, t.failure AS fault_of,
       ROUND({OWN} * t.val_bpb, 6) AS score, t.trust,
       ROUND(t.training_seconds, 1) AS training_seconds,
       ROUND(t.startup_seconds, 1) AS startup_seconds,
       ROUND(t.scoring_seconds, 1) AS scoring_seconds,
       ROUND(t.total_seconds, 1) AS total_seconds, t.steps,
       t.tokens, ROUND(t.tokens / NULLIF(t.training_seconds, 0)) AS tokens_a_second,
       ROUND(t.peak_memory / 1073741824.0, 2) AS memory_gib, t.worker, t.detail,
       datetime(t.started_at) AS started, datetime(t.finished_at) AS finished
FROM trial AS t JOIN experiment AS e ON e.id = t.experiment_id JOIN study AS s ON s.id = e.study_id
ORDER BY t.id DESC
"""  # noqa: S608 - of constants

# What calls cost is summed up by itself: beside experiments each call would count many times.
PROPOSERS = f"""
CREATE VIEW proposers_readable AS
WITH tried AS (
    SELECT study_id, proposer, COUNT(*) AS experiments,
           SUM(verdict IS 'keep' AND standing IS NOT 'refuted') AS kept,
           SUM(standing IS 'confirmed') AS confirmed, SUM(standing IS 'refuted') AS refuted,
           SUM(verdict IS 'discard' AND standing IS NOT 'refuted') AS discarded,
           SUM(verdict IS 'crash') AS crashed, SUM(verdict IS 'invalid') AS refused,
           SUM(verdict IS 'disqualified') AS disqualified, SUM(verdict IS NULL) AS unfinished,
           MIN(CASE WHEN verdict = 'keep' AND standing IS NOT 'refuted' THEN delta END) AS best,
           SUM(seconds) / 3600 AS hours
    FROM experiment WHERE category <> 'baseline' GROUP BY study_id, proposer
), paid AS (
    SELECT study_id, proposer, COUNT(*) AS calls, SUM(cost_usd) AS usd,
           SUM(tokens_in) AS tokens_in, SUM(tokens_out) AS tokens_out
    FROM call GROUP BY study_id, proposer
), named AS (
    SELECT study_id, proposer FROM tried UNION SELECT study_id, proposer FROM paid
)
SELECT s.tag AS study, n.proposer, COALESCE(t.experiments, 0) AS experiments, t.kept, t.confirmed,
       t.refuted, t.discarded, t.crashed, t.refused, t.disqualified, t.unfinished,
       ROUND({OWN} * t.best, 6) AS best_effect, ROUND(t.hours, 2) AS training_hours,
       COALESCE(p.calls, 0) AS calls, p.tokens_in, p.tokens_out,
       ROUND(COALESCE(p.usd, 0), 4) AS calls_usd
FROM named AS n JOIN study AS s ON s.id = n.study_id
LEFT JOIN tried AS t ON t.study_id = n.study_id AND t.proposer = n.proposer
LEFT JOIN paid AS p ON p.study_id = n.study_id AND p.proposer = n.proposer
ORDER BY s.id DESC, t.confirmed DESC, t.kept DESC
"""  # noqa: S608 - of constants

CALLS = """
CREATE VIEW calls_readable AS
SELECT s.tag AS study, c.id AS call, c.experiment_id AS experiment, c.proposer, c.provider, c.model,
       c.purpose, COALESCE(c.ending, c.state) AS ended, ROUND(c.cost_usd, 6) AS usd, c.tokens_in,
       c.tokens_cached, c.tokens_out, ROUND(c.latency_seconds, 1) AS seconds, c.sent_back, c.detail,
       datetime(c.created_at) AS made
FROM call AS c JOIN study AS s ON s.id = c.study_id
ORDER BY c.id DESC
"""

STUDIES = f"""
CREATE VIEW studies_readable AS
SELECT s.tag AS study, s.state, s.branch, s.device, s.corpus, s.trust, s.budget_seconds, s.clock,
       COUNT(e.id) AS experiments,
       COALESCE(SUM(e.verdict IS 'keep' AND e.standing IS NOT 'refuted'), 0) AS kept,
       COALESCE(SUM(e.standing IS 'confirmed'), 0) AS confirmed,
       {METRIC} AS metric,
       ROUND({OWN} * MAX(CASE WHEN e.category = 'baseline' THEN e.val_bpb END), 6) AS baseline,
       (
           SELECT ROUND({OWN} * tip.val_bpb, 6) FROM experiment AS tip
           WHERE tip.study_id = s.id AND tip.verdict = 'keep' AND NOT EXISTS (
               SELECT 1 FROM experiment AS above
               WHERE above.study_id = s.id AND above.verdict = 'keep' AND above.parent_id = tip.id
           ) ORDER BY tip.id DESC LIMIT 1
       ) AS best,
       (SELECT ROUND(TOTAL(c.cost_usd), 4) FROM call AS c WHERE c.study_id = s.id) AS calls_usd,
       datetime(s.created_at) AS began
FROM study AS s LEFT JOIN experiment AS e ON e.study_id = s.id
GROUP BY s.id ORDER BY s.id DESC
"""  # noqa: S608 - of constants


def upgrade() -> None:
    """Make the views."""
    for view in (STUDIES, EXPERIMENTS, TRIALS, PROPOSERS, CALLS):
        op.execute(view)
