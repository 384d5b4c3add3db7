"""From TOML to settings: every key must be known, every value of the right type and sensible."""

import difflib
import math
import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from types import UnionType
from typing import Any, get_args, get_origin

from autoresearch.config.durations import parse_duration
from autoresearch.config.settings import METRIC_SOURCES, Settings
from autoresearch.errors import ProjectError
from autoresearch.records.metric import Direction, MetricSource
from autoresearch.records.values import Clock

# Sections under the names that studies of earlier versions have in their base commit.
_RENAMED = {"racing": "pruning"}


def load_settings(path: Path) -> Settings:
    """Return the settings in a file; every key must be known and of the right type.

    Raises:
        ProjectError: unreadable, not TOML, an unknown key, a wrong value.
    """
    try:
        document = tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as fault:  # no TOML, or numbers of any length
        msg = f"{path.name}: {fault}"
        raise ProjectError(msg) from None
    for old, name in _RENAMED.items():
        if old in document and name not in document:
            document[name] = document.pop(old)
    settings: Settings = _build(Settings, document, path.name)
    _check(settings, path.name)
    return settings


def _build(kind: type[Any], values: Mapping[str, object], where: str) -> Any:
    known = {each.name: each for each in fields(kind)}
    for name in values:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            msg = f"{where}: unknown setting {name!r}{hint}"
            raise ProjectError(msg)
    built = {name: _value(known[name], value, where) for name, value in values.items()}
    missing = [
        name
        for name, each in known.items()
        if each.default is MISSING and each.default_factory is MISSING and name not in built
    ]
    if missing:
        msg = f"{where}: {min(missing)} is missing"
        raise ProjectError(msg)
    return kind(**built)


def _value(known: Any, value: object, where: str) -> object:
    name = f"{where} {known.name}"
    if get_origin(known.type) is Mapping and isinstance(value, dict):
        item = get_args(known.type)[1]
        return {key: _typed(item, each, f"{name}.{key}") for key, each in value.items()}
    return _typed(known.type, value, name)


def _typed(kind: Any, value: object, name: str) -> object:
    if isinstance(kind, type) and is_dataclass(kind) and isinstance(value, dict):
        return _build(kind, value, name)
    if get_origin(kind) is tuple and isinstance(value, list):
        item = get_args(kind)[0]
        if is_dataclass(item):
            return tuple(_typed(item, each, f"{name}[{at}]") for at, each in enumerate(value))
        if all(isinstance(each, item) for each in value):
            return tuple(value)
    allowed = get_args(kind) if isinstance(kind, UnionType) else (kind,)
    if float in allowed and int not in allowed and type(value) is int:
        return float(value)
    if type(value) not in allowed or (type(value) is float and not math.isfinite(value)):
        word = " or ".join(each.__name__ for each in allowed if each is not type(None))
        msg = f"{name}: {value!r} is not of the type {word}"
        raise ProjectError(msg)
    return value


def _check(settings: Settings, where: str) -> None:
    training, corpus = settings.training, settings.corpus
    rules = (
        (training.clock in tuple(Clock), "training clock: must be wall or cpu"),
        (training.device in ("cpu", "cuda", "mps"), "training device: must be cpu, cuda or mps"),
        (training.threads >= 1, "training threads: must be at least 1"),
        (bool(settings.target.editable), "target editable: names no file"),
        (258 <= corpus.vocab_size <= 2**20, "corpus vocab_size: must be 258 to 1048576"),
        (
            corpus.val_share > 0
            and corpus.test_share > 0
            and corpus.val_share + corpus.test_share <= 0.5,
            "corpus val_share and test_share: must be above 0 and together at most 0.5",
        ),
        (
            min(training.memory_gib, training.file_gib, training.log_mib, corpus.max_mib) > 0,
            "training memory_gib, file_gib, log_mib and corpus max_mib: must be above 0",
        ),
        (training.checkpoints_gib >= 0, "training checkpoints_gib: must not be below 0"),
        (settings.evaluation.context >= 2, "evaluation context: must be at least 2"),
        (settings.evaluation.batch >= 1, "evaluation batch: must be at least 1"),
        (settings.evaluation.challenges >= 1, "evaluation challenges: must be at least 1"),
        (
            settings.evaluation.arrays in ("torch", "numpy"),
            "evaluation arrays: must be torch or numpy",
        ),
        (settings.evaluation.tolerance > 0, "evaluation tolerance: must be above 0"),
    )
    for holds, rule in (*rules, *_metric_rules(settings), *_thinking_rules(settings)):
        if not holds:
            msg = f"{where}: {rule}"
            raise ProjectError(msg)
    settings.budget()
    if settings.training.total:
        parse_duration(settings.training.total)
    for timeout in (settings.evaluation, settings.preflight, settings.llm, settings.command):
        parse_duration(timeout.timeout)


def _metric_rules(settings: Settings) -> tuple[tuple[bool, str], ...]:
    metric, command, data = settings.metric, settings.target.command, settings.data
    sealed = metric.source is MetricSource.SEALED
    *first, last = METRIC_SOURCES
    own = (metric.name, metric.unit, metric.key, metric.least, metric.most)
    opened = (*settings.sandbox.readable, *data.held_out, *data.test, *filter(None, [data.prepare]))
    return (
        (len(metric.sources) <= 1, f"metric: has one of {', '.join(first)} and {last}"),
        (bool(metric.file) or not metric.key, "metric key: goes with file"),
        (bool(metric.key) or not metric.file, "metric file: needs key, the number's name in it"),
        (metric.direction in tuple(Direction), "metric direction: must be lower or higher"),
        (0 <= metric.decimals <= 12, "metric decimals: must be 0 to 12"),
        (
            not sealed or (not any(own) and metric.direction == Direction.LOWER),
            f"metric: say where it comes from: {', '.join(first)} or {last}",
        ),
        (sealed != bool(command), "metric: a [target] command goes with a metric of its own"),
        (bool(command) or not settings.target.seed, "target seed: goes with command"),
        (
            bool(command) or not settings.training.total,
            "training total: goes with command",
        ),
        (
            bool(command) or not (opened or settings.sandbox.network),
            "sandbox readable, network and [data]: go with [target] command",
        ),
        (
            bool(metric.evaluator) or not (data.held_out or data.test),
            "data: held_out and test go with [metric] evaluator",
        ),
        (
            all(each.least is not None or each.most is not None for each in settings.guard),
            "guard: needs least or most",
        ),
    )


def _thinking_rules(settings: Settings) -> tuple[tuple[bool, str], ...]:
    llm, money, preflight = settings.llm, settings.money, settings.preflight
    amounts = (money.study_usd, money.call_usd, money.gpu_hour_usd, settings.command.usd)
    rates = [
        rate
        for price in settings.prices.values()
        for rate in (price.input, price.output, price.cached, price.written)
    ]
    return (
        (
            0 <= settings.policy.confirm_share < 1,
            "policy confirm_share: must be at least 0 and below 1",
        ),
        (1 <= settings.policy.replicates <= 4, "policy replicates: must be 1 to 4"),
        (settings.policy.drift_every >= 0, "policy drift_every: must not be below 0"),
        (settings.policy.ahead >= 0, "policy ahead: must not be below 0"),
        (0 <= settings.pruning.audit <= 1, "pruning audit: must be 0 to 1"),
        (preflight.steps >= 0, "preflight steps: must not be below 0"),
        (preflight.context >= 2, "preflight context: must be at least 2"),
        (llm.brief_tokens >= 4000, "llm brief_tokens: must be at least 4000"),
        (llm.max_output >= 256, "llm max_output: must be at least 256"),
        (0 <= llm.repairs <= 5, "llm repairs: must be 0 to 5"),
        (1 <= llm.proposals <= 5, "llm proposals: must be 1 to 5"),
        (llm.format in ("blocks", "file"), "llm format: must be blocks or file"),
        (
            all(each is None or each >= 0 for each in (*amounts, *rates)),
            "money, prices and command usd: amounts must not be below 0",
        ),
    )
