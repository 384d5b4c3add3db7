"""Ways to run a command other than as the tests run: as somebody else, with less of a system."""

import errno
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from autoresearch.process import remove
from autoresearch.sandbox import seccomp

ROOT = Path(__file__).parents[2]
NOBODY = 65534
SETPRIV = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")
_RUNS = "import os, sys; os.stat(os.path.realpath(sys.executable)); import torch, autoresearch"
# A kernel without Landlock: landlock_create_ruleset does not exist. Then the command follows.
_DEPRIVED = """
import ctypes, os, sys
from autoresearch.runtime.restrict import load_filter
ctypes.CDLL(None).prctl(38, 1, 0, 0, 0)
load_filter(bytes.fromhex(sys.argv[1]))
os.execvp(sys.argv[2], sys.argv[2:])
"""


@dataclass(frozen=True)
class Person:
    """Somebody with a folder of their own, who runs `autoresearch`."""

    place: Path
    python: str
    prefix: Sequence[str]
    path: str

    @property
    def home(self) -> Path:
        return self.place / "home"

    @property
    def data(self) -> Path:
        """Where corpora are kept."""
        return self.home / "data"

    def environment(self) -> Mapping[str, str]:
        return {
            "PATH": self.path, "HOME": str(self.home), "TMPDIR": str(self.place / "tmp"),
            "AUTORESEARCH_HOME": str(self.data), "PYTHONPATH": str(ROOT), "COLUMNS": "160",
            "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_AUTHOR_NAME": "Ada", "GIT_AUTHOR_EMAIL": "ada@example.org",
            "GIT_COMMITTER_NAME": "Ada", "GIT_COMMITTER_EMAIL": "ada@example.org",
        }  # fmt: skip

    def act(self, *words: str, cwd: Path) -> str:
        """Run `autoresearch WORDS`; return all that it said."""
        return self.run(self.python, "-m", "autoresearch", *words, cwd=cwd)

    def run(self, *command: str, cwd: Path) -> str:
        done = subprocess.run(
            [*self.prefix, *command],
            cwd=cwd, env=dict(self.environment()), capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr


@contextmanager
def somebody(level: str) -> Iterator[Person]:
    """Yield who works at a level: "as we are", "as a user", "no bubblewrap" or "plain"."""
    place = Path(tempfile.mkdtemp(prefix="ar-", dir="/tmp"))
    place.chmod(0o755)
    try:
        for name in ("home", "tmp"):
            (place / name).mkdir()
        yield _person(level, place)
    finally:
        remove(place)


def _person(level: str, place: Path) -> Person:
    python, prefix, path = sys.executable, list[str](), os.environ["PATH"]
    if level == "as a user":
        python, prefix = _python_for_all(place), [shutil.which("setpriv") or "", *SETPRIV[1:]]
        for each in (place, *place.iterdir()):
            os.chown(each, NOBODY, NOBODY)
    if level in ("no bubblewrap", "plain"):
        path = str(_tools(place / "bin"))
    if level == "plain":
        prefix = [python, "-c", _DEPRIVED, _no_landlock().hex()]
    return Person(place, python, prefix, path)


def _python_for_all(place: Path) -> str:
    """Return a Python with our packages that an ordinary user can run: ours may be in /root."""
    if not shutil.which("setpriv"):
        pytest.skip("setpriv is not installed")
    packages = next(each for each in sys.path if each.endswith("site-packages"))
    for python in (sys.executable, "/usr/bin/python3"):
        made = place / f"venv-{Path(python).name}-{len(python)}"
        build = [python, "-m", "venv", "--without-pip", str(made)]
        if subprocess.run(build, capture_output=True, check=False).returncode:
            continue
        for folder in made.glob("lib/*/site-packages"):
            (folder / "ours.pth").write_text(packages)
        test = [*SETPRIV, str(made / "bin" / "python"), "-c", _RUNS]
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
        if not subprocess.run(test, capture_output=True, check=False, env=environment).returncode:
            return test[len(SETPRIV)]
    pytest.skip("no Python with our packages can be run by an ordinary user here")


def _tools(folder: Path) -> Path:
    """Return a folder with the system's programs that a night needs, without bubblewrap."""
    folder.mkdir()
    for name in ("git", "sh", "chmod", "rm", "sleep"):
        found = shutil.which(name)
        assert found is not None
        (folder / name).symlink_to(found)
    return folder


def _no_landlock() -> bytes:
    absent = seccomp._ERRNO | errno.ENOSYS
    rules = [*seccomp._if(seccomp._EQUAL, 444, absent), seccomp._return(seccomp._ALLOW)]
    return b"".join([seccomp._load(seccomp._NUMBER), *rules])
