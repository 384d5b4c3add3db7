"""The slots of a run in the live view, where there are several: a line each."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from rich.text import Text

from autoresearch.records.events import (
    Event,
    ExperimentDone,
    ExperimentOpened,
    Scoring,
    StudyOpened,
    TrialPoint,
    TrialScored,
    TrialStarted,
)
from autoresearch.records.training import Point
from autoresearch.render import words
from autoresearch.render.lines import trained

_MOST = 16  # lines: a terminal has little more
_NAME = 24


@dataclass(frozen=True)
class Lane:
    """What a slot is at: which trial, since when in which phase; no trial: it is free."""

    since: float
    trial: TrialStarted | None = None
    phase: str = "free"
    point: Point | None = None


@dataclass(frozen=True)
class Lanes:
    """All slots by their names, and the open experiments' ideas by their numbers."""

    slots: Mapping[str, Lane] = field(default_factory=dict)
    ideas: Mapping[int, str] = field(default_factory=dict)

    @property
    def several(self) -> bool:
        """Whether it must be said which slot something happened on."""
        return len(self.slots) > 1

    def after(self, event: Event, now: float) -> "Lanes":
        """Return what is there once `event` has been seen at `now`."""
        match event:
            case StudyOpened():
                return replace(self, slots={slot: Lane(now) for slot in event.slots})
            case ExperimentOpened():
                return replace(self, ideas={**self.ideas, event.experiment_id: event.hypothesis})
            case ExperimentDone():
                left = {at: idea for at, idea in self.ideas.items() if at != event.experiment_id}
                return replace(self, ideas=left)
            case TrialStarted() | TrialPoint() | Scoring() | TrialScored():
                lane = self.slots.get(event.slot, Lane(now))
                return replace(self, slots={**self.slots, event.slot: _after(lane, event, now)})
        return self

    def lines(self, budget: float, now: float) -> list[Text]:
        """Return a line a slot; of very many slots the first ones."""
        shown = dict(list(self.slots.items())[:_MOST])
        width = max((len(words.line(name, _NAME)) for name in shown), default=0)
        found = [self._line(name, lane, width, budget, now) for name, lane in shown.items()]
        if more := len(self.slots) - len(shown):
            hidden = list(self.slots.values())[_MOST:]
            free = sum(each.trial is None for each in hidden)
            found.append(Text(f"and {more} slots more, {free} of them free", style="dim"))
        return found

    def _line(self, name: str, lane: Lane, width: int, budget: float, now: float) -> Text:
        said = words.line(name, _NAME)
        said.pad_right(width - len(said))
        said.append(f"  {_time(lane, budget, now):>9}  ", style="dim")
        if lane.trial is None:
            return said.append(lane.phase, style="dim")
        said.append_text(words.line(f"{lane.phase} {trained(lane.trial)}", 80, "cyan"))
        if point := lane.point:
            said.append(f"  loss {point.loss:.4f}  {words.speed(point)}")
        if idea := self.ideas.get(lane.trial.experiment_id):
            said.append("  ").append_text(words.line(idea, 200, "dim"))
        return said


def _after(lane: Lane, event: Event, now: float) -> Lane:
    match event:
        case TrialStarted():
            return Lane(now, event, "training")
        case TrialPoint():
            return replace(lane, point=event.point)
        case Scoring():
            return replace(lane, since=now, phase="scoring", point=None)
    return Lane(now)


def _time(lane: Lane, budget: float, now: float) -> str:
    """Return the part of the budget that is spent; in another phase how long it has lasted."""
    if lane.point is None or not budget:
        return words.duration(round(now - lane.since))
    return f"{min(max(lane.point.seconds, 0.0), budget):.0f}/{budget:.0f} s"
