"""A whole night with three models behind three wire formats: every ending, every cent."""

import math
import os
import threading
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import pytest

from autoresearch.proposers.models import connection
from autoresearch.records.money import CallEnding, CallState
from autoresearch.records.tables import Call
from autoresearch.records.values import Verdict
from autoresearch.registry import Registry
from autoresearch.registry.packing import unpack
from tests import counting
from tests.commands import Command, autoresearch
from tests.fake_llm import FakeLlm, Request, Scene, answer, broken, cut, failure, hang, raw
from tests.fake_wire import Api, Tokens
from tests.stubs import git

KEYS = {"ANTHROPIC_API_KEY": "sk-ant-not-a-key-0123456789", "OPENAI_API_KEY": "sk-oa-9876543210ab"}
LIMITS = """
[llm]
timeout = "20m"
max_output = 4000
[money]
study_usd = 50.0
"""
PRICES = """
[prices."anthropic:thinker"]
input = 5.0
output = 25.0
cached = 0.5
written = 6.25

[prices."openai:talker"]
input = 2.0
output = 8.0
cached = 0.25
"""
# Dollars for a million tokens: fresh input, cached, written, output; as in the settings above.
RATES = {
    "anthropic:thinker": (5.0, 0.5, 6.25, 25.0),
    "openai:talker": (2.0, 0.25, 2.0, 8.0),
    "local": (0.0, 0.0, 0.0, 0.0),
}


@pytest.fixture
def project(
    tmp_path_factory: pytest.TempPathFactory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """The counting program: the verdicts below hang on no luck."""
    place = counting.made_once(tmp_path_factory, "counting", counting.make_counting)
    root = counting.copy_of(place, tmp_path, monkeypatch)
    counting.score_inline(monkeypatch)
    toml = root / "autoresearch.toml"
    # The scripts below are written for one proposal after another.
    alone = toml.read_text().replace("[policy]\n", "[policy]\nahead = 0\n")
    toml.write_text(alone + LIMITS + PRICES)
    git(root, "commit", "--quiet", "--all", "-m", "models and their prices")
    return root


def edit(name: str, value: str, *, old: str, why: str, category: str = "optimizer") -> str:
    """An answer that gives one constant another value."""
    return (
        f"hypothesis: {why}\ncategory: {category}\npredicted_delta: -0.01\nrisk: none\n\n"
        f"train.py\n<<<<<<< SEARCH\n{name} = {old}\n=======\n{name} = {value}\n>>>>>>> REPLACE\n"
    )


class Hurried:
    """The run's clock at sixty times its speed: a pause of a minute is over in a second."""

    sleep = staticmethod(time.sleep)

    @staticmethod
    def monotonic() -> float:
        return 60 * time.monotonic()


class Script:
    """What each model says, request by request; a file says when one hangs."""

    def __init__(self, source: str, hung: Path) -> None:
        self._hung = hung
        good = edit("SHARPNESS", "0.9", old="0.5", why="it believes too little")
        bad = edit("SHARPNESS", "0.2", old="0.9", why="a lower degree")
        lost = edit("LOST", "1", old="2", why="a line that is not there")
        broken_code = edit("VOCAB", "((", old="512", why="a slip")
        crash = edit(
            "VOCAB", '512\nassert VOCAB < 512, "it is too large"',
            old="512", why="what only a training shows", category="efficiency",
        )  # fmt: skip
        seed = (
            "hypothesis: a luckier seed\ncategory: other\n\ntrain.py\n<<<<<<< SEARCH\n"
            "session.seed * 7\n=======\n(session.seed + 7) * 7\n>>>>>>> REPLACE\n"
        )
        whole = source.replace("SHARPNESS = 0.5", "SHARPNESS = 0.3")
        file = (
            "hypothesis: a degree between\ncategory: efficiency\n\n"
            f"train.py\n```python\n{whole}```\n"
        )
        lower, lowest = (
            edit("SHARPNESS", degree, old="0.9", why=f"a degree of {degree}")
            for degree in ("0.15", "0.1")
        )
        self._scenes: Mapping[Api, list[Scene]] = {
            Api.MESSAGES: [
                answer(good, tokens=Tokens(9000, 300, 0, 8000)),
                failure(529, "Overloaded"),
                cut(good),
                answer(lost),
                answer(broken_code, tokens=Tokens(9500, 250, 8000, 1000)),
                answer(crash, stop=""),
                answer("I would rather not.", stop="refusal"),
                broken(good),
                failure(401, "invalid x-api-key: sk-ant-not-a-key-0123456789"),
            ],
            Api.RESPONSES: [
                answer(bad[:60], stop="length"),
                answer(bad, tokens=Tokens(7000, 800, 6000)),
                hang(),
                failure(429, "slow down", retry_after=2),
                answer(seed),
                answer("I have nothing better."),
                answer(""),
                raw("<html>a proxy</html>"),
                failure(
                    400, "your input exceeds the context window", code="context_length_exceeded"
                ),
                answer(lower),
                failure(429, "You exceeded your current quota", code="insufficient_quota"),
            ],
            Api.CHAT: [
                failure(503, "loading the model"),
                answer(file, uncounted=True),
                answer(lowest),
                failure(401, "who are you"),
            ],
        }

    def __call__(self, request: Request) -> Scene:
        """Play the next scene; whoever has turned the caller away for good does so again."""
        scenes = self._scenes[request.api]
        scene = scenes.pop(0) if len(scenes) > 1 else scenes[0]
        if scene == hang():
            self._hung.touch()
        return scene


def give_up_once(patch: pytest.MonkeyPatch, hung: Path) -> None:
    """Let the time of an attempt be up when its model hangs, however slow the machine is."""

    def join(attempt: threading.Thread, _seconds: float) -> None:
        while attempt.is_alive() and not hung.exists():
            threading.Thread.join(attempt, 0.01)
        hung.unlink(missing_ok=True)

    patch.setattr(connection._Attempt, "join", join)


def test_a_night_with_every_ending(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("autoresearch.commands.run.time", Hurried)
    give_up_once(monkeypatch, tmp_path / "hung")
    with FakeLlm(Script((project / "train.py").read_text(), tmp_path / "hung")) as fake:
        done = run(
            project, fake, "--tag", "models", "--max-cost", "20",
            "--proposer", "4:anthropic:thinker",
            "--proposer", "4:openai:talker",
            "--proposer", f"openai:local@{fake.v1}", code=1,
        )  # fmt: skip
    said = done.out + done.err
    registry = Registry.open(project / ".autoresearch" / "registry.db")
    study = registry.study("models")
    assert study is not None
    rows = registry.experiments(study, whole=True)
    calls = registry.calls(study, whole=True)
    said += "\n".join(f"{row.id} {row.proposer} {row.verdict}: {row.reason}" for row in rows)
    said += "\n".join(f"{c.id} {c.proposer} {c.purpose} {c.ending} {c.sent_back}" for c in calls)

    # It ends when every provider has turned it away for good, and says why, each by its name.
    last = done.err.splitlines()[-1]
    assert "anthropic:thinker: the key was refused" in last, said
    assert "openai:talker: the account has no credit left" in last, said

    verdicts = {row.hypothesis: row.verdict for row in rows}
    assert len(rows) == 8, said
    assert verdicts["the unchanged project"] is Verdict.KEEP
    assert verdicts["it believes too little"] is Verdict.KEEP, said
    assert verdicts["a lower degree"] is Verdict.DISCARD, said
    assert verdicts["what only a training shows"] is Verdict.CRASH, said
    assert Counter(verdicts.values())[Verdict.INVALID] == 1, said
    assert not registry.unfinished(study)

    never = {CallEnding.UNREACHABLE, CallEnding.NOT_FOUND, CallEnding.BAD_REQUEST}
    assert {call.ending for call in calls} == set(CallEnding) - never, said
    sent_back = [call.sent_back for call in calls if call.sent_back]
    parts = ("cut at 4000", "is not in train.py", "syntax error", "seed", "hypothesis", "was empty")
    for part in parts:
        assert any(part in reason for reason in sent_back), (part, sent_back)
    linked = {call.experiment_id for call in calls if call.ending is CallEnding.ANSWERED}
    assert None not in linked

    for call in calls:
        assert math.isclose(call.cost_usd, by_hand(call), abs_tol=1e-9), call
    spent = math.fsum(call.cost_usd for call in calls)
    told = math.fsum(each.usd for each in registry.spending(study))
    assert math.isclose(told, spent, abs_tol=1e-9)
    assert 0 < spent <= 20
    search_for_keys(project, said)


def test_a_cap_ends_the_thinking_and_leaves_the_rest_of_the_night_to_others(project: Path) -> None:
    good = edit("SHARPNESS", "0.9", old="0.5", why="believe it")
    with FakeLlm([answer(good)], endless=True) as fake:
        done = run(
            project, fake, "--experiments", "3", "--max-cost", "0.05",
            "--proposer", "9:anthropic:thinker", "--proposer", "optuna",
        )  # fmt: skip
    assert fake.requests == []
    assert "the run's cap of $0.0500 is reached" in done.err
    registry = Registry.open(project / ".autoresearch" / "registry.db")
    study = registry.study()
    assert study is not None
    assert {row.proposer for row in registry.experiments(study)} == {"baseline", "optuna"}


def run(project: Path, fake: FakeLlm, *arguments: str, code: int = 0) -> Command:
    urls = {"ANTHROPIC_BASE_URL": fake.url, "OPENAI_BASE_URL": fake.v1}
    return autoresearch(
        "run", *arguments, cwd=project, env={**os.environ, **KEYS, **urls}, code=code
    )


def by_hand(call: Call) -> float:
    """What a call costs by the table above; what was reserved where nothing was reported."""
    if call.ending is not None and call.ending.free:
        return 0.0
    if call.state is CallState.RESERVED:
        return call.reserved_usd
    name = "local" if call.proposer.startswith("openai:local") else call.proposer
    fresh, cached, written, out = RATES[name]
    plain = call.tokens_in - call.tokens_cached - call.tokens_written
    dollars = plain * fresh + call.tokens_cached * cached
    return (dollars + call.tokens_written * written + call.tokens_out * out) / 1e6


def search_for_keys(project: Path, said: str) -> None:
    """No key in what was said, in any file of the project, in any text of the registry."""
    registry = Registry.open(project / ".autoresearch" / "registry.db")
    texts = [said]
    for study in registry.studies():
        for row in registry.experiments(study, whole=True):
            texts += [row.model_dump_json()]
            texts += [unpack(trial.log).decode() for trial in registry.trials(row, whole=True)]
        for call in registry.calls(study, whole=True):
            texts += [repr(call), unpack(call.answer).decode()]
    data = [text.encode() for text in texts]
    data += [path.read_bytes() for path in project.rglob("*") if path.is_file()]
    for key in KEYS.values():
        assert not any(key.encode() in each for each in data)
