"""The one place that starts git: every question and every act goes through `Git`."""

import errno
import re
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from subprocess import PIPE
from typing import Any, BinaryIO

from autoresearch.errors import GitBusyError, GitError
from autoresearch.gitrepo.objects import Objects
from autoresearch.records.text import safe_line

# Objects and refs are made durable before anything relies on them (git from 2.36 on; older ones
# ignore the key); no clean-up runs behind our back; the person's hooks are for the person's acts;
# an author guessed from the host name is no author; line ends are what the commit says.
_SETTINGS = (
    "core.fsync=all",
    "gc.auto=0",
    "maintenance.auto=false",
    "core.hooksPath=/dev/null",
    "user.useConfigOnly=true",
    "commit.gpgSign=false",
    "core.autocrlf=false",
    "core.quotePath=false",
    "core.fsmonitor=false",
    "i18n.commitEncoding=UTF-8",
    "advice.detachedHead=false",
    "rerere.enabled=false",
    "submodule.recurse=false",
    "log.showSignature=false",
)
_PERSONAL = ("core.hooksPath=", "commit.gpgSign=")
_ENVIRONMENT = {"LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0"}
_LOCKED = re.compile(r"'([^'\n]+\.lock)': File exists|could not lock config file")
_FULL = re.compile(r"No space left on device|Disk quota exceeded|File too large")
_PASSING = re.compile(
    "Resource temporarily unavailable|Cannot allocate memory|Out of memory|Too many open files"
    "|Device or resource busy|Text file busy|Stale file handle|Interrupted system call"
    "|unable to write new.index file",
    re.IGNORECASE,
)
_PASSING_ERRORS = {
    errno.ENOSPC, errno.EDQUOT, errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE,
    errno.EBUSY, errno.ETXTBSY, errno.ESTALE, errno.EINTR,
}  # fmt: skip


@dataclass(frozen=True)
class Answer:
    """What git said: its exit status, the bytes of stdout, the text of stderr."""

    status: int
    data: bytes
    error: str

    @property
    def text(self) -> str:
        """Stdout as text, without the last line end."""
        return self.data.decode("utf-8", "replace").removesuffix("\n")

    @property
    def fault(self) -> str:
        """The line of stderr that says most: the first fatal or error line, else the first."""
        lines = [line.strip() for line in self.error.splitlines() if line.strip()]
        told = [line for line in lines if line.startswith(("fatal:", "error:"))] or lines
        said = told[0].partition(": ")[2] or told[0] if told else f"exit status {self.status}"
        return safe_line(said, 300)

    def refusal(self, act: str) -> GitError:
        """Return the error of an act that git refused: a `GitBusyError` where it may pass."""
        lock = _LOCKED.search(self.error)
        if lock:
            file = lock[1] or "the lock beside the configuration"
            return GitBusyError(
                f"{act}: {self.fault}: another git is at work there, or was killed; "
                f"where none is, remove {safe_line(file, 200)}"
            )
        if _FULL.search(self.error):
            return GitBusyError(f"{act}: {self.fault}: make room on the disk")
        passing = _PASSING.search(self.error) is not None
        return (GitBusyError if passing else GitError)(f"{act}: {self.fault}")

    def required(self, act: str) -> "Answer":
        """Return it; `refusal` where git refused."""
        if self.status != 0:
            raise self.refusal(act)
        return self


def system_refusal(act: str, fault: OSError) -> GitError:
    """Return the error of an act that the system refused: a `GitBusyError` where it may pass."""
    passing = fault.errno in _PASSING_ERRORS
    told = safe_line(fault.strerror or str(fault), 200)
    return (GitBusyError if passing else GitError)(f"{act}: {told}")


class Git:
    """Git in one directory. Children are in a session of their own: Ctrl-C never cuts an act."""

    def __init__(
        self,
        directory: Path,
        environment: Mapping[str, str] | None = None,
        *,
        personal: bool = False,
    ) -> None:
        """Build it; `personal`: hooks and signatures are as the person configured them.

        Raises:
            GitError: git is not installed.
        """
        if shutil.which("git") is None:
            msg = "git is not installed, or not on PATH: install it from https://git-scm.com"
            raise GitError(msg)
        # GitPython refuses to be imported where git is missing, and costs start-up time.
        from git import Git as Command  # noqa: PLC0415
        from git.exc import CommandError  # noqa: PLC0415

        self.directory = directory
        kept = [each for each in _SETTINGS if not (personal and each.startswith(_PERSONAL))]
        self._settings = [part for setting in kept for part in ("-c", setting)]
        self._environment = {**_ENVIRONMENT, **(environment or {})}
        self._command = Command(str(directory))
        self._refusals = (ValueError, CommandError)
        self.objects = Objects(self.serve)

    def attempt(
        self, *arguments: str, stdin: bytes = b"", environment: Mapping[str, str] | None = None
    ) -> Answer:
        """Run git and return its answer, whatever it was.

        Raises:
            GitError: git could not even be started; `GitBusyError` where it may be later.
        """
        try:
            return self._run(arguments, stdin, environment or {})
        except OSError as fault:
            raise system_refusal(f"git cannot run in {self.directory}", fault) from None

    def copy(self, *arguments: str, stdin: bytes, to: BinaryIO) -> None:
        """Write what git prints to an open file; errors as of `data`."""
        self._run(arguments, stdin, {}, to).required(f"git {_verb(arguments)}")

    def _run(
        self,
        arguments: Sequence[str],
        stdin: bytes,
        environment: Mapping[str, str],
        to: BinaryIO | None = None,
    ) -> Answer:
        with tempfile.TemporaryFile() as given:
            given.write(stdin)
            given.seek(0)
            status, data, error = self._execute(
                arguments,
                environment,
                istream=given,
                output_stream=to,
                with_extended_output=True,
                with_exceptions=False,
                stdout_as_string=False,
                strip_newline_in_stdout=False,
            )
            return Answer(status, data, error)

    def _execute(
        self, arguments: Sequence[str], environment: Mapping[str, str], **options: Any
    ) -> Any:
        try:
            return self._command.execute(
                ["git", "-C", str(self.directory), *self._settings, *arguments],
                env={**self._environment, **environment},
                start_new_session=True,
                **options,
            )
        except self._refusals as fault:
            msg = f"git cannot run in {self.directory}: {safe_line(str(fault), 200)}"
            raise GitError(msg) from None

    def data(
        self, *arguments: str, stdin: bytes = b"", environment: Mapping[str, str] | None = None
    ) -> bytes:
        """Return the bytes git prints.

        Raises:
            GitError: git ended with another status than 0; the message is its own first line.
                `GitBusyError` where that may pass by waiting.
        """
        answer = self.attempt(*arguments, stdin=stdin, environment=environment)
        return answer.required(f"git {_verb(arguments)}").data

    def text(
        self, *arguments: str, stdin: bytes = b"", environment: Mapping[str, str] | None = None
    ) -> str:
        """Return what git prints as text, without the last line end; see `data`."""
        told = self.data(*arguments, stdin=stdin, environment=environment)
        return told.decode("utf-8", "replace").removesuffix("\n")

    def serve(self, *arguments: str) -> Any:
        """Return the process of a git that answers what its stdin asks; it ends with its holder.

        Raises:
            GitError: it could not be started.
        """
        return self._execute(arguments, {}, istream=PIPE, as_process=True)

    def holds(self, *arguments: str) -> bool:
        """Return whether git ends with status 0."""
        return self.attempt(*arguments).status == 0

    def unfiltered(self) -> list[str]:
        """Return options by which git runs none of the person's filters: files are as they are."""
        told = self.attempt("config", "-z", "--name-only", "--get-regexp", r"^filter\..").text
        drivers = {name.rpartition(".")[0] for name in told.split("\0") if name.count(".") > 1}
        plain = sorted(each for each in drivers if "=" not in each)
        values = ("clean=", "smudge=", "process=", "required=false")
        return [part for each in plain for value in values for part in ("-c", f"{each}.{value}")]


def _verb(arguments: Sequence[str]) -> str:
    """Return what git is asked to do, after the settings for this one act."""
    rest = list(arguments)
    while rest[0] == "-c":
        del rest[:2]
    return rest[0]


def unusable(root: Path, git: Git, answer: Answer) -> str:
    """Return why a folder is in no repository that can be worked in, and what to do."""
    if "not a git repository" in answer.error:
        return f"{root} is in no git repository: make one with `git init`"
    if git.attempt("rev-parse", "--is-bare-repository").text == "true":
        return f"{root} is in a bare git repository, which has no files: work in a clone of it"
    if "dubious ownership" in answer.error:
        return (
            f"git distrusts {root}, which belongs to another user: "
            f"run `git config --global --add safe.directory {root}`"
        )
    return f"git cannot use {root}: {answer.fault}"
