"""autoresearch.toml, the project's paths, and the environment: read here and nowhere below."""

from autoresearch.config.durations import parse_duration
from autoresearch.config.environment import (
    Keys,
    data_home,
    endpoints,
    scrub_git_environment,
    without_secrets,
)
from autoresearch.config.loading import load_settings
from autoresearch.config.metric_settings import DataSettings, GuardSettings, MetricSettings
from autoresearch.config.project import FIXED, PROMPTS, Project, find_project, make_private
from autoresearch.config.proposer_settings import (
    CommandSettings,
    LlmSettings,
    MoneySettings,
    PriceSettings,
)
from autoresearch.config.settings import (
    CorpusSettings,
    EvaluationSettings,
    NotifySettings,
    PreflightSettings,
    SandboxSettings,
    Settings,
)

__all__ = [
    "FIXED",
    "PROMPTS",
    "CommandSettings",
    "CorpusSettings",
    "DataSettings",
    "EvaluationSettings",
    "GuardSettings",
    "Keys",
    "LlmSettings",
    "MetricSettings",
    "MoneySettings",
    "NotifySettings",
    "PreflightSettings",
    "PriceSettings",
    "Project",
    "SandboxSettings",
    "Settings",
    "data_home",
    "endpoints",
    "find_project",
    "load_settings",
    "make_private",
    "parse_duration",
    "scrub_git_environment",
    "without_secrets",
]
