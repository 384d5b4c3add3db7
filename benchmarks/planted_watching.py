"""A training under a session that looks on: which of the planted bugs show in what it does."""

import gc
from array import array
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn import functional

STEPS = 30
Loss = Callable[..., torch.Tensor]


@dataclass
class Rehearsed:
    """What was seen of a training."""

    tokens: list[int] = field(default_factory=list)  # of each step's first pass, as a hash
    progress: list[float] = field(default_factory=list)  # of each step's end, 0 to 1
    taught: int = 0  # targets
    own: int = 0  # targets that are the token that was read there
    stale: int = 0  # steps that began with gradients of the step before
    twice: int = 0  # passes with a row that another of its rows equals
    kinds: set[torch.dtype] = field(default_factory=set)  # of what linear layers read


class Watched:
    """A session whose clock is the number of steps, and which looks at the model after each."""

    seed, budget, clock, device, harnessed = 1, float(STEPS), "cpu", "cpu", True

    def __init__(self, out: Path) -> None:
        self.out, self.seen = out, Rehearsed()
        self._model: nn.Module | None = None
        self._untaught = torch.zeros(0, dtype=torch.long)  # tokens read whose targets are to come

    def start(self) -> "Data":
        """Look at the model as it begins, and hand over made-up text."""
        draw = torch.Generator().manual_seed(0)
        tokens = torch.randint(2048, (100_000,), generator=draw).tolist()
        self._model = largest()
        tables = [each for each in self._model.modules() if isinstance(each, nn.Embedding)]
        tables[0].register_forward_pre_hook(self._looked_up)
        for layer in self._model.modules():
            if isinstance(layer, nn.Linear):
                layer.register_forward_pre_hook(self._read)
        functional.cross_entropy = self._teaching(functional.cross_entropy)
        return Data(array("H", tokens).tobytes())

    @property
    def seconds(self) -> float:
        """Of the budget's clock, which counts steps."""
        return float(len(self.seen.progress))

    @property
    def progress(self) -> float:
        """From 0 to 1."""
        return self.seconds / STEPS

    def log(self, **_point: float) -> None:
        """Note that a step is over."""
        self.seen.progress.append(self.progress)

    def facts(self, _facts: object) -> None:
        """Nobody asks."""

    def finish(self) -> None:
        """Nothing is handed in."""

    def _read(self, _layer: nn.Module, arguments: tuple[torch.Tensor, ...]) -> None:
        self.seen.kinds.add(arguments[0].dtype)

    def _teaching(self, loss: Loss) -> Loss:
        def spy(logits: torch.Tensor, targets: torch.Tensor, **options: Any) -> torch.Tensor:
            aims = targets.flatten()
            read, self._untaught = self._untaught[: len(aims)], self._untaught[len(aims) :]
            if len(read) == len(aims):
                self.seen.taught += len(aims)
                self.seen.own += int((read == aims).sum())
            return loss(logits, targets, **options)

        return spy

    def _looked_up(self, _table: nn.Module, arguments: tuple[torch.Tensor, ...]) -> None:
        assert self._model is not None
        rows = arguments[0]
        self._untaught = rows.flatten()
        self.seen.twice += len(set(map(tuple, rows.tolist()))) < len(rows)
        if len(self.seen.tokens) > len(self.seen.progress):
            return  # a further pass of the same step
        self.seen.tokens.append(hash(tuple(rows.flatten().tolist())))
        grads = [each.grad for each in self._model.parameters() if each.grad is not None]
        self.seen.stale += any(bool(grad.any()) for grad in grads)


@dataclass
class Data:
    """Made-up text, as a session hands it over."""

    text: bytes
    token_bytes: int = 2

    def shards(self) -> list[bytearray]:
        """Return the token shards, one here."""
        return [bytearray(self.text)]


def largest() -> nn.Module:
    """Return the module with the most parameters of all that are alive."""
    alive = [each for each in gc.get_objects() if isinstance(each, nn.Module)]
    return max(alive, key=lambda each: sum(p.numel() for p in each.parameters()))


def rehearsed(train: Any, place: Path) -> Rehearsed:
    """Train for STEPS steps and return what was seen."""
    session = Watched(place)
    train.main(session)
    return session.seen


def repeats(seen: Rehearsed) -> bool:
    """Whether batches come back."""
    return len(set(seen.tokens)) < 0.9 * len(seen.tokens)


def same_rows(seen: Rehearsed) -> bool:
    """Whether a batch holds a row twice."""
    return seen.twice > 0


def early_end(seen: Rehearsed) -> bool:
    """Whether the training ends long before its time is up."""
    return seen.progress[-1] < 0.9


def echo(seen: Rehearsed) -> bool | None:
    """Whether targets are the tokens that the model was just given; None if none were seen."""
    return seen.own > 0.05 * seen.taught if seen.taught else None


def stale_gradients(seen: Rehearsed) -> bool:
    """Whether most steps begin with what the one before left."""
    return seen.stale > len(seen.tokens) // 2


def double(seen: Rehearsed) -> bool:
    """Whether anything is computed in double precision."""
    return torch.float64 in seen.kinds


WATCHED: dict[str, Callable[[Rehearsed], bool | None]] = {
    "repeats": repeats,
    "early-end": early_end,
    "echo": echo,
    "stale-gradients": stale_gradients,
    "same-rows": same_rows,
    "double": double,
}
