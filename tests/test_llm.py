"""A model as a proposer: answers, objections, money; over a scripted model in this process."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pytest

from autoresearch.config import LlmSettings, PriceSettings
from autoresearch.patching import unified_diff
from autoresearch.proposers import Brief, Check, HistoryEntry, ProposeFailure, Several
from autoresearch.proposers.llm import LlmProposer
from autoresearch.proposers.metered import MeteredModel
from autoresearch.proposers.models import Prompt, Reply
from autoresearch.proposers.pricing import price
from autoresearch.proposers.prompting import Prompting
from autoresearch.proposers.reading import read_several
from autoresearch.proposers.specs import PricedModel
from autoresearch.records.money import CallEnding, CapReached, Intent, Usage
from autoresearch.records.proposals import Change, ChangeFormat, Proposal, Rejection
from autoresearch.records.values import Verdict
from tests.stubs import TRAIN, FreeLedger, accepted

HEADER = """\
hypothesis: a lower quality number is a better one
category: efficiency
predicted_delta: -0.05
risk: noise may grow
"""
BLOCK = """\
train.py
<<<<<<< SEARCH
QUALITY = 2.0
=======
QUALITY = 1.0
>>>>>>> REPLACE
"""
GOOD = HEADER + "\n" + BLOCK
CHANGE = unified_diff(
    {"train.py": TRAIN}, {"train.py": TRAIN.replace("QUALITY = 2.0", "QUALITY = 1.0")}
)
USAGE = Usage(input=1000, output=100, cached=500)


@dataclass
class Scripted:
    """A model that replies with these, one after another."""

    replies: list[Reply]
    prompts: list[Prompt] = field(default_factory=list)
    rooms: list[int] = field(default_factory=list)
    provider: str = "fake"
    model: str = "model"

    def complete(self, prompt: Prompt, *, max_output: int) -> Reply:
        self.prompts.append(prompt)
        self.rooms.append(max_output)
        return self.replies.pop(0)


# A dollar for a thousand tokens, whichever.
FLAT = price("fake", "model", own={"fake:model": PriceSettings(1000.0, 1000.0)}, base_url=None)


@dataclass
class Bench:
    """An LLM proposer over scripted replies."""

    replies: Sequence[Reply]
    settings: LlmSettings = field(default_factory=LlmSettings)
    ledger: FreeLedger = field(default_factory=FreeLedger)
    told: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.model = Scripted(list(self.replies))
        metered = MeteredModel(
            "fake:model", PricedModel(self.model, FLAT),
            ledger=self.ledger, redact=redact, tell=self.told.append,
        )  # fmt: skip
        prompting = Prompting(self.settings, folder=None)
        self.proposer = LlmProposer("fake:model", metered, prompting, self.settings)


def redact(text: str) -> str:
    return text.replace("sk-secret", "[key]")


def said(text: str, ending: CallEnding = CallEnding.ANSWERED) -> Reply:
    return Reply(ending, text, USAGE, latency=1.0)


def brief() -> Brief:
    return Brief(
        study="night",
        number=2,
        incumbent_id=1,
        program="# Goal\nLower val_bpb.",
        entry="train.py",
        files={"train.py": TRAIN},
        base_files={"train.py": TRAIN},
        salt="salt",
    )


def test_a_good_answer_is_a_proposal_with_its_cost() -> None:
    bench = Bench([said(GOOD)])
    made = bench.proposer.propose(brief(), accepted)
    assert isinstance(made, Proposal)
    assert made.proposer == "fake:model"
    assert made.calls == (1,)
    assert made.risk == "noise may grow"
    settled = bench.ledger.settled[1]
    assert (settled.ending, settled.cost, settled.answer) == (CallEnding.ANSWERED, 1.1, GOOD)
    assert settled.usage == USAGE
    intent = bench.ledger.intents[0]
    assert (intent.purpose, intent.provider, intent.model) == ("propose", "fake", "model")
    assert intent.worst >= 32


def test_what_is_refused_goes_back_with_the_reason_twice() -> None:
    bench = Bench([said("no idea"), said(GOOD), said(GOOD)])
    refusals: list[Rejection | None] = [Rejection("its SEARCH text is not in train.py"), None]
    made = bench.proposer.propose(brief(), lambda _made: refusals.pop(0))
    assert isinstance(made, Proposal)
    assert made.calls == (1, 2, 3)
    assert [intent.purpose for intent in bench.ledger.intents] == ["propose", "repair", "repair"]
    assert "hypothesis" in bench.ledger.sent_back[1]
    assert bench.ledger.sent_back[2] == "its SEARCH text is not in train.py"
    last = bench.model.prompts[-1]
    assert [answer for answer, _ in last.exchanges] == ["no idea", GOOD]
    assert "its SEARCH text is not in train.py" in last.exchanges[1][1]
    first = bench.model.prompts[0]
    assert (last.system, last.user) == (first.system, first.user)


def test_after_two_repairs_the_last_answer_is_handed_on_to_be_refused() -> None:
    bench = Bench([said("one"), said("two"), said("three"), said("never asked")])
    made = bench.proposer.propose(brief(), accepted)
    assert isinstance(made, Proposal)
    assert made.change == Change(ChangeFormat.ANSWER, "three")
    assert made.fault.startswith("the line `hypothesis: ...` is missing")
    assert made.fault.endswith('An easier form may help this model: format = "file" in [llm]')
    assert made.calls == (1, 2, 3)
    assert len(bench.ledger.sent_back) == 3
    assert len(bench.model.replies) == 1


@pytest.mark.parametrize(
    ("ending", "told"),
    [(CallEnding.TRUNCATED, "was cut at 32000 tokens"), (CallEnding.EMPTY, "was empty")],
)
def test_cut_and_empty_answers_are_sent_back(ending: CallEnding, told: str) -> None:
    bench = Bench([said(GOOD[:40] if ending is CallEnding.TRUNCATED else "", ending), said(GOOD)])
    made = bench.proposer.propose(brief(), accepted)
    assert isinstance(made, Proposal)
    assert made.hypothesis.startswith("a lower quality")
    assert told in bench.ledger.sent_back[1]


@pytest.mark.parametrize(
    "ending",
    [each for each in CallEnding if not each.answered and each is not CallEnding.TOO_LONG],
)
def test_no_answer_is_told_and_settled(ending: CallEnding) -> None:
    bench = Bench([Reply(ending, detail="sk-secret said no", retry_after=7.0)])
    made = bench.proposer.propose(brief(), accepted)
    assert isinstance(made, ProposeFailure)
    assert made.final == ending.final
    assert made.retry_after == 7.0
    assert not made.planned
    assert made.reason.endswith(": [key] said no")
    settled = bench.ledger.settled[1]
    assert settled.cost == (0.0 if ending.free else None)
    assert "sk-secret" not in settled.detail


def test_a_refusal_costs_and_is_no_proposal() -> None:
    bench = Bench([said("I cannot help with that.", CallEnding.REFUSED)])
    made = bench.proposer.propose(brief(), accepted)
    assert isinstance(made, ProposeFailure)
    assert not made.final
    assert bench.ledger.settled[1].cost == 1.1


def test_a_stumbling_gateway_is_not_taken_for_wrong_settings() -> None:
    stumble = Reply(CallEnding.NOT_FOUND)
    bench = Bench([said(GOOD), stumble, Reply(CallEnding.UNAUTHORIZED)])
    assert isinstance(bench.proposer.propose(brief(), accepted), Proposal)
    made = bench.proposer.propose(brief(), accepted)
    assert isinstance(made, ProposeFailure)
    assert not made.final
    made = bench.proposer.propose(brief(), accepted)
    assert isinstance(made, ProposeFailure)
    assert made.final


def test_a_brief_too_long_for_the_model_is_halved_for_good() -> None:
    long = Reply(CallEnding.TOO_LONG, detail="at most 8192 tokens")
    bench = Bench([long, long, said(GOOD), said(GOOD)], LlmSettings(brief_tokens=16000))
    assert isinstance(bench.proposer.propose(brief(), accepted), Proposal)
    assert isinstance(bench.proposer.propose(brief(), accepted), Proposal)
    assert bench.ledger.settled[1].cost == 0.0
    assert bench.model.prompts[2] == bench.model.prompts[3]


def test_where_the_answer_is_longer_than_the_brief_its_room_is_halved() -> None:
    long = Reply(CallEnding.TOO_LONG)
    bench = Bench([long] * 3 + [said(GOOD)], LlmSettings(brief_tokens=12000))
    assert isinstance(bench.proposer.propose(brief(), accepted), Proposal)
    assert bench.model.rooms == [32000, 16000, 8000, 8000]


def test_a_model_too_small_for_any_brief_is_out() -> None:
    bench = Bench([Reply(CallEnding.TOO_LONG)] * 9)
    made = bench.proposer.propose(brief(), accepted)
    assert isinstance(made, ProposeFailure)
    assert made.final


def test_a_call_without_usage_stays_reserved() -> None:
    bench = Bench([Reply(CallEnding.ANSWERED, GOOD)])
    assert isinstance(bench.proposer.propose(brief(), accepted), Proposal)
    assert bench.ledger.settled[1].cost is None


def test_a_cap_ends_it_as_planned_and_nobody_is_called() -> None:
    class Capped(FreeLedger):
        def reserve(self, intent: Intent) -> int | CapReached:
            return CapReached("the run's cap of $1.00 is reached")

    bench = Bench([said(GOOD)], ledger=Capped())
    made = bench.proposer.propose(brief(), accepted)
    assert made == ProposeFailure("the run's cap of $1.00 is reached", final=True, planned=True)
    assert len(bench.model.replies) == 1


@pytest.mark.parametrize("ending", [CallEnding.RATE_LIMITED, CallEnding.TOO_LONG])
def test_a_repair_that_fails_leaves_what_there_was(ending: CallEnding) -> None:
    bench = Bench([said(GOOD), Reply(ending)])
    made = bench.proposer.propose(brief(), lambda _made: Rejection("it does not apply"))
    assert isinstance(made, Proposal)
    assert made.hypothesis.startswith("a lower quality")
    assert 1 in made.calls


def test_what_was_judged_last_is_what_is_recorded_with_its_fault() -> None:
    refuse: Check = lambda _made: Rejection("it breaks a rule")  # noqa: E731
    bench = Bench([said(GOOD), said("hm"), said(GOOD.replace("QUALITY", "QUANTITY"))])
    made = bench.proposer.propose(brief(), refuse)
    assert isinstance(made, Proposal)
    assert made.change.format is ChangeFormat.ANSWER
    assert made.fault.startswith("block 1: its SEARCH text is not in train.py")
    assert made.calls == (1, 2, 3)
    made = Bench([said("hm"), said("no"), said(GOOD)]).proposer.propose(brief(), refuse)
    assert isinstance(made, Proposal)
    assert made.change == Change(ChangeFormat.DIFF, CHANGE)
    assert made.fault.startswith("it breaks a rule")
    made = Bench([said("hm"), said(GOOD)]).proposer.propose(brief(), accepted)
    assert isinstance(made, Proposal)
    assert (made.change.text, made.fault) == (CHANGE, "")


def test_an_answer_that_was_cut_is_never_a_change() -> None:
    settings = LlmSettings(repairs=0)
    made = Bench([said(GOOD, CallEnding.TRUNCATED)], settings).proposer.propose(brief(), accepted)
    assert isinstance(made, Proposal)
    assert made.change == Change(ChangeFormat.ANSWER, GOOD)
    assert "was cut" in made.fault


def test_a_call_too_dear_is_made_smaller() -> None:
    class PerCall(FreeLedger):
        def reserve(self, intent: Intent) -> int | CapReached:
            if intent.worst > 60:
                return CapReached("a call may cost more than that", call=True)
            return super().reserve(intent)

    bench = Bench([said(GOOD)], LlmSettings(brief_tokens=60000, max_output=9000), ledger=PerCall())
    past = HistoryEntry(
        2, "fake:model", "words " * 50, Change(ChangeFormat.BLOCKS, BLOCK), Verdict.DISCARD
    )
    long = replace(brief(), history=tuple(replace(past, id=n) for n in range(2, 200)))
    assert isinstance(bench.proposer.propose(long, accepted), Proposal)
    assert bench.ledger.intents[0].worst <= 60

    class Never(FreeLedger):
        def reserve(self, intent: Intent) -> int | CapReached:
            return CapReached("a call may cost more than that", call=True)

    hopeless = Bench([said(GOOD)], ledger=Never()).proposer.propose(brief(), accepted)
    assert isinstance(hopeless, ProposeFailure)
    assert hopeless.planned


def test_an_answer_with_a_key_in_it_is_stored_without() -> None:
    bench = Bench([said("hypothesis: sk-secret"), said(GOOD)])
    bench.proposer.propose(brief(), accepted)
    assert "sk-secret" not in bench.ledger.settled[1].answer


def marked(*answers: str) -> str:
    return "a thought\n\n" + "\n".join(
        f"## Proposal {number}\n\n{answer}" for number, answer in enumerate(answers, 1)
    )


OTHER = GOOD.replace("QUALITY = 1.0", "QUALITY = 1.5").replace("a lower", "a middling")
SEVERAL = LlmSettings(proposals=3)


@pytest.mark.parametrize(("settings", "wanted"), [(SEVERAL, 1), (LlmSettings(), 3)])
def test_a_call_makes_as_many_as_it_is_asked_for_or_more_that_have_a_slot(
    settings: LlmSettings, wanted: int
) -> None:
    bench = Bench([said(marked(GOOD, OTHER))], settings)
    made = bench.proposer.propose(replace(brief(), wanted=wanted), accepted)
    assert isinstance(made, Several)
    first, second = made.proposals
    assert first.change.text == CHANGE
    assert "+QUALITY = 1.5" in second.change.text
    assert second.hypothesis.startswith("a middling")
    assert [(each.calls, each.shares) for each in made.proposals] == [((1,), None), ((), 1)]
    told = "".join(section.text for section in bench.model.prompts[0].system)
    assert "asked for 3 proposals" in told
    assert "Exactly one proposal" not in told


def test_a_call_is_asked_for_five_at_most() -> None:
    bench = Bench([said(GOOD)])
    bench.proposer.propose(replace(brief(), wanted=64), accepted)
    assert "asked for 5 proposals" in bench.model.prompts[0].system[0].text


def test_a_further_proposal_that_would_be_refused_is_dropped_with_a_line() -> None:
    bench = Bench([said(marked(GOOD, OTHER))], SEVERAL)
    made = bench.proposer.propose(
        brief(), lambda each: Rejection("known") if "middling" in each.hypothesis else None
    )
    assert isinstance(made, Proposal)
    assert made.calls == (1,)
    assert bench.told[-1:] == ["fake:model: one of its proposals is dropped: known"]


def test_each_of_several_proposals_is_judged_alone() -> None:
    broken = GOOD.replace("QUALITY = 2.0", "QUALITY = 7.0")
    bench = Bench([said(marked(broken, HEADER, OTHER, GOOD))], SEVERAL)
    made = bench.proposer.propose(brief(), accepted)
    assert isinstance(made, Proposal)
    assert "+QUALITY = 1.5" in made.change.text
    assert made.fault == ""
    assert sum("is dropped" in line for line in bench.told) == 2
    assert bench.ledger.sent_back == {}


def test_where_all_of_several_are_refused_the_answer_is_sent_back() -> None:
    bench = Bench([said(marked(HEADER, HEADER)), said(marked(GOOD, OTHER))], SEVERAL)
    made = bench.proposer.propose(brief(), accepted)
    assert isinstance(made, Several)
    assert [(each.calls, each.shares) for each in made.proposals] == [((1, 2), None), ((), 2)]
    assert list(bench.ledger.sent_back) == [1]


def test_of_drafts_the_last_counts_and_marks_in_code_are_none() -> None:
    code = GOOD.replace("QUALITY = 1.0", 'QUALITY = 1.0\nNAME = """\nproposal 2\n"""')
    found = read_several(marked(HEADER) + marked(code), "a", brief(), 3)
    assert [type(each) for each in found] == [Proposal]
    one = read_several(marked(GOOD, OTHER), "a", brief(), 1)
    assert [type(each) for each in one] == [Rejection]
    assert [type(each) for each in read_several(GOOD, "a", brief(), 3)] == [Proposal]
