"""A small GPT, trained for a fixed time. This is the file that experiments change.

Importing it does nothing; `main()` trains under the harness, and by hand with `python train.py`.
The evaluator rebuilds the model with `load_model()`: token ids [B, T] in, logits [B, T, V] out.
"""

import functools
import gc
import importlib
import itertools
import json
import math
import os
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import prepare
import torch
import torch.nn.functional as F
from prepare import MAX_SEQ_LEN, VOCAB_SIZE
from torch import nn

from autoresearch.runtime import Session
from autoresearch.runtime.exhaustion import out_of_memory

# Model
DEPTH = 8  # layers
ASPECT_RATIO = 64  # width = DEPTH * ASPECT_RATIO, rounded up to whole heads
HEAD_DIM = 128  # channels of an attention head, rounded up to a multiple of 8
HEADS_PER_KV = 1  # query heads that share one head of keys and values, as far as they divide
MLP_RATIO = 4  # hidden channels of the MLP for each channel of the width
WINDOW_PATTERN = "SSSL"  # attention of layers 1, 2, ...: L sees all, S a window; the last sees all
SHORT_WINDOW = 0.5  # tokens an S layer sees, as a share of the context
ROPE_BASE = 200000.0  # longest wavelength of the rotary embedding, in tokens / (2 pi)
GATE_CHANNELS = 32  # channels of the stream that decide how much value embedding a head takes
SOFTCAP = 15.0  # logits stay between -SOFTCAP and SOFTCAP; 0 leaves them as they are
X0_INIT = 0.05  # how much of the token embedding every layer sees at first
INIT_SCALE = 0.7  # of matrices that read the stream, relative to 1 / sqrt(width)

# Batch
TOTAL_BATCH_SIZE = 262144  # tokens of one optimizer step, rounded to whole rows
DEVICE_BATCH_SIZE = 128  # rows that fit on the device at once; more are accumulated
LOSS_CHUNK = 32768  # tokens whose logits exist at once

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

Batches = Iterator[tuple[torch.Tensor, torch.Tensor]]
Attend = Callable[[torch.Tensor, torch.Tensor, torch.Tensor, int], torch.Tensor]


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
    warmup_seconds: float
    num_params: int
    flops_per_token: float
    peak_vram_bytes: int
    attention: str
    rows_at_once: int
    depth: int


def norm(x: torch.Tensor) -> torch.Tensor:
    return F.rms_norm(x, (x.size(-1),))


def rotate(x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    a, b = x.chunk(2, dim=-1)
    return torch.cat((a * cos + b * sin, b * cos - a * sin), dim=-1)


class Linear(nn.Linear):
    """No bias; the weight is kept in float32 and used in the type of its input."""

    def __init__(self, inputs: int, outputs: int, scale: float = INIT_SCALE) -> None:
        super().__init__(inputs, outputs, bias=False)
        nn.init.uniform_(self.weight, -scale * (3 / inputs) ** 0.5, scale * (3 / inputs) ** 0.5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.linear(x, self.weight.to(x.dtype))


class Attention(nn.Module):
    def __init__(self, shape: Shape, layer: int) -> None:
        super().__init__()
        width, kv_width = shape.width, shape.kv_heads * shape.head_dim
        self.head_dim, self.window = shape.head_dim, shape.windows[layer]
        self.query, self.key, self.value = (Linear(width, n) for n in (width, kv_width, kv_width))
        self.out = Linear(width, width, scale=0)
        self.embed = self.gate = None
        if (shape.depth - layer) % 2:  # every second layer, the last one among them
            self.embed = nn.Embedding(shape.vocab_size, kv_width)
            nn.init.normal_(self.embed.weight, std=INIT_SCALE * width**-0.5)
            self.gate = Linear(min(shape.gate_channels, width), shape.kv_heads, scale=0)

    def forward(self, x, tokens, cos, sin, attend: Attend) -> torch.Tensor:
        split = (*x.shape[:2], -1, self.head_dim)
        q = norm(rotate(self.query(x).view(split), cos, sin))
        k = norm(rotate(self.key(x).view(split), cos, sin))
        v = self.value(x).view(split)
        if self.embed is not None:  # 0 to 2 times the token's own value embedding, head by head
            share = 2 * torch.sigmoid(self.gate(x[..., : self.gate.in_features]))
            v = v + share.unsqueeze(-1) * self.embed(tokens).to(x.dtype).view(split)
        return self.out(attend(q, k, v, self.window).reshape(x.shape))


class Block(nn.Module):
    def __init__(self, shape: Shape, layer: int) -> None:
        super().__init__()
        self.attention = Attention(shape, layer)
        self.up = Linear(shape.width, shape.mlp_ratio * shape.width)
        self.down = Linear(shape.mlp_ratio * shape.width, shape.width, scale=0)

    def forward(self, x, tokens, cos, sin, attend: Attend) -> torch.Tensor:
        x = x + self.attention(norm(x), tokens, cos, sin, attend)
        hidden = F.relu(self.up(norm(x)))
        return x + self.down(hidden * hidden)  # cheaper than square(), whose gradient is a power


class GPT(nn.Module):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape, self.attend, self.kind = shape, sdpa, torch.float32
        self.embed = nn.Embedding(shape.vocab_size, shape.width)
        self.blocks = nn.ModuleList(Block(shape, layer) for layer in range(shape.depth))
        self.unembed = Linear(shape.width, shape.vocab_size, scale=0.001 * shape.width**0.5)
        self.stream_scales = nn.Parameter(torch.ones(shape.depth))
        self.x0_scales = nn.Parameter(torch.full((shape.depth,), X0_INIT))
        channels = torch.arange(0, shape.head_dim, 2).float() / shape.head_dim
        angles = torch.outer(torch.arange(shape.context).float(), shape.rope_base**-channels)
        self.register_buffer("cos", angles.cos()[:, None], persistent=False)
        self.register_buffer("sin", angles.sin()[:, None], persistent=False)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Return float32 logits [B, T, V] of integers [B, T], with T up to the context."""
        return self.logits(self.stream(tokens))

    def stream(self, tokens: torch.Tensor) -> torch.Tensor:
        """Return what the last layer leaves, normed: [B, T, width]."""
        kind = self.kind
        cos, sin = (table[: tokens.size(1)].to(kind) for table in (self.cos, self.sin))
        x = x0 = norm(self.embed(tokens).to(kind))
        for layer, block in enumerate(self.blocks):
            x = self.stream_scales[layer].to(kind) * x + self.x0_scales[layer].to(kind) * x0
            x = block(x, tokens, cos, sin, self.attend)
        return norm(x)

    def logits(self, stream: torch.Tensor) -> torch.Tensor:  # 16 bits are too coarse to score
        logits, cap = self.unembed(stream if self.training else stream.float()), self.shape.softcap
        return cap * torch.tanh(logits.float() / cap) if cap else logits.float()

    def loss(self, stream: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Return the summed loss in nats of stream [N, width] against targets [N]."""
        return F.cross_entropy(self.logits(stream), targets, reduction="sum")

    def flops_per_token(self) -> float:
        """Forward and backward: 6 for each weight of a product, 12 for each pair attended to."""
        weights = sum(each.weight.numel() for each in self.modules() if isinstance(each, Linear))
        return 6 * weights + 12 * self.shape.width * sum(self.shape.windows)


# --- what suits a device


def compute_type(device: torch.device) -> torch.dtype:
    """Return the type to compute in: of 16 bits where the cards multiply it fast."""
    generation = torch.cuda.get_device_capability(device)[0] if device.type == "cuda" else 0
    if generation >= 8:  # Ampere and later; ROCm's numbers are from 9 on
        return torch.bfloat16
    return torch.float16 if generation == 7 else torch.float32  # Volta and Turing know no bfloat16


def compiles(device: torch.device) -> bool:
    return device.type == "cuda"  # it hardly pays elsewhere


# --- attention: q, k and v are [B, T, heads, head_dim]; a token sees `window` tokens, its own last


def sdpa(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, window: int) -> torch.Tensor:
    """Attend anywhere. A window needs a mask, which is slow on CUDA."""
    at, mask = torch.arange(q.size(1), device=q.device), None
    if window < max(q.size(1), MAX_SEQ_LEN):  # scored rows of all widths need the same kernel
        behind = at[:, None] - at
        mask = (behind >= 0) & (behind < window)
    if k.size(2) < q.size(2):  # not every backend knows grouped heads
        k, v = (each.repeat_interleave(q.size(2) // k.size(2), 2) for each in (k, v))
    q, k, v = (each.transpose(1, 2) for each in (q, k, v))
    y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=mask is None)
    return y.transpose(1, 2)


def flash(kernel: Callable, q, k, v, window: int) -> torch.Tensor:
    """Attend with a FlashAttention package, which knows windows and grouped heads."""
    y = kernel(q, k, v, causal=True, window_size=(window - 1, 0))
    return y[0] if isinstance(y, tuple) else y


def flex(shape: Shape, device: torch.device) -> Attend:
    """Attend with FlexAttention, which skips what a window hides; only for compiled training."""
    from torch.nn.attention import flex_attention as flexible  # noqa: PLC0415 - slow, rarely used

    def seen_in(window: int) -> Callable:
        return lambda _batch, _head, query, key: (query >= key) & (query - key < window)

    size, masks = (1, 1, shape.context, shape.context), {}
    for window in {*shape.windows} - {shape.context}:
        masks[window] = flexible.create_block_mask(seen_in(window), *size, str(device))
    grouped = shape.kv_heads < shape.heads

    def attend(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, window: int) -> torch.Tensor:
        if window not in masks:
            return sdpa(q, k, v, window)  # plain causal attention is fast everywhere
        q, k, v = (each.transpose(1, 2) for each in (q, k, v))
        y = flexible.flex_attention(q, k, v, block_mask=masks[window], enable_gqa=grouped)
        return y.transpose(1, 2)

    return attend


def flash_of(package: str) -> Callable:
    """Return a package's FlashAttention; that of `kernels` was downloaded before, see README.md."""
    os.environ.setdefault("KERNELS_CACHE", f"{sys.prefix}/kernels")  # no home is in a trial's reach
    os.environ.setdefault("HF_HUB_OFFLINE", "1")  # nor is the network
    module = importlib.import_module(package)
    if package == "kernels":
        module = module.get_kernel("kernels-community/flash-attn3", version=1)
    return module.flash_attn_func


def attentions(device: torch.device, shape: Shape | None = None) -> Iterator[tuple[str, Attend]]:
    """Yield the ways to attend, fastest first; those of training alone where a shape is given."""
    generation = torch.cuda.get_device_capability(device)[0] if device.type == "cuda" else 0
    suited = {"flash_attn_interface": (9,), "kernels": (8, 9), "flash_attn": range(8, 99)}
    for package in (name for name, generations in suited.items() if generation in generations):
        try:
            yield package, functools.partial(flash, flash_of(package))
        except Exception:  # noqa: BLE001, S112 - each says in its own way that it is not there
            continue  # or was built for another torch
    if shape and compiles(device) and min(shape.windows) < shape.context:
        yield "flex", flex(shape, device)
    yield "sdpa", sdpa  # which works everywhere


# --- optimizer


def orthogonalise(matrices: torch.Tensor, steps: int, kind=torch.float32) -> torch.Tensor:
    """Return the nearest semi-orthogonal matrices [N, R, C], roughly (Newton-Schulz).

    The coefficients are those of Muon (kellerjordan.github.io/posts/muon).
    """
    tall = matrices.size(-2) > matrices.size(-1)
    x = matrices.mT if tall else matrices
    x = (x / (x.norm(dim=(-2, -1), keepdim=True) * 1.02 + 1e-7)).to(kind)
    for _ in range(steps):
        square = x @ x.mT
        x = 3.4445 * x + (-4.775 * square + 2.0315 * square @ square) @ x
    return (x.mT if tall else x).to(matrices.dtype)


def muon_step(weights, grads, momentum, lr, kind) -> None:
    """Step matrices of one shape together; weights and grads are lists of [R, C]."""
    grad, keep = torch.stack(grads), min(MUON_MOMENTUM, 0.999)
    momentum.lerp_(grad, 1 - keep)
    update = orthogonalise(grad.lerp(momentum, keep), MUON_STEPS, kind)
    update = update * max(1.0, update.size(-2) / update.size(-1)) ** 0.5
    weight = torch.stack(weights)
    agrees = (update * weight) > 0  # cautious: decay never works against the update
    change = lr * update + lr * WEIGHT_DECAY * agrees * weight
    for each, step in zip(weights, change.unbind(), strict=True):
        each.sub_(step)


def adam_step(weight, grad, moments, *, step, lr, decay) -> None:
    """Step one tensor with Adam and decoupled weight decay."""
    mean, square = moments
    beta1, beta2 = min(ADAM_BETA1, 0.999), min(ADAM_BETA2, 0.9999)
    mean.lerp_(grad, 1 - beta1)
    square.lerp_(grad.square(), 1 - beta2)
    spread = (square / (1 - beta2**step)).sqrt() + 1e-10
    weight.mul_(1 - lr * decay)
    weight.sub_(mean / spread * (lr / (1 - beta1**step)))


class Optimizer:
    """Muon for the matrices of the blocks, shape by shape; Adam for everything else."""

    def __init__(self, model: GPT, *, compiled: bool) -> None:
        tables, matrices, adam_scale = [], defaultdict(list), (model.shape.width / 768) ** -0.5
        for module in model.modules():
            if isinstance(module, nn.Embedding):
                tables.append(module.weight)
            elif isinstance(module, Linear) and module is not model.unembed:
                matrices[module.weight.shape].append(module.weight)
        adam = [
            *((table, EMBEDDING_LR * adam_scale, EMBEDDING_DECAY) for table in tables),
            (model.unembed.weight, UNEMBEDDING_LR * adam_scale, EMBEDDING_DECAY),
            (model.stream_scales, SCALAR_LR * 0.01, 0.0),
            (model.x0_scales, SCALAR_LR, 0.0),
        ]
        self.adam = [(*each, torch.zeros_like(torch.stack([each[0]] * 2))) for each in adam]
        self.muon = [(same, torch.zeros_like(torch.stack(same))) for same in matrices.values()]
        self.steps, self.kind = 0, model.kind
        # A compiled step takes its changing numbers as tensors: a float would compile it anew.
        self.number = torch.tensor if compiled else float
        self.adam_step = torch.compile(adam_step, dynamic=False) if compiled else adam_step
        self.muon_step = torch.compile(muon_step, dynamic=False) if compiled else muon_step

    @torch.no_grad()
    def step(self, scale: float) -> None:
        """Step every parameter with `scale` times its learning rate, and drop the gradients."""
        self.steps += 1
        at = self.number(float(self.steps))
        for weight, lr, decay, moments in self.adam:
            rate = self.number(lr * scale)
            self.adam_step(weight, weight.grad, moments, step=at, lr=rate, decay=decay)
            weight.grad = None
        for same, momentum in self.muon:
            grads, rate = [weight.grad for weight in same], self.number(MATRIX_LR * scale)
            self.muon_step(same, grads, momentum, rate, self.kind)
            for weight in same:
                weight.grad = None

    def forget(self) -> None:
        """Return to the state before the first step."""
        self.steps = 0
        for state in (*self.muon, *self.adam):
            state[-1].zero_()


def lr_scale(progress: float) -> float:
    """Return the factor of all learning rates at a progress of 0 to 1: up, constant, down."""
    left = 1 - min(progress, 1.0)
    up = min(1.0, max(progress, 0.02) / max(WARMUP_RATIO, 1e-9))
    down = min(1.0, left / max(WARMDOWN_RATIO, 1e-9))
    return up * (FINAL_LR_FRAC + (1 - FINAL_LR_FRAC) * down)


# --- training


class Trainer:
    """The model, its optimizer and one optimizer step."""

    def __init__(self, seed: int, device: torch.device) -> None:
        torch.manual_seed(seed)
        self.device, self.compiled = device, compiles(device)
        self.model = GPT(Shape()).to(device)
        self.model.kind = compute_type(device)
        self.stream_of, self.loss_of = self.model.stream, self.model.loss
        self.optimizer = Optimizer(self.model, compiled=self.compiled)
        rows = max(1, round(TOTAL_BATCH_SIZE / MAX_SEQ_LEN))
        self.times = -(-rows // max(1, DEVICE_BATCH_SIZE))  # batches accumulated for one step
        self.rows = -(-rows // self.times)
        half = self.model.kind == torch.float16  # gradients of a mean would be too small for it
        self.gain = self.rows * self.times * MAX_SEQ_LEN if half else 1
        self.attention = ""

    def step(self, feed: Batches, scale: float) -> torch.Tensor:
        """Take one optimizer step on batches of `feed`; return the loss, still on the device."""
        loss = sum(self._learn(*next(feed)) for _ in range(self.times))
        for weight in self.model.parameters() if self.gain > 1 else ():
            weight.grad.div_(self.gain).nan_to_num_(0.0, 0.0, 0.0)  # too large for half a word
        self.optimizer.step(scale)
        return loss

    def _learn(self, tokens: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        # Logits are made, used and dropped LOSS_CHUNK tokens at a time: all of them at once would
        # not fit a CPU's cache, and would be many gigabytes on a GPU.
        stream, targets = self.stream_of(tokens).flatten(0, 1), targets.flatten()
        parts = [part.detach().requires_grad_() for part in stream.split(max(1, LOSS_CHUNK))]
        total = torch.zeros((), device=self.device)
        for part, aims in zip(parts, targets.split(max(1, LOSS_CHUNK)), strict=True):
            loss = self.loss_of(part, aims) / (targets.numel() * self.times)
            (loss * self.gain if self.gain > 1 else loss).backward()
            total += loss.detach()
        stream.backward(torch.cat([part.grad for part in parts]))
        return total

    def warm_up(self) -> None:
        """Compile and take two steps on noise, then undo them: nothing is learned before start."""
        weights = {name: each.clone() for name, each in self.model.state_dict().items()}
        for name, attend in attentions(self.device, self.model.shape):
            try:
                while not self._fits(attend):
                    self._take_fewer_rows()
                self.attention = name
                break
            except Exception as fault:  # kernels fail in many ways; sdpa is left
                if name == "sdpa" or out_of_memory(fault):
                    raise
                print(f"{name} attention does not work here: {type(fault).__name__}: {fault}")
        self.model.load_state_dict(weights)
        self.optimizer.forget()

    def _fits(self, attend: Attend) -> bool:
        """Take two steps with an attention; return whether there was memory for so many rows."""
        self.model.attend = attend
        self.model.zero_grad()
        torch.cuda.empty_cache()  # of what an earlier try has left
        if self.compiled:
            self.stream_of = torch.compile(self.model.stream, dynamic=False)
            self.loss_of = torch.compile(self.model.loss, dynamic=False)
        noise = torch.randint(VOCAB_SIZE, (self.rows, MAX_SEQ_LEN), device=self.device)
        try:
            for _ in range(2):  # float() waits for the device
                float(self.step(itertools.repeat((noise, noise)), 0.0))
        except Exception as fault:
            if self.rows == 1 or not out_of_memory(fault):
                raise
            return False
        return True

    def _take_fewer_rows(self) -> None:
        """Halve the rows that are on the device at once; a step takes as many as before."""
        total, were = self.rows * self.times, self.rows
        self.times = next(n for n in range(2 * self.times, total + 1) if total % n == 0)
        self.rows = total // self.times
        print(f"no memory for {were} rows at once: {self.rows} now, {self.times} times a step")


def train(session: Session, began: float) -> tuple[GPT, Stats]:
    """Train for the session's budget; return the model in eval mode and what it came to."""
    torch.set_float32_matmul_precision("high")
    device = torch.device(session.device)
    trainer, built = Trainer(session.seed, device), time.monotonic()
    trainer.warm_up()
    gc.collect()
    gc.freeze()
    gc.disable()  # a collection in the midst of a step lets the device wait
    started = time.monotonic()
    data, step, pace, limit = session.start(), 0, 0.0, 0.0
    feed = prepare.batches(data, trainer.rows, MAX_SEQ_LEN, session.seed, device)
    batch, tokens = next(feed), trainer.rows * trainer.times * MAX_SEQ_LEN
    while (before := session.progress) + 1.5 * pace < 1:  # the last step must end in time
        loss = trainer.step(itertools.chain([batch], feed), lr_scale(before))
        batch = next(feed)  # while the device is at work
        loss = float(loss)  # waits for it, so the clock is right
        step += 1
        session.log(step=step, loss=loss, tokens=step * tokens)
        if loss > (limit := limit or 2 * loss):  # twice the first step's
            raise FloatingPointError(f"diverged: loss {loss:.3g} at step {step}")
        if int(20 * session.progress) > int(20 * before):  # a line each twentieth of the budget
            print(f"step {step:05d}  {session.progress:4.0%}  loss {loss:.4f}", flush=True)
        pace = max(session.progress - before, 0.9 * pace)
    gc.enable()
    model = trainer.model
    stats = Stats(
        steps=step,
        tokens=step * tokens,
        training_seconds=session.seconds,
        startup_seconds=started - began,
        warmup_seconds=started - built,
        num_params=sum(each.numel() for each in model.parameters()),
        flops_per_token=model.flops_per_token(),
        peak_vram_bytes=torch.cuda.max_memory_allocated() if device.type == "cuda" else 0,
        attention=trainer.attention,
        rows_at_once=trainer.rows,
        depth=model.shape.depth,
    )
    return for_evaluation(model), stats


def for_evaluation(model: GPT) -> GPT:
    """Return the model in eval mode, with an attention that needs no compiling."""
    model.attend = next(attend for _, attend in attentions(model.cos.device))
    model.kind = compute_type(model.cos.device)
    return model.eval()


def save_checkpoint(model: GPT, directory: Path) -> None:
    """Write model.safetensors and config.json into `directory`."""
    from safetensors.torch import save_file  # noqa: PLC0415 - training alone has no need of it

    weights = {name: each.detach().cpu().contiguous() for name, each in model.state_dict().items()}
    save_file(weights, directory / "model.safetensors")
    (directory / "config.json").write_text(json.dumps(asdict(model.shape)))


def load_model(directory: Path | str, device: torch.device | str) -> GPT:
    """Rebuild a model from `save_checkpoint`'s files, in eval mode on `device`."""
    from safetensors.torch import load_file  # noqa: PLC0415 - training alone has no need of it

    config = json.loads((Path(directory) / "config.json").read_text())
    model = GPT(Shape(**config)).to(device)
    model.load_state_dict(load_file(Path(directory) / "model.safetensors", device=str(device)))
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
        prepare.print_summary(model, asdict(stats), time.monotonic() - began)
    return model, stats


if __name__ == "__main__":
    main()
