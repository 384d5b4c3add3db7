"""A language model as a proposer: brief in, answer out, sent back with reasons until it holds."""

from dataclasses import replace

from autoresearch.config import LlmSettings
from autoresearch.proposers import parsing
from autoresearch.proposers.asking import Answer, Asker
from autoresearch.proposers.base import Brief, Check, Unable
from autoresearch.proposers.models import Prompt
from autoresearch.proposers.prompting import Prompting
from autoresearch.records.money import CallEnding
from autoresearch.records.values import Proposal, Rejection

_LEAST_TOKENS = 2000  # a brief below this tells a model nothing


class LlmProposer:
    """Asks a model for one experiment; what is refused goes back to it, twice at most."""

    def __init__(
        self, name: str, asker: Asker, prompting: Prompting, settings: LlmSettings
    ) -> None:
        """Build it.

        Args:
            name: its spec.
            asker: the model.
            prompting: turns a brief into a prompt.
            settings: how many repairs, how many tokens.
        """
        self._name = name
        self._asker = asker
        self._prompting = prompting
        self._settings = settings
        self._tokens = settings.brief_tokens

    @property
    def name(self) -> str:
        """The spec, for example anthropic:MODEL."""
        return self._name

    def propose(self, brief: Brief, check: Check) -> Proposal | Unable:
        """Return a proposal (in the end also one that will be refused), or why there is none."""
        answer, prompt = self._first(brief), self._prompt(brief)
        calls: tuple[int, ...] = ()
        while isinstance(answer, Answer):
            calls += (answer.call,)
            made = self._read(answer)
            fault = made if isinstance(made, Rejection) else check(made)
            if fault is not None:
                self._asker.send_back(answer, fault.reason)
            if fault is None or len(calls) > self._settings.repairs:
                return replace(self._readable(made, answer), calls=calls)
            prompt = prompt.objected(answer.reply.text, self._prompting.objection(brief, fault))
            answer = self._ask(prompt, "repair")
        return answer

    def _first(self, brief: Brief) -> Answer | Unable:
        """Ask; where the model's context is too small for the brief, ask with half of it."""
        while True:
            answer = self._ask(self._prompt(brief), "propose")
            if isinstance(answer, Unable) or answer.reply.ending is not CallEnding.TOO_LONG:
                return answer
            if self._tokens // 2 < _LEAST_TOKENS:
                return Unable(
                    f"the brief is too long for the model: {answer.reply.detail}", final=True
                )
            self._tokens //= 2

    def _prompt(self, brief: Brief) -> Prompt:
        return self._prompting.prompt(brief, tokens=self._tokens)

    def _ask(self, prompt: Prompt, purpose: str) -> Answer | Unable:
        return self._asker.ask(prompt, purpose=purpose, max_output=self._settings.max_output)

    def _read(self, answer: Answer) -> Proposal | Rejection:
        ending = answer.reply.ending
        if ending is CallEnding.TRUNCATED:
            most = self._settings.max_output
            return Rejection(f"the answer was cut at {most} tokens: say less, change less")
        if ending is CallEnding.EMPTY:
            return Rejection("the answer was empty")
        if ending is CallEnding.TOO_LONG:
            return Rejection("the talk grew too long for the model")
        return parsing.parse(answer.reply.text, self._name)

    def _readable(self, made: Proposal | Rejection, answer: Answer) -> Proposal:
        if isinstance(made, Proposal):
            return made
        return parsing.unreadable(answer.reply.text, self._name, made.reason)
