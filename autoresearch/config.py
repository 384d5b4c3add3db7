"""autoresearch.toml, the project's paths, and the environment: read here and nowhere below."""

import difflib
import hashlib
import math
import os
import re
import stat
import tempfile
import tomllib
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, get_args, get_origin

import platformdirs

from autoresearch.errors import ProjectError
from autoresearch.records.values import Budget, Clock, Limits

SETTINGS_FILE = "autoresearch.toml"
STATE_DIRECTORY = ".autoresearch"
_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)([smh]?)")


@dataclass(frozen=True)
class TargetSettings:
    """[target]: which files a proposer may change (globs relative to the project)."""

    editable: tuple[str, ...] = ("train.py",)
    entry: str = "train.py"


@dataclass(frozen=True)
class TrainingSettings:
    """[training]: the device, the clock and the limits of one trial (seconds, GiB, MiB)."""

    profile: str = "cpu"
    device: str = "cpu"
    clock: str = "cpu"
    budget: str = "5m"
    grace: str = "5s"
    startup: str = "5m"
    threads: int = 1
    memory_gib: float = 16.0
    file_gib: float = 8.0
    log_mib: float = 4.0


@dataclass(frozen=True)
class CorpusSettings:
    """[corpus]: how `prepare` splits and tokenizes. Shares are fractions of the documents."""

    vocab_size: int = 2048
    val_share: float = 0.05
    test_share: float = 0.05
    max_mib: float = 4096.0


@dataclass(frozen=True)
class EvaluationSettings:
    """[evaluation]: window length in tokens, rows per request, probes, tolerance in nats."""

    context: int = 128
    batch: int = 64
    challenges: int = 256
    tolerance: float = 1e-3
    timeout: str = "10m"


@dataclass(frozen=True)
class Settings:
    """Everything autoresearch.toml can say, with its defaults."""

    target: TargetSettings = field(default_factory=TargetSettings)
    training: TrainingSettings = field(default_factory=TrainingSettings)
    corpus: CorpusSettings = field(default_factory=CorpusSettings)
    evaluation: EvaluationSettings = field(default_factory=EvaluationSettings)

    def budget(self, override: float | None = None) -> Budget:
        """Return the budget of one trial; `override` replaces its training seconds."""
        return Budget(
            training=override or parse_duration(self.training.budget),
            clock=Clock(self.training.clock),
            startup=parse_duration(self.training.startup),
            grace=parse_duration(self.training.grace),
        )

    def limits(self) -> Limits:
        """Return what one trial may use."""
        return Limits(
            threads=self.training.threads,
            memory=int(self.training.memory_gib * 2**30),
            file_size=int(self.training.file_gib * 2**30),
            log=int(self.training.log_mib * 2**20),
        )


@dataclass(frozen=True)
class Project:
    """A directory made by `init`, and where its state lies."""

    root: Path
    settings: Settings

    @property
    def state(self) -> Path:
        """Untracked state: the registry, the lock, the pointer to the corpus."""
        return self.root / STATE_DIRECTORY

    @property
    def registry(self) -> Path:
        """The SQLite file."""
        return self.state / "registry.db"

    @property
    def lock(self) -> Path:
        """Held by the one `run` of this project."""
        return self.state / "run.lock"

    @property
    def corpus_pointer(self) -> Path:
        """Names the prepared corpus; absent from what a training process sees."""
        return self.state / "corpus.json"

    @property
    def work(self) -> Path:
        """Where trials run: outside the project, so that nothing above them is the project."""
        name = hashlib.sha256(os.fsencode(self.root)).hexdigest()[:12]
        return Path(tempfile.gettempdir()) / f"autoresearch-{os.getuid()}" / name

    def make_work(self) -> None:
        """Make the folder of trials, which nobody else may reach into.

        Raises:
            ProjectError: another user made it first, or it cannot be made.
        """
        for place in (self.work.parent, self.work):
            try:
                place.mkdir(mode=0o700, parents=True, exist_ok=True)
                facts = place.lstat()
            except OSError as fault:
                msg = f"cannot make {place}: {fault.strerror}"
                raise ProjectError(msg) from None
            mine = stat.S_ISDIR(facts.st_mode) and facts.st_uid == os.getuid()
            if not mine or facts.st_mode & 0o022:
                msg = f"{place} is not yours alone: remove it, or set TMPDIR to another folder"
                raise ProjectError(msg)

    def make_state(self) -> None:
        """Make the state folder, ignored by git whatever the project's .gitignore says.

        Raises:
            ProjectError: the project cannot be written.
        """
        try:
            self.state.mkdir(exist_ok=True)
            (self.state / ".gitignore").write_text("*\n", "utf-8")
        except OSError as fault:
            msg = f"cannot write {self.state}: {fault.strerror}"
            raise ProjectError(msg) from None


def data_home() -> Path:
    """Return where corpora live: AUTORESEARCH_HOME, else the user's data folder."""
    chosen = os.environ.get("AUTORESEARCH_HOME")
    return Path(chosen) if chosen else platformdirs.user_data_path("autoresearch")


def scrub_git_environment(environment: MutableMapping[str, str] = os.environ) -> None:
    """Drop the GIT_* variables that would point git at another repository (a hook sets them)."""
    kept = ("GIT_SSH", "GIT_ASKPASS", "GIT_AUTHOR_", "GIT_COMMITTER_", "GIT_CONFIG_", "GIT_TRACE")
    for name in [name for name in environment if name.startswith("GIT_")]:
        if not name.startswith(kept):
            del environment[name]


def find_project(start: Path | None = None) -> Project:
    """Return the project that `start` (default: here) lies in.

    Raises:
        ProjectError: there is none, or its settings are wrong.
    """
    here = (start or Path.cwd()).resolve()
    for directory in (here, *here.parents):
        if (directory / SETTINGS_FILE).is_file():
            return Project(directory, load_settings(directory / SETTINGS_FILE))
    msg = f"{here} is in no autoresearch project: make one with `autoresearch init`"
    raise ProjectError(msg)


def load_settings(path: Path) -> Settings:
    """Return the settings in a file; every key must be known and of the right type.

    Raises:
        ProjectError: unreadable, not TOML, an unknown key, a wrong value.
    """
    try:
        document = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as fault:
        msg = f"{path.name}: {fault}"
        raise ProjectError(msg) from None
    settings: Settings = _build(Settings, document, path.name)
    _check(settings, path.name)
    return settings


def parse_duration(text: str | float) -> float:
    """Return seconds from "300", "20s", "5m" or "1h30m".

    Raises:
        ProjectError: not a duration, or not above zero.
    """
    spelled = str(text).strip().lower()
    parts = _DURATION.findall(spelled)
    seconds = sum(float(number) * _UNITS[unit or "s"] for number, unit in parts)
    if "".join(number + unit for number, unit in parts) != spelled or seconds <= 0:
        msg = f"{text!r} is no duration above zero: write 300, 20s, 5m or 1h30m"
        raise ProjectError(msg)
    return seconds


def _build(kind: type[Any], values: Mapping[str, object], where: str) -> Any:
    known = {each.name: each for each in fields(kind)}
    for name in values:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            msg = f"{where}: unknown setting {name!r}{hint}"
            raise ProjectError(msg)
    built = {name: _value(known[name], value, where) for name, value in values.items()}
    return kind(**built)


def _value(known: Any, value: object, where: str) -> object:
    name = f"{where} {known.name}"
    if isinstance(known.type, type) and is_dataclass(known.type) and isinstance(value, dict):
        return _build(known.type, value, name)
    if get_origin(known.type) is tuple and isinstance(value, list):
        item = get_args(known.type)[0]
        if all(isinstance(each, item) for each in value):
            return tuple(value)
    if known.type is float and type(value) is int:
        return float(value)
    if type(value) is not known.type or (type(value) is float and not math.isfinite(value)):
        msg = f"{name}: {value!r} is not of the type {getattr(known.type, '__name__', known.type)}"
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
        (settings.evaluation.context >= 2, "evaluation context: must be at least 2"),
        (settings.evaluation.batch >= 1, "evaluation batch: must be at least 1"),
        (settings.evaluation.challenges >= 1, "evaluation challenges: must be at least 1"),
        (settings.evaluation.tolerance > 0, "evaluation tolerance: must be above 0"),
    )
    for holds, rule in rules:
        if not holds:
            msg = f"{where}: {rule}"
            raise ProjectError(msg)
    settings.budget()
    parse_duration(settings.evaluation.timeout)
