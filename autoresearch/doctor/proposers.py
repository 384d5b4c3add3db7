"""Each proposer: its key, its price, one short call, and what to do where that fails."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from autoresearch import patching
from autoresearch.config import parse_duration
from autoresearch.doctor.endings import LARGER_CONTEXT, Endpoint, judged
from autoresearch.doctor.finding import Finding, fault, ok, refusal, warning
from autoresearch.errors import AutoresearchError, ProposerError
from autoresearch.proposers import ProposerContext, Spec, build, specs
from autoresearch.proposers.metered import MeteredModel, seems_cut
from autoresearch.proposers.models import Prompt, Section
from autoresearch.proposers.pricing import Price, price
from autoresearch.records.known_proposers import PROVIDERS
from autoresearch.records.money import CapReached, Intent, Ledger, Settlement, Usage, dollars
from autoresearch.records.text import counted

PATIENCE = 60.0  # seconds
OWN_PATIENCE = 180.0  # of a server of one's own, which may have to load its model first
MOST_OUTPUT = 16  # tokens: the least that every provider takes
BYTES_A_TOKEN = 3  # as briefs are measured
_RULES = Section("Answer with one word.")
_QUESTION = Section("Are you there? Say yes.")
# For servers that may cut what is too long for them without a word. It is about as long as the
# first brief of a study, and a common context of 4,096 tokens is far too small for it.
_PADDING = Section("The quick brown fox jumps over the lazy dog, and nobody asks why. " * 700)
# A check costs a fraction of a cent: where so long a one would not, it is not that long.
_READ_ALL, _MOST_USD = Usage(len(_PADDING.text) // BYTES_A_TOKEN, MOST_OUTPUT), 0.01


class Witness:
    """Passes everything on to a ledger, where there is one, and keeps how the call ended."""

    def __init__(self, ledger: Ledger | None) -> None:
        self._ledger = ledger
        self.settlement: Settlement | None = None

    def reserve(self, intent: Intent) -> int | CapReached:
        """See `Ledger`."""
        return self._ledger.reserve(intent) if self._ledger else 0

    def settle(self, call: int, settlement: Settlement) -> None:
        """See `Ledger`."""
        self.settlement = settlement
        if self._ledger:
            self._ledger.settle(call, settlement)

    def send_back(self, call: int, reason: str) -> None:
        """See `Ledger`."""
        if self._ledger:
            self._ledger.send_back(call, reason)

    def remaining(self) -> float | None:
        """See `Ledger`."""
        return self._ledger.remaining() if self._ledger else None


@dataclass(frozen=True)
class Bench:
    """What proposers are looked at with. `ledger` None: a call is made and written down nowhere.

    `source` is the entry file's text, "" where there is none.
    """

    context: ProposerContext
    offline: bool
    ledger: Ledger | None = None
    source: str = ""


def proposer(text: str, bench: Bench) -> Iterator[Finding]:
    """Yield what there is to say of the proposer that a spec names."""
    try:
        spec = specs.parse(text)
    except ProposerError as error:
        yield refusal("spec", error, "write one of the known ones; docs/proposers.md has examples")
        return
    look = {
        "optuna": _tuner,
        "random": _tuner,
        "patches": _patches,
        "command": _command,
    }.get(spec.kind, _model)
    yield from look(spec, bench)


def _tuner(spec: Spec, bench: Bench) -> Iterator[Finding]:
    count = len(patching.numbers(bench.source))
    entry = bench.context.settings.target.entry
    if bench.source and not count:
        said = f"{entry} has no capital constants at its top: nothing to tune"
        yield fault("constants", said, "name its numbers there, such as DEPTH = 8")
    else:
        said = f"; {counted(count, 'constant')} in {entry}" if count else ""
        yield ok(spec.kind, f"needs no key and no network{said}")


def _patches(spec: Spec, bench: Bench) -> Iterator[Finding]:
    try:
        build(spec, bench.context)
    except ProposerError as error:
        yield refusal("patches", error, "name a folder that holds .patch or .diff files")
        return
    yield ok("patches", f"{spec.argument} can be read")


def _command(spec: Spec, bench: Bench) -> Iterator[Finding]:
    settings, environment = bench.context.settings, bench.context.environment
    try:
        build(spec, bench.context)
    except ProposerError as error:
        yield refusal("program", error)
        return
    yield ok("program", f"{spec.argument.split()[0]} is there; it is not run here")
    if unset := [name for name in settings.command.environment if not environment.get(name)]:
        said = f"[command] environment names {', '.join(unset)}, not set here"
        yield warning("environment", said, "set it, or take it out")
    money = settings.money
    if settings.command.usd is None and (money.study_usd, money.call_usd) != (None, None):
        said = "unknown, so no cap counts what it costs"
        yield warning("price", said, "write what one call costs: [command] usd")


def _model(spec: Spec, bench: Bench) -> Iterator[Finding]:
    endpoint = _endpoint(spec, bench.context)
    keyed = _key(endpoint, bench.context)
    priced, cost = _price(spec, bench.context)
    yield from (keyed, ok("endpoint", endpoint.said), priced)
    if cost is not None and (found := _caps(cost, bench.context)):
        yield found
    if found := _prompts(bench.context):
        yield found
    if keyed.mend or cost is None:
        return
    if bench.offline:
        yield ok("call", "not made (--offline)")
    else:
        long = endpoint.own and cost.cost(_READ_ALL) < _MOST_USD
        prompt = Prompt((_RULES,), (_PADDING, _QUESTION) if long else (_QUESTION,))
        yield from _call(spec, endpoint, bench, prompt)


def _endpoint(spec: Spec, context: ProposerContext) -> Endpoint:
    if spec.base_url is not None:
        return Endpoint(spec.argument, context.settings.llm.key_variable, _shown(spec.base_url))
    provider, url = PROVIDERS[spec.kind], context.endpoints.get(spec.kind)
    shown = _shown(url) if url else ""
    return Endpoint(spec.argument, provider.key_variable, shown, provider.url_variable)


def _shown(url: str) -> str:
    """Return a URL without the name and password that may be in it."""
    return urlsplit(url)._replace(netloc=urlsplit(url).netloc.rpartition("@")[2]).geturl()


def _key(endpoint: Endpoint, context: ProposerContext) -> Finding:
    if not endpoint.variable:
        return ok("key", "none is sent ([llm] key_variable names none)")
    if context.keys.get(endpoint.variable) is None:
        mend = f"`export {endpoint.variable}=...` in the shell that starts `run`"
        return fault("key", f"{endpoint.variable} is not set", mend)
    return ok("key", f"{endpoint.variable} is set")


def _price(spec: Spec, context: ProposerContext) -> tuple[Finding, Price | None]:
    try:
        found = price(
            spec.provider, spec.argument, own=context.settings.prices, base_url=spec.base_url
        )
    except ProposerError as error:
        return refusal("price", error), None
    # Small counts: above a limit some providers charge more.
    rates = 1000 * found.cost(Usage(1000, 0)), 1000 * found.cost(Usage(0, 1000))
    source = f" ({found.source})" if found.source else ""
    said = f"{dollars(rates[0])} in, {dollars(rates[1])} out for a million tokens{source}"
    return ok("price", said), found


def _caps(cost: Price, context: ProposerContext) -> Finding | None:
    """Return whether the caps leave room for a call with a full brief; None where it is free."""
    llm, money = context.settings.llm, context.settings.money
    # What is set aside is counted in bytes: no tokenizer makes more tokens of them.
    most = cost.worst(llm.brief_tokens * BYTES_A_TOKEN, llm.max_output)
    said = f"up to about {dollars(most)} is set aside for a call with a full brief"
    for name, cap in (("call_usd", money.call_usd), ("study_usd", money.study_usd)):
        if cap is not None and most > cap:
            above = f"{said}, above the {dollars(cap)} of [money] {name}"
            return warning("caps", above, "raise it, or lower [llm] brief_tokens or max_output")
    return ok("caps", said) if most else None


def _prompts(context: ProposerContext) -> Finding | None:
    if not context.prompts.is_dir():
        return None
    from autoresearch.proposers.prompting import Prompting  # noqa: PLC0415 - jinja2, when asked for

    try:
        Prompting(context.settings.llm, folder=context.prompts)
    except ProposerError as error:
        return refusal("prompts", error, f"mend it in {context.prompts}, or remove it")
    return ok("prompts", f"templates of the project's own in {context.prompts.name}/")


def _call(spec: Spec, endpoint: Endpoint, bench: Bench, prompt: Prompt) -> Iterator[Finding]:
    settings, witness = bench.context.settings, Witness(bench.ledger)
    patience = OWN_PATIENCE if endpoint.own else PATIENCE
    seconds = min(parse_duration(settings.llm.timeout), patience)
    try:
        priced = specs.model(
            spec,
            llm=replace(settings.llm, timeout=f"{seconds:g}s"),
            prices=settings.prices,
            keys=bench.context.keys,
            endpoints=bench.context.endpoints,
        )
        metered = MeteredModel(spec.text, priced, ledger=witness, redact=bench.context.keys.redact)
        answer = metered.ask(prompt, purpose="check", max_output=MOST_OUTPUT)
    except AutoresearchError as error:
        yield refusal("call", error)
        return
    settled = witness.settlement
    if settled is None:
        reason = getattr(answer, "reason", "a cap is reached")
        yield warning("call", f"not made: {reason}", "raise the cap under [money]")
        return
    yield judged(settled, endpoint)
    if settled.usage and seems_cut(prompt, settled.usage):
        told = f"{settled.usage.input:,} tokens of {prompt.characters:,} characters"
        said = f"the server counted {told}: it seems to cut long prompts without a word"
        yield warning("context", said, LARGER_CONTEXT)
