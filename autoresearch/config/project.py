"""A directory made by `init`, and where its state lies."""

import hashlib
import os
import stat
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from autoresearch.config.environment import data_home
from autoresearch.config.loading import load_settings
from autoresearch.config.settings import Settings
from autoresearch.errors import ProjectError

SETTINGS_FILE = "autoresearch.toml"
STATE_DIRECTORY = ".autoresearch"
# What a study is pinned to beside the files that it may change.
FIXED = ("prepare.py", "program.md", SETTINGS_FILE)
PROMPTS = "prompts"  # the folder with templates of the project's own


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
    def control(self) -> Path:
        """The named pipe through which `stop`, `pause` and `resume` reach the run."""
        return self.state / "run.control"

    @property
    def log(self) -> Path:
        """What was told of the last runs, in plain lines; a full one becomes `run.log.1`."""
        return self.state / "run.log"

    @property
    def corpus_pointer(self) -> Path:
        """Names the prepared corpus; absent from what a training process sees."""
        return self.state / "corpus.json"

    @property
    def checkpoints(self) -> Path:
        """The checkpoints of kept experiments, for a score on test at `promote`."""
        return self.state / "checkpoints"

    @property
    def promoted(self) -> Path:
        """The manifests of what was promoted, a folder each."""
        return self.state / "promoted"

    def compiled(self, name: str) -> Path:
        """Where a compile cache lies that trials begin with; no trial can reach it."""
        return self.state / "compiled" / name

    @property
    def work(self) -> Path:
        """Where trials run: outside the project, so that nothing above them is the project."""
        name = hashlib.sha256(os.fsencode(self.root)).hexdigest()[:12]
        return Path(tempfile.gettempdir()) / f"autoresearch-{os.getuid()}" / name

    @property
    def hidden(self) -> tuple[Path, ...]:
        """What no untrusted process may see: state, history, corpora with their sealed text."""
        return (self.state, self.root / ".git", data_home())

    def make_work(self) -> None:
        """Make the folder of trials, which nobody else may reach into.

        Raises:
            ProjectError: another user made it first, or it cannot be made.
        """
        make_private(self.work.parent)
        make_private(self.work)

    def keep_fault(self, trace: str) -> None:
        """Append a bug's traceback to the state folder's faults.log; best effort."""
        with suppress(OSError), (self.state / "faults.log").open("a", encoding="utf-8") as file:
            file.write(f"{trace}\n")

    def make_state(self) -> None:
        """Make the state folder, ignored by git whatever the project's .gitignore says.

        Raises:
            ProjectError: the project cannot be written.
        """
        try:
            self.state.mkdir(exist_ok=True)
            part = self.state / ".gitignore.part"  # a full disk would empty the one that is there
            part.write_text("*\n", "utf-8")
            part.replace(self.state / ".gitignore")
        except OSError as fault:
            msg = f"cannot write {self.state}: {fault.strerror}"
            raise ProjectError(msg) from None


def make_private(place: Path) -> None:
    """Make a folder among the temporary ones that nobody else may reach into.

    Raises:
        ProjectError: another user made it first, or it cannot be made.
    """
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
