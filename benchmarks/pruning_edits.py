"""Experiments of the kind that proposers make, on the template: for `pruning_curves.py`."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from autoresearch import patching


@dataclass(frozen=True)
class Edit:
    """A change to train.py: constants and texts to replace."""

    name: str
    constants: Mapping[str, patching.Number | str] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)

    def apply(self, source: str) -> str:
        """Return the changed source.

        Raises:
            ValueError: the source has none of it, or not once.
        """
        for old, new in self.texts.items():
            if source.count(old) != 1:
                msg = f"{self.name}: the source does not have once: {old}"
                raise ValueError(msg)
            source = source.replace(old, new)
        return patching.set_constants(source, self.constants)


def _sets(**constants: patching.Number | str) -> Edit:
    name = ", ".join(f"{name} {value}" for name, value in constants.items())
    return Edit(name, constants)


_HIDDEN = "hidden = F.relu(self.up(norm(x)))\n        return x + self.down(hidden * hidden)"
_QUERY = "q = norm(rotate(self.query(x).view(split), cos, sin))"
_KEY = "k = norm(rotate(self.key(x).view(split), cos, sin))"
_VALUE = "self.embed is not None:  # 0 to 2"
_BLOCKS = "x = x + self.attention(norm(x), tokens, cos, sin, attend)"

BASE = Edit("the template")

# Same schedule, same meaning of the loss.
ARCHITECTURE = (
    _sets(DEPTH=1, ASPECT_RATIO=64),
    _sets(DEPTH=3, ASPECT_RATIO=21),
    _sets(DEPTH=4, ASPECT_RATIO=16),
    _sets(ASPECT_RATIO=48),
    _sets(ASPECT_RATIO=64),
    _sets(ASPECT_RATIO=16),
    _sets(HEAD_DIM=16),
    _sets(HEAD_DIM=64),
    _sets(MLP_RATIO=2),
    _sets(MLP_RATIO=3),
    _sets(MLP_RATIO=6),
    _sets(MLP_RATIO=8),
    _sets(WINDOW_PATTERN="L"),
    _sets(SHORT_WINDOW=0.25),
    _sets(SHORT_WINDOW=0.12),
    _sets(ROPE_BASE=1000.0),
    _sets(ROPE_BASE=100.0),
    _sets(ROPE_BASE=200000.0),
    _sets(GATE_CHANNELS=8),
    _sets(GATE_CHANNELS=64),
    _sets(X0_INIT=0.0),
    _sets(X0_INIT=0.2),
    _sets(X0_INIT=0.5),
    _sets(INIT_SCALE=0.3),
    _sets(INIT_SCALE=1.0),
    _sets(INIT_SCALE=1.5),
    Edit("gelu", texts={_HIDDEN: "return x + self.down(F.gelu(self.up(norm(x))))"}),
    Edit("silu", texts={_HIDDEN: "return x + self.down(F.silu(self.up(norm(x))))"}),
    Edit("plain relu", texts={_HIDDEN: "return x + self.down(F.relu(self.up(norm(x))))"}),
    Edit("leaky relu squared", texts={"F.relu(self.up": "F.leaky_relu(self.up"}),
    Edit("relu cubed", texts={"self.down(hidden * hidden)": "self.down(hidden * hidden * hidden)"}),
    Edit("no value embeddings", texts={_VALUE: "False:  # 0 to 2"}),
    Edit("value embedding ungated", texts={
        "share = 2 * torch.sigmoid": "share = 1 + 0 * torch.sigmoid",
    }),
    Edit("no norm of queries and keys", texts={
        _QUERY: "q = rotate(self.query(x).view(split), cos, sin)",
        _KEY: "k = rotate(self.key(x).view(split), cos, sin)",
    }),
    Edit("norm before rotary", texts={
        _QUERY: "q = rotate(norm(self.query(x).view(split)), cos, sin)",
        _KEY: "k = rotate(norm(self.key(x).view(split)), cos, sin)",
    }),
    Edit("sharper attention", texts={_QUERY: f"{_QUERY} * 1.3"}),
    Edit("much sharper attention", texts={_QUERY: f"{_QUERY} * 2.5"}),
    Edit("BUG rotary on queries only", texts={_KEY: "k = norm(self.key(x).view(split))"}),
    Edit("BUG no rotary", texts={
        _QUERY: "q = norm(self.query(x).view(split))", _KEY: "k = norm(self.key(x).view(split))",
    }),
    Edit("BUG attention scale 1 / d", texts={_QUERY: f"{_QUERY} * self.out.in_features**-0.5"}),
    Edit("BUG no final norm", texts={
        "return norm(x)\n\n    def logits": "return x\n\n    def logits",
    }),
    Edit("norm after attention too", texts={
        _BLOCKS: "x = x + norm(self.attention(norm(x), tokens, cos, sin, attend))",
    }),
    Edit("attention and MLP side by side", texts={
        f"{_BLOCKS}\n        hidden = F.relu(self.up(norm(x)))\n        return x + self.down":
        "seen = norm(x)\n        hidden = F.relu(self.up(seen))\n"
        "        x = x + self.attention(seen, tokens, cos, sin, attend)\n"
        "        return x + self.down",
    }),
    Edit("no token embedding in the stream", texts={
        "x = self.stream_scales[layer].to(kind) * x + self.x0_scales[layer].to(kind) * x0":
        "x = self.stream_scales[layer].to(kind) * x + 0 * self.x0_scales[layer].to(kind)",
    }),
    Edit("value embeddings in every layer", texts={
        "if (shape.depth - layer) % 2:": "if shape.depth > layer:",
    }),
    Edit("previous token mixed in", texts={
        "x = x0 = norm(self.embed(tokens).to(kind))":
        "first = self.embed(tokens).to(kind)\n"
        "        x = x0 = norm(first + 0.3 * F.pad(first, (0, 0, 1, -1)))",
    }),
    Edit("previous token mixed into keys", texts={
        _KEY: "key = self.key(x)\n        key = key + 0.5 * F.pad(key, (0, 0, 1, -1))\n"
        "        k = norm(rotate(key.view(split), cos, sin))",
    }),
)  # fmt: skip

# What early stopping leaves alone: another schedule, optimizer, batch or loss. To see what it is
# spared.
STEERING = (
    _sets(MUON_STEPS=2),
    Edit("dropout 0.1 in the MLP", texts={
        "return x + self.down(hidden * hidden)":
        "return x + F.dropout(self.down(hidden * hidden), 0.1, self.training)",
    }),
    Edit("unembedding starts larger", texts={"scale=0.001 * shape": "scale=0.02 * shape"}),
    _sets(WARMDOWN_RATIO=0.0),
    _sets(WARMDOWN_RATIO=0.3),
    _sets(WARMDOWN_RATIO=1.0),
    _sets(WARMUP_RATIO=0.2),
    _sets(MATRIX_LR=0.02),
    _sets(MATRIX_LR=0.08),
    _sets(EMBEDDING_LR=0.1),
    _sets(EMBEDDING_LR=1.0),
    _sets(TOTAL_BATCH_SIZE=1024, DEVICE_BATCH_SIZE=8),
    _sets(TOTAL_BATCH_SIZE=4096, DEVICE_BATCH_SIZE=32),
    _sets(SOFTCAP=0.0),
    _sets(MUON_MOMENTUM=0.85),
    _sets(ADAM_BETA2=0.99),
)  # fmt: skip
