"""A small GPT, trained for a fixed time. This is the file that experiments change.

Importing it does nothing; `main()` trains under the harness, and by hand with `python train.py`.
The evaluator rebuilds the model with `load_model()`: token ids [B, T] in, logits [B, T, V] out.
"""

import json
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

import prepare
from autoresearch.runtime import Session
from prepare import MAX_SEQ_LEN, VOCAB_SIZE

# Model
DEPTH = 8  # layers
ASPECT_RATIO = 64  # width = DEPTH * ASPECT_RATIO, rounded up to whole heads
HEAD_DIM = 128  # channels of an attention head, rounded up to a multiple of 8
MLP_RATIO = 4  # hidden channels of the MLP for each channel of the width
WINDOW_PATTERN = "SSSL"  # attention of layers 1, 2, ...: L sees all, S a window; the last sees all
SHORT_WINDOW = 0.5  # tokens an S layer sees, as a share of the context
ROPE_BASE = 200000.0  # longest wavelength of the rotary embedding, in tokens / (2 pi)
GATE_CHANNELS = 32  # channels of the stream that decide how much value embedding a head takes
SOFTCAP = 15.0  # logits stay between -SOFTCAP and SOFTCAP
X0_INIT = 0.05  # how much of the token embedding every layer sees at first
INIT_SCALE = 0.7  # of matrices that read the stream, relative to 1 / sqrt(width)

# Batch
TOTAL_BATCH_SIZE = 2**18  # tokens of one optimizer step, rounded to whole rows
LOSS_CHUNK = 128  # x
DEVICE_BATCH_SIZE = 128  # rows that fit on the device at once; more are accumulated

# Optimizer: Muon for matrices, Adam with decoupled weight decay for the rest
MATRIX_LR = 0.04
EMBEDDING_LR = 0.8  # of token and value embeddings; Adam's rates are for a width of 768
UNEMBEDDING_LR = 0.005
SCALAR_LR = 0.5  # of what scales the token embedding; what scales the stream takes 1% of it
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

Attend = Callable[[torch.Tensor, torch.Tensor, torch.Tensor, int], torch.Tensor]


@dataclass(frozen=True)
class Shape:
    """What config.json holds: all that is needed to rebuild the model."""

    vocab_size: int
    context: int
    depth: int
    heads: int
    head_dim: int
    mlp_ratio: int
    gate_channels: int
    windows: tuple[int, ...]
    rope_base: float
    softcap: float

    @property
    def width(self) -> int:
        return self.heads * self.head_dim

    @property
    def value_layers(self) -> tuple[int, ...]:
        """Every second layer has value embeddings, the last one among them."""
        return tuple(range((self.depth - 1) % 2, self.depth, 2))


@dataclass(frozen=True)
class Stats:
    """What a training came to. Seconds are on the budget's clock unless they say wall."""

    steps: int
    tokens: int
    training_seconds: float
    training_wall_seconds: float
    startup_wall_seconds: float
    warmup_wall_seconds: float
    num_params: int
    flops_per_token: float
    peak_vram_bytes: int
    attention: str
    loss: float


def model_shape() -> Shape:
    """Return the shape that the constants above describe; any whole numbers give a sound one."""
    head_dim = -(-HEAD_DIM // 8) * 8
    short = min(MAX_SEQ_LEN, max(1, round(SHORT_WINDOW * MAX_SEQ_LEN)))
    sizes = {"L": MAX_SEQ_LEN, "S": short}
    pattern = [sizes[WINDOW_PATTERN[layer % len(WINDOW_PATTERN)]] for layer in range(DEPTH)]
    heads = max(1, -(-ASPECT_RATIO * DEPTH // head_dim))
    return Shape(
        vocab_size=VOCAB_SIZE,
        context=MAX_SEQ_LEN,
        depth=DEPTH,
        heads=heads,
        head_dim=head_dim,
        mlp_ratio=MLP_RATIO,
        gate_channels=min(GATE_CHANNELS, heads * head_dim),
        windows=(*pattern[:-1], MAX_SEQ_LEN),
        rope_base=ROPE_BASE,
        softcap=SOFTCAP,
    )


def norm(x: torch.Tensor) -> torch.Tensor:
    return F.rms_norm(x, (x.size(-1),))


def rotate(x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    a, b = x.chunk(2, dim=-1)
    return torch.cat((a * cos + b * sin, b * cos - a * sin), dim=-1)


class Linear(nn.Linear):
    """No bias; the weight is kept in float32 and used in the type of its input."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.linear(x, self.weight.to(x.dtype))


class Attention(nn.Module):
    def __init__(self, shape: Shape, layer: int) -> None:
        super().__init__()
        self.heads, self.window = shape.heads, shape.windows[layer]
        self.query = Linear(shape.width, shape.width)
        self.key = Linear(shape.width, shape.width)
        self.value = Linear(shape.width, shape.width)
        self.out = Linear(shape.width, shape.width)
        self.gate = None
        if layer in shape.value_layers:
            self.gate = Linear(shape.gate_channels, shape.heads)

    def forward(self, x, embedded, cos, sin, attend: Attend) -> torch.Tensor:
        split = (*x.shape[:2], self.heads, -1)
        q = norm(rotate(self.query(x).view(split), cos, sin))
        k = norm(rotate(self.key(x).view(split), cos, sin))
        v = self.value(x).view(split)
        if self.gate is not None:  # 0 to 2 of the token's own value embedding, head by head
            share = 2 * torch.sigmoid(self.gate(x[..., : self.gate.in_features]))
            v = v + share.unsqueeze(-1) * embedded.view(split)
        return self.out(attend(q, k, v, self.window).reshape(x.shape))


class Block(nn.Module):
    def __init__(self, shape: Shape, layer: int) -> None:
        super().__init__()
        self.attention = Attention(shape, layer)
        self.up = Linear(shape.width, shape.mlp_ratio * shape.width)
        self.down = Linear(shape.mlp_ratio * shape.width, shape.width)

    def forward(self, x, embedded, cos, sin, attend: Attend) -> torch.Tensor:
        x = x + self.attention(norm(x), embedded, cos, sin, attend)
        hidden = F.relu(self.up(norm(x)))
        return x + self.down(hidden * hidden)  # cheaper than square(), whose gradient is a power


class GPT(nn.Module):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.attend: Attend = sdpa
        self.embed = nn.Embedding(shape.vocab_size, shape.width)
        self.value_embeds = nn.ModuleDict(
            {str(layer): nn.Embedding(shape.vocab_size, shape.width) for layer in shape.value_layers}
        )
        self.blocks = nn.ModuleList(Block(shape, layer) for layer in range(shape.depth))
        self.unembed = Linear(shape.width, shape.vocab_size)
        self.stream_scales = nn.Parameter(torch.ones(shape.depth))
        self.x0_scales = nn.Parameter(torch.full((shape.depth,), X0_INIT))
        channels = torch.arange(0, shape.head_dim, 2).float() / shape.head_dim
        angles = torch.outer(torch.arange(shape.context).float(), shape.rope_base**-channels)
        self.register_buffer("cos", angles.cos()[:, None], persistent=False)
        self.register_buffer("sin", angles.sin()[:, None], persistent=False)

    @torch.no_grad()
    def initialise(self) -> None:
        """Draw the weights; what writes to the stream begins at zero."""
        bound = INIT_SCALE * (3 / self.shape.width) ** 0.5
        nn.init.normal_(self.embed.weight)
        nn.init.normal_(self.unembed.weight, std=0.001)
        for table in self.value_embeds.values():
            nn.init.uniform_(table.weight, -bound, bound)
        for block in self.blocks:
            attention = block.attention
            for matrix in (attention.query, attention.key, attention.value, block.up):
                nn.init.uniform_(matrix.weight, -bound, bound)
            for matrix in (attention.out, attention.gate, block.down):
                if matrix is not None:
                    nn.init.zeros_(matrix.weight)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Return float32 logits [B, T, V] of integers [B, T]; T may be anything up to the context."""
        return self.logits(self.stream(tokens))

    def stream(self, tokens: torch.Tensor) -> torch.Tensor:
        """Return what the last layer leaves, normed: [B, T, width]."""
        kind = torch.bfloat16 if tokens.is_cuda else torch.float32
        cos, sin = (table[: tokens.size(1)].to(kind) for table in (self.cos, self.sin))
        x = x0 = norm(self.embed(tokens).to(kind))
        for layer, block in enumerate(self.blocks):
            x = self.stream_scales[layer].to(kind) * x + self.x0_scales[layer].to(kind) * x0
            embedded = None
            if str(layer) in self.value_embeds:
                embedded = self.value_embeds[str(layer)](tokens).to(kind)
            x = block(x, embedded, cos, sin, self.attend)
        return norm(x)

    def logits(self, stream: torch.Tensor) -> torch.Tensor:
        cap = self.shape.softcap
        return cap * torch.tanh(self.unembed(stream).float() / cap)

    def loss(self, stream: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Return the summed loss in nats of stream [N, width] against targets [N]."""
        return F.cross_entropy(self.logits(stream), targets, reduction="sum")

    def learn(self, tokens: torch.Tensor, targets: torch.Tensor, share: float) -> torch.Tensor:
        """Add `share` times the gradients of the mean loss; return that part of the loss.

        Tokens and targets are [B, T]. Logits are made, used and dropped LOSS_CHUNK tokens at a
        time: all of them at once would not fit a CPU's cache, and be gigabytes on a GPU.
        """
        stream = self.stream(tokens).flatten(0, 1)
        share, total = share / targets.numel(), 0.0
        parts = [part.detach().requires_grad_() for part in stream.split(LOSS_CHUNK)]
        for part, aims in zip(parts, targets.flatten().split(LOSS_CHUNK), strict=True):
            loss = self.loss(part, aims) * share
            loss.backward()
            total = total + loss.detach()
        stream.backward(torch.cat([part.grad for part in parts]))
        return total

    def flops_per_token(self) -> float:
        """Forward and backward: 6 for each weight of a product, 12 for each pair attended to."""
        tables = [self.embed, *self.value_embeds.values()]
        weights = sum(p.numel() for p in self.parameters()) - sum(t.weight.numel() for t in tables)
        return 6 * weights + 12 * self.shape.width * sum(self.shape.windows)


# --- attention: q, k and v are [B, T, heads, head_dim]; a token sees `window` tokens, its own last


def sdpa(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, window: int) -> torch.Tensor:
    """Attend anywhere. A window needs a mask, which is slow on CUDA."""
    mask, length = None, q.size(1)
    if window < length:
        at = torch.arange(length, device=q.device)
        behind = at[:, None] - at
        mask = (behind >= 0) & (behind < window)
    q, k, v = (each.transpose(1, 2) for each in (q, k, v))
    y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=mask is None)
    return y.transpose(1, 2)


def flash(kernel: Callable) -> Attend:
    """Attend with a FlashAttention package, which knows windows."""

    def attend(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, window: int) -> torch.Tensor:
        y = kernel(q, k, v, causal=True, window_size=(window - 1, 0))
        return y[0] if isinstance(y, tuple) else y

    return attend


def flex(shape: Shape, device: torch.device) -> Attend:
    """Attend with FlexAttention, which skips what a window hides; only for compiled training."""
    from torch.nn.attention.flex_attention import create_block_mask, flex_attention

    def band(window: int) -> Callable:
        return lambda _b, _h, query, key: (query >= key) & (query - key < window)

    size = shape.context
    masks = {
        window: create_block_mask(band(window), None, None, size, size, device=str(device))
        for window in set(shape.windows)
        if window < size
    }

    def attend(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, window: int) -> torch.Tensor:
        if window not in masks:
            return sdpa(q, k, v, window)  # plain causal attention is fast everywhere
        q, k, v = (each.transpose(1, 2) for each in (q, k, v))
        return flex_attention(q, k, v, block_mask=masks[window]).transpose(1, 2)

    return attend


def flash_packages(device: torch.device) -> Iterator[tuple[str, Attend]]:
    """Yield what FlashAttention this machine has, fastest first."""
    if device.type != "cuda":
        return
    capability = torch.cuda.get_device_capability(device)
    if capability[0] == 9:
        try:
            from flash_attn_interface import flash_attn_func

            yield "flash-attention 3", flash(flash_attn_func)
        except (ImportError, OSError):
            pass
    if capability[0] >= 8:
        try:
            from flash_attn import flash_attn_func

            yield "flash-attention 2", flash(flash_attn_func)
        except (ImportError, OSError):
            pass


def attentions(shape: Shape, device: torch.device) -> Iterator[tuple[str, Attend]]:
    """Yield the ways to attend in training, fastest first; the last works everywhere."""
    yield from flash_packages(device)
    if device.type == "cuda" and min(shape.windows) < shape.context:
        yield "flex", flex(shape, device)
    yield "sdpa", sdpa


# --- optimizer


def orthogonalise(matrices: torch.Tensor, steps: int) -> torch.Tensor:
    """Return the nearest semi-orthogonal matrices [N, R, C], roughly (Newton-Schulz).

    The coefficients are those of Muon (kellerjordan.github.io/posts/muon).
    """
    x = matrices.bfloat16() if matrices.is_cuda else matrices
    tall = x.size(-2) > x.size(-1)
    x = x.mT if tall else x
    x = x / (x.norm(dim=(-2, -1), keepdim=True) * 1.02 + 1e-7)
    for _ in range(steps):
        square = x @ x.mT
        x = 3.4445 * x + (-4.775 * square + 2.0315 * square @ square) @ x
    return (x.mT if tall else x).to(matrices.dtype)


def muon_step(weights, grads, momentum, lr, decay) -> None:
    """Step matrices of one shape together; weights and grads are lists of [R, C]."""
    grad = torch.stack(grads)
    momentum.lerp_(grad, 1 - MUON_MOMENTUM)
    update = orthogonalise(grad.lerp(momentum, MUON_MOMENTUM), MUON_STEPS)
    update = update * max(1.0, update.size(-2) / update.size(-1)) ** 0.5
    weight = torch.stack(weights)
    agrees = (update * weight) > 0  # cautious: decay never works against the update
    update = lr * update + lr * decay * agrees * weight
    for each, change in zip(weights, update.unbind(), strict=True):
        each.sub_(change)


def adam_step(weight, grad, mean, square, step, lr, decay) -> None:
    """Step one tensor with Adam and decoupled weight decay."""
    beta1, beta2 = min(ADAM_BETA1, 0.9999), min(ADAM_BETA2, 0.9999)
    mean.lerp_(grad, 1 - beta1)
    square.lerp_(grad.square(), 1 - beta2)
    spread = (square / (1 - beta2**step)).sqrt() + 1e-10
    weight.mul_(1 - lr * decay)
    weight.sub_(mean / spread * (lr / (1 - beta1**step)))


class Optimizer:
    """Muon for the matrices of the blocks, shape by shape; Adam for everything else."""

    def __init__(self, model: GPT, *, compiled: bool) -> None:
        adam_scale = (model.shape.width / 768) ** -0.5
        tables = [model.embed.weight, *(table.weight for table in model.value_embeds.values())]
        gates = [b.attention.gate.weight for b in model.blocks if b.attention.gate is not None]
        self.adam = [
            *((table, EMBEDDING_LR * adam_scale, EMBEDDING_DECAY) for table in tables),
            (model.unembed.weight, UNEMBEDDING_LR * adam_scale, EMBEDDING_DECAY),
            (model.stream_scales, SCALAR_LR * 0.01, 0.0),
            (model.x0_scales, SCALAR_LR, 0.0),
            *((gate, UNEMBEDDING_LR * adam_scale, 0.0) for gate in gates),
        ]
        shapes = defaultdict(list)
        taken = {id(each) for each, _, _ in self.adam}
        for weight in model.blocks.parameters():
            if id(weight) not in taken:
                shapes[weight.shape].append(weight)
        self.muon = list(shapes.values())
        self.moments = [(torch.zeros_like(p), torch.zeros_like(p)) for p, _, _ in self.adam]
        self.momenta = [torch.zeros_like(torch.stack(same)) for same in self.muon]
        self.steps = 0
        # A compiled step takes its changing numbers as tensors: a float would compile it anew.
        self.number = torch.tensor if compiled else float
        self.adam_step = torch.compile(adam_step, dynamic=False) if compiled else adam_step
        self.muon_step = torch.compile(muon_step, dynamic=False) if compiled else muon_step

    @torch.no_grad()
    def step(self, scale: float) -> None:
        """Step every parameter with `scale` times its learning rate, and drop the gradients."""
        self.steps += 1
        at = self.number(float(self.steps))
        for (weight, lr, decay), (mean, square) in zip(self.adam, self.moments, strict=True):
            self.adam_step(weight, weight.grad, mean, square, at, self.number(lr * scale), decay)
            weight.grad = None
        for same, momentum in zip(self.muon, self.momenta, strict=True):
            grads = [weight.grad for weight in same]
            self.muon_step(same, grads, momentum, self.number(MATRIX_LR * scale), WEIGHT_DECAY)
            for weight in same:
                weight.grad = None

    def forget(self) -> None:
        """Return to the state before the first step."""
        self.steps = 0
        for state in (*self.momenta, *(each for pair in self.moments for each in pair)):
            state.zero_()


def lr_scale(progress: float) -> float:
    """Return the factor of all learning rates at a progress of 0 to 1: up, constant, down."""
    left = 1 - min(progress, 1.0)
    up = min(1.0, max(progress, 0.02) / max(WARMUP_RATIO, 1e-9))
    down = min(1.0, left / max(WARMDOWN_RATIO, 1e-9))
    return up * (FINAL_LR_FRAC + (1 - FINAL_LR_FRAC) * down)


# --- training


def device_batch() -> tuple[int, int]:
    """Return rows at once and how often to accumulate them; together about TOTAL_BATCH_SIZE."""
    rows = max(1, round(TOTAL_BATCH_SIZE / MAX_SEQ_LEN))
    times = -(-rows // max(1, DEVICE_BATCH_SIZE))
    return -(-rows // times), times


class Trainer:
    """The model, its optimizer and one optimizer step."""

    def __init__(self, session: Session) -> None:
        self.device = torch.device(session.device)
        torch.manual_seed(session.seed)
        self.model = GPT(model_shape())
        self.model.initialise()
        self.model.to(self.device)
        self.compiled = self.device.type == "cuda"
        self.optimizer = Optimizer(self.model, compiled=self.compiled)
        self.rows, self.times = device_batch()
        self.loss_of = self.model
        self.attention = "sdpa"

    @property
    def tokens_per_step(self) -> int:
        return self.rows * self.times * MAX_SEQ_LEN

    def step(self, stream, scale: float) -> torch.Tensor:
        """Take one optimizer step on batches of `stream`; return the loss, still on the device."""
        total = 0.0
        for _ in range(self.times):
            total = total + self.model.learn(*next(stream), 1 / self.times)
        self.optimizer.step(scale)
        return total

    def warm_up(self) -> None:
        """Compile and take two steps on noise, then undo them: nothing is learned before start."""
        weights = {name: each.clone() for name, each in self.model.state_dict().items()}
        choices = list(attentions(self.model.shape, self.device))
        for name, attend in choices:
            try:
                self._try(attend)
                self.attention = name
                break
            except Exception as fault:
                if name == choices[-1][0] or isinstance(fault, torch.OutOfMemoryError):
                    raise
                print(f"{name} attention does not work here: {type(fault).__name__}: {fault}")
        self.model.load_state_dict(weights)
        self.optimizer.forget()

    def _try(self, attend: Attend) -> None:
        self.model.attend = attend
        self.model.zero_grad()
        if self.compiled:
            self.loss_of = torch.compile(self.model, dynamic=False)
        noise = torch.randint(VOCAB_SIZE, (self.rows, MAX_SEQ_LEN), device=self.device)
        for _ in range(2):
            loss = self.step(iter([(noise, noise)] * self.times), 0.0)
        float(loss)  # waits for the device

    def ready_to_evaluate(self) -> GPT:
        """Return the model with an attention that needs no compiling."""
        self.model.attend = next((each for _, each in flash_packages(self.device)), sdpa)
        return self.model.eval()


class LateLoss:
    """Reads a loss one step after it was queued, so that the device never waits for the reader."""

    def __init__(self, device: torch.device) -> None:
        self.lag = device.type == "cuda"
        self.waiting = None
        self.value = 0.0

    def queue(self, loss: torch.Tensor) -> float:
        """Take the newest loss; return the newest that is known."""
        if not self.lag:
            self.value = float(loss)
            return self.value
        copy = loss.to("cpu", non_blocking=True)
        done = torch.cuda.Event()
        done.record()
        self.collect()
        self.waiting = (copy, done)
        return self.value

    def collect(self) -> None:
        if self.waiting:
            self.waiting[1].synchronize()
            self.value, self.waiting = float(self.waiting[0]), None


def train(session: Session, began: float) -> tuple[GPT, Stats]:
    """Train for the session's budget; return the model in eval mode and what it came to."""
    torch.set_float32_matmul_precision("high")
    trainer = Trainer(session)
    warmed = time.monotonic()
    trainer.warm_up()
    started = time.monotonic()
    data = session.start()
    stream = prepare.batches(data, trainer.rows, MAX_SEQ_LEN, session.seed, trainer.device)
    reader, step, tokens, pace = LateLoss(trainer.device), 0, 0, 0.0
    reserve = 2.5 if reader.lag else 1.5  # steps: the one in flight, the next, and some doubt
    while (before := session.progress) + reserve * pace < 1:
        loss = reader.queue(trainer.step(stream, lr_scale(before)))
        step, tokens = step + 1, tokens + trainer.tokens_per_step
        session.log(step=step, loss=loss, tokens=tokens)
        took = session.progress - before
        pace = max(took, 0.9 * pace)
    reader.collect()
    stats = Stats(
        steps=step,
        tokens=tokens,
        training_seconds=session.seconds,
        training_wall_seconds=time.monotonic() - started,
        startup_wall_seconds=started - began,
        warmup_wall_seconds=started - warmed,
        num_params=sum(p.numel() for p in trainer.model.parameters()),
        flops_per_token=trainer.model.flops_per_token(),
        peak_vram_bytes=torch.cuda.max_memory_allocated() if trainer.compiled else 0,
        attention=trainer.attention,
        loss=reader.value,
    )
    return trainer.ready_to_evaluate(), stats


def save_checkpoint(model: GPT, directory: Path) -> None:
    """Write model.safetensors and config.json into `directory`."""
    from safetensors.torch import save_file

    weights = {name: each.detach().cpu().contiguous() for name, each in model.state_dict().items()}
    save_file(weights, directory / "model.safetensors")
    (directory / "config.json").write_text(json.dumps(asdict(model.shape)))


def load_model(directory: Path | str, device: torch.device | str) -> GPT:
    """Rebuild a model from `save_checkpoint`'s files, in eval mode on `device`."""
    from safetensors.torch import load_file

    config = json.loads((Path(directory) / "config.json").read_text())
    device = torch.device(device)
    model = GPT(Shape(**{**config, "windows": tuple(config["windows"])})).to(device)
    model.load_state_dict(load_file(Path(directory) / "model.safetensors", device=str(device)))
    model.attend = next((each for _, each in flash_packages(device)), sdpa)
    return model.eval()


def constants() -> dict[str, float | int | str]:
    """Return what is written in capitals at the top, and the two taken from prepare.py."""
    return {name: value for name, value in globals().items() if name.isupper()}


def print_summary(model: GPT, stats: Stats, began: float) -> None:
    """Print what karpathy/autoresearch prints, the score by prepare.evaluate_bpb among it."""
    device = model.embed.weight.device
    bpb = prepare.evaluate_bpb(model, prepare.val_documents(), device)
    peak = prepare.peak_flops(device)
    speed = stats.flops_per_token * stats.tokens / max(stats.training_wall_seconds, 1e-9)
    print("---")
    print(f"val_bpb:          {bpb:.6f}")
    print(f"training_seconds: {stats.training_seconds:.1f}")
    print(f"total_seconds:    {time.monotonic() - began:.1f}")
    print(f"peak_vram_mb:     {stats.peak_vram_bytes / 2**20:.1f}")
    print(f"mfu_percent:      {f'{100 * speed / peak:.2f}' if peak else 'n/a'}")
    print(f"total_tokens_M:   {stats.tokens / 1e6:.1f}")
    print(f"num_steps:        {stats.steps}")
    print(f"num_params_M:     {stats.num_params / 1e6:.1f}")
    print(f"depth:            {model.shape.depth}")


def main(session: Session | None = None) -> tuple[GPT, Stats]:
    """Train, hand in the checkpoint and, by hand, print the `---` block."""
    began = time.monotonic()
    session = session or prepare.open_run()
    model, stats = train(session, began)
    save_checkpoint(model, session.out)
    session.facts({**constants(), **asdict(stats)})
    session.finish()
    if not session.harnessed:
        print_summary(model, stats, began)
    return model, stats


if __name__ == "__main__":
    main()
