"""The score of honest checkpoints against a naive recomputation, token by token."""

import math
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from autoresearch.errors import CorpusError, EvaluationError
from autoresearch.evaluation import Evaluator
from autoresearch.records.scores import Document, Score, Unscored
from autoresearch.records.values import Trust
from tests.evaluation_stubs import (
    HONEST,
    PAIRS,
    STARTS,
    ByteTokenizer,
    documents,
    evaluator,
    score,
    started,
    warm_sandbox,
)
from tests.processes import guarded_children
from tests.sandboxes import LEVELS, level
from tests.shares import rows

Predict = Callable[[torch.Tensor], torch.Tensor]


def naive_bits(model: Predict, ids: list[int], bos: int, context: int) -> float:
    """One prefix, one forward, one token at a time."""
    bits, row = 0.0, [bos]
    for token in ids:
        if len(row) == context + 1:
            row = row[-1:]
        with torch.inference_mode():
            vector = model(torch.tensor([row]))[0, -1].double()
        bits -= float(torch.log_softmax(vector, dim=0)[token]) / math.log(2)
        row.append(token)
    return bits


def honest(program: str) -> dict[str, Callable[..., object]]:
    space: dict[str, Callable[..., object]] = {}
    exec(compile(program, "train.py", "exec"), space)
    return space


def model_of(program: str) -> Predict:
    model = honest(program)["load_model"](Path(), "cpu")
    assert isinstance(model, torch.nn.Module)
    return model.eval()


def few() -> list[Document]:
    """All kinds of text, and no more of it than a naive loop has patience for."""
    return [Document(each.data[:400]) for each in documents(numbers=60)]


def scored(result: Score | Unscored) -> Score:
    assert isinstance(result, Score), result
    return result


# It says what it sees, which nobody may hear.
NOISY = HONEST.replace("        h = self.embed(x)", "        print(x); h = self.embed(x)")


@pytest.mark.parametrize("name", rows(LEVELS, "bubblewrap"))
def test_bits_agree_with_a_naive_loop_document_by_document(
    tmp_path: Path, name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    texts = few()
    scorer = evaluator(texts=texts, sandbox=level(name))
    result = scored(score(scorer, tmp_path, NOISY))
    assert capfd.readouterr() == ("", "")
    model = model_of(HONEST)
    bits = [naive_bits(model, list(each.data), ByteTokenizer.bos, 32) for each in texts]
    sizes = [len(each.data) for each in texts]
    assert result.doc_bytes == tuple(sizes)
    assert result.doc_bits == pytest.approx(bits, rel=1e-5, abs=1e-4)
    assert result.bpb == pytest.approx(sum(bits) / sum(sizes), abs=1e-4)
    assert result.tokens == sum(sizes)
    assert 256 < result.challenged <= result.tokens
    assert result.trust is (Trust.SEALED if name == "bubblewrap" else Trust.UNSEALED)
    assert result.mismatch < 1e-4  # ten times under the tolerance


@pytest.mark.thorough  # beside it: the zoo's twin with a tokenizer of its own
@pytest.mark.parametrize("how", STARTS)
def test_a_changed_tokenizer_is_scored_over_the_same_bytes(tmp_path: Path, how: str | None) -> None:
    program = HONEST + PAIRS
    texts = few()
    result = scored(score(evaluator(texts=texts, sandbox=started(how)), tmp_path, program))
    tokenizer = honest(program)["load_tokenizer"](Path())
    encode: Callable[[bytes], list[int]] = tokenizer.encode  # type: ignore[attr-defined] # exec'd
    ids = [encode(each.data) for each in texts]
    model = model_of(program)
    bits = [naive_bits(model, each, 0, 32) for each in ids]
    sizes = [len(each.data) for each in texts]
    assert result.tokens == sum(map(len, ids)) < sum(sizes)
    assert result.bpb == pytest.approx(sum(bits) / sum(sizes), abs=1e-4)


@pytest.mark.parametrize("how", STARTS)
def test_one_evaluator_scores_again_the_same_and_keeps_out_of_the_tree(
    tmp_path: Path, how: str | None, capfd: pytest.CaptureFixture[str]
) -> None:
    # Dropout of the module kind is off, though load_model forgot to say so.
    scorer = evaluator(sandbox=started(how))
    first, second = (scored(score(scorer, tmp_path, NOISY)) for _ in range(2))
    assert first.bpb == pytest.approx(second.bpb, abs=1e-6)
    assert capfd.readouterr() == ("", "")
    assert "train" not in sys.modules
    assert sorted(each.name for each in (tmp_path / "tree").iterdir()) == ["train.py"]
    assert not guarded_children()


def test_few_tokens_are_challenged_all(tmp_path: Path) -> None:
    scorer = evaluator(texts=[Document(b"ab")], sandbox=warm_sandbox())
    result = scored(score(scorer, tmp_path, HONEST))
    assert (result.tokens, result.challenged) == (2, 2)


@pytest.mark.parametrize("how", STARTS)
def test_the_servers_know_neither_home_nor_keys_nor_documents(
    tmp_path: Path, how: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-secret")
    # What it finds wrong ends it; its home is empty, or the other server lives there, too.
    spy = HONEST + (
        "home = os.environ['HOME']\n"
        "assert os.listdir(home) == []\n"
        "open(home + '/seen', 'w').close()\n"
        "assert 'sk-secret' not in str(os.environ) + str(sys.argv)\n"
        "assert os.environ['OMP_NUM_THREADS'] == '1'\n"
        "assert not [name for name in os.environ if name.startswith('AUTORESEARCH')]\n"
    )
    scored(score(evaluator(sandbox=started(how)), tmp_path, spy))
    assert list((tmp_path / "scratch").iterdir()) == []


def test_no_text_at_all_is_a_fault_of_the_corpus() -> None:
    with pytest.raises(EvaluationError, match="prepare"):
        evaluator(texts=[Document(b"")])


def test_a_lossy_corpus_tokenizer_is_a_fault_not_a_verdict(tmp_path: Path) -> None:
    class Lossy(ByteTokenizer):
        def encode(self, data: bytes) -> list[int]:
            return list(data.lower())

    scorer = evaluator(texts=[Document(b"Ada")])
    broken = Evaluator(
        scorer._settings,
        sandbox=scorer._sandbox,
        limits=scorer._limits,
        device="cpu",
        tokenizer=Lossy(),
        documents=[Document(b"Ada")],
    )
    with pytest.raises(CorpusError, match="do not concatenate"):
        score(broken, tmp_path, HONEST)
    assert not guarded_children()
