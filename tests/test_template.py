"""The template GPT: its architecture, its data path, its score, and a training by hand."""

import ast
import functools
import gc
import importlib
import logging
import math
import os
import re
import runpy
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch

from autoresearch import corpus
from autoresearch.config import CorpusSettings, Settings, load_settings
from autoresearch.patching import constants, set_constants
from autoresearch.patching import numbers as numbers_of
from autoresearch.runtime import open_session, peaks
from autoresearch.runtime.session import TrainData, _map
from autoresearch.runtime.smoke import SmokeSession
from autoresearch.scaffold import render, template_directory
from tests.commands import Forked
from tests.shares import rows

CONTEXT = 32
VOCAB = 300
SMALL: dict[str, float | str] = {
    "TOTAL_BATCH_SIZE": 128,
    "DEVICE_BATCH_SIZE": 4,
    "LOSS_CHUNK": 48,
    "WINDOW_PATTERN": "S",
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project of the CPU profile, shrunk: context 32, vocabulary 300, two CPU-seconds."""
    root = tmp_path / "project"
    root.mkdir()
    texts = render("gpt", "cpu")
    texts["train.py"] = set_constants(texts["train.py"], SMALL)
    settings = texts["autoresearch.toml"]
    for name, value in {"budget": '"2s"', "context": CONTEXT, "vocab_size": VOCAB}.items():
        pattern = rf"(?m)^{name} = [^#\n]+"
        settings, count = re.subn(pattern, f"{name} = {value} ", settings, count=1)
        assert count == 1
    texts["autoresearch.toml"] = settings
    for name, text in texts.items():
        (root / name).write_text(text)
    return root


@pytest.fixture
def modules(project: Path) -> Iterator[Callable[..., tuple[Any, Any]]]:
    """Import (train, prepare) of the project afresh, with constants of train.py changed."""
    path, threads = list(sys.path), torch.get_num_threads()
    torch.set_num_threads(1)

    def build(**values: float | str) -> tuple[ModuleType, ModuleType]:
        source = (project / "train.py").read_text()
        (project / "train.py").write_text(set_constants(source, values))
        for name in ("train", "prepare"):
            sys.modules.pop(name, None)
        for stale in (project / "__pycache__").glob("*.pyc"):
            stale.unlink()
        importlib.invalidate_caches()
        return importlib.import_module("train"), importlib.import_module("prepare")

    sys.path.insert(0, str(project))
    yield build
    sys.path[:] = path
    torch.set_num_threads(threads)
    for name in ("train", "prepare"):
        sys.modules.pop(name, None)


def trained(train: Any, seed: int = 0) -> Any:
    """A model with every weight drawn at random, so that no part is silent."""
    torch.manual_seed(seed)
    model = train.GPT(train.Shape())
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(0.2 * torch.randn_like(weight))
    return model.eval()


def tokens(rows: int, columns: int = CONTEXT, seed: int = 0) -> Any:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(VOCAB, (rows, columns), generator=generator)


def shard_data(directory: Path, shards: list[list[int]], token_bytes: int = 2) -> TrainData:
    files = {}
    for number, ids in enumerate(shards):
        path = directory / f"{number:05}.bin"
        path.write_bytes(b"".join(each.to_bytes(token_bytes, "little") for each in ids))
        files[path.name] = _map(os.open(path, os.O_RDONLY))
    return TrainData(files, token_bytes)


# --- the model


@pytest.mark.parametrize("length", [1, 7, CONTEXT])
def test_logits_have_a_vector_for_every_token(modules: Any, length: int) -> None:
    train, _ = modules()
    logits = trained(train)(tokens(3, length))
    assert logits.shape == (3, length, VOCAB)
    assert logits.dtype == torch.float32


@pytest.mark.parametrize("pattern", rows(["L", "S", "SSSL"], "SSSL"))
def test_a_prediction_ignores_the_future_and_its_batch_mates(modules: Any, pattern: str) -> None:
    train, _ = modules(DEPTH=4, WINDOW_PATTERN=pattern)
    model = trained(train)
    one, two = tokens(4), tokens(4)
    two[:, 20:] = tokens(4, CONTEXT - 20, seed=1)
    two[1:] = tokens(3, seed=2)
    torch.testing.assert_close(model(one)[0, :20], model(two)[0, :20], rtol=0, atol=1e-4)
    assert not torch.allclose(model(one)[0, 20:], model(two)[0, 20:], atol=1e-2)


def test_a_short_window_hides_what_lies_further_back(modules: Any) -> None:
    train, _ = modules()
    q, k, v = (torch.randn(1, CONTEXT, 2, 8) for _ in range(3))
    changed = v.clone()
    changed[:, 10] += 1
    differs = (train.sdpa(q, k, v, 5) - train.sdpa(q, k, changed, 5)).abs().amax((0, 2, 3)) > 1e-6
    assert differs.nonzero().flatten().tolist() == [10, 11, 12, 13, 14]


def test_a_pattern_gives_each_layer_its_window_and_the_last_sees_all(modules: Any) -> None:
    train, _ = modules(DEPTH=6, WINDOW_PATTERN="SSSL")
    assert train.Shape().windows == [16, 16, 16, 32, 16, 32]


@pytest.mark.thorough  # compiles; the windows themselves are shown by the masks above
def test_masks_and_flex_attention_agree_on_windows(modules: Any) -> None:
    train, _ = modules(DEPTH=2)
    shape = train.Shape()
    q, k, v = (torch.randn(2, CONTEXT, shape.heads, shape.head_dim) for _ in range(3))
    attend: Any = torch.compile(train.flex(shape, torch.device("cpu")), backend="eager")
    for window in shape.windows:
        torch.testing.assert_close(attend(q, k, v, window), train.sdpa(q, k, v, window))


@pytest.mark.parametrize(("cap", "bounded"), [(0.5, True), (0.0, False)])
def test_the_cap_bounds_logits_and_zero_lifts_it(modules: Any, cap: float, bounded: bool) -> None:
    train, _ = modules(SOFTCAP=cap)
    largest = trained(train)(tokens(2)).abs().max().item()
    assert (largest <= 0.5) is bounded


def test_what_is_scored_has_logits_in_float32_whatever_the_stream_is(modules: Any) -> None:
    train, _ = modules()
    model = trained(train)
    stream = torch.randn(2, 5, model.shape.width).bfloat16()
    exact = torch.nn.functional.linear(stream.float(), model.unembed.weight)
    capped = model.shape.softcap * torch.tanh(exact / model.shape.softcap)
    assert torch.equal(model.logits(stream), capped)
    coarse = model.train().logits(stream)
    assert coarse.dtype == torch.float32
    assert 1e-3 < float((coarse - capped).detach().abs().max()) < 0.2


def test_rows_of_all_widths_take_the_same_way_to_attend(
    modules: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    train, _ = modules(WINDOW_PATTERN="SL", DEPTH=3)
    model, masked = trained(train), list[bool]()
    honest = train.F.scaled_dot_product_attention

    def attend(*given: Any, attn_mask: Any = None, **more: Any) -> Any:
        masked.append(attn_mask is not None)
        return honest(*given, attn_mask=attn_mask, **more)

    monkeypatch.setattr(train.F, "scaled_dot_product_attention", attend)
    for width in (CONTEXT // 8, CONTEXT // 2, CONTEXT):
        model(tokens(1, width))
    assert masked == 3 * [True, False, False]


def test_rotation_makes_attention_depend_on_distance_alone(modules: Any) -> None:
    train, _ = modules()
    model = trained(train)
    q, k = torch.randn(1, 1, 1, 32), torch.randn(1, 1, 1, 32)

    def product(at: int, other: int) -> float:
        a = train.rotate(q, model.cos[at], model.sin[at])
        return float((a * train.rotate(k, model.cos[other], model.sin[other])).sum())

    assert product(9, 4) == pytest.approx(product(25, 20), abs=1e-4)
    assert product(9, 4) != pytest.approx(product(9, 8), abs=1e-3)


def test_value_embeddings_sit_on_every_second_layer_and_the_last(modules: Any) -> None:
    train, _ = modules(DEPTH=5)
    model = train.GPT(train.Shape())
    assert [block.attention.embed is not None for block in model.blocks] == [True, False] * 2 + [
        True
    ]


def test_every_parameter_is_learned(modules: Any) -> None:
    train, _ = modules(DEPTH=3)
    trainer = train.Trainer(1, torch.device("cpu"))
    trainer.model.load_state_dict(trained(train).state_dict())
    before = {name: each.clone() for name, each in trainer.model.named_parameters()}
    trainer.step(iter([(tokens(trainer.rows), tokens(trainer.rows, seed=1))]), 1.0)
    still = [n for n, each in trainer.model.named_parameters() if torch.equal(each, before[n])]
    assert still == []


def test_muon_updates_are_nearly_orthogonal(modules: Any) -> None:
    train, _ = modules()
    for shape in ((3, 16, 16), (2, 48, 16), (2, 16, 48)):
        found = torch.linalg.svdvals(train.orthogonalise(torch.randn(shape), 5))
        assert found.min() > 0.3
        assert found.max() < 1.3


def test_chunked_gradients_equal_those_of_the_whole_loss(modules: Any) -> None:
    train, _ = modules()
    trainer = train.Trainer(1, torch.device("cpu"))
    model = trainer.model
    model.load_state_dict(trained(train).state_dict())
    trainer.times = 1
    x, y = tokens(4), tokens(4, seed=1)
    loss = trainer._learn(x, y)
    chunked = {name: each.grad.clone() for name, each in model.named_parameters()}
    model.zero_grad()
    whole: Any = torch.nn.functional.cross_entropy(model(x).flatten(0, 1), y.flatten())
    whole.backward()
    assert float(loss) == pytest.approx(whole.item(), rel=1e-5)
    for name, each in model.named_parameters():
        torch.testing.assert_close(chunked[name], each.grad, rtol=1e-3, atol=1e-6)


def test_accumulated_batches_are_one_large_batch(modules: Any) -> None:
    train, _ = modules(TOTAL_BATCH_SIZE=8 * CONTEXT, DEVICE_BATCH_SIZE=3)
    trainer = train.Trainer(1, torch.device("cpu"))
    assert (trainer.rows, trainer.times) == (3, 3)
    trainer.model.load_state_dict(trained(train).state_dict())
    x, y = tokens(9), tokens(9, seed=1)
    expected = train.F.cross_entropy(trainer.model(x).flatten(0, 1), y.flatten())
    feed = zip(x.split(3), y.split(3), strict=True)
    assert float(trainer.step(feed, 0.0)) == pytest.approx(expected.item(), rel=1e-5)


def test_warming_up_teaches_nothing(modules: Any) -> None:
    train, _ = modules()
    trainer = train.Trainer(1, torch.device("cpu"))
    before = {name: each.clone() for name, each in trainer.model.state_dict().items()}
    trainer.warm_up()
    assert all(torch.equal(each, before[n]) for n, each in trainer.model.state_dict().items())
    assert not any(state[-1].any() for state in trainer.optimizer.adam + trainer.optimizer.muon)
    assert trainer.attention == "sdpa"


# --- what suits a device, as far as a CPU can show it


@pytest.mark.parametrize(
    ("device", "capability", "kind", "kernels"),
    [
        ("cpu", None, "float32", []),
        ("mps", None, "float32", []),
        ("cuda", (6, 1), "float32", []),  # Pascal
        ("cuda", (7, 5), "float16", []),  # Turing
        ("cuda", (8, 6), "bfloat16", ["kernels", "flash_attn"]),  # Ampere
        ("cuda", (9, 0), "bfloat16", ["flash_attn_interface", "kernels", "flash_attn"]),  # Hopper
        ("cuda", (12, 0), "bfloat16", ["flash_attn"]),  # Blackwell; ROCm's numbers, too
    ],
)
def test_type_and_kernels_follow_the_card(
    modules: Any, monkeypatch: Any, device: str, capability: Any, kind: str, kernels: list[str]
) -> None:
    train, _ = modules()
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _device: capability)
    monkeypatch.delenv("KERNELS_CACHE", raising=False)
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    package = SimpleNamespace(flash_attn_func=lambda q, k, v, **_named: (v, None))
    for name in ("flash_attn_interface", "flash_attn"):
        monkeypatch.setitem(sys.modules, name, package)
    hub = SimpleNamespace(get_kernel=lambda _name, *, version: package if version == 1 else None)
    monkeypatch.setitem(sys.modules, "kernels", hub)
    assert train.compute_type(torch.device(device)) == getattr(torch, kind)
    found = dict(train.attentions(torch.device(device)))
    assert list(found) == [*kernels, "sdpa"]
    v = torch.ones(1)
    assert all(found[name](v, v, v, 3) is v for name in kernels)
    if kernels:  # where a sealed trial finds a kernel, and asks nobody for it
        offline = (os.environ["KERNELS_CACHE"], os.environ["HF_HUB_OFFLINE"])
        assert offline == (f"{sys.prefix}/kernels", "1")
        monkeypatch.setitem(sys.modules, "kernels", SimpleNamespace())
        monkeypatch.setitem(sys.modules, "flash_attn", None)
        broken = dict(train.attentions(torch.device(device)))
        assert [*broken] == [each for each in kernels if each == "flash_attn_interface"] + ["sdpa"]


class Steps(SmokeSession):
    """A session of so many steps, whose losses are kept; its end hands in nothing."""

    def __init__(self, data: Any, steps: int) -> None:
        self.losses: list[float] = []
        super().__init__(
            seed=1, budget=1.0, clock="cpu", device="cpu", out=Path(), steps=steps, patience=1e9,
            _hand_over=lambda: data, _send=lambda _message: None,
            _metric=lambda metric: self.losses.append(metric["loss"]),
        )  # fmt: skip


@pytest.mark.parametrize(
    ("backend", "kind"),
    [
        ("eager", "bfloat16"),
        pytest.param("aot_eager", "float16", marks=pytest.mark.thorough),
        pytest.param("inductor", "bfloat16", marks=pytest.mark.thorough),  # a C++ compiler's time
    ],
)
def test_the_whole_path_of_a_card_trains_as_the_cpu_does(
    modules: Any, monkeypatch: Any, capsys: Any, tmp_path: Path, backend: str, kind: str
) -> None:
    """Compiled, in 16 bits, FlexAttention or what is left, chunks of the loss, accumulation."""
    train, _ = modules(LOSS_CHUNK=32)
    monkeypatch.setattr(
        logging.getLogger("torch.__trace"), "propagate", False
    )  # or pytest keeps all
    data = shard_data(tmp_path, [torch.arange(2000).square().remainder(VOCAB).tolist()])
    plain = Steps(data, 3)
    train.train(plain, 0.0)
    monkeypatch.setattr(torch, "compile", functools.partial(torch.compile, backend=backend))
    monkeypatch.setattr(train, "compiles", lambda _device: True)
    monkeypatch.setattr(train, "compute_type", lambda _device: getattr(torch, kind))
    monkeypatch.setattr(train, "DEVICE_BATCH_SIZE", 2)  # half of what it is: accumulated
    carded = Steps(data, 3)
    model, stats = train.train(carded, 0.0)
    assert carded.losses == pytest.approx(plain.losses, rel=1e-2)
    assert carded.losses[-1] < carded.losses[0]
    assert (stats.attention, stats.rows_at_once, stats.steps) == ("sdpa", 2, 3)
    assert "flex attention does not work here" in capsys.readouterr().out  # none backwards on CPUs
    assert model(tokens(1)).dtype == torch.float32
    torch.compiler.reset()


def test_float16_learns_like_float32_and_bears_what_it_cannot_hold(
    modules: Any, monkeypatch: Any
) -> None:
    train, _ = modules()
    feed = [(tokens(4, seed=n), tokens(4, seed=n)) for n in range(2)] * 4

    def losses(kind: torch.dtype, gain: float = 1.0) -> list[float]:
        monkeypatch.setattr(train, "compute_type", lambda _device: kind)
        trainer = train.Trainer(1, torch.device("cpu"))
        trainer.gain *= gain
        return [float(trainer.step(iter(feed[:1]), 1.0)) for _ in range(6)]

    assert losses(torch.float16) == pytest.approx(losses(torch.float32), rel=1e-2)
    assert all(math.isfinite(loss) for loss in losses(torch.float16, gain=1e6))


@pytest.mark.parametrize(
    "fault",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        RuntimeError("MPS backend out of memory (MPS allocated: 9 GB)"),
    ],
)
def test_rows_are_halved_until_they_fit(
    modules: Any, monkeypatch: Any, capsys: Any, fault: RuntimeError
) -> None:
    train, _ = modules(TOTAL_BATCH_SIZE=24 * CONTEXT, DEVICE_BATCH_SIZE=8)
    trainer, most = train.Trainer(1, torch.device("cpu")), 2
    learn = trainer._learn

    def learn_few(x: torch.Tensor, y: torch.Tensor) -> Any:
        if len(x) > most:
            raise fault
        return learn(x, y)

    monkeypatch.setattr(trainer, "_learn", learn_few)
    trainer.warm_up()
    assert (trainer.rows, trainer.times, trainer.attention) == (2, 12, "sdpa")
    said = capsys.readouterr().out.splitlines()
    assert said[-1] == "no memory for 4 rows at once: 2 now, 12 times a step"
    most = 0
    with pytest.raises(RuntimeError, match=re.escape(str(fault)[:10])):
        trainer.warm_up()  # not even one row
    assert trainer.rows == 1


def test_another_fault_is_not_answered_with_fewer_rows(modules: Any, monkeypatch: Any) -> None:
    train, _ = modules()
    trainer = train.Trainer(1, torch.device("cpu"))
    monkeypatch.setattr(trainer, "_learn", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        trainer.warm_up()
    assert trainer.rows == 4


@pytest.fixture
def scripted(modules: Any, monkeypatch: Any) -> Iterator[Callable[[list[float]], list[str]]]:
    """Run the loop of train() with these losses for steps; return what happened in which order."""
    train, prepare = modules()
    events: list[str] = []

    class Loss:
        def __init__(self, value: float) -> None:
            self.value = value

        def __float__(self) -> float:
            events.append("wait")
            return self.value

    def fetching(*_: object) -> Iterator[str]:
        while True:
            events.append("fetch")
            yield "batch"

    def play(losses: list[float]) -> list[str]:
        left = iter(losses)

        def step(_trainer: Any, feed: Iterator[str], _scale: float) -> Loss:
            assert next(feed) == "batch"
            events.append("step" if not gc.isenabled() else "step with garbage collection")
            return Loss(next(left))

        monkeypatch.setattr(prepare, "batches", fetching)
        monkeypatch.setattr(train.Trainer, "warm_up", lambda _trainer: None)
        monkeypatch.setattr(train.Trainer, "step", step)
        train.train(Steps(None, len(losses)), 0.0)
        return events

    yield play
    gc.enable()
    gc.unfreeze()


def test_the_next_batch_is_made_while_the_device_works(scripted: Any) -> None:
    assert scripted([3.0, 2.0]) == ["fetch", *["step", "fetch", "wait"] * 2]
    assert gc.isenabled()


@pytest.mark.parametrize("losses", [[3.0, 5.9, 6.1, 2.0], [3.0, math.nan], [math.inf, 1.0]])
def test_a_diverged_loss_ends_the_training(scripted: Any, losses: list[float]) -> None:
    with pytest.raises(FloatingPointError, match="at step"):
        scripted(losses)


@pytest.mark.parametrize(
    ("heads", "together", "left"), [(4, 1, 4), (4, 2, 2), (4, 8, 1), (6, 4, 3), (3, 2, 3)]
)
def test_heads_share_keys_and_values_as_far_as_they_divide(
    modules: Any, heads: int, together: int, left: int
) -> None:
    train, _ = modules()
    shape = train.Shape(heads=heads, heads_per_kv=together)
    assert shape.kv_heads == left
    layer = train.Attention(shape, 1)
    assert layer.key.weight.shape == layer.value.weight.shape == (left * 32, heads * 32)
    q, k, v = (torch.randn(1, 9, n, 8) for n in (heads, left, left))
    wide = [each.repeat_interleave(heads // left, 2) for each in (k, v)]
    torch.testing.assert_close(train.sdpa(q, k, v, 4), train.sdpa(q, *wide, 4))


def test_a_device_that_is_not_there_is_said_by_hand_and_a_failure_in_a_trial(
    modules: Any, monkeypatch: Any, capsys: Any
) -> None:
    _, prepare = modules()
    session = SimpleNamespace(device="cuda", harnessed=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(prepare, "open_session", lambda **_: session)
    assert prepare.open_run().device == "cpu"
    assert "no cuda device here" in capsys.readouterr().err
    session.device, session.harnessed = "cuda", True
    with pytest.raises(RuntimeError, match="no cuda device"):
        prepare.open_run()


@pytest.mark.parametrize(("budget", "seconds"), [("20s", 20), ("5m", 300), ("1h30m", 5400), (7, 7)])
def test_by_hand_a_budget_is_read_as_a_person_writes_it(budget: Any, seconds: float) -> None:
    session = open_session(budget=budget)
    assert (session.budget, session.harnessed) == (seconds, False)
    session.out.rmdir()


def test_the_allocator_is_told_before_it_begins(modules: Any, monkeypatch: Any) -> None:
    _, prepare = modules()
    monkeypatch.delenv("PYTORCH_ALLOC_CONF", raising=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    session = SimpleNamespace(device="cuda", harnessed=True)
    monkeypatch.setattr(prepare, "open_session", lambda **_: session)
    assert prepare.open_run() is session
    assert os.environ["PYTORCH_ALLOC_CONF"] == "expandable_segments:True"
    assert not torch.cuda.is_initialized()  # type: ignore[no-untyped-call]


@pytest.mark.parametrize(
    ("card", "flops"),
    [("NVIDIA H100 80GB HBM3", 989e12), ("NVIDIA H100 PCIe", 756e12), ("Tesla T4", 65e12),
     ("NVIDIA GeForce RTX 4090", 165e12), ("NVIDIA A100-SXM4-80GB", 312e12), ("Voodoo 2", None)],
)  # fmt: skip
def test_the_peak_of_a_card_is_found_by_its_name(card: str, flops: float | None) -> None:
    assert peaks.peak_of(card) == flops
    assert peaks.peak_flops("cpu") is None


# --- schedule and checkpoint


def test_the_schedule_rises_holds_and_falls(modules: Any) -> None:
    train, _ = modules(WARMUP_RATIO=0.2, WARMDOWN_RATIO=0.5, FINAL_LR_FRAC=0.1)
    assert train.lr_scale(0.0) < train.lr_scale(0.1) == pytest.approx(0.5)
    assert train.lr_scale(0.2) == train.lr_scale(0.5) == 1.0
    assert train.lr_scale(0.75) == pytest.approx(0.55)
    assert train.lr_scale(1.2) == pytest.approx(0.1)


def test_a_checkpoint_gives_back_the_same_logits(modules: Any, tmp_path: Path) -> None:
    train, _ = modules(DEPTH=3)
    model = trained(train)
    train.save_checkpoint(model, tmp_path)
    loaded = train.load_model(tmp_path, "cpu")
    assert not loaded.training
    assert torch.equal(loaded(tokens(2)), model(tokens(2)))


def test_a_checkpoint_outlives_a_change_of_the_constants(modules: Any, tmp_path: Path) -> None:
    train, _ = modules(DEPTH=3)
    model = trained(train)
    train.save_checkpoint(model, tmp_path)
    later, _ = modules(DEPTH=2, HEAD_DIM=8, SOFTCAP=3.0, WINDOW_PATTERN="L")
    assert torch.equal(later.load_model(tmp_path, "cpu")(tokens(2)), model(tokens(2)))


def numbers() -> list[Any]:
    """Every number of the CPU profile with the ends of the range a proposer may try.

    Each fifth is for `make test`.
    """
    cases: list[tuple[str, float]] = []
    for each in constants(render("gpt", "cpu")["train.py"]):
        if isinstance(each.value, int):
            cases += [(each.name, max(1, each.value // 2)), (each.name, each.value * 2 + 1)]
        elif isinstance(each.value, float):
            cases += [(each.name, each.value / 4), (each.name, each.value * 4)]
    return [
        pytest.param(*case, marks=() if at % 5 == 0 else pytest.mark.thorough)
        for at, case in enumerate(cases)
    ]


@pytest.mark.parametrize(("name", "value"), numbers())
def test_any_value_of_one_constant_runs(modules: Any, name: str, value: float) -> None:
    train, _ = modules(**{name: value})
    trainer = train.Trainer(1, torch.device("cpu"))
    batch = (tokens(trainer.rows), tokens(trainer.rows, seed=1))
    losses = [trainer.step(iter([batch] * trainer.times), 1.0) for _ in range(2)]
    assert all(math.isfinite(loss) for loss in losses)
    assert trainer.model(tokens(1, 5)).shape == (1, 5, VOCAB)


# --- data and score


def test_batches_cover_the_text_once_an_epoch(modules: Any, tmp_path: Path) -> None:
    _, prepare = modules()
    data = shard_data(tmp_path, [list(range(100)), list(range(100, 161))])
    feed = prepare.batches(data, 1, 10, 7, "cpu")
    epoch = [next(feed) for _ in range(14)]
    for x, y in epoch:
        assert torch.equal(x + 1, y)
    seen = sorted(int(x[0, 0]) for x, _ in epoch)
    starts = [[at for at in seen if at < 100], [at for at in seen if at >= 100]]
    assert all(b - a == 10 for half in starts for a, b in pairwise(half))
    assert starts[0][0] < 10
    assert starts[1][0] < 110
    assert len(starts[0]) >= 9
    assert len(starts[1]) >= 5


def test_batches_follow_the_seed_and_not_the_batch_size(modules: Any, tmp_path: Path) -> None:
    _, prepare = modules()
    data = shard_data(tmp_path, [list(range(500))])

    def rows(batch: int, seed: int) -> list[list[int]]:
        feed = prepare.batches(data, batch, 10, seed, "cpu")
        return [row.tolist() for _ in range(60 // batch) for row in next(feed)[0]]

    assert rows(6, 1) == rows(6, 1) == rows(4, 1)
    assert rows(6, 1) != rows(6, 2)
    first, second = rows(6, 1)[:49], rows(6, 1)[49:]
    assert first[: len(second)] != second


@pytest.mark.parametrize(("token_bytes", "largest"), [(1, 255), (2, 65535), (4, 100_000)])
def test_tokens_of_any_size_are_read(
    modules: Any, tmp_path: Path, token_bytes: int, largest: int
) -> None:
    _, prepare = modules()
    data = shard_data(tmp_path, [[largest, 0, largest - 1]], token_bytes)
    x, y = next(prepare.batches(data, 1, 2, 0, "cpu"))
    assert (x.tolist(), y.tolist()) == ([[largest, 0]], [[0, largest - 1]])


def test_too_little_text_is_a_clear_error(modules: Any, tmp_path: Path) -> None:
    _, prepare = modules()
    with pytest.raises(ValueError, match="prepare more text"):
        next(prepare.batches(shard_data(tmp_path, [[1, 2, 3]]), 1, 10, 0, "cpu"))


def test_bits_per_byte_equal_a_loop_over_single_tokens(modules: Any) -> None:
    train, prepare = modules()
    model = trained(train)
    lengths = (1, 2, CONTEXT, CONTEXT + 1, CONTEXT + 2, 3 * CONTEXT + 5)
    documents = [(tokens(1, n, seed=n)[0].tolist(), 3 * n) for n in lengths]
    bits, size = 0.0, 0
    for ids, n_bytes in documents:
        size += n_bytes
        for at in range(1, len(ids)):
            begin = (at - 1) // CONTEXT * CONTEXT
            with torch.no_grad():
                last = model(torch.tensor([ids[begin:at]]))[0, -1].double()
            bits -= float(last.log_softmax(0)[ids[at]]) / math.log(2)
    for batch in (1, 4):
        found = prepare.evaluate_bpb(model, iter(documents), "cpu", batch)
        assert found == pytest.approx(bits / size, abs=1e-5)


CARDS = {"gpu": 80, **{f"gpu-{size}gb": size for size in (48, 24, 16, 12, 8)}}
DEVICES = {"cpu": "cpu", "mps": "mps", **dict.fromkeys(CARDS, "cuda")}


def settings_of(profile: str, folder: Path) -> Settings:
    path = folder / f"{profile}.toml"
    path.write_text(render("gpt", profile)["autoresearch.toml"])
    return load_settings(path)


def test_settings_agree_with_the_package(project: Path) -> None:
    profiles = tomllib.loads((template_directory("gpt") / "profiles.toml").read_text())
    assert set(profiles) == set(DEVICES)
    for profile, device in DEVICES.items():
        training = settings_of(profile, project).training
        assert (training.profile, training.device) == (profile, device)


def test_the_rows_of_a_profile_fill_about_half_of_its_card(project: Path) -> None:
    """By the rule that profiles.toml names; and a step is a whole number of them."""
    for profile, gigabytes in CARDS.items():
        has, settings = (
            numbers_of(render("gpt", profile)["train.py"]),
            settings_of(profile, project),
        )
        at_once = has["DEVICE_BATCH_SIZE"] * settings.evaluation.context
        channels = has["DEPTH"] * has["DEPTH"] * has["ASPECT_RATIO"]
        need = 40 * at_once * channels + 12 * has["LOSS_CHUNK"] * settings.corpus.vocab_size
        assert 0.37 < need / 1e9 / gigabytes < 0.63, profile
        assert has["TOTAL_BATCH_SIZE"] % at_once == 0


def test_the_table_of_profiles_is_that_of_the_files(project: Path) -> None:
    text = (Path(__file__).parents[1] / "docs" / "cards.md").read_text()
    for profile in DEVICES:
        has, settings = (
            numbers_of(render("gpt", profile)["train.py"]),
            settings_of(profile, project),
        )
        row = next(line for line in text.splitlines() if line.startswith(f"| `{profile}` |"))
        told = [int(each.replace(",", "")) for each in re.findall(r"\d[\d,]*\d|\d", row)]
        sizes = [has["DEPTH"], has["DEPTH"] * has["ASPECT_RATIO"], settings.evaluation.context]
        sizes += [settings.corpus.vocab_size, has["TOTAL_BATCH_SIZE"], has["DEVICE_BATCH_SIZE"]]
        assert str(sizes)[1:-1] in str(told), row


@pytest.mark.parametrize("profile", rows(list(DEVICES), "cpu", "gpu-8gb"))
def test_the_smoke_test_shrinks_constants_that_are_there(project: Path, profile: str) -> None:
    settings, texts = settings_of(profile, project), render("gpt", profile)
    toy, own = settings.preflight.toy, numbers_of(texts["train.py"])
    assert {name for name, value in toy.items() if value <= own[name]} == set(toy)
    assert toy["TOTAL_BATCH_SIZE"] > toy["DEVICE_BATCH_SIZE"] * settings.preflight.context
    assert toy["LOSS_CHUNK"] < toy["DEVICE_BATCH_SIZE"] * settings.preflight.context
    heads = own["DEPTH"] * own["ASPECT_RATIO"] / own["HEAD_DIM"]
    assert own["DEPTH"] * toy["ASPECT_RATIO"] / toy["HEAD_DIM"] == heads


# --- the files as programs


def test_train_and_prepare_fit_in_one_reading() -> None:
    folder = template_directory("gpt")
    lines = [(folder / name).read_text().count("\n") for name in ("train.py", "prepare.py")]
    assert sum(lines) < 700


def test_every_constant_says_what_it_is() -> None:
    source = (template_directory("gpt") / "train.py").read_text()
    named = [each.name for each in constants(source)]
    assert len(named) > 20
    unsaid = {"WARMUP_RATIO", "WARMDOWN_RATIO", "MATRIX_LR", "UNEMBEDDING_LR", "FINAL_LR_FRAC"}
    unsaid |= {"ADAM_BETA1", "ADAM_BETA2", "MUON_MOMENTUM"}
    lines = source.splitlines()
    told = {line.split(" = ")[0] for line in lines if re.match(r"[A-Z_0-9]+ = .*  # \w", line)}
    assert set(named) <= told | unsaid


def test_importing_has_no_side_effect(project: Path) -> None:
    probe = (
        "import sys, os, torch; state = torch.random.get_rng_state(); before = set(os.listdir());"
        "import train; assert set(os.listdir()) == before;"
        "assert torch.equal(state, torch.random.get_rng_state());"
        "assert not any(name in sys.modules for name in ('safetensors', 'tiktoken', 'sqlmodel'))"
    )
    done = run(project, "-B", "-c", probe)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def run(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=project,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[1])},
        capture_output=True,
        text=True,
        check=False,
    )


def test_by_hand_without_a_corpus_says_what_to_do(project: Path) -> None:
    def act() -> None:
        sys.path.insert(0, str(project))
        runpy.run_path("train.py", run_name="__main__")

    done = Forked(act, cwd=project)
    assert done.wait() == 1
    assert done.err.count("\n") == 1
    assert "autoresearch prepare" in done.err


def test_by_hand_it_trains_and_prints_the_block(project: Path, tmp_path: Path) -> None:
    text = tmp_path / "text"
    text.mkdir()
    source = Path(ast.__file__).parent
    for name in ("ast.py", "argparse.py", "typing.py", "socket.py", "enum.py", "pathlib.py"):
        for at, piece in enumerate(
            (source / name).read_text().split("\nclass ") if (source / name).is_file() else []
        ):
            (text / f"{name[:-3]}{at}.py").write_text(piece)
    prepared = corpus.prepare(
        str(text), CorpusSettings(vocab_size=VOCAB), tmp_path / "home", report=lambda *_: None
    )
    (project / ".autoresearch").mkdir()
    corpus.write_pointer(project / ".autoresearch" / "corpus.json", prepared)
    done = run(project, "train.py")
    assert done.returncode == 0, done.stderr
    block = done.stdout.partition("---\n")[2]
    names = re.findall(r"(?m)^(\w+): +\S+$", block)
    assert names == [
        "val_bpb",
        "training_seconds",
        "total_seconds",
        "peak_vram_mb",
        "mfu_percent",
        "total_tokens_M",
        "num_steps",
        "num_params_M",
        "depth",
    ]
    found = dict(re.findall(r"(\w+): +([\d.]+)", block))
    assert 1.5 < float(found["training_seconds"]) <= 2.2
    assert int(found["num_steps"]) > 10
    assert found["depth"] == "2"
    assert 1.0 < float(found["val_bpb"]) < 5.0  # untrained: over 6
