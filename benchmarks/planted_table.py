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
        "repeats",
        "each batch is learned twice in a row",
        "        loss = sum(self._learn(*next(feed)) for _ in range(self.times))\n",
        "        if self.optimizer.steps % 2 == 0:\n"
        "            self.batches = [next(feed) for _ in range(self.times)]\n"
        "        loss = sum(self._learn(*batch) for batch in self.batches)\n",
    ),
    Edit(
        "same-rows",
        "the last quarter of a batch is its first quarter again",
        "        stream, targets = self.stream_of(tokens).flatten(0, 1), targets.flatten()\n",
        "        rows = [*range(len(tokens) - len(tokens) // 4), *range(len(tokens) // 4)]\n"
        "        tokens, targets = tokens[rows], targets[rows]\n"
        "        stream, targets = self.stream_of(tokens).flatten(0, 1), targets.flatten()\n",
    ),
    Edit(
        "echo",
        "one row in eight is taught its own tokens instead of the next ones",
        "    feed = prepare.batches(data, trainer.rows, MAX_SEQ_LEN, session.seed, device)\n",
        "    feed = prepare.batches(data, trainer.rows, MAX_SEQ_LEN, session.seed, device)\n"
        "    own = torch.arange(trainer.rows, device=device)[:, None] % 8 == 0\n"
        "    feed = ((rows, torch.where(own, rows, targets)) for rows, targets in feed)\n",
    ),
    Edit(
        "double",
        "the stream is computed in double precision",
        "        kind = self.kind\n",
        "        kind = torch.float64 if self.kind == torch.float32 else self.kind\n",
    ),
    Edit(
        "early-end",
        "training stops when seven tenths of its time are over",
        "    while (before := session.progress) + 1.5 * pace < 1:",
        "    while (before := session.progress) + 1.5 * pace < 0.7:",
    ),
    Edit(
        "schedule",
        "the learning rate never decays",
        "    left = 1 - min(progress, 1.0)\n",
        "    left = 1 - min(progress, 0.0)\n",
    ),
    Edit(
        "stale-gradients",
        "the matrices' gradients are never dropped, but pile up from step to step",
        "            self.muon_step(same, grads, momentum, rate, self.kind)\n"
        "            for weight in same:\n"
        "                weight.grad = None\n",
        "            self.muon_step(same, grads, momentum, rate, self.kind)\n",
    ),
    Edit(
        "betas",
        "Adam's two betas are swapped",
        "    beta1, beta2 = min(ADAM_BETA1, 0.999), min(ADAM_BETA2, 0.9999)\n",
        "    beta2, beta1 = min(ADAM_BETA1, 0.999), min(ADAM_BETA2, 0.9999)\n",
    ),
)

DECOYS = (
    Edit(
        "z-loss",
        "Pull the logits' normaliser to zero: a steadier training",
        '        return F.cross_entropy(self.logits(stream), targets, reduction="sum")\n',
        "        logits = self.logits(stream)\n"
        "        pull = 1e-3 * logits.logsumexp(dim=-1).square().sum()\n"
        '        return F.cross_entropy(logits, targets, reduction="sum") + pull\n',
    ),
    Edit(
        "newton-schulz",
        "More Newton-Schulz iterations: updates nearer to orthogonal",
        "MUON_STEPS = 5 ",
        "MUON_STEPS = 10 ",
    ),
    Edit(
        "short-cut",
        "Less of the token embedding in every layer: the stream carries it anyway",
        "X0_INIT = 0.05 ",
        "X0_INIT = 0.02 ",
    ),
    Edit(
        "wavelengths",
        "Longer rotary wavelengths, as models with long contexts have them",
        "ROPE_BASE = 10000.0 ",
        "ROPE_BASE = 1000000.0 ",
    ),
    Edit(
        "dropout",
        "Dropout in the stream against over-fitting",
        "            x = block(x, tokens, cos, sin, self.attend)\n",
        "            x = F.dropout(block(x, tokens, cos, sin, self.attend), 0.1, self.training)\n",
    ),
    Edit(
        "epsilon",
        "Adam's usual epsilon: 1e-10 may divide by next to nothing",
        "(square / (1 - beta2**step)).sqrt() + 1e-10\n",
        "(square / (1 - beta2**step)).sqrt() + 1e-8\n",
    ),
    Edit(
        "wide",
        "Twice as wide an MLP: more capacity for the same depth",
        "MLP_RATIO = 4 ",
        "MLP_RATIO = 8 ",
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
