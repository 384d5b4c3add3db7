"""Where the weights of a loaded model come from, and what a machine's failure looks like."""

import errno
import gc
import os
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from autoresearch.preflight.hidden import bears_on
from autoresearch.runtime.smoke_apart import Apart
from autoresearch.runtime.smoke_checkpoint import examine
from autoresearch.runtime.smoke_doubt import Doubt, read, resolves, write
from autoresearch.runtime.smoke_faults import FlawError, scarce
from autoresearch.runtime.smoke_torch import compile_nothing

Tensor = torch.Tensor
Weights = dict[str, Tensor]
VOCAB, WIDTH = 16, 4


class Toy(torch.nn.Module):
    """Predicts from the token alone; has a part that predictions do not use."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = torch.nn.Embedding(VOCAB, WIDTH)
        self.gain = torch.nn.Parameter(torch.ones(WIDTH))
        self.silent = torch.nn.Linear(WIDTH, WIDTH, bias=False)
        torch.nn.init.zeros_(self.silent.weight)
        self.matrix = torch.nn.Linear(WIDTH, WIDTH, bias=False)
        self.aside = torch.nn.Linear(WIDTH, VOCAB)
        self.out = torch.nn.Linear(WIDTH, VOCAB, bias=False)
        self.register_buffer("table", torch.arange(WIDTH).float(), persistent=False)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return logits."""
        x = self.embed(tokens) * self.gain + self.table
        logits: Tensor = self.out(x + self.silent(self.matrix(x)))
        return logits


class Tied(Toy):
    def __init__(self) -> None:
        super().__init__()
        self.out.weight = self.embed.weight


def trained(kind: type[Toy] = Toy) -> Toy:
    """A model of which training has moved everything."""
    torch.manual_seed(7)
    model = kind()
    with torch.no_grad():
        for each in model.parameters():
            each.add_(torch.randn_like(each))
    return model


def program(load: Callable[[Weights], Any]) -> ModuleType:
    made = ModuleType("train")
    made.load_model = lambda place, _: load(load_file(place / "model.safetensors"))  # type: ignore[attr-defined]
    return made


def looked(place: Path, weights: Weights, load: Callable[[Weights], Any]) -> Doubt | None:
    out = place / "scratch" / "out"
    out.mkdir(parents=True)
    save_file(
        {name: each.contiguous() for name, each in weights.items()}, out / "model.safetensors"
    )
    (out / "config.json").write_text("{}")
    doubt = examine(program(load), out, context=8, vocab=VOCAB)
    assert [each.name for each in out.parent.iterdir()] == ["out"]
    gc.collect()
    return doubt


def lenient(weights: Weights, kind: type[Toy] = Toy) -> Toy:
    model = kind()
    model.load_state_dict({name: each.float() for name, each in weights.items()}, strict=False)
    return model


def state(model: Toy, *without: str) -> Weights:
    return {
        name: each.detach()
        for name, each in model.state_dict().items()
        if not name.startswith(without or "-")
    }


def scaled_back(weights: Weights) -> Toy:
    names = {name.removesuffix(".scale") for name in weights}
    return lenient(
        {
            name: weights[name].float() * weights.get(f"{name}.scale", torch.ones(()))
            for name in names
        }
    )


def eight_bits(model: Toy) -> Weights:
    found: Weights = {}
    for name, each in state(model).items():
        found[f"{name}.scale"] = each.abs().max() / 127
        found[name] = (each / found[f"{name}.scale"]).round().to(torch.int8)
    return found


def proud(weights: Weights) -> Toy:
    assert all(bool(each.isfinite().all()) for each in weights.values())
    return lenient(weights)


HONEST: dict[str, Callable[[], tuple[Weights, Callable[[Weights], Any]]]] = {
    "as it is": lambda: (state(trained()), lenient),
    "in short": lambda: ({n: e.bfloat16() for n, e in state(trained()).items()}, lenient),
    "tied": lambda: (state(trained(Tied), "out"), lambda w: lenient(w, Tied)),
    "a part that nothing uses": lambda: (state(trained(), "aside"), lenient),
    "integers and scales": lambda: (eight_bits(trained()), scaled_back),
    "integers alone": lambda: (
        {n: e.sign().to(torch.int8) for n, e in state(trained()).items()}, lenient,
    ),
    "a loader that takes no nonsense": lambda: (state(trained()), proud),
    "no module": lambda: (state(trained()), lambda w: lenient(w).forward),
}  # fmt: skip


@pytest.mark.parametrize("name", HONEST)
def test_honest_checkpoints_raise_no_doubt(tmp_path: Path, name: str) -> None:
    weights, load = HONEST[name]()
    assert looked(tmp_path, weights, load) is None


@pytest.mark.parametrize(
    ("without", "said"),
    [
        (("embed", "matrix"), "the loaded model's embed.weight, matrix.weight do not come"),
        (("out",), "the loaded model's out.weight does not come from the checkpoint"),
    ],
)
def test_what_is_drawn_anew_is_named(tmp_path: Path, without: tuple[str, ...], said: str) -> None:
    with pytest.raises(FlawError, match=said):
        looked(tmp_path, state(trained(), *without), lenient)


def test_names_that_the_model_does_not_take_are_told(tmp_path: Path) -> None:
    weights = {f"_orig_mod.{name}": each for name, each in state(trained()).items()}
    with pytest.raises(FlawError, match=r"whose _orig_mod.* and \d more the model does not take"):
        looked(tmp_path, weights, lenient)


def test_a_part_that_is_silent_when_loaded_is_doubted(tmp_path: Path) -> None:
    model = trained()
    doubt = looked(tmp_path, state(model, "silent", "matrix"), lenient)
    assert doubt is not None
    assert list(doubt.parameters) == ["silent.weight", "matrix.weight"]
    assert not resolves(doubt, lambda: lenient(state(model, "silent", "matrix")))


def test_no_module_can_forget_either(tmp_path: Path) -> None:
    with pytest.raises(FlawError, match="loaded a second time, the model predicts otherwise"):
        looked(tmp_path, state(trained(), "embed"), lambda weights: lenient(weights).forward)


def test_a_lost_gain_is_no_folded_one(tmp_path: Path) -> None:
    model = trained()
    (tmp_path / "lost").mkdir()
    doubt = looked(tmp_path / "lost", state(model, "gain"), lenient)
    assert doubt is not None
    doubt = read(write(doubt, tmp_path))
    assert "the loaded model's gain does not come" in str(doubt.flaw())
    assert not resolves(doubt, lambda: lenient(state(model, "gain")))
    folded = state(model, "gain") | {"embed.weight": model.embed.weight.detach() * model.gain}
    (tmp_path / "folded").mkdir()
    doubt = looked(tmp_path / "folded", folded, lenient)
    assert doubt is not None
    assert resolves(doubt, lambda: lenient(folded))


def test_what_training_left_alone_need_not_be_saved(tmp_path: Path) -> None:
    model = trained()
    torch.nn.init.ones_(model.gain)
    doubt = looked(tmp_path, state(model, "gain"), lenient)
    assert doubt is not None
    assert resolves(doubt, lambda: lenient(state(model, "gain")))


def test_files_beside_the_checkpoint_are_not_there(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    save_file(state(trained()), tmp_path / "out" / "model.safetensors")
    for name in ("config.json", "more.json"):
        (tmp_path / "out" / name).write_text("{}")
    made = ModuleType("train")
    made.load_model = lambda place, _: (place / "more.json").read_text()  # type: ignore[attr-defined]
    with pytest.raises(FileNotFoundError):
        examine(made, tmp_path / "out", context=8, vocab=VOCAB)


def test_work_is_done_apart_from_what_comes_later() -> None:
    made: list[int] = []
    apart = Apart(lambda: repr((os.getpid(), made)).encode())
    made.append(1)
    assert apart.result() not in (b"", repr((os.getpid(), made)).encode())


@pytest.fixture
def uncompiled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "compile", torch.compile)  # what is set below is taken back
    compile_nothing()


@pytest.mark.usefixtures("uncompiled")
def test_nothing_is_compiled_and_everything_is_called_so() -> None:
    toy = trained()
    model: Any = torch.compile(toy, fullgraph=True)
    assert list(model.state_dict()) == [f"_orig_mod.{name}" for name in toy.state_dict()]
    tokens = torch.zeros(1, 2, dtype=torch.long)
    assert torch.equal(model(tokens), toy(tokens))
    assert model.gain is toy.gain
    model.mark = 3
    assert vars(toy)["mark"] == 3
    assert model._orig_mod is toy
    assert not model.eval().training
    assert not toy.training

    @torch.compile(dynamic=False)
    def double(x: int) -> int:
        return 2 * x

    assert double(2) == 4
    toy.compile()
    assert torch.equal(model(tokens), toy(tokens))
    with pytest.raises(TypeError):
        torch.compile(toy, fullgraf=True)  # type: ignore[call-overload]


@pytest.mark.parametrize(
    ("fault", "what"),
    [
        (OSError(errno.ENOSPC, "full"), "disk"),
        (BlockingIOError(errno.EAGAIN, "fork"), "processes"),
        (OSError(errno.EFBIG, "too large"), ""),
        (Exception("I/O error: No space left on device (os error 28)"), "disk"),
        (RuntimeError("can't start new thread"), "processes"),
        (RuntimeError("DataLoader worker (pid 9) is killed by signal: Killed."), "workers"),
        (RuntimeError("unable to write to file: out of shared memory"), "shared memory"),
        (MemoryError(), "memory"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: 1 byte"), "memory"),
        (ValueError("no memory of that"), ""),
    ],
)
def test_what_the_machine_lacks_is_known(fault: BaseException, what: str) -> None:
    assert scarce(fault, memory=2**60) == what
    behind = ValueError("it is over")
    behind.__cause__ = fault
    assert scarce(behind, memory=2**60) == what


def test_who_asks_for_more_than_is_allowed_does_not_lack_memory() -> None:
    assert scarce(MemoryError(), memory=0) == ""


BEFORE = """
ROWS = 8
DEPTH = 2
LR = 0.1
width = DEPTH * ROWS
assert width > 3
def f(x): return LR * x
"""


@pytest.mark.parametrize(
    ("old", "new", "bears"),
    [
        ("ROWS = 8", "ROWS = 9", True),
        ("DEPTH = 2", "DEPTH = 3", True),
        ("LR * x", "LR * x + ROWS", True),
        ("LR * x", "LR * x; assert LR", True),
        ("width > 3", "width > 4", True),
        ("LR = 0.1", "LR = 0.2", False),
        ("LR * x", "LR + x", False),
        ("ROWS = 8", "ROWS = 8  # rows", False),
    ],
)
def test_what_bears_on_toy_values(old: str, new: str, bears: bool) -> None:
    assert old in BEFORE
    after = {"train.py": BEFORE.replace(old, new)}
    assert bears_on({"train.py": BEFORE}, after, {"ROWS": 2}) is bears
    assert not bears_on({"train.py": BEFORE}, after, {})
