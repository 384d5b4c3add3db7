"""A whole night with three models behind three wire formats: every ending, every cent."""

import math
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import pytest

from autoresearch.records.money import CallEnding, CallState
from autoresearch.records.tables import Call
from autoresearch.records.values import Verdict
from autoresearch.registry import Registry
from autoresearch.registry.packing import unpack
from tests.fake_llm import FakeLlm, Request, Scene, answer, broken, cut, failure, hang, raw
from tests.fake_wire import Api, Tokens
from tests.stubs import git

pytestmark = pytest.mark.timeout(900)
COMMAND = [sys.executable, "-m", "autoresearch"]
KEYS = {"ANTHROPIC_API_KEY": "sk-ant-not-a-key-0123456789", "OPENAI_API_KEY": "sk-oa-9876543210ab"}
SETTINGS = {
    "max_mib = 4096.0": "max_mib = 2.0",
    "[llm]": '[llm]\ntimeout = "4s"\nmax_output = 4000',
    "[money]": "[money]\nstudy_usd = 50.0",
}
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
def project(tmp_path: Path) -> Path:
    """A project on a piece of the standard library's source: scoring a little text is quick."""
    root = tmp_path / "project"
    subprocess.run([*COMMAND, "init", str(root), "--profile", "cpu"], check=True)
    toml = root / "autoresearch.toml"
    text = toml.read_text()
    for old, new in SETTINGS.items():
        assert old in text
        text = text.replace(old, new)
    toml.write_text(text + PRICES)
    # A fault that any budget shows: the verdicts below hang on no luck.
    train = root / "train.py"
    train.write_text(
        train.read_text().replace("\nUNEMBEDDING_LR = 0.015", "\nUNEMBEDDING_LR = 0.0")
    )
    git(root, "commit", "--quiet", "--all", "-m", "a planted fault")
    subprocess.run([*COMMAND, "prepare"], cwd=root, check=True)
    return root


def edit(name: str, value: str, *, old: str, why: str, category: str = "optimizer") -> str:
    """An answer that gives one constant another value."""
    return (
        f"hypothesis: {why}\ncategory: {category}\npredicted_delta: -0.01\nrisk: none\n\n"
        f"train.py\n<<<<<<< SEARCH\n{name} = {old}\n=======\n{name} = {value}\n>>>>>>> REPLACE\n"
    )


def line(source: str, name: str) -> str:
    """What stands behind `NAME = ` in the source."""
    found = next(each for each in source.splitlines() if each.startswith(f"{name} = "))
    return found.partition(" = ")[2]


class Script:
    """What each model says, request by request."""

    def __init__(self, source: str) -> None:
        old = {name: line(source, name) for name in ("SOFTCAP", "UNEMBEDDING_LR", "MUON_STEPS")}
        good = edit("UNEMBEDDING_LR", "0.015", old=old["UNEMBEDDING_LR"], why="it never learns")
        bad = edit("SOFTCAP", "0.05", old=old["SOFTCAP"], why="a lower cap")
        lost = edit("LOST", "1", old="2", why="a line that is not there")
        broken_code = edit("MUON_STEPS", "((", old=old["MUON_STEPS"], why="a slip")
        crash = edit(
            "MUON_STEPS", '5\nassert TOTAL_BATCH_SIZE < 1024, "it is too large"',
            old=old["MUON_STEPS"], why="what only the real size shows", category="efficiency",
        )  # fmt: skip
        seed = (
            "hypothesis: a luckier seed\ncategory: other\n\ntrain.py\n<<<<<<< SEARCH\n"
            "        torch.manual_seed(seed)\n=======\n        torch.manual_seed(seed + 7)\n"
            ">>>>>>> REPLACE\n"
        )
        whole = source.replace(f"MUON_STEPS = {old['MUON_STEPS']}", "MUON_STEPS = 4")
        file = (
            "hypothesis: four iterations are enough\ncategory: efficiency\n\n"
            f"train.py\n```python\n{whole}```\n"
        )
        # Worse for certain, as the lower cap: a keep by luck would leave later edits no place.
        lower, lowest = (
            edit("SOFTCAP", cap, old=old["SOFTCAP"], why=f"a cap of {cap}")
            for cap in ("0.04", "0.03")
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
        return scenes.pop(0) if len(scenes) > 1 else scenes[0]


def test_a_night_with_every_ending(project: Path) -> None:
    with FakeLlm(Script((project / "train.py").read_text())) as fake:
        done = run(
            project, fake, "--budget", "2s", "--tag", "models", "--max-cost", "20",
            "--proposer", "4:anthropic:thinker",
            "--proposer", "4:openai:talker",
            "--proposer", f"openai:local@{fake.v1}",
        )  # fmt: skip
    said = done.stdout + done.stderr
    registry = Registry.open(project / ".autoresearch" / "registry.db")
    study = registry.study("models")
    assert study is not None
    rows = registry.experiments(study, whole=True)
    calls = registry.calls(study, whole=True)
    said += "\n".join(f"{row.id} {row.proposer} {row.verdict}: {row.reason}" for row in rows)
    said += "\n".join(f"{c.id} {c.proposer} {c.purpose} {c.ending} {c.sent_back}" for c in calls)

    # It ends when every provider has turned it away for good, and says why, each by its name.
    assert done.returncode == 1, said
    last = done.stderr.splitlines()[-1]
    assert "anthropic:thinker: the key was refused" in last, said
    assert "openai:talker: the account has no credit left" in last, said

    verdicts = {row.hypothesis: row.verdict for row in rows}
    assert len(rows) == 8, said
    assert verdicts["the unchanged project"] is Verdict.KEEP
    assert verdicts["it never learns"] is Verdict.KEEP, said
    assert verdicts["a lower cap"] is Verdict.DISCARD, said
    assert verdicts["what only the real size shows"] is Verdict.CRASH, said
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
    source = (project / "train.py").read_text()
    good = edit("MUON_STEPS", "4", old=line(source, "MUON_STEPS"), why="four will do")
    with FakeLlm([answer(good)], endless=True) as fake:
        done = run(
            project, fake, "--budget", "1s", "--experiments", "3", "--max-cost", "0.05",
            "--proposer", "9:anthropic:thinker", "--proposer", "optuna",
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert fake.requests == []
    assert "the run's cap of $0.0500 is reached" in done.stderr
    registry = Registry.open(project / ".autoresearch" / "registry.db")
    study = registry.study()
    assert study is not None
    assert {row.proposer for row in registry.experiments(study)} == {"baseline", "optuna"}


def run(project: Path, fake: FakeLlm, *arguments: str) -> subprocess.CompletedProcess[str]:
    urls = {"ANTHROPIC_BASE_URL": fake.url, "OPENAI_BASE_URL": fake.v1}
    return subprocess.run(
        [*COMMAND, "run", *arguments],
        cwd=project,
        env={**os.environ, **KEYS, **urls},
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
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
