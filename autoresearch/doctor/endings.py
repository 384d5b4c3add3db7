"""How a check call ended, in words that say what to do next."""

from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from autoresearch.doctor.finding import Finding, fault, ok, warning
from autoresearch.records.money import CallEnding, Settlement, dollars


@dataclass(frozen=True)
class Endpoint:
    """Where a model is asked. `url` "" is the provider's own; `named` is the variable it is from.

    `variable` names the one that holds the key, "" where none is sent.
    """

    model: str
    variable: str
    url: str = ""
    named: str = ""

    @property
    def said(self) -> str:
        """The place in words."""
        if not self.url:
            return "the provider's own"
        return f"{self.url} (from {self.named})" if self.named else self.url

    @property
    def own(self) -> bool:
        """Whether it is a server that the spec names."""
        return bool(self.url) and not self.named


def judged(settlement: Settlement, endpoint: Endpoint) -> Finding:
    """Return what a check call tells of a model."""
    ending = settlement.ending
    if ending.answered and ending is not CallEnding.REFUSED:
        cost = "" if settlement.cost is None else f", {dollars(settlement.cost)}"
        unsaid = "" if settlement.usage else ", usage not reported: calls cost their worst case"
        return ok("call", f"{endpoint.model} answers in {settlement.latency:.1f} s{cost}{unsaid}")
    said = f"{ending}: {settlement.detail}" if settlement.detail else str(ending)
    tell = warning if ending in _PASSING else fault
    return tell("call", said, _MENDS[ending](endpoint))


def _key(at: Endpoint) -> str:
    if not at.variable:
        return "the server wants a key: name the variable that holds it in [llm] key_variable"
    gateway = f", and that it is one for {at.url}" if at.url else ""
    return f"the key in {at.variable} is refused: see that it is whole and not revoked{gateway}"


def _name(at: Endpoint) -> str:
    if at.own:
        return (
            f"see which models are there: `curl {at.url.rstrip('/')}/models`; "
            "the path of most servers ends in /v1"
        )
    known = f", or what {at.url} calls it" if at.url else ""
    return f"no model {at.model!r} for this key: check the spelling in the provider's list{known}"


def _reach(at: Endpoint) -> str:
    if at.own:
        return f"is the server running at {at.url}? start it, for example with `ollama serve`"
    if at.url:
        return f"is the gateway at {at.url} up? else unset {at.named}"
    return "see that the network is up and HTTPS_PROXY is right"


def _shape(at: Endpoint) -> str:
    if not at.url:
        return "try again; if it stays, something between here and the provider answers for it"
    path = "" if urlsplit(at.url).path.strip("/") else ": its path is missing, most end in /v1"
    return f"see that {at.url} speaks the provider's API{path}"


LARGER_CONTEXT = (
    "give the server a context that holds a brief and the answer (Ollama: OLLAMA_CONTEXT_LENGTH; "
    "vLLM: --max-model-len; llama.cpp: -c)"
)
_PASSING = (
    CallEnding.RATE_LIMITED,
    CallEnding.OVERLOADED,
    CallEnding.TIMED_OUT,
    CallEnding.CUT,
    CallEnding.REFUSED,
)
_MENDS: dict[CallEnding, Callable[[Endpoint], str]] = {
    CallEnding.UNAUTHORIZED: _key,
    CallEnding.NO_CREDIT: lambda _at: (
        "add credit in the provider's console, or wait for a new "
        "month's quota; `run` would go on without this proposer"
    ),
    CallEnding.NOT_FOUND: _name,
    CallEnding.UNREACHABLE: _reach,
    CallEnding.MALFORMED: _shape,
    CallEnding.BAD_REQUEST: lambda at: (
        f"read what it objects to: the model's name, [llm] effort and {at.said} must fit each other"
    ),
    CallEnding.TOO_LONG: lambda _at: LARGER_CONTEXT,
    CallEnding.RATE_LIMITED: lambda _at: "nothing to mend: `run` waits as long as it is told to",
    CallEnding.OVERLOADED: lambda _at: "nothing to mend here: `run` waits and tries again",
    CallEnding.TIMED_OUT: lambda at: (
        "a local server may still be loading the model: try again"
        if at.own
        else "try again; if it stays, see the provider's status page"
    ),
    CallEnding.CUT: lambda _at: "try again; if it stays, a proxy between ends long answers",
    CallEnding.REFUSED: lambda _at: "try again; if it stays, choose another model",
}
