"""Writes a brief as a prompt, in the order that caching wants, within its tokens."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from autoresearch.config import LlmSettings
from autoresearch.errors import ProposerError
from autoresearch.proposers.base import Brief
from autoresearch.proposers.models import Prompt, Section
from autoresearch.proposers.prompting import untrusted_blocks, views
from autoresearch.proposers.prompting.example import examples
from autoresearch.proposers.prompting.history import HistorySection, estimate, section
from autoresearch.proposers.prompting.known import known_view
from autoresearch.proposers.prompting.templates import Templates
from autoresearch.proposers.prompting.untrusted_blocks import UntrustedBlocks
from autoresearch.records.metric import Metric
from autoresearch.records.proposals import Rejection

# Reserved for what is new in every brief, so that its size changes nothing else; where that is
# more, so many more at once: then its size seldom changes how much of the history is shown.
NOW_TOKENS = 2500
_KNOWN_SHARE = 12  # a twelfth is for what was known before the study
_HISTORY_SHARE = 8  # an eighth is reserved for the history before any fixed file is shown
_ANSWERS = {"blocks": "answer_blocks", "file": "answer_file"}
_COMMAND = "answer_command"


@dataclass(frozen=True)
class _Pieces:
    """A prompt's texts, by how often they change."""

    rules: str
    answer: str
    project: str
    incumbent: str
    heading: str
    rows: Sequence[str]
    now: str

    @property
    def all_but_rules(self) -> tuple[str, ...]:
        return (self.project, self.incumbent, self.heading, *self.rows, self.now)


class Prompting:
    """Writes prompts. The same brief gives the same bytes."""

    def __init__(self, settings: LlmSettings, *, folder: Path | None, proposer: str = "") -> None:
        """Read the templates and try each of them.

        Args:
            settings: how long a brief may be, and which form of answer is asked for.
            folder: the project's own templates, which replace ours of the same name; may be absent.
            proposer: whose predictions are compared with effects; "" for everyone's.

        Raises:
            ProposerError: one of the project's templates is broken; with its file and line.
        """
        self._settings = settings
        self._proposer = proposer
        self._templates = Templates(folder)
        self._try()

    def prompt(self, brief: Brief, *, tokens: int | None = None, proposals: int = 1) -> Prompt:
        """Return a brief as a prompt for a model.

        At most four sections are marked as worth caching: the project (and so the rules before it),
        the incumbent, and the history's two newest rows. Two, so that a provider that only looks at
        marks finds the one that ended the prompt before.

        Args:
            brief: what to write.
            tokens: the most there may be, as `history.estimate` counts; None takes the settings'.
            proposals: how many independent ones are asked for.

        Raises:
            ProposerError: the rules, the incumbent and the verdicts alone are more.
        """
        most = tokens or self._settings.brief_tokens
        answer = _ANSWERS.get(self._settings.format, _ANSWERS["blocks"])
        pieces = self._pieces(brief, answer, most, proposals)
        newest = len(pieces.rows) - 2
        rows = [Section(row, cache=at >= newest) for at, row in enumerate(pieces.rows)]
        return Prompt(
            system=(Section(pieces.rules + pieces.answer),),
            user=(
                Section(pieces.project, cache=True),
                Section(pieces.incumbent, cache=True),
                Section(pieces.heading),
                *rows,
                Section(pieces.now),
            ),
            cache_key=UntrustedBlocks(brief.salt).key(brief.study),
        )

    def text(self, brief: Brief) -> str:
        """Return a brief as one document, for a program that edits the files itself.

        Raises:
            ProposerError: as `prompt`.
        """
        pieces = self._pieces(brief, _COMMAND, self._settings.brief_tokens)
        return "".join([pieces.rules, *pieces.all_but_rules, pieces.answer]).rstrip("\n") + "\n"

    def objection(self, brief: Brief, rejection: Rejection) -> str:
        """Return what the author of a refused answer is sent."""
        values = {"reason": self.reason(brief, rejection)}
        return self._templates.render("objection", brief.scale.metric, objection=values)

    def reason(self, brief: Brief, rejection: Rejection) -> str:
        """Return why something was refused, as untrusted blocks."""
        blocks = UntrustedBlocks(brief.salt)
        reason = blocks.data("reason", untrusted_blocks.line(rejection.reason, 1000))
        if not rejection.detail:
            return reason
        detail = untrusted_blocks.tail(rejection.detail, lines=30, size=3000)
        return f"{reason}\n{blocks.data('detail', detail)}"

    def _pieces(self, brief: Brief, answer: str, most: int, proposals: int = 1) -> _Pieces:
        blocks = UntrustedBlocks(brief.salt)
        setting, metric = views.setting(brief, proposals), brief.scale.metric
        rules, how = (self._section(name, metric, setting=setting) for name in ("rules", answer))
        incumbent = self._section("incumbent", metric, incumbent=views.incumbent(brief, blocks))
        heading = self._section("history", metric, setting=setting)
        view = views.now(brief, blocks, self._proposer)
        now = self._section("now", metric, now=view, setting=setting)
        known = "".join(
            self._section(
                "known",
                metric,
                known=known_view(each, blocks, most // _KNOWN_SHARE // len(brief.known)),
            )
            for each in brief.known
        )
        fixed = sum(map(estimate, (rules, how, incumbent, heading, known)))
        project = self._project(brief, blocks, most - fixed - NOW_TOKENS - most // _HISTORY_SHARE)
        steps = max(math.ceil(estimate(now) / NOW_TOKENS), 1)
        room = most - fixed - estimate(project) - steps * NOW_TOKENS
        history = HistorySection(self._templates, brief)
        rows = history.fitting(history.rows(), room)
        project += known
        return _within(_Pieces(rules, how, project, incumbent, heading, rows, now), most)

    def _project(self, brief: Brief, blocks: UntrustedBlocks, room: int) -> str:
        """Return the section about fixed things, without the largest files that do not fit."""
        shown, dropped = views.shown_files(brief, self._settings.show), list[str]()
        while True:
            view = views.project(brief, blocks, shown, dropped)
            text = self._section("project", brief.scale.metric, project=view)
            if estimate(text) <= room or not shown:
                return text
            dropped.append(shown.popitem()[0])

    def _section(self, name: str, metric: Metric, **values: object) -> str:
        return section(self._templates.render(name, metric, **values))

    def _try(self) -> None:
        for brief in examples(self._proposer):
            for answer in (*_ANSWERS.values(), _COMMAND):
                self._pieces(brief, answer, 200_000)
                self._pieces(brief, answer, 200_000, proposals=2)
            history = HistorySection(self._templates, brief)
            history.fitting(history.rows(), room=0)
            self.objection(brief, Rejection("an example"))


def _within(pieces: _Pieces, most: int) -> _Pieces:
    need = sum(map(estimate, (pieces.rules, pieces.answer, *pieces.all_but_rules)))
    if need > most:
        msg = (
            f"the brief needs about {need} tokens, {most} are allowed: raise [llm] brief_tokens, "
            "or take a model with a larger context"
        )
        raise ProposerError(msg)
    return pieces
