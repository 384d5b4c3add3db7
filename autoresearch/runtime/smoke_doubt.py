"""What raises a doubt of a checkpoint, for the process that has the trained model to settle.

Parameters that do not come from the checkpoint are mostly a mistake. They are none where a gain was
folded into the weights beside it, or where they are what they were before the training.
"""

import gc
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from autoresearch.runtime.smoke_faults import FlawError

_NEARER = 0.9  # of the distance between two predictions: what is no nearer than that is as far
_SHOWN = 3  # names
_LIVE = 8  # models of the training, at most
_COMPILED = "_orig_mod."

Tensor = torch.Tensor
Model = Callable[[Tensor], Tensor]
_NOTHING = torch.empty(0)


@dataclass(frozen=True)
class Doubt:
    """Parameters that do not come from the checkpoint, and what the loaded model says of tokens."""

    parameters: dict[str, Tensor]
    unclaimed: list[str]
    tokens: Tensor
    logits: Tensor

    def flaw(self) -> FlawError:
        """Return what is said of it where it is no mistake."""
        names = list(self.parameters)
        verb = "does" if len(names) == 1 else "do"
        said = f"the loaded model's {_few(names)} {verb} not come from the checkpoint"
        if self.unclaimed:
            said += f", whose {_few(self.unclaimed)} the model does not take"
        return FlawError(said)


def write(doubt: Doubt, folder: Path) -> Path:
    """Write a doubt into a folder for another process; return the file."""
    file = folder / "doubt.pt"
    torch.save(vars(doubt), file)
    return file


def read(file: Path) -> Doubt:
    """Return a doubt that was written."""
    return Doubt(**torch.load(file, weights_only=True))


def resolves(doubt: Doubt, load: Callable[[], Model]) -> bool:
    """Return whether a model of this process, which trained, shows that a doubt is none.

    Either it has the same values, which nothing has trained, or what the loaded model predicts
    comes no nearer to what it predicts with its values in the place of those that are doubted.

    Args:
        doubt: what another process found.
        load: gives the loaded model once more.
    """
    return any(_excuses(model, doubt, load) for model in _live_models())


def _live_models() -> list[torch.nn.Module]:
    """Return the largest models that are no part of another."""
    found = [each for each in gc.get_objects() if issubclass(type(each), torch.nn.Module)]
    inner = {id(part) for each in found for part in each.children()}
    whole = [each for each in found if id(each) not in inner]
    return sorted(whole, key=lambda each: -sum(p.numel() for p in each.parameters()))[:_LIVE]


def _excuses(model: torch.nn.Module, doubt: Doubt, load: Callable[[], Model]) -> bool:
    trained = {name: parameters(model).get(name, _NOTHING) for name in doubt.parameters}
    if all(equal(trained[name], value) for name, value in doubt.parameters.items()):
        return True
    try:
        logits = predict(model.eval(), doubt.tokens).float()
        loaded = load()
        for name, value in trained.items():
            parameters(loaded)[name].data.copy_(value)
        mended = predict(loaded, doubt.tokens).float()
        return float((mended - logits).norm()) >= _NEARER * float((doubt.logits - logits).norm())
    except Exception:  # noqa: BLE001 - it is another kind of model
        return False


def predict(model: Model, tokens: Tensor) -> Tensor:
    """Return a model's logits."""
    with torch.inference_mode():
        return model(tokens)


def apart(one: Tensor, other: Tensor) -> float:
    """Return how far two predictions differ, as a share of the largest logit, or of 1."""
    moved = float((one - other).abs().max())
    return moved / max(1.0, float(one.abs().max()))


def parameters(model: object) -> dict[str, Tensor]:
    """Return a model's parameters by name; those of a compiled one under their own names."""
    if not isinstance(model, torch.nn.Module):
        return {}
    return {name.replace(_COMPILED, ""): each for name, each in model.named_parameters()}


def equal(one: Tensor, other: Tensor) -> bool:
    """Return whether two tensors are the same to the last bit; a NaN is like no other."""
    return one.shape == other.shape and torch.equal(one, other)


def _few(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
