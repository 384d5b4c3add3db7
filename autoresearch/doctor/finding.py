"""What a check found, in words that a person can act on."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum

from autoresearch.errors import AutoresearchError
from autoresearch.records.text import LINE_INPUT, safe_line

_WIDTH = 400  # characters of a text that is shown
_MEND = "mend that, then run `autoresearch doctor` again"  # of an error that says no more


class Level(StrEnum):
    """How much it matters. FAULT: `run` would refuse, or its night would come to nothing."""

    OK = "ok"
    WARNING = "warning"
    FAULT = "fault"


@dataclass(frozen=True)
class Finding:
    """One thing looked at: what it is, what was found, and what to do about it.

    Every text is one safe line; `mend` is empty only where nothing is wrong.
    """

    level: Level
    subject: str
    said: str
    mend: str = ""

    def __post_init__(self) -> None:
        for name in ("subject", "said", "mend"):
            object.__setattr__(self, name, safe_line(getattr(self, name), LINE_INPUT))
        if (self.level is Level.OK) == bool(self.mend):
            msg = f"a mend belongs to what is wrong, and to nothing else: {self}"
            raise ValueError(msg)


@dataclass(frozen=True)
class Chapter:
    """The findings on one matter; `title` is one safe line."""

    title: str
    findings: tuple[Finding, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "title", safe_line(self.title, LINE_INPUT))

    def shown(self, redact: Callable[[str], str]) -> "Chapter":
        """Return the chapter as it is shown: keys are taken out by `redact`, then texts are cut."""

        def show(text: str) -> str:  # in this order: of a key that is cut, a part would stay
            return safe_line(redact(text), _WIDTH)

        findings = (
            Finding(each.level, show(each.subject), show(each.said), show(each.mend))
            for each in self.findings
        )
        return Chapter(show(self.title), tuple(findings))


def ok(subject: str, said: str) -> Finding:
    """Return that all is well."""
    return Finding(Level.OK, subject, said)


def warning(subject: str, said: str, mend: str) -> Finding:
    """Return what a night survives, but would be better without."""
    return Finding(Level.WARNING, subject, said, mend)


def fault(subject: str, said: str, mend: str) -> Finding:
    """Return what must be mended first."""
    return Finding(Level.FAULT, subject, said, mend)


def refusal(subject: str, error: AutoresearchError, mend: str = "") -> Finding:
    """Return an error of the house as a fault.

    Without `mend` the error's own text says what to do, if it ends in it: "what: do".
    """
    what, _, act = str(error).rpartition(": ")
    if mend or not what or not act:
        return fault(subject, str(error), mend or _MEND)
    return fault(subject, what, act)


def worst(chapters: Sequence[Chapter]) -> Level:
    """Return the level of the worst finding."""
    levels = {finding.level for chapter in chapters for finding in chapter.findings}
    return next((each for each in (Level.FAULT, Level.WARNING) if each in levels), Level.OK)


def plain(chapters: Sequence[Chapter]) -> dict[str, object]:
    """Return the findings as JSON says them: ``{"version", "level", "chapters": [...]}``."""
    return {"version": 1, "level": worst(chapters), "chapters": [asdict(each) for each in chapters]}
