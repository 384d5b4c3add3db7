"""Every template, from `init` to a win brought home; and what those made of another one share."""

import importlib
import json
import math
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from autoresearch import patching
from autoresearch.config import load_settings
from autoresearch.records.scores import Score, Unscored
from autoresearch.runtime.arrays import NUMPY
from autoresearch.runtime.smoke_checkpoint import examine
from autoresearch.runtime.smoke_faults import FlawError
from autoresearch.scaffold import TEMPLATES, profiles, render
from tests.commands import autoresearch
from tests.counting import change
from tests.evaluation_stubs import documents, evaluator, score, warm_sandbox
from tests.sandboxes import level
from tests.shares import rows
from tests.stubs import git
from tests.test_template import shard_data

WITHOUT_MLX = "MLX is not installed (autoresearch[mlx])"
NEEDS_MLX = pytest.mark.skipif(find_spec("mlx") is None, reason=WITHOUT_MLX)
CONTEXT, VOCAB = 32, 300
SEALED = {"TOTAL_BATCH_SIZE": 256, "DEVICE_BATCH_SIZE": 4, "UNEMBEDDING_LR": 0.0}
# What is set for a small beginning with a planted fault, and the constant that mends it.
SMALL: dict[str, tuple[dict[str, float], str, float]] = {
    "gpt": (SEALED, "UNEMBEDDING_LR", 0.015),
    "curriculum": (SEALED, "UNEMBEDDING_LR", 0.015),
    "mlx": (SEALED, "UNEMBEDDING_LR", 0.015),
    "blank": ({"LEARNING_RATE": 0.0, "EPOCHS": 3}, "LEARNING_RATE", 0.1),
}
KINDS = [
    pytest.param("gpt", marks=pytest.mark.thorough),
    pytest.param("curriculum", marks=pytest.mark.thorough),
    pytest.param("mlx", marks=[pytest.mark.thorough, NEEDS_MLX]),
    "blank",
]


def settings_made_small(text: str) -> str:
    """Return the settings of a sealed project for a toy of its size; others stay as they are."""
    values = {"context": CONTEXT, "vocab_size": VOCAB, "grace": '"10m"'}
    for name, value in values.items():
        lines = text.splitlines(keepends=True)
        at = [line for line in lines if line.startswith(f"{name} = ")][:1]
        text = text.replace(at[0], f"{name} = {value}\n", 1) if at else text
    return text


@pytest.mark.parametrize("template", KINDS)
def test_a_template_goes_the_whole_line(template: str, tmp_path: Path) -> None:
    root, (small, constant, mended) = tmp_path / template, SMALL[template]
    autoresearch("init", str(root), "--template", template, "--profile", "cpu")
    begun = patching.set_constants((root / "train.py").read_text(), small)
    toml = root / "autoresearch.toml"
    (root / "train.py").write_text(begun)
    toml.write_text(settings_made_small(toml.read_text()))
    git(root, "commit", "--quiet", "-am", "small, with a fault")
    corpus = []
    if template != "blank":
        corpus = ["--corpus", str(tmp_path / "poem.txt")]
        verses = (f"Verse {n}: the {n % 7} winds of {n % 11} è più {n * n} 風" for n in range(1500))
        (tmp_path / "poem.txt").write_text("\n\n".join(verses))
    autoresearch("prepare", *corpus, cwd=root)
    (tmp_path / "patches").mkdir()
    patch = f"Subject: let it learn\n\n{change(begun, {constant: str(mended)})}"
    (tmp_path / "patches" / "1.patch").write_text(patch)

    night = ["run", "--proposer", f"patches:{tmp_path / 'patches'}", "--budget", "2s"]
    autoresearch(*night, "--confirm-share", "0", cwd=root)

    told = json.loads(autoresearch("status", "--json", cwd=root).out)
    assert [each["verdict"] for each in told["experiments"]] == ["keep", "keep"], told
    before = git(root, "rev-parse", "HEAD")
    autoresearch("promote", "2", "--force", "--dry-run", cwd=root)
    assert git(root, "rev-parse", "HEAD") == before
    autoresearch("promote", "2", "--force", cwd=root)  # one pair confirms nothing
    assert patching.numbers((root / "train.py").read_text())[constant] == mended


@pytest.mark.parametrize("template", TEMPLATES)
def test_every_profile_is_whole(template: str, tmp_path: Path) -> None:
    for profile in profiles(template):
        texts = render(template, profile)
        assert {"README.md", "program.md", "AGENTS.md", ".gitignore"} < set(texts)
        (tmp_path / "autoresearch.toml").write_text(texts["autoresearch.toml"])
        settings = load_settings(tmp_path / "autoresearch.toml")
        assert settings.training.profile == profile
        for name in texts:
            if name.endswith(".py"):
                compile(texts[name], name, "exec")
        own = patching.numbers(texts["train.py"])
        assert set(settings.preflight.toy) <= set(own)


def test_a_program_that_a_patch_makes_is_as_tidy_as_those_that_lie_here(tmp_path: Path) -> None:
    pytest.importorskip("ruff", reason="ruff is not installed")
    written = [tmp_path / name for name in ("train.py", "prepare.py")]
    for path in written:
        path.write_text(render("curriculum", "gpu")[path.name])
    settings = Path(__file__).parents[1] / "pyproject.toml"
    excused = "N812,PLR0915,T20,S101,D10,N806,INP001"
    for act in (["check", "--ignore", excused], ["format", "--check"]):
        told = subprocess.run(
            [sys.executable, "-m", "ruff", *act, "--no-cache", "--config", settings, *written],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert told.returncode == 0, told.stdout


def test_the_mlx_template_does_without_pytorch() -> None:
    for name, text in render("mlx", "cpu").items():
        assert not (name.endswith(".py") and "torch" in text), name
    assert "LOSS_CHUNK" not in render("mlx", "cpu")["autoresearch.toml"]


# --- a template's program, imported


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Any]]:
    """Import train.py of a template, with constants changed and a context of 32 tokens."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)

    def build(template: str, **values: float | str) -> ModuleType:
        folder = tmp_path / template
        folder.mkdir(exist_ok=True)
        texts = render(template, "cpu")
        texts["autoresearch.toml"] = settings_made_small(texts["autoresearch.toml"])
        texts["train.py"] = patching.set_constants(texts["train.py"], values)
        for name, text in texts.items():
            (folder / name).write_text(text)
        monkeypatch.syspath_prepend(folder)
        for name in ("train", "prepare"):
            sys.modules.pop(name, None)
        return importlib.import_module("train")

    yield build
    torch.set_num_threads(threads)
    for name in ("train", "prepare"):
        sys.modules.pop(name, None)


ODD: dict[str, dict[str, float]] = {
    "no growth": {"FIRST_LENGTH": 1.0, "FIRST_SHARE": 4.0},
    "the shortest": {"FIRST_LENGTH": 0.01},
    "all at once": {"LONG_FROM": 0.0, "ALL_FROM": 0.0},
    "all is hard": {"FIRST_SHARE": 0.001, "DRAWN": 1, "SAMPLED": 1},
}


class TestCurriculum:
    def test_windows_grow_by_doubling_until_they_are_whole(self, program: Any) -> None:
        train = program("curriculum", FIRST_LENGTH=0.25, LONG_FROM=0.4)
        assert train.lengths() == [8, 16, 32]
        seen = [train.length_at(progress / 10) for progress in range(12)]
        assert seen == [8, 8, 16, 16, 32, 32, 32, 32, 32, 32, 32, 32]

    def test_easy_text_comes_first_and_all_of_it_once(self, program: Any, tmp_path: Path) -> None:
        train = program("curriculum", FIRST_SHARE=0.4, ALL_FROM=0.5, FIRST_LENGTH=1.0)
        chance = np.random.default_rng(0)
        parts = [chance.integers(0, most, 640) for most in (4, VOCAB)]  # one easy, one hard
        data = shard_data(tmp_path, [part.tolist() for part in parts])
        now = 0.0
        feed = train.Curriculum(data, 7).batches(1, torch.device("cpu"), lambda: now)
        easy = [int(x.max()) < 4 for x, _ in islice(feed, 12)]
        assert all(easy)
        now = 1.0
        rest = [x for x, _ in islice(feed, 26)]
        assert sum(int(x.max()) >= 4 for x in rest) >= 19  # all that is hard, by then
        starts = [tuple(x[0].tolist()) for x in rest]
        assert len(set(starts)) == len(starts)

    def test_rows_are_whole_predictions_whatever_their_length(
        self, program: Any, tmp_path: Path
    ) -> None:
        train = program("curriculum", FIRST_LENGTH=0.25)
        data = shard_data(tmp_path, [[n % VOCAB for n in range(2000)]])
        x, y = next(train.Curriculum(data, 1).batches(2, torch.device("cpu"), lambda: 0.0))
        assert x.shape == y.shape == (8, 8)
        assert torch.equal((x + 1) % VOCAB, y)
        again, _ = next(train.Curriculum(data, 1).batches(2, torch.device("cpu"), lambda: 0.0))
        assert torch.equal(x, again)

    @pytest.mark.parametrize("value", rows(ODD, "all is hard"))
    def test_any_value_of_its_constants_trains(
        self, program: Any, tmp_path: Path, value: str
    ) -> None:
        train = program("curriculum", **{**SEALED, **ODD[value]})
        trainer, now = train.Trainer(1, torch.device("cpu")), [0.0]
        trainer.warm_up()
        data = shard_data(tmp_path, [[n * n % VOCAB for n in range(3000)]])
        feed = train.Curriculum(data, 1).batches(trainer.rows, torch.device("cpu"), lambda: now[0])
        for now[0] in (0.0, 0.2, 0.9):
            assert math.isfinite(float(trainer.step(feed, 1.0)))

    def test_too_little_text_is_a_clear_error(self, program: Any, tmp_path: Path) -> None:
        train = program("curriculum")
        with pytest.raises(ValueError, match="prepare more text"):
            train.Curriculum(shard_data(tmp_path, [[1, 2, 3]]), 1)


@NEEDS_MLX
class TestMLX:
    def test_it_is_the_gpt_of_the_other_template(self, program: Any, tmp_path: Path) -> None:
        shape = {"DEPTH": 3, "WINDOW_PATTERN": "SL", "HEADS_PER_KV": 3}
        other = program("gpt", **shape)
        torch.manual_seed(0)
        model = other.GPT(other.Shape()).eval()
        with torch.no_grad():
            for weight in model.parameters():
                weight.add_(0.2 * torch.randn_like(weight))
        other.save_checkpoint(model, tmp_path)
        predict = program("mlx", **shape).load_model(tmp_path, "cpu")
        for width in (1, 20, CONTEXT):
            tokens = np.random.default_rng(width).integers(0, VOCAB, (2, width))
            with torch.no_grad():
                wanted = model(torch.from_numpy(tokens)).numpy()
            np.testing.assert_allclose(np.asarray(predict(tokens)), wanted, atol=1e-4)

    def test_it_learns_as_that_one_does(self, program: Any) -> None:
        small = {"TOTAL_BATCH_SIZE": 8 * CONTEXT, "DEVICE_BATCH_SIZE": 4}
        other = program("gpt", **small)
        first = other.Trainer(1, torch.device("cpu"))
        values = {
            name: each.detach().numpy().copy() for name, each in first.model.named_parameters()
        }
        second = program("mlx", **small).Trainer(1, compiled=False)
        mx = sys.modules["mlx.core"]
        assert {name: each.shape for name, each in second.weights.items()} == {
            name: each.shape for name, each in values.items()
        }
        second.weights = {name: mx.array(each) for name, each in values.items()}
        batches = [np.random.default_rng(n).integers(0, VOCAB, (4, CONTEXT)) for n in range(2)]
        one = [(torch.from_numpy(each), torch.from_numpy(each)) for each in batches]
        two = [(mx.array(each), mx.array(each)) for each in batches]
        for _ in range(4):
            theirs = float(first.step(iter(one), 1.0))
            assert second.step(iter(two), 1.0) == pytest.approx(theirs, rel=1e-2)
        assert theirs < 0.95 * math.log(VOCAB)

    def test_warming_up_keeps_nothing(self, program: Any) -> None:
        trainer = program("mlx", **SEALED).Trainer(1, compiled=False)
        before = dict(trainer.weights)
        trainer.warm_up()
        assert trainer.steps == 0
        assert all(trainer.weights[name] is each for name, each in before.items())


# --- models that are none of PyTorch's, under seal

PLAIN = """
import os, sys
import numpy as np

chance = np.random.default_rng(7)
EMBED, HEAD = chance.standard_normal((300, 24)), chance.standard_normal((24, 300)) / 5

class Exported:
    def __init__(self, array):
        self.array = array
    def __dlpack__(self, **asked):
        return self.array.__dlpack__(**asked)
    def __dlpack_device__(self):
        return self.array.__dlpack_device__()

def load_model(directory, device):
    def predict(tokens):
        assert "torch" not in sys.modules
        seen = EMBED[tokens]
        seen[:, 1:] += 0.5 * EMBED[tokens[:, :-1]]
        logits = seen @ HEAD
        return {}
    return predict
"""
TWIN = """
import torch
class Model(torch.nn.Module):
    def forward(self, tokens):
        embed, head = torch.from_numpy(EMBED), torch.from_numpy(HEAD)
        seen = embed[tokens]
        return torch.cat([seen[:, :1], seen[:, 1:] + 0.5 * embed[tokens[:, :-1]]], 1) @ head
load_model = lambda directory, device: Model()
"""
GIVEN = {
    "an array": ("logits", ""),
    "by DLPack alone": ("Exported(logits.astype(np.float32))", ""),
    "two of three sides": ("logits[0]", "logits of shape"),
    "no array": ("object()", "logits of shape"),
    "a look ahead": ("logits + 3 * np.roll(seen, -1, 1) @ HEAD", "tokens before it"),
}


@pytest.mark.parametrize("given", rows(GIVEN, "by DLPack alone", "no array", "a look ahead"))
def test_arrays_of_other_libraries_are_scored_without_pytorch(given: str, tmp_path: Path) -> None:
    answer, said = GIVEN[given]
    texts = documents(numbers=60)
    scorer = evaluator(texts=texts, sandbox=level("plain"), arrays="numpy")
    found = score(scorer, tmp_path, PLAIN.format(answer))
    if said:
        assert isinstance(found, Unscored)
        assert said in found.reason
        return
    assert isinstance(found, Score), found
    twin = evaluator(texts=texts, sandbox=warm_sandbox())
    wanted = score(twin, tmp_path, PLAIN.format("logits") + TWIN)
    assert isinstance(wanted, Score), wanted
    assert found.bpb == pytest.approx(wanted.bpb, abs=1e-6)


SAVED = "load_file(directory / 'model.safetensors')['w']"
SMOKE_TESTED = {
    "honest": (SAVED, "w[tokens]", ""),
    "forgetful": ("np.random.standard_normal((30, 30))", "w[tokens]", "not all of it is saved"),
    "seeing ahead": (SAVED, "w[np.roll(tokens, -1, 1)]", "tokens that come after it"),
    "of another shape": (SAVED, "w[tokens[0]]", "not to logits"),
    "not finite": (SAVED, "w[tokens] / 0", "not finite"),
}


@pytest.mark.parametrize("model", SMOKE_TESTED)
def test_a_smoke_test_asks_a_model_of_another_library(model: str, tmp_path: Path) -> None:
    weights, logits, said = SMOKE_TESTED[model]
    save_file(
        {"w": np.random.default_rng(0).standard_normal((30, 30))}, tmp_path / "model.safetensors"
    )
    (tmp_path / "config.json").write_text("{}")
    program = ModuleType("train")
    source = "import numpy as np\nfrom safetensors.numpy import load_file\n"
    source += (
        f"def load_model(directory, device):\n w = {weights}\n return lambda tokens: {logits}\n"
    )
    exec(source, vars(program))
    with np.errstate(all="ignore"), pytest.raises(FlawError, match=said) if said else nullcontext():
        assert examine(program, tmp_path, 8, 30, NUMPY) is None
