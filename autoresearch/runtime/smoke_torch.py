"""PyTorch in a smoke test: nothing is compiled, and where asked for, no number is worked out."""

import functools
import inspect
import sys
from collections.abc import Callable
from typing import Any

import torch

_TORCHS_OWN = "torch"
_MODULE_COMPILE = "torch.nn.modules.module"  # `model.compile()`
_CONCRETE = {"item": 1.0, "__float__": 1.0, "__int__": 1, "__index__": 1, "__bool__": True}


class Uncompiled(torch.nn.Module):
    """What `torch.compile` makes of a module, the names of its parameters included, uncompiled."""

    def __init__(self, module: torch.nn.Module) -> None:
        super().__init__()
        self._modules["_orig_mod"] = module

    def forward(self, *values: Any, **named: Any) -> Any:
        """Call the module."""
        return self._modules["_orig_mod"](*values, **named)  # type: ignore[misc]

    def __getattr__(self, name: str) -> Any:
        """Return the module's attribute."""
        module = self.__dict__["_modules"]["_orig_mod"]
        return module if name == "_orig_mod" else getattr(module, name)

    def __setattr__(self, name: str, value: Any) -> None:
        """Set the module's attribute."""
        building = "_orig_mod" not in self.__dict__.get("_modules", ())
        if building or name == "training" or hasattr(type(self), name):
            super().__setattr__(name, value)
        else:
            setattr(self._modules["_orig_mod"], name, value)


def compile_nothing() -> None:
    """Let `torch.compile` give back what it is given: seconds of compiling say little of an idea.

    A module comes back wrapped, for under a compiled module's names its weights may be saved.
    """
    real = torch.compile
    signature = inspect.signature(real)

    @functools.wraps(real)
    def stand_in(model: Any = None, *options: Any, **named: Any) -> Any:
        if _of_torch(sys._getframe(1).f_globals.get("__name__", "")):  # noqa: SLF001 - whose call it is
            return real(model, *options, **named)
        signature.bind(model, *options, **named)
        if model is None:
            return lambda decorated: stand_in(decorated, *options, **named)
        return Uncompiled(model) if isinstance(model, torch.nn.Module) else model

    torch.compile = stand_in


def _of_torch(name: str) -> bool:
    return name.partition(".")[0] == _TORCHS_OWN and name != _MODULE_COMPILE


def compute_nothing() -> None:
    """Let tensors have shapes and no numbers, until `compute_again`: any size costs the same.

    Where code asks for a number it is told 1.
    """
    torch.set_default_device("meta")
    for name, value in _CONCRETE.items():
        setattr(torch.Tensor, name, _told(getattr(torch.Tensor, name), value))


def _told(real: Callable[..., Any], value: object) -> Callable[[torch.Tensor], Any]:
    def method(tensor: torch.Tensor) -> Any:
        return value if tensor.is_meta else real(tensor)

    return method


def compute_again() -> None:
    """Let tensors that name no device have numbers again."""
    torch.set_default_device("cpu")
