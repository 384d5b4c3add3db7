"""Nights of a stub project with real SDKs over HTTP, on a clock that only waiting moves."""

import itertools
import os
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from autoresearch.config import Keys, LlmSettings
from autoresearch.errors import Interrupted
from autoresearch.proposers.llm import LlmProposer
from autoresearch.proposers.metered import MeteredModel
from autoresearch.proposers.prompting import Prompting
from autoresearch.proposers.specs import model, parse
from autoresearch.records.events import NoProposal
from autoresearch.records.money import Caps, Ledger
from autoresearch.records.proposals import Rejection
from autoresearch.records.values import Verdict
from autoresearch.registry.packing import unpack
from autoresearch.research import StopRules
from autoresearch.research.schedule import Participant
from tests.fake_llm import FakeLlm, Request, Scene, answer, failure
from tests.stubs import TRAIN, Night, make_project, processes

KEY = "sk-ant-0123456789-not-a-key"


def idea(value: float) -> Scene:
    """An answer that gives the stub another quality, whatever the incumbent's is."""
    source = TRAIN.replace("QUALITY = 2.0\n", f"QUALITY = {value}\n")
    return answer(
        f"hypothesis: quality {value}\ncategory: optimizer\npredicted_delta: -0.1\n\n"
        f"train.py\n```python\n{source}```\n"
    )


@dataclass
class Thinker:
    """A participant for a model behind the fake, made once there is a ledger."""

    fake: FakeLlm
    spec: str = "anthropic:claude-opus-5"
    settings: LlmSettings = field(default_factory=LlmSettings)

    def participant(self, ledger: Ledger) -> Participant:
        keys = Keys({"ANTHROPIC_API_KEY": KEY, "OPENAI_API_KEY": KEY})
        urls = {"anthropic": self.fake.url, "openai": self.fake.v1}
        priced = model(parse(self.spec), llm=self.settings, prices={}, keys=keys, endpoints=urls)
        asker = MeteredModel(self.spec, priced, ledger=ledger, redact=keys.redact)
        prompting = Prompting(self.settings, folder=None)
        return Participant(LlmProposer(self.spec, asker, prompting, self.settings))


@dataclass
class ModelNight(Night):
    """A night whose seats are models."""

    thinkers: tuple[Thinker, ...] = ()
    now: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        self.clock = lambda: self.now
        self.sleep = self.doze

    def doze(self, seconds: float) -> None:
        self.now += seconds

    def participants(self) -> list[Participant]:
        ledger = self.registry.ledger(self.study(), self.caps)
        return [thinker.participant(ledger) for thinker in self.thinkers]


Start = Callable[..., ModelNight]


@pytest.fixture
def start(tmp_path: Path) -> Start:
    def make(*thinkers: Thinker, source: str = TRAIN, **more: object) -> ModelNight:
        project = make_project(tmp_path / "project", source)
        return ModelNight(project, (), thinkers=thinkers, **more)  # type: ignore[arg-type]

    return make


def test_a_provider_that_fails_for_ten_minutes_costs_ten_minutes(start: Start) -> None:
    def play(_request: Request) -> Scene:
        return idea(1.9) if night.now >= 600 else failure(529, "Overloaded")

    with FakeLlm(play) as fake:
        night = start(Thinker(fake), rules=StopRules(experiments=2))
        assert night.run() == "2 experiments are done"
    assert 600 <= night.now < 1000
    study = night.study()
    assert [row.verdict for row in night.registry.experiments(study)] == [Verdict.KEEP] * 2
    calls = night.registry.calls(study)
    assert [call.cost_usd for call in calls[:-1]] == [0.0] * (len(calls) - 1)
    assert calls[-1].cost_usd > 0
    failures = [event for event in night.events if isinstance(event, NoProposal)]
    assert len(failures) == len(calls) - 1


def test_another_provider_works_meanwhile(start: Start) -> None:
    def play(request: Request) -> Scene:
        if request.path == "/v1/messages":
            return failure(503, "down")
        return idea(1.9 - len(fake.requests) / 100)

    with FakeLlm(play) as fake:
        night = start(Thinker(fake), Thinker(fake, "openai:gpt-5"), rules=StopRules(experiments=3))
        night.run()
    assert night.now == 0
    proposers = [row.proposer for row in night.registry.experiments(night.study())]
    assert proposers[1:] == ["openai:gpt-5"] * 2


def test_a_refused_key_ends_the_night_with_its_name(start: Start) -> None:
    with FakeLlm([failure(401, f"invalid x-api-key {KEY}")]) as fake:
        night = start(Thinker(fake))
        reason = night.run()
    assert reason.startswith("anthropic:claude-opus-5: the key was refused")
    assert KEY not in reason


def test_consecutive_briefs_share_all_but_what_is_new(start: Start) -> None:
    scenes = [idea(2.0 + step / 10) for step in range(1, 5)]
    with FakeLlm(scenes) as fake:
        night = start(Thinker(fake), rules=StopRules(experiments=5))
        night.run()
    rows = night.registry.experiments(night.study())
    assert [row.verdict for row in rows[1:]] == [Verdict.DISCARD] * 4
    for before, after in itertools.pairwise(fake.requests):
        first, second = before.blocks, after.blocks
        shared = len(first) - 1  # its last block is what changes each time
        assert [text for text, _ in first[:shared]] == [text for text, _ in second[:shared]]
        assert len(second) == len(first) + 1
        assert after.tokens.cached == before.tokens.cached + before.tokens.written > 0
        assert before.body["system"] == after.body["system"]
    calls = night.registry.calls(night.study())
    assert [call.tokens_cached > 0 for call in calls] == [False, True, True, True]


def test_a_refusal_goes_back_and_costs_no_training(start: Start) -> None:
    refused: list[object] = []

    def smoke_test(files: object, _incumbent: object) -> Rejection | None:
        refused.append(files)
        return Rejection("it fails", "Traceback\n  boom") if len(refused) < 2 else None

    with FakeLlm([idea(1.9), idea(1.8)]) as fake:
        night = start(Thinker(fake), rules=StopRules(experiments=2), smoke_test=smoke_test)
        night.run()
    study = night.study()
    row = night.registry.experiments(study)[-1]
    assert (row.hypothesis, row.verdict) == ("quality 1.8", Verdict.KEEP)
    calls = night.registry.calls_of(row, whole=True)
    assert [call.purpose for call in calls] == ["propose", "repair"]
    assert calls[0].sent_back == "it fails"
    assert "quality 1.9" in unpack(calls[0].answer).decode()
    assert "boom" in fake.requests[1].raw.decode()
    assert "boom" not in fake.requests[0].raw.decode()
    # The incumbent's two readings and the change's own two: nothing was trained for the refused.
    assert sum(map(len, night.registry.readings(study).values())) == 4


def test_ideas_for_later_go_through_a_night(start: Start) -> None:
    told = [
        ("later: tie the embeddings\nlater: clip less\n", 1.9),
        ("takes: 2.1\nlater: a wider head\n", 1.8),
        ("drops: 2.2\n", 1.7),
        ("", 1.6),
    ]
    edit = "train.py\n<<<<<<< SEARCH\nQUALITY = {}\n=======\nQUALITY = {}\n>>>>>>> REPLACE\n"
    scenes = [
        answer(f"hypothesis: quality {value}\n{notes}\n{edit.format(before, value)}")
        for (notes, value), before in zip(told, (2.0, 1.9, 1.8, 1.7), strict=True)
    ]
    with FakeLlm(scenes) as fake:
        night = start(Thinker(fake), rules=StopRules(experiments=5))
        night.run()
        ends = [request.text.partition("# Where the study stands")[2] for request in fake.requests]
    rows = night.registry.experiments(night.study())[1:]
    assert rows[0].notes == {"later": ["tie the embeddings", "clip less"]}
    assert rows[1].notes == {"later": ["a wider head"], "takes": ["2.1"]}
    listed = [re.findall(r"- (\d+\.\d) <<data", each) for each in ends]
    assert listed == [[], ["2.1", "2.2"], ["2.2", "3.1"], ["3.1"]]


def test_the_caps_hold_in_a_run(start: Start) -> None:
    settings = LlmSettings(max_output=2000)
    with FakeLlm([idea(2.0 + step / 10) for step in range(1, 30)]) as fake:
        night = start(Thinker(fake, settings=settings), caps=Caps(run=0.25))
        reason = night.run()
    assert "the run's cap of $0.2500 is reached" in reason
    spent = sum(call.cost_usd for call in night.registry.calls(night.study()))
    assert 0.05 < spent <= 0.25


def test_no_key_reaches_the_code_that_is_trained(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("ANTHROPIC_API_KEY", "OPENAI_API_KEY", "HF_TOKEN"):
        monkeypatch.setenv(name, KEY)
    source = TRAIN.replace("import json\n", "import json, os\nprint(dict(os.environ))\n")
    with FakeLlm([idea(1.9)]) as fake:
        rules = StopRules(experiments=2)
        night = start(Thinker(fake), source=source, rules=rules, worker=processes())
        night.run()
    assert KEY in os.environ.values()
    baseline = night.registry.experiments(night.study())[0]
    logs = [unpack(trial.log) for trial in night.registry.trials(baseline, whole=True)]
    assert logs
    assert all(b"HOME" in log and KEY.encode() not in log for log in logs)
    state = night.project.state.rglob("*")
    assert not any(KEY.encode() in path.read_bytes() for path in state if path.is_file())


def test_a_stop_while_a_model_thinks_is_quick_and_loses_nothing(start: Start) -> None:
    def play(_request: Request) -> Scene:
        night.stop.set()
        return answer("too late", after=600)

    with FakeLlm(play) as fake:
        night = start(Thinker(fake))
        began = time.monotonic()
        with pytest.raises(Interrupted, match="everything is saved"):
            night.run()
        assert time.monotonic() - began < 250
    calls = night.registry.calls(night.study())
    assert calls[0].cost_usd == calls[0].reserved_usd > 0
