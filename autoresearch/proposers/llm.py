"""A language model as a proposer: brief in, answer out, sent back with reasons until it holds."""

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
    """Asks a model for one experiment; what is refused goes back to it, twice at most."""

    def __init__(
        self, name: str, model: MeteredModel, prompting: Prompting, settings: LlmSettings
    ) -> None:
        """Build it.

        Args:
            name: its spec.
            model: the model.
            prompting: turns a brief into a prompt.
            settings: how many repairs, how many tokens.
        """
        self._name = name
        self._model = model
        self._prompting = prompting
        self._settings = settings
        self._tokens, self._room = settings.brief_tokens, settings.max_output

    @property
    def name(self) -> str:
        """The spec, for example anthropic:MODEL."""
        return self._name

    def propose(self, brief: Brief, check: Check) -> Proposal | Several | ProposeFailure:
        """Return a proposal (in the end also one that will be refused), or why there is none.

        Where several are wanted, or the settings ask for them, what a call has made is returned
        whole.
        """
        prompt, answer = self._first(brief)
        if isinstance(answer, ProposeFailure):
            return answer
        calls: tuple[int, ...] = (answer.call,)
        made, others, faults = self._judged(brief, answer, check, [])
        while made.fault and len(calls) <= self._settings.repairs:
            objection = self._prompting.objection(brief, faults[-1])
            prompt = prompt.objected(answer.reply.text, objection)
            again = self._repair(prompt, answer)
            if isinstance(again, ProposeFailure):
                break  # what there is becomes a row, with its reason: nothing is lost
            calls += (again.call,)
            if again.reply.ending is CallEnding.TOO_LONG:
                break
            answer = again
            made, others, faults = self._judged(brief, answer, check, faults)
        first = replace(made, calls=calls, fault=self._advised(made.fault, faults))
        return Several((first, *others)) if others else first

    def _judged(
        self, brief: Brief, answer: Answer, check: Check, before: Sequence[Rejection]
    ) -> tuple[Proposal, Sequence[Proposal], Sequence[Rejection]]:
        """Return what an answer proposes, with its fault if it has one, and all faults so far.

        Of several proposals that is the first without a fault, else the last; beside it, those
        below it that have none.
        """
        read, *others = self._read(brief, answer)
        while (fault := _fault(read, check)) is not None and others:
            self._drop(fault)
            read = others.pop(0)
        if fault is not None:
            self._model.send_back(answer, fault.reason)
        if isinstance(read, Rejection):
            return reading.unread(answer.reply.text, self._name, read, brief), (), [*before, read]
        if fault is not None:
            return replace(read, fault=fault.reason), (), [*before, fault]
        return read, list(self._sound(others, answer, check)), before

    def _sound(
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

    def _advised(self, fault: str, faults: Sequence[Rejection]) -> str:
        """Return a fault with advice to the person where edits seem to be too hard for a model."""
        wordy = sum(isinstance(each, reading.NoChange) for each in faults)
        if not fault or wordy < 2 or self._settings.format == "file":
            return fault
        return f'{fault}. An easier form may help this model: format = "file" in [llm]'

    def _first(self, brief: Brief) -> tuple[Prompt, Answer | ProposeFailure]:
        """Ask; where brief and answer are too long for the model, ask with half of the longer one.

        Where the call is too dear, with half of the brief.
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
            if not self._halved(brief):
                return prompt, answer if isinstance(answer, ProposeFailure) else _hopeless(answer)

    def _prompt(self, brief: Brief, tokens: int) -> Prompt:
        return self._prompting.prompt(brief, tokens=tokens, proposals=self._most(brief))

    def _most(self, brief: Brief) -> int:
        """Return how many proposals a call is asked for."""
        return max(self._settings.proposals, min(brief.wanted, MOST_AT_ONCE))

    def _halved(self, brief: Brief) -> bool:
        """Tell half as much from now on; return whether a brief can be as short as that."""
        try:
            self._prompt(brief, self._tokens // 2)
        except ProposerError:
            return False
        self._tokens //= 2
        return True

    def _repair(self, prompt: Prompt, refused: Answer) -> Answer | ProposeFailure:
        """Ask again; with twice the room where thoughts took all of it, if that may be had."""
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
        return reading.read_several(answer.reply.text, self._name, brief, self._most(brief))


def _fault(read: Proposal | Rejection, check: Check) -> Rejection | None:
    return read if isinstance(read, Rejection) else check(read)


def _too_much(answer: Answer | ProposeFailure) -> bool:
    """Whether a call was turned away for the room it asked for: by a cap, or by the provider."""
    if isinstance(answer, ProposeFailure):
        return isinstance(answer, OverCallCap) or answer.doubtful
    return answer.reply.ending is CallEnding.TOO_LONG


def _hopeless(answer: Answer) -> ProposeFailure:
    return ProposeFailure(f"the brief is too long for the model: {answer.reply.detail}", final=True)
