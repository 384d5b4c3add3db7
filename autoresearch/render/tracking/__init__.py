"""`export --to`: a study as runs of other programs that track experiments."""

from autoresearch.render.tracking.runs import TrackedRun, tracked_runs

__all__ = ["TrackedRun", "tracked_runs"]
