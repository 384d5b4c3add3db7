"""The bugs and the decoys of planted_bugs.py: small edits of the CPU template's train.py.

None of the bugs raises an error; each lies in a region of its own, so that they can be planted and
mended in any order. A decoy is written like a fix and helps nothing.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from autoresearch.scaffold import render


@dataclass(frozen=True)
class Edit:
    """One place of train.py: `right` as the template has it, `wrong` as the edit leaves it."""

    name: str
    about: str  # one line for a person; of a decoy, the hypothesis it is proposed with
    right: str
    wrong: str


BUGS = (
    Edit(
        "table-decay",
        "embedding tables decay like matrices, a hundred times too much",
        "            (table, EMBEDDING_LR * adam_scale, EMBEDDING_DECAY) for",
        "            (table, EMBEDDING_LR * adam_scale, WEIGHT_DECAY) for",
    ),
    Edit(
        "rotary",
        "queries and keys are not rotated: attention knows no order",
        "        q = norm(rotate(self.query(x).view(split), cos, sin))\n"
        "        k = norm(rotate(self.key(x).view(split), cos, sin))\n",
        "        q = norm(self.query(x).view(split))\n        k = norm(self.key(x).view(split))\n",
    ),
    Edit(
        "attention-scale",
        "attention scores are divided by d instead of its square root",
        "    y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=mask is None)\n",
        "    sharp, causal = 1 / q.size(-1), mask is None\n"
        "    y = F.scaled_dot_product_attention(q, k, v, mask, is_causal=causal, scale=sharp)\n",
    ),
    Edit(
        "final-norm",
        "what the last layer leaves is not normed",
        "        return norm(x)\n\n    def logits(",
        "        return x\n\n    def logits(",
    ),
    Edit(
        "schedule",
        "the learning rate decays as if the budget were twice as long",
        "    left = 1 - min(progress, 1.0)\n",
        "    left = 1 - min(progress, 1.0) / 2\n",
    ),
    Edit(
        "repeats",
        "each batch is learned twice in a row",
        "        loss = sum(self._learn(*next(feed)) for _ in range(self.times))\n",
        "        if self.optimizer.steps % 2 == 0:\n"
        "            self.batches = [next(feed) for _ in range(self.times)]\n"
        "        loss = sum(self._learn(*batch) for batch in self.batches)\n",
    ),
    Edit(
        "early-end",
        "a step is thought to take as long as all steps so far: training stops at two fifths",
        "        pace = max(session.progress - before, 0.9 * pace)\n",
        "        pace = max(session.progress, 0.9 * pace)\n",
    ),
    Edit(
        "little-data",
        "the same forty batches are read for ever",
        "    feed = prepare.batches(data, trainer.rows, MAX_SEQ_LEN, session.seed, device)\n",
        "    feed = prepare.batches(data, trainer.rows, MAX_SEQ_LEN, session.seed, device)\n"
        "    feed = itertools.cycle(itertools.islice(feed, 40))\n",
    ),
    Edit(
        "muon",
        "Muon's update is not orthogonalised",
        "    update = orthogonalise(grad.lerp(momentum, keep), MUON_STEPS)\n",
        "    update = grad.lerp(momentum, keep)\n",
    ),
    Edit(
        "stale-gradients",
        "the matrices' gradients are never dropped, but pile up from step to step",
        "            self.muon_step(same, grads, momentum, self.number(MATRIX_LR * scale))\n"
        "            for weight in same:\n"
        "                weight.grad = None\n",
        "            self.muon_step(same, grads, momentum, self.number(MATRIX_LR * scale))\n",
    ),
    Edit(
        "betas",
        "Adam's two betas are swapped",
        "    beta1, beta2 = min(ADAM_BETA1, 0.999), min(ADAM_BETA2, 0.9999)\n",
        "    beta2, beta1 = min(ADAM_BETA1, 0.999), min(ADAM_BETA2, 0.9999)\n",
    ),
)

NEW = (
    Edit(
        "waste",
        "the loss that is logged is computed a second time, over the whole batch at once",
        "        stream.backward(torch.cat([part.grad for part in parts]))\n        return total\n",
        "        stream.backward(torch.cat([part.grad for part in parts]))\n"
        "        total = self.loss_of(self.stream_of(tokens).flatten(0, 1), targets).detach()\n"
        "        return total / (targets.numel() * self.times)\n",
    ),
    Edit(
        "value-init",
        "value embeddings begin as large as PyTorch makes them",
        "            nn.init.normal_(self.embed.weight, std=INIT_SCALE * width**-0.5)\n",
        "",
    ),
    Edit(
        "adam-scale",
        "Adam's rates grow with the width instead of falling",
        "kinds, adam_scale = defaultdict(list), (model.shape.width / 768) ** -0.5\n",
        "kinds, adam_scale = defaultdict(list), (model.shape.width / 768) ** 0.5\n",
    ),
    Edit(
        "window",
        "a short window is half a token's share of itself: one token",
        "        short = min(self.context, max(1, round(self.short_window * self.context)))\n"
        '        sizes = {"L": self.context, "S": short}\n',
        "        short = min(self.context, max(1, round(self.short_window)))\n"
        '        sizes = {"L": self.context, "S": short}\n',
    ),
    Edit(
        "end70",
        "stops at 70%",
        "+ 1.5 * pace < 1:",
        "+ 1.5 * pace < 0.7:",
    ),
)
NEWER = (
    Edit(
        "smoothing",
        "labels are smoothed in training, though not in scoring",
        '        return F.cross_entropy(self.logits(stream), targets, reduction="sum")\n',
        "        logits = self.logits(stream)\n"
        '        return F.cross_entropy(logits, targets, reduction="sum", label_smoothing=0.2)\n',
    ),
    Edit(
        "forgotten",
        "of the matrices of one shape the optimizer knows the last alone",
        "                shapes[weight.shape].append(weight)\n",
        "                shapes[weight.shape] = [weight]\n",
    ),
)
NEWEST = (
    Edit(
        "head-rate",
        "the unembedding learns at the embedding's rate",
        "        adam.append((model.unembed.weight, UNEMBEDDING_LR * adam_scale, EMBEDDING_DECAY))\n",
        "        adam.append((model.unembed.weight, EMBEDDING_LR * adam_scale, EMBEDDING_DECAY))\n",
    ),
    Edit(
        "double",
        "the stream is computed in double precision",
        "        kind = torch.bfloat16 if tokens.is_cuda else torch.float32\n",
        "        kind = torch.bfloat16 if tokens.is_cuda else torch.float64\n",
    ),
    Edit(
        "embed-norm",
        "the embedding isn't normed",
        "        x = x0 = norm(self.embed(tokens).to(kind))\n",
        "        x = x0 = self.embed(tokens).to(kind)\n",
    ),
    Edit(
        "momentum",
        "nesterov the wrong way",
        "    momentum.lerp_(grad, 1 - keep)\n",
        "    momentum.lerp_(grad, (1 - keep) / 10)\n",
    ),
)
BUGS = (*BUGS, *NEW, *NEWER, *NEWEST)
DECOYS = (
    Edit(
        "warm-up",
        "Warm the learning rate up: the first steps are the wildest",
        "WARMUP_RATIO = 0.0\n",
        "WARMUP_RATIO = 0.3\n",
    ),
    Edit(
        "newton-schulz",
        "More Newton-Schulz iterations: updates nearer to orthogonal",
        "MUON_STEPS = 5 ",
        "MUON_STEPS = 10 ",
    ),
    Edit(
        "gate",
        "The value gate looks at more of the stream",
        "GATE_CHANNELS = 32 ",
        "GATE_CHANNELS = 64 ",
    ),
    Edit(
        "wavelengths",
        "Longer rotary wavelengths, as models with long contexts have them",
        "ROPE_BASE = 10000.0 ",
        "ROPE_BASE = 1000000.0 ",
    ),
    Edit(
        "gelu",
        "A smooth activation instead of the squared ReLU",
        "        hidden = F.relu(self.up(norm(x)))\n"
        "        return x + self.down(hidden * hidden)  # cheaper",
        "        hidden = F.gelu(self.up(norm(x)))\n"
        "        return x + self.down(hidden)  # cheaper",
    ),
    Edit(
        "epsilon",
        "Adam's usual epsilon: 1e-10 may divide by next to nothing",
        "(square / (1 - beta2**step)).sqrt() + 1e-10\n",
        "(square / (1 - beta2**step)).sqrt() + 1e-8\n",
    ),
    Edit(
        "more-decay",
        "Twice the weight decay for better generalisation",
        "WEIGHT_DECAY = 0.2 ",
        "WEIGHT_DECAY = 0.4 ",
    ),
    Edit(
        "chunks",
        "Fewer and larger chunks of logits: less overhead a step",
        "LOSS_CHUNK = 128 ",
        "LOSS_CHUNK = 2048 ",
    ),
)


def template() -> str:
    """Return the clean train.py of the CPU profile."""
    return render("gpt", "cpu")["train.py"]


def apply(source: str, edits: Iterable[Edit]) -> str:
    """Return the source with every edit's `right` turned into its `wrong`.

    Raises:
        ValueError: an edit's text is not there exactly once.
    """
    for edit in edits:
        if source.count(edit.right) != 1:
            msg = f"{edit.name}: found {source.count(edit.right)} times"
            raise ValueError(msg)
        source = source.replace(edit.right, edit.wrong)
    return source


def named(edits: Iterable[Edit]) -> Mapping[str, Edit]:
    """Return the edits by name."""
    return {edit.name: edit for edit in edits}
