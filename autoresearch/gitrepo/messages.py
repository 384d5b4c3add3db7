"""Commit messages: a safe subject from untrusted words, and trailers that cannot be forged."""

import re
import textwrap
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from autoresearch.records.text import safe_line

EXPERIMENT = "Autoresearch-Experiment"
STUDY = "Autoresearch-Study"
SCORE = "Autoresearch-Score"
VAL_BPB = "Autoresearch-Val-Bpb"
CONFIRMED = "Autoresearch-Confirmed"
TEST = "Autoresearch-Test"
TEST_BPB = "Autoresearch-Test-Bpb"

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
        return _number(read_trailers(self.message).get(EXPERIMENT, ""))

    @property
    def experiments(self) -> frozenset[tuple[str, int]]:
        """All experiments whose changes it has, with the tags of their studies."""
        found, number = set[tuple[str, int]](), None
        for name, told in all_trailers(self.message):
            if name == EXPERIMENT:
                number = _number(told)
            elif name == STUDY and number is not None:
                found.add((told, number))
        return frozenset(found)

    @property
    def study(self) -> str | None:
        """The tag of the study it belongs to, by its trailer."""
        return read_trailers(self.message).get(STUDY)


@dataclass(frozen=True)
class MessagePart:
    """One of several experiments in a message; `hypothesis` is untrusted, `trailers` are ours."""

    hypothesis: str
    experiment: int
    study: str
    trailers: Mapping[str, str]


def squash_message(parts: Iterable[MessagePart]) -> str:
    """Return the message of one commit for several experiments: a line and all trailers of each.

    Each experiment's trailers follow its number, so that they can be told apart.
    """
    lines, trailers, numbers = list[str](), list[str](), list[str]()
    for each in parts:
        numbers.append(str(each.experiment))
        lines.append(safe_line(f"experiment {each.experiment}: {each.hypothesis}", _WIDTH))
        told = {EXPERIMENT: numbers[-1], STUDY: each.study, **each.trailers}
        trailers += _trailers(told)
    subject = safe_line(f"Promote experiments {', '.join(numbers)}", _WIDTH)
    return "\n\n".join([subject, "\n".join(lines), "\n".join(trailers)]) + "\n"


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
    return "\n\n".join([*paragraphs, "\n".join(_trailers(trailers))]) + "\n"


def _trailers(named: Mapping[str, str]) -> list[str]:
    return [f"{name}: {safe_line(value, 200)}" for name, value in named.items()]


def read_trailers(message: str) -> dict[str, str]:
    """Return the trailers by their names, of those that come twice the last; see `all_trailers`."""
    return dict(all_trailers(message))


def all_trailers(message: str) -> list[tuple[str, str]]:
    """Return the trailers in their order: the `Name: value` lines at the end, below a subject.

    A hook of the person's may have added a paragraph of its own: all that hold nothing else count.
    """
    found = list[tuple[str, str]]()
    for paragraph in message.rstrip().split("\n\n")[:0:-1]:
        lines = [_TRAILER.fullmatch(line) for line in paragraph.split("\n")]
        if not all(lines):
            break
        found = [(each[1], each[2]) for each in lines if each] + found
    return found


def _number(told: str) -> int | None:
    return int(told) if told.isascii() and told.isdigit() and len(told) < 19 else None


def _subject(words: str) -> str:
    while mark := _MASTERING.match(words):
        words = words[mark.end() :]
    if re.match(r"[\w-]+:", words) and words.lower().startswith("autoresearch-"):
        words = f"> {words}"
    return safe_line(words, _WIDTH)


def _harmless(line: str) -> str:
    return f"> {line}" if _TELLING.match(line) else line
