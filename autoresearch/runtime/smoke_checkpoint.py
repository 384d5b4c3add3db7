"""The checkpoint of a smoke test, looked at as the evaluator would: what it says, whence it comes.

Weights that are not in the checkpoint are made anew where it is loaded, and nothing fails: the
model is merely bad. They are found so. The checkpoint is loaded twice, from other states of chance,
and once more with every number in it replaced. A parameter that differs between the first two,
or is the same in the third, does not come from it. It counts where predictions use it: a NaN in it
comes out of them. Unless two loads predict differently, that is only a doubt, for the process that
trained to settle (`smoke_doubt`).
"""

import json
import random
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

from autoresearch.runtime.arrays import NUMPY, TORCH, as_numpy
from autoresearch.runtime.session import CHECKPOINT_FILES
from autoresearch.runtime.smoke_doubt import (
    Doubt,
    Model,
    Tensor,
    apart,
    equal,
    parameters,
    predict,
)
from autoresearch.runtime.smoke_faults import FlawError

ROWS = 2
MOVED = 1e-4  # of the largest logit: what rounding may move and the future may not
_SECONDS = 20  # for a loader that is given nonsense
_TRIED = 64  # parameters, one by one


def examine(
    program: ModuleType, out: Path, context: int, vocab: int, arrays: str = TORCH
) -> Doubt | None:
    """Load the checkpoint and predict.

    Args:
        program: the entry, imported, with its `load_model`.
        out: where the checkpoint is; of what lies there, the evaluator gets the two files alone.
        context: the longest window.
        vocab: tokens that the model must know, unless it brings a tokenizer.
        arrays: what the model takes and gives. Of one that is none of PyTorch's no parameter is
            known; that two loads predict alike is looked at all the same.

    Returns:
        What else is to be asked of the trained model, if anything.

    Raises:
        FlawError: the logits are not [B, T, V], not finite, depend on later tokens or differ
            between two loads. Whatever the program raises comes through.
    """
    with tempfile.TemporaryDirectory(dir=out.parent, ignore_cleanup_errors=True) as place:
        alone, other = Path(place) / "alone", Path(place) / "other"
        _copy(out, alone)
        program = _in_tensors(program) if arrays == NUMPY else program
        model = load(program, alone, chance=1)
        known = vocab
        if hasattr(program, "load_tokenizer"):
            known = len(program.load_tokenizer(alone).table)
        tokens = _check(model, context, known)
        return _origins(program, model, tokens, alone, other)


def _copy(source: Path, target: Path) -> None:
    target.mkdir()
    for name in CHECKPOINT_FILES:
        shutil.copyfile(source / name, target / name)


def load(program: ModuleType, directory: Path, *, chance: int) -> Model:
    """Return the model as the evaluator gets it, loaded from a state of chance."""
    torch.manual_seed(chance)
    random.seed(chance)
    for name in ("numpy", "mlx.core"):
        if library := sys.modules.get(name):
            library.random.seed(chance)
    model: Model = program.load_model(directory, "cpu")
    return model.eval() if isinstance(model, torch.nn.Module) else model


def _in_tensors(program: ModuleType) -> ModuleType:
    """Return a program whose model, of another library, is asked in tensors of PyTorch's."""
    asked = ModuleType(program.__name__)
    vars(asked).update(vars(program))

    def load_model(directory: Path, device: str) -> Model:
        model = program.load_model(directory, device)
        return lambda tokens: torch.from_numpy(as_numpy(model(tokens.numpy())).copy())

    vars(asked)["load_model"] = load_model
    return asked


def _check(model: Model, context: int, known: int) -> Tensor:
    """Raise where predictions are none; return the tokens that were asked for last."""
    chance = torch.Generator().manual_seed(0)
    for length in (context, context // 2 + 1):
        tokens = torch.randint(known, (ROWS, length), generator=chance)
        _check_logits(tokens, predict(model, tokens), known)
    later = tokens.clone()
    later[:, -1] = (later[:, -1] + 1) % known
    before, after = (predict(model, each).float()[:, :-1] for each in (tokens, later))
    if length > 1 and apart(before, after) > MOVED:
        msg = "a prediction of the loaded model changes with tokens that come after it"
        raise FlawError(msg)
    return tokens


def _check_logits(tokens: Tensor, logits: Tensor, known: int) -> None:
    shape, wanted = tuple(getattr(logits, "shape", ())), tuple(tokens.shape)
    if len(shape) != 3 or shape[:2] != wanted or shape[2] < known:
        msg = (
            f"the loaded model maps tokens {list(wanted)} to {list(shape)}, "
            f"not to logits {[*wanted, known]}"
        )
        raise FlawError(msg)
    if not bool(logits.isfinite().all()):
        msg = "the loaded model's logits are not finite"
        raise FlawError(msg)


def _origins(
    program: ModuleType, model: Model, tokens: Tensor, alone: Path, other: Path
) -> Doubt | None:
    """Return the parameters in use that do not come from the checkpoint, if there are any."""
    logits = predict(model, tokens).float()
    again = load(program, alone, chance=2)
    strange = _differing(model, again) | _untouched(program, model, tokens, alone, other)
    moved = apart(logits, predict(again, tokens).float())
    names = _in_use(again, sorted(strange, key=list(parameters(model)).index), tokens)
    doubt = Doubt(
        {name: parameters(model)[name].detach().clone() for name in names},
        _unclaimed(model, alone) if names else [],
        tokens,
        logits,
    )
    if moved > MOVED and apart(logits, predict(model, tokens).float()) <= MOVED:
        if names:
            raise doubt.flaw()
        msg = "loaded a second time, the model predicts otherwise: not all of it is saved"
        raise FlawError(msg)
    return doubt if names else None


def _differing(one: Model, other: Model) -> set[str]:
    first, second = parameters(one), parameters(other)
    return {name for name in first if name in second and not equal(first[name], second[name])}


def _untouched(
    program: ModuleType, model: Model, tokens: Tensor, alone: Path, other: Path
) -> set[str]:
    """Return the parameters that stay what they are when all numbers of the checkpoint change.

    A loader that does not bear that, or takes too long over it, says nothing.
    """
    try:
        other.mkdir()
        shutil.copyfile(alone / CHECKPOINT_FILES[1], other / CHECKPOINT_FILES[1])
        if not replace_numbers(alone / CHECKPOINT_FILES[0], other / CHECKPOINT_FILES[0]):
            return set()
        with _at_most(_SECONDS):
            changed = load(program, other, chance=1)
            predict(changed, tokens)  # some load when they are first asked
    except Exception:  # noqa: BLE001 - whatever it makes of nonsense
        return set()
    return set(parameters(model)) & set(parameters(changed)) - _differing(model, changed)


def replace_numbers(source: Path, target: Path) -> bool:
    """Write a safetensors file with other numbers; return whether all that matter are others.

    Floats become NaN. Integers, which may be places in a table, change their places instead.
    """
    data = bytearray(source.read_bytes())
    start = 8 + int.from_bytes(data[:8], "little")
    header: dict[str, Any] = json.loads(data[8:start])
    header.pop("__metadata__", None)
    others = [_replace(data, start, each) for each in header.values()]
    target.write_bytes(data)
    return all(others)


def _replace(data: bytearray, start: int, tensor: dict[str, Any]) -> bool:
    begin, end = (start + each for each in tensor["data_offsets"])
    if str(tensor["dtype"]).startswith(("F", "BF")):
        data[begin:end] = b"\xff" * (end - begin)  # a NaN in every type of float
        return True
    count = 1
    for each in tensor["shape"]:
        count *= each
    if count < 2:
        return True  # a count of something
    width, old = (end - begin) // count, data[begin:end]
    data[begin:end] = old[width:] + old[:width]
    return old != data[begin:end]


@contextmanager
def _at_most(seconds: int) -> Iterator[None]:
    """End what is inside with an exception when it takes too long."""

    def end(_number: int, _frame: object) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, end)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def _in_use(model: Model, names: Sequence[str], tokens: Tensor) -> list[str]:
    """Return which of some parameters predictions use; the model is of no use afterwards."""
    wanted = ((name, each) for name, each in parameters(model).items() if name in names)
    known = {name: each for name, each in wanted if each.is_floating_point()}
    values = {name: each.detach().clone() for name, each in known.items()}
    if not known or not _spoilt(model, known.values(), tokens):
        return []
    if len(known) > _TRIED:
        return list(known)
    for name, value in values.items():
        known[name].data.copy_(value)
    found = []
    for name, value in values.items():
        if _spoilt(model, [known[name]], tokens):
            found.append(name)
        known[name].data.copy_(value)
    return found or list(known)


def _spoilt(model: Model, parameters: Iterable[Tensor], tokens: Tensor) -> bool:
    """Set parameters to NaN; return whether that comes out."""
    for each in parameters:
        each.data.fill_(torch.nan)
    return not bool(predict(model, tokens).isfinite().all())


def _unclaimed(model: Model, directory: Path) -> list[str]:
    """Return the checkpoint's names that the model has nothing of."""
    with (directory / CHECKPOINT_FILES[0]).open("rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    known = set(model.state_dict()) if isinstance(model, torch.nn.Module) else set(header)
    return [name for name in header if name not in known and name != "__metadata__"]
