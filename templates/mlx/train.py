"""A small GPT in MLX, trained for a fixed time. This is the file that experiments change.

Importing it does nothing; `main()` trains under the harness, and by hand with `python train.py`.
The evaluator rebuilds the model with `load_model()`: token ids [B, T] of NumPy's in, logits
[B, T, V] out.
"""

import gc
import itertools
import json
import math
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import mlx.core as mx
import numpy as np
import prepare
from mlx import nn
from mlx.utils import tree_flatten, tree_unflatten
from prepare import MAX_SEQ_LEN, VOCAB_SIZE

from autoresearch.runtime import Session

# Model
DEPTH = 4  # layers
ASPECT_RATIO = 64  # width = DEPTH * ASPECT_RATIO, rounded up to whole heads
HEAD_DIM = 128  # channels of an attention head, rounded up to a multiple of 8
HEADS_PER_KV = 1  # query heads that share one head of keys and values, as far as they divide
MLP_RATIO = 4  # hidden channels of the MLP for each channel of the width
WINDOW_PATTERN = "L"  # attention of layers 1, 2, ...: L sees all, S a window; the last sees all
SHORT_WINDOW = 0.5  # tokens an S layer sees, as a share of the context
ROPE_BASE = 200000.0  # longest wavelength of the rotary embedding, in tokens / (2 pi)
GATE_CHANNELS = 32  # channels of the stream that decide how much value embedding a head takes
SOFTCAP = 15.0  # logits stay between -SOFTCAP and SOFTCAP; 0 leaves them as they are
X0_INIT = 0.05  # how much of the token embedding every layer sees at first
INIT_SCALE = 0.7  # of matrices that read the stream, relative to 1 / sqrt(width)

# Batch
TOTAL_BATCH_SIZE = 16384  # tokens of one optimizer step, rounded to whole rows
DEVICE_BATCH_SIZE = 16  # rows that fit on the device at once; more are accumulated

# Optimizer: Muon for matrices, Adam with decoupled weight decay for the rest
MATRIX_LR = 0.04
EMBEDDING_LR = 0.8  # of token and value embeddings; Adam's rates are for a width of 768
UNEMBEDDING_LR = 0.005
SCALAR_LR = 0.05  # of what scales the token embedding; what scales the stream takes 1% of it
WEIGHT_DECAY = 0.2  # of matrices, only where it agrees with the update
EMBEDDING_DECAY = 0.002  # of embeddings and the unembedding
MUON_MOMENTUM = 0.95
MUON_STEPS = 5  # Newton-Schulz iterations
ADAM_BETA1 = 0.8
ADAM_BETA2 = 0.95

# Schedule, as shares of the time budget
WARMUP_RATIO = 0.0
WARMDOWN_RATIO = 0.7
FINAL_LR_FRAC = 0.05

Arrays = dict[str, mx.array]
Batches = Iterator[tuple[mx.array, mx.array]]
Predict = Callable[[np.ndarray], mx.array]


@dataclass(frozen=True)
class Shape:
    """What config.json holds: all that is needed to rebuild the model."""

    vocab_size: int = VOCAB_SIZE
    context: int = MAX_SEQ_LEN
    depth: int = DEPTH
    head_dim: int = -(-HEAD_DIM // 8) * 8
    heads: int = max(1, -(-DEPTH * ASPECT_RATIO // (-(-HEAD_DIM // 8) * 8)))
    heads_per_kv: int = HEADS_PER_KV
    mlp_ratio: int = MLP_RATIO
    gate_channels: int = GATE_CHANNELS
    window_pattern: str = WINDOW_PATTERN
    short_window: float = SHORT_WINDOW
    rope_base: float = ROPE_BASE
    softcap: float = SOFTCAP

    @property
    def width(self) -> int:
        return self.heads * self.head_dim

    @property
    def kv_heads(self) -> int:
        return self.heads // math.gcd(self.heads, self.heads_per_kv)

    @property
    def windows(self) -> list[int]:
        """How many tokens each layer sees."""
        short = min(self.context, max(1, round(self.short_window * self.context)))
        sizes = {"L": self.context, "S": short}
        pattern = itertools.cycle(sizes[letter] for letter in self.window_pattern)
        return [*itertools.islice(pattern, self.depth - 1), self.context]


@dataclass(frozen=True)
class Stats:
    """What a training came to; `training_seconds` are on the budget's clock, the others wall."""

    steps: int
    tokens: int
    training_seconds: float
    startup_seconds: float
    num_params: int
    flops_per_token: float
    peak_vram_bytes: int
    depth: int


def norm(x: mx.array) -> mx.array:
    return mx.fast.rms_norm(x, None, float(np.finfo(np.float32).eps))


def rotate(x: mx.array, cos: mx.array, sin: mx.array) -> mx.array:
    a, b = mx.split(x, 2, axis=-1)
    return mx.concatenate((a * cos + b * sin, b * cos - a * sin), axis=-1)


class Linear(nn.Module):
    """No bias."""

    def __init__(self, inputs: int, outputs: int, scale: float = INIT_SCALE) -> None:
        super().__init__()
        most = scale * (3 / inputs) ** 0.5
        self.weight = mx.random.uniform(-most, most, (outputs, inputs))

    def __call__(self, x: mx.array) -> mx.array:
        return x @ self.weight.T


class Embedding(nn.Module):
    def __init__(self, count: int, width: int, std: float = 1.0) -> None:
        super().__init__()
        self.weight = std * mx.random.normal((count, width))

    def __call__(self, tokens: mx.array) -> mx.array:
        return self.weight[tokens]


class Attention(nn.Module):
    def __init__(self, shape: Shape, layer: int) -> None:
        super().__init__()
        width, kv_width = shape.width, shape.kv_heads * shape.head_dim
        self.shape, self.window = shape, shape.windows[layer]
        self.query, self.key, self.value = (Linear(width, n) for n in (width, kv_width, kv_width))
        self.out = Linear(width, width, scale=0)
        self.valued = (shape.depth - layer) % 2 == 1  # every second layer, the last among them
        if self.valued:
            self.embed = Embedding(shape.vocab_size, kv_width, INIT_SCALE * width**-0.5)
            self.gate = Linear(min(shape.gate_channels, width), shape.kv_heads, scale=0)

    def __call__(self, x: mx.array, tokens: mx.array, cos: mx.array, sin: mx.array) -> mx.array:
        split = (*x.shape[:2], -1, self.shape.head_dim)
        q = norm(rotate(self.query(x).reshape(split), cos, sin))
        k = norm(rotate(self.key(x).reshape(split), cos, sin))
        v = self.value(x).reshape(split)
        if self.valued:  # 0 to 2 times the token's own value embedding, head by head
            share = 2 * mx.sigmoid(self.gate(x[..., : self.gate.weight.shape[1]]))
            v = v + share[..., None] * self.embed(tokens).reshape(split)
        return self.out(attend(q, k, v, self.window, self.shape.context).reshape(x.shape))


def attend(q: mx.array, k: mx.array, v: mx.array, window: int, context: int) -> mx.array:
    """Attend over [B, T, heads, head_dim]: a token sees `window` tokens, its own last."""
    mask: mx.array | str = "causal"
    if window < context:  # scored rows of all widths need the same kernel
        at = mx.arange(q.shape[1])
        behind = at[:, None] - at
        mask = (behind >= 0) & (behind < window)
    q, k, v = (each.swapaxes(1, 2) for each in (q, k, v))
    scale = q.shape[-1] ** -0.5
    return mx.fast.scaled_dot_product_attention(q, k, v, scale=scale, mask=mask).swapaxes(1, 2)


class Block(nn.Module):
    def __init__(self, shape: Shape, layer: int) -> None:
        super().__init__()
        self.attention = Attention(shape, layer)
        self.up = Linear(shape.width, shape.mlp_ratio * shape.width)
        self.down = Linear(shape.mlp_ratio * shape.width, shape.width, scale=0)

    def __call__(self, x: mx.array, tokens: mx.array, cos: mx.array, sin: mx.array) -> mx.array:
        x = x + self.attention(norm(x), tokens, cos, sin)
        hidden = mx.maximum(self.up(norm(x)), 0)
        return x + self.down(hidden * hidden)


class GPT(nn.Module):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.embed = Embedding(shape.vocab_size, shape.width)
        self.blocks = [Block(shape, layer) for layer in range(shape.depth)]
        self.unembed = Linear(shape.width, shape.vocab_size, scale=0.001 * shape.width**0.5)
        self.stream_scales = mx.ones(shape.depth)
        self.x0_scales = mx.full(shape.depth, X0_INIT)
        channels = mx.arange(0, shape.head_dim, 2) / shape.head_dim
        angles = mx.arange(shape.context)[:, None, None] * shape.rope_base**-channels
        self._cos, self._sin = mx.cos(angles), mx.sin(angles)  # underscored: no parameters

    def __call__(self, tokens: mx.array) -> mx.array:
        """Return float32 logits [B, T, V] of integers [B, T], with T up to the context."""
        cos, sin = (table[: tokens.shape[1]] for table in (self._cos, self._sin))
        x = x0 = norm(self.embed(tokens))
        for layer, block in enumerate(self.blocks):
            x = self.stream_scales[layer] * x + self.x0_scales[layer] * x0
            x = block(x, tokens, cos, sin)
        logits, cap = self.unembed(norm(x)), self.shape.softcap
        return cap * mx.tanh(logits / cap) if cap else logits

    def weights(self) -> Arrays:
        """Return all parameters by name."""
        return dict(tree_flatten(self.trainable_parameters()))

    def take(self, weights: Arrays) -> None:
        """Compute with these parameters from now on."""
        self.update(tree_unflatten(list(weights.items())))

    def flops_per_token(self) -> float:
        """Forward and backward: 6 for each weight of a product, 12 for each pair attended to."""
        weights = self.weights().items()
        products = sum(w.size for name, w in weights if w.ndim == 2 and not is_table(name))
        return 6 * products + 12 * self.shape.width * sum(self.shape.windows)


def is_table(name: str) -> bool:
    """Return whether a weight of this name is an embedding's."""
    return name.split(".")[-2:] == ["embed", "weight"]


# --- optimizer


def orthogonalise(matrices: mx.array, steps: int) -> mx.array:
    """Return the nearest semi-orthogonal matrices [N, R, C], roughly (Newton-Schulz).

    The coefficients are those of Muon (kellerjordan.github.io/posts/muon).
    """
    tall = matrices.shape[-2] > matrices.shape[-1]
    x = matrices.swapaxes(-1, -2) if tall else matrices
    x = x / (mx.sqrt((x * x).sum((-2, -1), keepdims=True)) * 1.02 + 1e-7)
    for _ in range(steps):
        square = x @ x.swapaxes(-1, -2)
        x = 3.4445 * x + (-4.775 * square + 2.0315 * square @ square) @ x
    return x.swapaxes(-1, -2) if tall else x


def muon_step(
    weights: list[mx.array], grads: list[mx.array], momentum: mx.array, lr: mx.array
) -> tuple[list[mx.array], mx.array]:
    """Return matrices of one shape after a step, and their momentum."""
    grad, keep = mx.stack(grads), min(MUON_MOMENTUM, 0.999)
    momentum = keep * momentum + (1 - keep) * grad
    update = orthogonalise(keep * momentum + (1 - keep) * grad, MUON_STEPS)
    update = update * max(1.0, update.shape[-2] / update.shape[-1]) ** 0.5
    weight = mx.stack(weights)
    agrees = (update * weight) > 0  # cautious: decay never works against the update
    weight = weight - lr * update - lr * WEIGHT_DECAY * agrees * weight
    return list(weight), momentum


def adam_step(
    weight: mx.array, grad: mx.array, moments: mx.array, at: mx.array, lr: mx.array, decay: float
) -> tuple[mx.array, mx.array]:
    """Return a tensor after a step with Adam and decoupled weight decay, and its moments."""
    beta1, beta2 = min(ADAM_BETA1, 0.999), min(ADAM_BETA2, 0.9999)
    mean = beta1 * moments[0] + (1 - beta1) * grad
    square = beta2 * moments[1] + (1 - beta2) * grad * grad
    spread = mx.sqrt(square / (1 - beta2**at)) + 1e-10
    weight = weight * (1 - lr * decay) - mean / spread * (lr / (1 - beta1**at))
    return weight, mx.stack([mean, square])


class Optimizer:
    """Muon for the matrices of the blocks, shape by shape; Adam for everything else."""

    def __init__(self, model: GPT) -> None:
        scale, matrices = (model.shape.width / 768) ** -0.5, defaultdict(list)
        self.adam: dict[str, tuple[float, float]] = {
            "unembed.weight": (UNEMBEDDING_LR * scale, EMBEDDING_DECAY),
            "stream_scales": (SCALAR_LR * 0.01, 0.0),
            "x0_scales": (SCALAR_LR, 0.0),
        }
        weights = model.weights()
        for name, weight in weights.items():
            if is_table(name):
                self.adam[name] = (EMBEDDING_LR * scale, EMBEDDING_DECAY)
            elif name not in self.adam:
                matrices[weight.shape].append(name)
        self.muon = {names[0]: names for names in matrices.values()}
        self.start = {name: mx.zeros((2, *weights[name].shape)) for name in self.adam}
        for name, names in self.muon.items():
            self.start[name] = mx.zeros((len(names), *weights[name].shape))

    def step(
        self, weights: Arrays, grads: Arrays, state: Arrays, at: mx.array, scale: mx.array
    ) -> tuple[Arrays, Arrays]:
        """Return all weights and the state after step `at`, with `scale` times the rates."""
        weights, state = dict(weights), dict(state)
        for name, (lr, decay) in self.adam.items():
            weights[name], state[name] = adam_step(
                weights[name], grads[name], state[name], at, lr * scale, decay
            )
        for first, names in self.muon.items():
            old, slopes = ([each[name] for name in names] for each in (weights, grads))
            new, state[first] = muon_step(old, slopes, state[first], MATRIX_LR * scale)
            weights.update(zip(names, new, strict=True))
        return weights, state


def lr_scale(progress: float) -> float:
    """Return the factor of all learning rates at a progress of 0 to 1: up, constant, down."""
    left = 1 - min(progress, 1.0)
    up = min(1.0, max(progress, 0.02) / max(WARMUP_RATIO, 1e-9))
    down = min(1.0, left / max(WARMDOWN_RATIO, 1e-9))
    return up * (FINAL_LR_FRAC + (1 - FINAL_LR_FRAC) * down)


# --- training


class Trainer:
    """The model, its optimizer and one optimizer step."""

    def __init__(self, seed: int, *, compiled: bool) -> None:
        mx.random.seed(seed)
        self.model = GPT(Shape())
        self.optimizer = Optimizer(self.model)
        self.weights, self.state, self.steps = self.model.weights(), self.optimizer.start, 0
        mx.eval(self.weights, self.state)
        rows = max(1, round(TOTAL_BATCH_SIZE / MAX_SEQ_LEN))
        self.times = -(-rows // max(1, DEVICE_BATCH_SIZE))  # batches accumulated for one step
        self.rows = -(-rows // self.times)
        together = mx.compile if compiled else lambda function: function
        self.learn = together(mx.value_and_grad(self._loss))
        self.update = together(self.optimizer.step)

    def _loss(self, weights: Arrays, tokens: mx.array, targets: mx.array) -> mx.array:
        self.model.take(weights)
        logits = self.model(tokens)
        return nn.losses.cross_entropy(logits, targets, reduction="mean") / self.times

    def step(self, feed: Batches, scale: float) -> float:
        """Take one optimizer step on batches of `feed`; return the loss."""
        self.steps += 1
        loss, self.weights, self.state = self._stepped(feed, scale)
        mx.eval(loss, self.weights, self.state)  # until here nothing is worked out
        return float(loss)

    def _stepped(self, feed: Batches, scale: float) -> tuple[mx.array, Arrays, Arrays]:
        total, summed = mx.array(0.0), dict[str, mx.array]()
        for _ in range(self.times):
            loss, grads = self.learn(self.weights, *next(feed))
            total = total + loss
            summed = {name: each + summed.get(name, 0) for name, each in grads.items()}
            if self.times > 1:  # or the activations of all would be held at once
                mx.eval(total, summed)
        at = mx.array(float(self.steps))
        return total, *self.update(self.weights, summed, self.state, at, mx.array(scale))

    def warm_up(self) -> None:
        """Compile and work two steps on noise out, and keep nothing of them."""
        noise = mx.random.randint(0, VOCAB_SIZE, (self.rows, MAX_SEQ_LEN))
        for _ in range(2):
            mx.eval(self._stepped(itertools.repeat((noise, noise)), 0.0))

    def trained(self) -> GPT:
        """Return the model with the weights as they are now."""
        self.model.take(self.weights)
        return self.model


def train(session: Session, began: float) -> tuple[GPT, Stats]:
    """Train for the session's budget; return the model and what it came to."""
    trainer = Trainer(session.seed, compiled=session.device != "cpu")
    trainer.warm_up()
    gc.collect()
    gc.freeze()
    started = time.monotonic()
    data, step, pace, limit = session.start(), 0, 0.0, 0.0
    feed = prepare.batches(data, trainer.rows, MAX_SEQ_LEN, session.seed)
    tokens = trainer.rows * trainer.times * MAX_SEQ_LEN
    while (before := session.progress) + 1.5 * pace < 1:  # the last step must end in time
        loss = trainer.step(feed, lr_scale(before))
        step += 1
        session.log(step=step, loss=loss, tokens=step * tokens)
        if loss > (limit := limit or 2 * loss):  # twice the first step's
            raise FloatingPointError(f"diverged: loss {loss:.3g} at step {step}")
        if int(20 * session.progress) > int(20 * before):  # a line each twentieth of the budget
            print(f"step {step:05d}  {session.progress:4.0%}  loss {loss:.4f}", flush=True)
        pace = max(session.progress - before, 0.9 * pace)
    model = trainer.trained()
    stats = Stats(
        steps=step,
        tokens=step * tokens,
        training_seconds=session.seconds,
        startup_seconds=started - began,
        num_params=sum(each.size for each in model.weights().values()),
        flops_per_token=model.flops_per_token(),
        peak_vram_bytes=mx.get_peak_memory(),
        depth=model.shape.depth,
    )
    return model, stats


def save_checkpoint(model: GPT, directory: Path) -> None:
    """Write model.safetensors and config.json into `directory`."""
    mx.save_safetensors(str(directory / "model.safetensors"), model.weights())
    (directory / "config.json").write_text(json.dumps(asdict(model.shape)))


def for_evaluation(model: GPT) -> Predict:
    """Return what maps token ids [B, T] of NumPy's to logits [B, T, V], which NumPy can read."""
    return lambda tokens: model(mx.array(tokens))


def load_model(directory: Path | str, device: str) -> Predict:
    """Rebuild a model from `save_checkpoint`'s files; see `for_evaluation`."""
    prepare.use(device)
    model = GPT(Shape(**json.loads((Path(directory) / "config.json").read_text())))
    model.load_weights(str(Path(directory) / "model.safetensors"))  # all of them, and no others
    return for_evaluation(model)


def main(session: Session | None = None) -> tuple[GPT, Stats]:
    """Train, hand in the checkpoint and, by hand, print the `---` block."""
    began = time.monotonic()
    session = session or prepare.open_run()
    model, stats = train(session, began)
    save_checkpoint(model, session.out)
    constants = {name: value for name, value in globals().items() if name.isupper()}
    session.facts({**constants, **asdict(stats)})
    session.finish()
    if not session.harnessed:
        seconds = time.monotonic() - began
        prepare.print_summary(for_evaluation(model), asdict(stats), seconds)
    return model, stats


if __name__ == "__main__":
    main()
