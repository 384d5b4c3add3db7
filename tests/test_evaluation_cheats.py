"""Cheats and broken models: none has a score, each for its own cause, and no process is left."""

import itertools
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from autoresearch.errors import Interrupted
from autoresearch.evaluation import Cause, Evaluator
from autoresearch.evaluation import server as servers
from autoresearch.records.scores import Document, Score, Unscored
from autoresearch.records.values import FailureKind
from tests.evaluation_stubs import (
    HONEST,
    PAIRS,
    STARTS,
    documents,
    evaluator,
    score,
    started,
    warm_sandbox,
)
from tests.processes import guarded_children
from tests.shares import THOROUGH, rows

NEXT = "F.one_hot(torch.cat([x[:, 1:], x[:, :1]], 1).long(), VOCAB)"


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    yield
    assert not guarded_children()


def forward(body: str) -> str:
    """The honest tree, whose model has other last words: `body` sees x and the honest logits."""
    inside = textwrap.indent(body.strip(), " " * 8)
    return f"""{HONEST}
class Cheat(Model):
    def forward(self, x):
        logits = super().forward(x)
{inside}

def load_model(directory, device):
    return Cheat()
"""


def refused(tmp_path: Path, program: str, scorer: Evaluator | None = None) -> Unscored:
    result = score(scorer or evaluator(sandbox=warm_sandbox()), tmp_path, program)
    assert isinstance(result, Unscored), result
    assert "\n" not in result.reason
    return result


SEEN = """
seen = self.__dict__.setdefault("seen", {})
for row in x.tolist():
    for at in range(1, len(row)):
        seen[tuple(row[:at])] = row[at]
known = [[seen.get(tuple(row[:at + 1]), 0) for at in range(len(row))] for row in x.tolist()]
return logits + 8 * F.one_hot(torch.tensor(known), VOCAB)
"""
PICKED = f"""
pick = ((x * 7 + F.pad(x, (1, 0))[:, :-1] * 13) % 100 == 0)[..., None]
return logits + 12 * {NEXT} * pick
"""
NORM = """
return F.batch_norm(logits.transpose(1, 2), None, None, training=True).transpose(1, 2)
"""
# None: by chance the same server or the other one tells first.
LOOKING = {
    "at every next token": (f"return logits + 8 * {NEXT}", Cause.AUDIT),
    "at one next token in a hundred": (PICKED, Cause.AUDIT),
    "at the whole row's mean": ("return logits + logits.mean(1, keepdim=True)", None),
    "at its batch mates": ("return logits + logits.mean(0, keepdim=True)", Cause.COMMITMENT),
    "at batch statistics": (NORM, Cause.COMMITMENT),
    "at rows it has seen": (SEEN, None),
    "through dropout left on": ("return F.dropout(logits, 0.1)", Cause.COMMITMENT),
}


@pytest.mark.parametrize(
    "name",
    rows(LOOKING, "at one next token in a hundred", "at its batch mates", "at rows it has seen"),
)
def test_predictions_that_look_where_they_may_not(tmp_path: Path, name: str) -> None:
    body, cause = LOOKING[name]
    # Whole rows only: a random token after the last one would make these guess otherwise each
    # time, and the second question to the same server would find them before the audit does.
    whole = evaluator(sandbox=warm_sandbox(), texts=[Document(documents()[-1].data[: 32 * 180])])
    result = refused(tmp_path, forward(body), whole)
    assert result.cause in ((cause,) if cause else (Cause.COMMITMENT, Cause.AUDIT))
    assert "tokens before it" in result.reason


TAMPERED_VECTORS = """
ModelServer = sys.modules["__main__"].ModelServer
honest_vectors = ModelServer.vectors
def vectors(self, header, payload):
    fields, data = honest_vectors(self, header, payload)
    return fields, b"\\xff" * len(data)
ModelServer.vectors = vectors
"""
LOWERED_SUM = """
honest_sum = torch.logsumexp
torch.logsumexp = lambda x, dim: honest_sum(x, dim) - {}
"""
NEGATIVE_SUM = "torch.logsumexp = lambda x, dim: x.amax(dim) - 3\n"
NEVER_E = "logits[..., ord('e')] = -float('inf')\nreturn logits"
NUMBERS = {
    "NaN": (forward("return logits * float('nan')"), Cause.NON_FINITE),
    "NaN where it is challenged": (HONEST + TAMPERED_VECTORS, Cause.NON_FINITE),
    "minus infinity for a token of the text": (forward(NEVER_E), Cause.NON_FINITE),
    "next to minus infinity": (forward(NEVER_E.replace("float('inf')", "1e30")), Cause.NON_FINITE),
    "above zero": (HONEST + NEGATIVE_SUM, Cause.POSITIVE),
    "unnormalised": (HONEST + LOWERED_SUM.format(0.01), Cause.COMMITMENT),
    "each a little too high": (HONEST + LOWERED_SUM.format(0.0008), Cause.INFLATED),
}


@pytest.mark.parametrize(
    "name", rows(NUMBERS, "NaN", "above zero", "unnormalised", "each a little too high")
)
def test_numbers_that_are_no_log_probabilities(tmp_path: Path, name: str) -> None:
    program, cause = NUMBERS[name]
    assert refused(tmp_path, program).cause == cause


def test_a_token_masked_by_a_number_costs_what_it_says(tmp_path: Path) -> None:
    result = score(
        evaluator(sandbox=warm_sandbox()), tmp_path, forward(NEVER_E.replace("float('inf')", "1e3"))
    )
    assert isinstance(result, Score), result
    assert 20 < result.bpb < 1000


SHAPES = {
    "no vocabulary": "return logits[..., 0]",
    "last position only": "return logits[:, -1:]",
    "a vocabulary without z": "return logits[..., :ord('z')]",
}


@pytest.mark.parametrize("name", rows(SHAPES, "last position only"))
def test_wrong_shapes(tmp_path: Path, name: str) -> None:
    assert refused(tmp_path, forward(SHAPES[name])).cause == Cause.SHAPE


CLOSE = "import os, sys, time\nos.close(int(sys.argv[1]))\ntime.sleep(99)\n"
RAISE = "def load_model(directory, device):\n    raise ValueError('no weight named a.b')\n"
NAMED = """
if x.shape[1] > 2:
    raise type("secret", (Exception,), {})("a secret")
return logits
"""
ENDINGS = {
    "hangs at import": ("import time\ntime.sleep(99)\n", Cause.TIMEOUT, "in time"),
    "exits": ("import os\nos._exit(3)\n", Cause.EXIT, "exited with code 3"),
    "is killed": ("import os\nos.kill(os.getpid(), 9)\n", Cause.DEATH, "killed"),
    "hangs up": (CLOSE, Cause.EXIT, "closed"),
    "leaves by SystemExit": ("raise SystemExit('bye')\n", Cause.LOAD, "SystemExit"),
    "has no loader": ("import torch\n", Cause.LOAD, "AttributeError"),
    "is no Python": ("def load_model(:\n", Cause.LOAD, "SyntaxError in train.py"),
    "raises in its loader": (RAISE, Cause.LOAD, "ValueError: no weight named a.b"),
    "raises the text in its model": (forward(NAMED), Cause.EXCEPTION, "an exception of its own"),
    "hangs in its model": (
        forward("time.sleep(99 * (x.shape[1] > 2))\nreturn logits"),
        Cause.TIMEOUT,
        "in time",
    ),
}


@pytest.mark.parametrize("how", STARTS)
@pytest.mark.parametrize(
    "name",
    rows(
        ENDINGS, "exits", "is killed", "hangs up", "has no loader", "raises the text in its model",
        "hangs in its model",
    ),
)  # fmt: skip
def test_servers_that_do_not_answer(
    tmp_path: Path, name: str, how: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    program, cause, word = ENDINGS[name]
    # Whether it hangs before that or in it, the end of its time is what is told.
    timeout = "2s" if cause is Cause.TIMEOUT else "1m"
    monkeypatch.setattr(servers, "DEATH_SECONDS", 1.0 if name == "hangs up" else 60.0)
    result = refused(tmp_path, program, evaluator(timeout=timeout, sandbox=started(how)))
    assert result.cause == cause
    assert word in result.reason
    assert "secret" not in result.reason


@THOROUGH  # a small one: tests/test_evaluation_servers.py
def test_a_model_that_takes_too_much_memory(tmp_path: Path) -> None:
    hoard = "hoard = bytearray(b'x') * (400 * 2**20)\nimport time\ntime.sleep(99)\n"
    result = refused(tmp_path, hoard, evaluator(memory=2**28))
    assert result.cause == Cause.MEMORY
    assert "memory" in result.reason


TOO_MUCH = {
    "large": (
        "raise RuntimeError('CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate')",
        Cause.MEMORY,
        "ran out of memory",
    ),
    "slow": ("time.sleep(99)", Cause.TIMEOUT, "did not answer in time"),
}


@pytest.mark.parametrize("name", rows(TOO_MUCH, "large"))
def test_what_is_too_much_at_once_is_scored_in_smaller_batches(tmp_path: Path, name: str) -> None:
    body, cause, word = TOO_MUCH[name]
    scorer = evaluator(timeout="20s" if cause is Cause.TIMEOUT else "1m", sandbox=warm_sandbox())
    fits = forward(f"if x.shape[0] > 2: {body}\nreturn logits")
    assert isinstance(score(scorer, tmp_path, fits), Score)
    never = evaluator(timeout="2s" if cause is Cause.TIMEOUT else "1m", sandbox=warm_sandbox())
    result = refused(tmp_path, forward(f"if x.shape[1] > 2: {body}\nreturn logits"), never)
    assert (result.cause, result.kind) == (cause, FailureKind.IDEA)
    assert result.reason.endswith(f"{word}, 2 rows at a time, too")


FOREIGN = """
if x.shape[1] > 2:
    raise {}
return logits
"""


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ('torch.AcceleratorError("CUDA error: an illegal memory access")', FailureKind.MACHINE),
        ('RuntimeError("mat1 and mat2 shapes cannot be multiplied")', FailureKind.IDEA),
    ],
)
def test_whose_fault_a_failure_in_scoring_is(tmp_path: Path, fault: str, kind: FailureKind) -> None:
    assert refused(tmp_path, forward(FOREIGN.format(fault))).kind is kind


def test_a_stop_is_heard_while_a_server_hangs(tmp_path: Path) -> None:
    asked: list[float] = []

    def stop() -> bool:
        asked.append(time.monotonic())
        return len(asked) > 3

    scorer = evaluator(sandbox=warm_sandbox(), stop=stop)
    with pytest.raises(Interrupted):
        score(scorer, tmp_path, "import time\ntime.sleep(99)\n")
    assert max(after - before for before, after in itertools.pairwise(asked)) < 60


FRAMES = {
    "another nonce": "honest_head({**fields, 'nonce': 'ff'}, size)",
    "too few bytes": "honest_head(fields, size - 4)",
    "too many bytes": "honest_head(fields, size + 2**40)",
    "a size below zero": "honest_head(fields, -1)",
    "no JSON": "b'\\x04\\0\\0\\0oops'",
    "an endless header": "b'\\xff\\xff\\xff\\xff'",
    "a vocabulary in words": "honest_head({**fields, 'size': 'many'}, size)",
    "a vocabulary without end": "honest_head({**fields, 'size': 2**60}, size)",
}


@pytest.mark.parametrize("name", rows(FRAMES, "another nonce", "too many bytes", "no JSON"))
def test_frames_that_are_none(tmp_path: Path, name: str) -> None:
    tampered = (
        "import sys\n"
        "def load_model(directory, device):\n    pass\n"
        f"{PAIRS}\n"
        "wire = sys.modules['__main__'].wire\n"
        "honest_head = wire.head\n"
        f"wire.head = lambda fields, size: {FRAMES[name]}\n"
    )
    assert refused(tmp_path, tampered).cause == Cause.PROTOCOL


TOKENIZERS = {
    "capitals": ("return super().encode(data.upper())", "do not concatenate"),
    "dropped text": ("return super().encode(data)[:-1]", "do not concatenate"),
    "added text": ("return [*super().encode(data), 66]", "do not concatenate"),
    "tokens of no bytes": ("return [len(self.table) - 1, *super().encode(data)]", "zero bytes"),
    "tokens outside the table": ("return [999] * (len(data) > 0)", "not in the table"),
    "negative tokens": ("return [-1] * (len(data) > 0)", "raised OverflowError"),
    "whole documents as tokens": (
        "self.table.append(data)\n        return [len(self.table) - 1]", "not in the table",
    ),
    "an exception with the text in it": ("raise KeyError(data)", "raised KeyError"),
}  # fmt: skip


@pytest.mark.parametrize(
    "name", rows(TOKENIZERS, "capitals", "tokens of no bytes", "an exception with the text in it")
)
def test_tokenizers_that_lose_or_hide_text(tmp_path: Path, name: str) -> None:
    body, word = TOKENIZERS[name]
    program = (
        "def load_model(directory, device):\n    pass\n"  # the tokenizer is judged first
        + PAIRS.replace("    return Pairs()", "    return Cheat()")
        + "class Cheat(Pairs):\n    table = [*Pairs.table, b'']\n"
        + f"    def encode(self, data):\n        {body}\n"
    )
    result = refused(tmp_path, program)
    assert result.cause == (Cause.EXCEPTION if word.startswith("raised") else Cause.TOKENIZER)
    assert word in result.reason


def test_a_table_beyond_all_bounds_is_refused(tmp_path: Path) -> None:
    program = (
        "def load_model(directory, device):\n    pass\n"
        "class Huge:\n    bos = 0\n    table = [b'x' * 2**27]\n"
        "def load_tokenizer(directory):\n    return Huge()\n"
    )
    assert refused(tmp_path, program).cause == Cause.PROTOCOL
