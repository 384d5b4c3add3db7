"""Commit messages: a safe subject from untrusted words, and trailers that cannot be forged."""

import re
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass

from autoresearch.records.text import safe_line

EXPERIMENT = "Autoresearch-Experiment"
STUDY = "Autoresearch-Study"
SCORE = "Autoresearch-Val-Bpb"
CONFIRMED = "Autoresearch-Confirmed"
TEST = "Autoresearch-Test-Bpb"

_WIDTH = 72
# What git, `git am` or a rebase would read as more than words at the start of a line.
_TELLING = re.compile(r"[^\w]|[\w-]+:|diff |Index |(?:fixup|squash|amend)!", re.ASCII)
_MASTERING = re.compile(r"[\s#]+|(?:fixup|squash|amend)!\s*")
_TRAILER = re.compile(r"([A-Za-z][A-Za-z-]*): (.*)")


@dataclass(frozen=True)
class Commit:
    """One commit as the studies see it; `when` is its author time in unix seconds."""

    sha: str
    tree: str
    parents: tuple[str, ...]
    when: int
    message: str

    @property
    def experiment(self) -> int | None:
        """The experiment whose change this is, by its trailer."""
        told = read_trailers(self.message).get(EXPERIMENT, "")
        return int(told) if told.isascii() and told.isdigit() and len(told) < 19 else None

    @property
    def study(self) -> str | None:
        """The tag of the study it belongs to, by its trailer."""
        return read_trailers(self.message).get(STUDY)


def commit_message(
    hypothesis: str, *, experiment: int, study: str, extra: Mapping[str, str] | None = None
) -> str:
    """Return the message of an experiment's commit.

    Args:
        hypothesis: untrusted; the subject, and in full the body where it is longer than that.
        experiment: its number, for the trailer.
        study: its tag, for the trailer.
        extra: more trailers, ours.
    """
    trailers = {EXPERIMENT: str(experiment), STUDY: study, **(extra or {})}
    words = safe_line(hypothesis, 2000)
    paragraphs = [_subject(words) or f"experiment {experiment}"]
    if len(words) > _WIDTH:
        paragraphs.append("\n".join(_harmless(line) for line in textwrap.wrap(words, _WIDTH - 2)))
    told = [f"{name}: {safe_line(value, 200)}" for name, value in trailers.items()]
    return "\n\n".join([*paragraphs, "\n".join(told)]) + "\n"


def read_trailers(message: str) -> dict[str, str]:
    """Return the trailers: the `Name: value` lines at the end, if there is a subject above them.

    A hook of the person's may have added a paragraph of its own: all that hold nothing else count.
    """
    found: dict[str, str] = {}
    for paragraph in message.rstrip().split("\n\n")[:0:-1]:
        lines = [_TRAILER.fullmatch(line) for line in paragraph.split("\n")]
        if not all(lines):
            break
        found = {each[1]: each[2] for each in lines if each} | found
    return found


def _subject(words: str) -> str:
    while mark := _MASTERING.match(words):
        words = words[mark.end() :]
    if re.match(r"[\w-]+:", words) and words.lower().startswith("autoresearch-"):
        words = f"> {words}"
    return safe_line(words, _WIDTH)


def _harmless(line: str) -> str:
    return f"> {line}" if _TELLING.match(line) else line
