"""How a model of the tree is asked: in tensors of PyTorch, or in NumPy's arrays for any library.

Both take rows of token ids, int32, and give float32, each as bytes. What a model of another library
gives back is read where it lies in memory, by the buffer protocol or DLPack; PyTorch is not
imported for it.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

TORCH, NUMPY = "torch", "numpy"


class ShapeError(Exception):
    """The model's output is not [B, T, V], or does not cover the tokens."""


class LoadedModel(Protocol):
    """A model that was loaded from a checkpoint, and what is asked of it; `data` is int32."""

    def vocabulary(self, data: bytearray) -> int:
        """Return V, after a first forward of one row."""
        ...

    def score(self, data: bytearray, rows: int) -> bytes:
        """Return [B, T]: of rows of T + 1 tokens, how likely each token after the first."""
        ...

    def vectors(self, data: bytearray, rows: int) -> bytes:
        """Return [B, V]: the logits of B rows, each at the place its last number gives."""
        ...


class TorchModel:
    """A model of PyTorch's tensors."""

    def __init__(self, program: ModuleType, checkpoint: Path, device: str, threads: int) -> None:
        """Load it."""
        import torch  # noqa: PLC0415 - only a server of such models needs it

        torch.set_num_threads(threads)
        model = program.load_model(checkpoint, device)
        if isinstance(model, torch.nn.Module):
            model.eval()
        self._model: Callable[[torch.Tensor], torch.Tensor] = model
        self._device = device

    def vocabulary(self, data: bytearray) -> int:
        """See `LoadedModel`."""
        return int(self._logits(self._rows(data, 1)).shape[-1])

    def score(self, data: bytearray, rows: int) -> bytes:
        """See `LoadedModel`."""
        import torch  # noqa: PLC0415 - imported by now

        tokens = self._rows(data, rows)
        logits = self._logits(tokens[:, :-1])
        targets = tokens[:, 1:, None].long()
        chosen = logits.gather(-1, targets).squeeze(-1)
        return _raw(chosen - torch.logsumexp(logits, dim=-1))

    def vectors(self, data: bytearray, rows: int) -> bytes:
        """See `LoadedModel`."""
        import torch  # noqa: PLC0415 - imported by now

        asked = self._rows(data, rows)
        logits = self._logits(asked[:, :-1])
        places = asked[:, -1].long()
        return _raw(logits[torch.arange(len(places), device=logits.device), places])

    def _rows(self, data: bytearray, rows: int) -> "torch.Tensor":
        import torch  # noqa: PLC0415 - imported by now

        return torch.frombuffer(data, dtype=torch.int32).view(rows, -1).to(self._device)

    def _logits(self, tokens: "torch.Tensor") -> "torch.Tensor":
        import torch  # noqa: PLC0415 - imported by now

        with torch.inference_mode():
            logits = self._model(tokens.long())
            shape = tuple(getattr(logits, "shape", ()))
            if len(shape) != 3 or shape[:2] != tuple(tokens.shape):
                raise ShapeError
            return logits.float()


class NumpyModel:
    """A model of any library whose arrays NumPy can read."""

    def __init__(self, program: ModuleType, checkpoint: Path, device: str, threads: int) -> None:
        """Load it; threads are the library's own affair: the environment tells it how many."""
        del threads
        self._model: Callable[[NDArray[np.int64]], Any] = program.load_model(checkpoint, device)

    def vocabulary(self, data: bytearray) -> int:
        """See `LoadedModel`."""
        return int(self._logits(_rows(data, 1)).shape[-1])

    def score(self, data: bytearray, rows: int) -> bytes:
        """See `LoadedModel`."""
        import numpy as np  # noqa: PLC0415 - the tokenizer's server has no need of it

        tokens = _rows(data, rows)
        logits = self._logits(tokens[:, :-1])
        chosen = np.take_along_axis(logits, tokens[:, 1:, None], -1)[..., 0]
        with np.errstate(all="ignore"):  # a logit may be minus infinity; the evaluator looks
            highest = logits.max(-1, keepdims=True)
            total = np.log(np.exp(logits - highest).sum(-1)) + highest[..., 0]
            found: bytes = (chosen - total).tobytes()
        return found

    def vectors(self, data: bytearray, rows: int) -> bytes:
        """See `LoadedModel`."""
        asked = _rows(data, rows)
        logits = self._logits(asked[:, :-1])
        return logits[range(rows), asked[:, -1]].tobytes()

    def _logits(self, tokens: "NDArray[np.int64]") -> "NDArray[np.float32]":
        import numpy as np  # noqa: PLC0415 - imported by now

        logits = as_numpy(self._model(tokens))
        if logits.ndim != 3 or logits.shape[:2] != tokens.shape:
            raise ShapeError
        return logits.astype(np.float32)


MODELS: Mapping[str, Callable[[ModuleType, Path, str, int], LoadedModel]] = {
    TORCH: TorchModel,
    NUMPY: NumpyModel,
}


def as_numpy(given: object) -> "NDArray[Any]":
    """Return what a model gave as an array of NumPy's; what is no array has the wrong shape."""
    import numpy as np  # noqa: PLC0415 - only who has such a model needs it

    found = np.asarray(given)
    if found.dtype == np.object_ and hasattr(given, "__dlpack__"):
        found = np.from_dlpack(given)
    return found


def _rows(data: bytearray, rows: int) -> "NDArray[np.int64]":
    import numpy as np  # noqa: PLC0415 - imported by now

    return np.frombuffer(data, np.int32).reshape(rows, -1).astype(np.int64)


def _raw(values: "torch.Tensor") -> bytes:
    data: bytes = values.cpu().contiguous().numpy().tobytes()
    return data
