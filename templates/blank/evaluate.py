"""How many pictures a trial read rightly. Fixed: no proposal may change it.

It reads answers, not a model: nothing that a trial left is executed here.
"""

import json
import os
from pathlib import Path

import numpy as np


def main() -> None:
    """Print the accuracy as one JSON object, with a unit for each picture: 1 right, 0 wrong."""
    split = os.environ["AUTORESEARCH_SPLIT"]
    labels = np.load(Path("data") / split / "labels.npy")
    answers = np.load(Path(os.environ["AUTORESEARCH_OUT"]) / f"{split}.npy", allow_pickle=False)
    if answers.shape != labels.shape:
        message = f"{split}.npy has the shape {answers.shape}, not {labels.shape}"
        raise SystemExit(message)
    right = (answers == labels).astype(float)
    print(json.dumps({"score": float(right.mean()), "units": right.tolist()}))


if __name__ == "__main__":
    main()
