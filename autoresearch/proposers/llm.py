"""A language model as a proposer: it gets a brief, and refused answers back with the reason."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from autoresearch.config import LlmSettings
from autoresearch.errors import ProposerError
from autoresearch.proposers import reading
from autoresearch.proposers.base import MOST_AT_ONCE, Brief, Check, ProposeFailure, Several
from autoresearch.proposers.metered import Answer, MeteredModel, OverCallCap, shortcoming
from autoresearch.proposers.models import Prompt
from autoresearch.proposers.prompting import Prompting
from autoresearch.records.money import CallEnding
from autoresearch.records.proposals import Proposal, Rejection


class LlmProposer:
    """Asks a model for one experiment; a refused answer is sent back as often as is set.

    `name` is the spec, for example anthropic:MODEL.
    """

    def __init__(
        self, name: str, model: MeteredModel, prompting: Prompting, settings: LlmSettings
    ) -> None:
        self.name = name
        self._model = model
        self._prompting = prompting
        self._settings = settings
        self._tokens, self._room = settings.brief_tokens, settings.max_output

    def propose(self, brief: Brief, check: Check) -> Proposal | Several | ProposeFailure:
        """Return a proposal (the last one even if it will be refused), or why there is none.

        If several are wanted, or the settings ask for several, all good ones of a call are
        returned.
        """
        prompt, answer = self._first(brief)
        if isinstance(answer, ProposeFailure):
            return answer
        calls: tuple[int, ...] = (answer.call,)
        first, others, faults = self._checked(brief, answer, check, [])
        while first.fault and len(calls) <= self._settings.repairs:
            objection = self._prompting.objection(brief, faults[-1])
            prompt = prompt.objected(answer.reply.text, objection)
            again = self._repair(prompt, answer)
            if isinstance(again, ProposeFailure):
                break  # the refused proposal becomes a row, with its reason
            calls += (again.call,)
            if again.reply.ending is CallEnding.TOO_LONG:
                break
            answer = again
            first, others, faults = self._checked(brief, answer, check, faults)
        first = replace(first, calls=calls, fault=self._with_advice(first.fault, faults))
        return Several((first, *others)) if others else first

    def _checked(
        self, brief: Brief, answer: Answer, check: Check, before: Sequence[Rejection]
    ) -> tuple[Proposal, Sequence[Proposal], Sequence[Rejection]]:
        """Return the proposal of an answer, its further proposals, and all faults so far.

        Of several proposals it is the first without a fault, else the last one, with its fault;
        further proposals are those after it that have none.
        """
        read, *others = self._read(brief, answer)
        while (fault := _fault(read, check)) is not None and others:
            self._drop(fault)
            read = others.pop(0)
        if fault is not None:
            self._model.send_back(answer, fault.reason)
        if isinstance(read, Rejection):
            return reading.unread(answer.reply.text, self.name, read, brief), (), [*before, read]
        if fault is not None:
            return replace(read, fault=fault.reason), (), [*before, fault]
        return read, list(self._acceptable(others, answer, check)), before

    def _acceptable(
        self, others: Sequence[Proposal | Rejection], answer: Answer, check: Check
    ) -> Iterator[Proposal]:
        """Yield the further proposals of a call that would be trained."""
        for each in others:
            if isinstance(each, Rejection):
                self._drop(each)
            elif (fault := check(each)) is not None:
                self._drop(fault)
            else:
                yield replace(each, shares=answer.call)

    def _drop(self, fault: Rejection) -> None:
        self._model.tell(f"one of its proposals is dropped: {fault.reason}")

    def _with_advice(self, fault: str, faults: Sequence[Rejection]) -> str:
        """Return a fault, with advice to the person if edits seem to be too hard for the model."""
        wordy = sum(isinstance(each, reading.NoChange) for each in faults)
        if not fault or wordy < 2 or self._settings.format == "file":
            return fault
        return f'{fault}. An easier form may help this model: format = "file" in [llm]'

    def _first(self, brief: Brief) -> tuple[Prompt, Answer | ProposeFailure]:
        """Ask; if brief and answer are too long for the model, ask with half of the longer one.

        If the call is too expensive, ask with half of the brief.
        """
        while True:
            prompt = self._prompt(brief, self._tokens)
            answer = self._ask(prompt, "propose")
            too_long = isinstance(answer, Answer) and answer.reply.ending is CallEnding.TOO_LONG
            if not too_long and not isinstance(answer, OverCallCap):
                return prompt, answer
            if too_long and self._room > self._tokens:
                self._room //= 2
                continue
            if not self._halve(brief):
                if isinstance(answer, ProposeFailure):
                    return prompt, answer
                reason = f"the brief is too long for the model: {answer.reply.detail}"
                return prompt, ProposeFailure(reason, final=True)

    def _prompt(self, brief: Brief, tokens: int) -> Prompt:
        return self._prompting.prompt(brief, tokens=tokens, proposals=self._most(brief))

    def _most(self, brief: Brief) -> int:
        """Return how many proposals a call is asked for."""
        return max(self._settings.proposals, min(brief.wanted, MOST_AT_ONCE))

    def _halve(self, brief: Brief) -> bool:
        """Halve briefs from now on; return false, changing nothing, if they cannot be so short."""
        try:
            self._prompt(brief, self._tokens // 2)
        except ProposerError:
            return False
        self._tokens //= 2
        return True

    def _repair(self, prompt: Prompt, refused: Answer) -> Answer | ProposeFailure:
        """Ask again, with twice the output tokens where thinking used all and a cap allows it."""
        if refused.reply.starved:
            room = 2 * self._room
            again = self._model.ask(prompt, purpose="repair", max_output=room)
            if not _too_much(again):
                return again
        return self._ask(prompt, "repair")

    def _ask(self, prompt: Prompt, purpose: str) -> Answer | ProposeFailure:
        return self._model.ask(prompt, purpose=purpose, max_output=self._room)

    def _read(self, brief: Brief, answer: Answer) -> Sequence[Proposal | Rejection]:
        if answer.reply.ending in (CallEnding.TRUNCATED, CallEnding.EMPTY):
            return [Rejection(shortcoming(answer.reply, self._room))]
        return reading.read_several(answer.reply.text, self.name, brief, self._most(brief))


def _fault(read: Proposal | Rejection, check: Check) -> Rejection | None:
    return read if isinstance(read, Rejection) else check(read)


def _too_much(answer: Answer | ProposeFailure) -> bool:
    """Return whether a call was turned away, by a cap or by the provider, for its output tokens."""
    if isinstance(answer, ProposeFailure):
        return isinstance(answer, OverCallCap) or answer.doubtful
    return answer.reply.ending is CallEnding.TOO_LONG
