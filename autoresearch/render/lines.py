"""A run's events as sentences, shared by the live view and the plain lines."""

from typing import assert_never

from rich.text import Text

from autoresearch.records.events import (
    Event,
    ExperimentDone,
    ExperimentOpened,
    MoneyLow,
    NoProposal,
    Notice,
    ProposersOut,
    Scoring,
    StandingChanged,
    StudyOpened,
    StudyStopped,
    TrialPoint,
    TrialScored,
    TrialStarted,
    Waiting,
)
from autoresearch.records.money import dollars
from autoresearch.records.text import counted
from autoresearch.records.values import Purpose, Verdict
from autoresearch.render import words
from autoresearch.render.scores import ScoreFormat

WIDTH = 300
# What the last line of a run names though there were none.
_ALWAYS = frozenset(
    {Verdict.KEEP, Verdict.DISCARD, Verdict.CRASH, Verdict.INVALID, Verdict.DISQUALIFIED}
)


def sentence(event: Event, form: ScoreFormat, *, several: bool = False) -> Text | None:  # noqa: C901, PLR0911, PLR0912 - a return a kind of event
    """Return an event in one line; None for those that only a live view shows.

    `form` says how the study's scores are shown. With `several` slots it is said which one a
    trial is on, and whose it is: lines of several trials stand between each other.
    """
    match event:
        case StudyOpened():
            return _opened(event)
        case ExperimentOpened():
            return experiment_opened(event)
        case TrialStarted():
            return _on(event.slot, several=several).append(f"training {trained(event)}")
        case TrialScored():
            return _scored(event, form, several=several)
        case ExperimentDone():
            return experiment_done(event, form)
        case StandingChanged():
            return _standing_changed(event)
        case Waiting():
            return words.line(f"waiting: {event.reason}", WIDTH, "yellow")
        case Notice():
            return words.line(event.text, WIDTH, "yellow")
        case NoProposal():
            return _no_proposal(event)
        case ProposersOut():
            return words.line(f"nobody is left to propose: {event.reason}", WIDTH, "yellow")
        case MoneyLow():
            return words.line(money_low(event), WIDTH, "yellow")
        case StudyStopped():
            return stopped(event, form)
        case TrialPoint() | Scoring():
            return None
        case _:
            assert_never(event)


def _opened(event: StudyOpened) -> Text:
    parts: list[Text | str] = [
        words.study_name(event.tag, event.branch),
        words.budget(event.budget.training, event.budget.clock),
        words.line(event.device, 40),
    ]
    parts += [words.trained_on(event.corpus, event.metric)] if event.corpus else []
    if len(event.slots) > 1:
        parts.append(words.line(f"slots {', '.join(event.slots)}", 100))
    if event.proposers:
        parts.append(words.line(f"proposer {', '.join(event.proposers)}", 100))
    parts.append(words.trust(event.trust))
    if event.best_bpb is not None:
        form = ScoreFormat(event.metric, event.trust)
        best = form.score(event.best_bpb)
        parts.append(Text(f"continues from {form.name} ").append_text(best))
    return words.joined(parts)


def experiment_opened(event: ExperimentOpened) -> Text:
    """Return an experiment's opening: who proposes what."""
    head = words.line(f"experiment {event.experiment_id} ({event.proposer}, {event.category}): ")
    return head.append(" ").append_text(words.line(event.hypothesis, WIDTH))


def training(event: TrialStarted) -> str:
    """Return why a training is done, in words."""
    if event.purpose is Purpose.CONFIRMING and event.incumbent:
        return f"{event.purpose}, experiment {event.experiment_id} beside it"
    if event.incumbent:
        return f"{event.purpose}, incumbent"
    # Of no experiment under way.
    apart = event.purpose in (Purpose.CONFIRMING, Purpose.DRIFT, Purpose.PROFILE)
    return f"{event.purpose} of experiment {event.experiment_id}" if apart else event.purpose


def _standing_changed(event: StandingChanged) -> Text:
    said = Text(f"experiment {event.experiment_id}: ")
    lost = Text("no longer confirmed", style="yellow")
    told = words.standing(event.standing) if event.standing else lost
    return said.append_text(told).append_text(_because(event.reason))


def trained(event: TrialStarted) -> str:
    """Return which trial it is: others are opened meanwhile."""
    beside = ", incumbent" if event.incumbent else ""
    return f"experiment {event.experiment_id}, seed {event.seed}, {event.purpose}{beside}"


def _on(slot: str, *, several: bool) -> Text:
    said = Text("  ")
    return said.append_text(words.line(f"slot {slot}", 60)).append(": ") if several else said


def _scored(event: TrialScored, form: ScoreFormat, *, several: bool) -> Text:
    said = _on(event.slot, several=several)
    said.append(f"experiment {event.experiment_id}, seed {event.seed}: ")
    if event.bpb is None:
        return said.append("no score").append_text(_because(event.detail))
    return said.append(f"{form.name} ").append_text(form.score(event.bpb))


def experiment_done(event: ExperimentDone, form: ScoreFormat) -> Text:
    """Return an experiment's verdict, with its score, effect and reason."""
    said = Text(f"experiment {event.experiment_id}: ").append_text(words.verdict(event.verdict))
    if event.val_bpb is not None:
        said.append(f"  {form.name} ").append_text(form.score(event.val_bpb, event.error))
    if event.delta is not None:
        said.append(f"  Δ {form.delta(event.delta, event.delta_error)}")
    said.append(f"  {words.duration(event.seconds)}")
    return said.append_text(_because(event.reason))


def _no_proposal(event: NoProposal) -> Text:
    again = "asked no more" if event.again is None else f"asked again in {event.again:.0f} s"
    return words.line(f"{event.proposer}: {event.reason} ({again})", WIDTH, "yellow")


def money_low(event: MoneyLow) -> str:
    """Return how much of a cap is used up."""
    used = f"{dollars(event.spent)} of {dollars(event.cap)}"
    return f"{event.spent / event.cap:.0%} of {event.name} are spent or reserved: {used}"


def _because(reason: str) -> Text:
    if not reason:
        return Text()
    return Text("  ").append_text(words.line(reason, WIDTH, "dim"))


def stopped(event: StudyStopped, form: ScoreFormat) -> Text:
    """Return how a run ended and what the study holds by now."""
    said = words.line(f"stopped: {event.reason}", WIDTH, "bold")
    said = Text().append_text(said).append(f"\n{counted(event.verdicts.total, 'experiment')}: ")
    kept = {Verdict.KEEP: f"kept ({event.confirmed} confirmed)"}
    said.append(", ".join(event.verdicts.described(kept, always=_ALWAYS)))
    if event.per_hour is not None:
        said.append(f", {event.per_hour:.1f} an hour")
    if event.best_bpb is None:
        return said
    said.append(f"; best {form.name} ").append_text(form.score(event.best_bpb))
    if event.baseline_bpb is not None and event.gain is not None:
        said.append(f", {form.improvement(event.gain, event.baseline_bpb)}")
    return said
