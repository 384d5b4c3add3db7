"""A run's events as notifications: what a person wants to be told though nobody sits beside it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from autoresearch.notify import Kind, Notification
from autoresearch.records.events import (
    Event,
    ExperimentOpened,
    MoneyLow,
    NoProposal,
    ProposersOut,
    StandingChanged,
    StudyOpened,
    StudyStopped,
    WaitCause,
    Waiting,
)
from autoresearch.records.text import safe_line
from autoresearch.records.values import Standing
from autoresearch.render import lines, words
from autoresearch.render.live import UNKNOWN
from autoresearch.render.scores import ScoreFormat
from autoresearch.report import StudyReport

LONG_PAUSE = 240.0  # seconds without a proposer that are worth a word; shorter ones pass unnoticed
TITLE, LINE, SENTENCE = 100, 240, 600  # characters
# What chat programs take for a name to ping, for markup or for a link becomes what looks alike.
_MARKUP = str.maketrans(
    {"@": "\uff20", "<": "\u2039", ">": "\u203a", "[": "(", "]": ")"}
    | {"`": "'", "*": "\u2217", "|": "/"}
)


@dataclass(frozen=True)
class Situation:
    """What a notification says beside its event.

    `redact` takes secrets out of a text. `faults` are why proposers gave none last, of those who
    have given none since.
    """

    project: str
    redact: Callable[[str], str] = str
    tag: str = ""
    form: ScoreFormat = UNKNOWN
    faults: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    def after(self, event: Event) -> "Situation":
        """Return the situation once an event has been seen."""
        match event:
            case StudyOpened():
                return replace(self, tag=event.tag, form=ScoreFormat(event.metric, event.trust))
            case NoProposal():
                return replace(self, faults={**self.faults, event.proposer: event.reason})
            case ExperimentOpened() if event.proposer in self.faults:
                left = {name: why for name, why in self.faults.items() if name != event.proposer}
                return replace(self, faults=left)
        return self

    def quoted(self, text: str, width: int = LINE) -> str:
        """Return what anybody wrote as one line that no terminal and no chat program obeys."""
        return quoted(self.redact(text), width)  # of a secret that is cut, a part would stay

    def notification(
        self, kind: Kind, title: str, *said: str, picture: bytes | None = None
    ) -> Notification:
        """Return a notification of this project and study; what is said must be quoted."""
        name = self.quoted(f"{self.project} {self.tag}".strip(), 60)
        text = "\n".join(each for each in said if each)
        return Notification(kind, safe_line(f"{name}: {title}", TITLE), text, picture)


def quoted(text: str, width: int = LINE) -> str:
    """Return a text as one line, escaped as for a terminal, without pings, markup and links."""
    return safe_line(text, width).translate(_MARKUP).replace("://", ":/ /")


def notification(event: Event, now: Situation) -> Notification | None:
    """Return what to tell of an event; None of those that can wait until the morning."""
    match event:
        case StandingChanged():
            return _standing_changed(event, now)
        case ProposersOut():
            said = now.quoted(event.reason)
            ends = "The run ends once what is open has its verdict."
            return now.notification(Kind.PROPOSERS, "nobody is left to propose", said, ends)
        case Waiting():
            return _waiting(event, now)
        case MoneyLow():
            title = f"{event.spent / event.cap:.0%} of {event.name} are gone"
            return now.notification(Kind.MONEY, title, f"{lines.money_low(event)}.")
    return None


def ended(event: StudyStopped, report: StudyReport, now: Situation, picture: bytes) -> Notification:
    """Return what to tell of the end of a run: what was found, what it cost, what to do next."""
    from autoresearch.render.page import summary  # noqa: PLC0415 - it costs a tenth of a second

    title = f"run ended: {summary.heading(report)}"
    said = [f"Stopped: {event.reason}", summary.certainty(report), *summary.sentences(report)]
    return now.notification(
        Kind.END, title, *(now.quoted(each, SENTENCE) for each in said), picture=picture
    )


def ended_unread(event: StudyStopped, now: Situation) -> Notification:
    """Return what to tell of the end of a run whose registry cannot be read."""
    said = lines.stopped(event, now.form).plain
    return now.notification(Kind.END, "run ended", now.quoted(said, SENTENCE))


def sample(now: Situation) -> Notification:
    """Return what `doctor --notify` sends."""
    said = "Notifications of `autoresearch run` will reach you here."
    return now.notification(Kind.TEST, "a test", said)


def _standing_changed(event: StandingChanged, now: Situation) -> Notification | None:
    if event.standing is Standing.REFUTED:
        return None
    number, why = event.experiment_id, now.quoted(event.reason)
    if event.standing is None:
        title = f"experiment {number} is no longer confirmed"
        return now.notification(Kind.UNCONFIRMED, title, why)
    delta = now.form.delta(event.delta, event.delta_error)
    best = f"best {now.form.name} {now.form.number(event.best_bpb)} ({now.form.trust})"
    numbers = f"effect {delta}{now.form.unit}; {best}"
    title = f"experiment {number} is confirmed"
    return now.notification(Kind.CONFIRMED, title, now.quoted(event.hypothesis), numbers, why)


def _waiting(event: Waiting, now: Situation) -> Notification | None:
    if event.cause is WaitCause.MACHINE:
        said = now.quoted(event.reason)
        return now.notification(Kind.MACHINE, "the run stands still", said)
    if event.cause is not WaitCause.PROPOSERS or (event.seconds or 0.0) < LONG_PAUSE:
        return None
    title = f"no proposer can be asked for {words.duration(round(event.seconds or 0.0))}"
    why = (now.quoted(f"{name}: {reason}") for name, reason in now.faults.items())
    return now.notification(Kind.PROPOSERS, title, *why, "It goes on by itself.")
