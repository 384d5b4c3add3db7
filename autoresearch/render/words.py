"""How numbers, verdicts and hostile text are worded: once, for every view."""

from collections.abc import Sequence
from datetime import datetime

from rich.text import Text

from autoresearch.records.metric import Metric
from autoresearch.records.tables import Experiment, Study
from autoresearch.records.text import safe_line, whole_text
from autoresearch.records.training import Point
from autoresearch.records.values import Clock, Standing, Trust, Verdict
from autoresearch.report.values import ExperimentReport

STYLES = {
    Verdict.KEEP: "bold green",
    Verdict.DISCARD: "dim",
    Verdict.CRASH: "red",
    Verdict.INVALID: "yellow",
    Verdict.DISQUALIFIED: "bold magenta",
    Verdict.STALE: "dim yellow",
}
LOOK_AT = 4000  # characters of a hostile line that are examined at all: a line shows far fewer


def line(text: str, width: int = 200, style: str = "") -> Text:
    """Return hostile text as one safe line; a Text, so that no markup in it is obeyed."""
    return Text(safe_line(text[: max(LOOK_AT, width)], width), style=style)


def source(text: str) -> str:
    """Return code or a diff as printable text with nothing hidden: all of its lines, to their ends.

    What a log may drop (escape sequences, text overwritten by a carriage return) is spelled out
    here, since it could hide code from a reader.
    """
    spelled = text.expandtabs(4).replace("\x1b", "\\x1b").replace("\r", "\\r")
    return whole_text(spelled.encode("utf-8", "backslashreplace"))


def verdict(word: Verdict) -> Text:
    """Return a verdict in its colour."""
    return Text(str(word), style=STYLES.get(word, ""))


def standing(word: Standing) -> Text:
    """Return what became of a keep, in its colour."""
    return Text(str(word), style="bold green" if word is Standing.CONFIRMED else "red")


def fate(row: Experiment | ExperimentReport) -> Text:
    """Return an experiment's verdict, or what further pairs made of it where it was kept."""
    if row.verdict is None:
        return Text(str(row.state))
    return standing(row.standing) if row.standing else verdict(row.verdict)


def promoting(row: Experiment) -> str:
    """Return the command that brings an experiment home; "" where it is no keep."""
    if row.verdict is not Verdict.KEEP or row.parent_id is None:
        return ""
    more = "" if row.standing is Standing.CONFIRMED else " --confirm"
    return f"autoresearch promote {row.id}{more}"


def duration(seconds: float) -> str:
    """Return seconds as a person says them."""
    if seconds < 99.95:
        return f"{seconds:.1f} s" if seconds % 1 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min"


def memory(size: float) -> str:
    """Return bytes in MiB or GiB."""
    return f"{size / 2**30:.1f} GiB" if size >= 2**30 else f"{size / 2**20:.0f} MiB"


def count(number: float) -> str:
    """Return a count with its thousands apart."""
    return f"{number:,.0f}"


def speed(point: Point) -> str:
    """Return how fast a training has been so far."""
    rate = point.tokens / point.seconds if point.seconds > 0 else 0.0
    return f"{count(rate)} tokens/s"


def moment(time: datetime) -> str:
    """Return a time in the reader's own zone."""
    return time.astimezone().strftime("%Y-%m-%d %H:%M:%S %Z")


def budget(seconds: float, clock: Clock) -> str:
    """Return what one trial may take."""
    kind = "of CPU time" if clock is Clock.CPU else "by the wall clock"
    return f"{duration(seconds)} {kind} a trial"


def trust(label: Trust) -> Text:
    """Return the trust label; anything but sealed is made to be seen."""
    return Text(str(label), style="green" if label is Trust.SEALED else "bold yellow")


def joined(parts: Sequence[Text | str], separator: str = " · ") -> Text:
    """Return parts in one line."""
    return Text(separator).join(part if isinstance(part, Text) else Text(part) for part in parts)


def study_name(tag: str, branch: str) -> Text:
    """Return which study it is, and on which branch."""
    return (
        Text("study ").append_text(line(tag, 64, "bold")).append(" on ").append_text(line(branch))
    )


def trained_on(corpus: str, metric: Metric) -> Text:
    """Return what trials learn from: a corpus, or what their project reads by itself."""
    return line(f"corpus {corpus}" if metric.is_bits_per_byte else corpus, 100)


def study_facts(study: Study) -> list[Text]:
    """Return what a reader must know of a study before any of its scores."""
    if study.is_imported:
        name = Text("study ").append_text(line(study.tag, 64, "bold"))
        origin = line(f"read from {study.origin}, nothing of it was trained here")
        return [name, origin, trust(study.trust)]
    return [
        study_name(study.tag, study.branch),
        Text(budget(study.budget_seconds, study.clock)),
        line(study.device, 40),
        trained_on(study.corpus, study.metric),
        trust(study.trust),
    ]


def study_line(study: Study) -> Text:
    """Return what `study_facts` does, in one line."""
    return joined(study_facts(study))
