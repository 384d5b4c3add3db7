"""The honest tree of the zoo: it counts pairs of tokens and predicts by the counts.

It runs as a train.py, in real trials and model servers. A patch of the zoo stands between this
text and its last two lines: what it defines again takes the place of what is here.
"""

import itertools
import json
import math
import time
from array import array
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from autoresearch.runtime import Session, TrainData, open_session

VOCAB = 257


def before(session: Session) -> None:
    """Do something before the data are there."""


def learn(session: Session, data: TrainData) -> Sequence[float]:
    """Return the table of logits [VOCAB * VOCAB]: how often a token follows a token."""
    counts = [0.1] * VOCAB**2
    for shard in data.shards():
        tokens = memoryview(shard).cast("H")
        for last, token in itertools.pairwise(tokens):
            counts[last * VOCAB + token] += 1
    session.log(step=1, loss=3.0, tokens=len(tokens))
    return [math.log(each) for each in counts]


def save(out: Path, table: Sequence[float]) -> None:
    """Write the checkpoint."""
    data = array("f", table).tobytes()
    tensor = {"dtype": "F32", "shape": [VOCAB, VOCAB], "data_offsets": [0, len(data)]}
    header = json.dumps({"table": tensor}).encode()
    parts = (len(header).to_bytes(8, "little"), header, data)
    (out / "model.safetensors").write_bytes(b"".join(parts))
    (out / "config.json").write_text("{}")


def after(session: Session) -> None:
    """Do something after the checkpoint is written, and before it is handed in."""


def later(session: Session) -> None:
    """Do something after it is handed in."""
    time.sleep(60)


def predict(table: Any, tokens: Any) -> Any:
    """Return logits [B, T, VOCAB] for tokens [B, T], given the table [VOCAB, VOCAB]."""
    return table[tokens]


def load_model(directory: Path, device: str) -> Any:
    """Return what predicts by the checkpoint's table."""
    import torch  # noqa: PLC0415 - the training needs none
    from safetensors.torch import load_file  # noqa: PLC0415 - the same

    class Model(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table = load_file(directory / "model.safetensors")["table"].to(device)

        def forward(self, tokens: Any) -> Any:
            return predict(self.table, tokens)

    return Model()


def main() -> None:
    """Train and hand in."""
    session = open_session()
    before(session)
    table = learn(session, session.start())
    save(session.out, table)
    after(session)
    session.finish()
    later(session)


if __name__ == "__main__":
    main()
