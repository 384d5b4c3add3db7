"""A study as one frozen value, built once from the registry; what is shown of it asks no more."""

from autoresearch.report.building import study_report
from autoresearch.report.study import StudyReport
from autoresearch.report.values import ExperimentReport, TrialReport

__all__ = ["ExperimentReport", "StudyReport", "TrialReport", "study_report"]
