"""Learn to read letters and digits, and say what the pictures of val and test show.

All of this file may change. What is left in AUTORESEARCH_OUT is scored by evaluate.py:
val.npy and test.npy, a label for each picture.
"""

import os
from pathlib import Path

import numpy as np

HIDDEN = 64
LEARNING_RATE = 0.1
MOMENTUM = 0.9
WEIGHT_DECAY = 1e-4
BATCH_SIZE = 64
EPOCHS = 20
CLASSES = 62

DATA = Path("data")
OUT = Path(os.environ.get("AUTORESEARCH_OUT", "out"))


def load(split: str) -> np.ndarray:
    """Return the pictures of a split as rows: (count, pixels), float32, 0 to 1."""
    images = np.load(DATA / split / "images.npy")
    return images.reshape(len(images), -1).astype(np.float32) / 255


class Network:
    """Two layers with ReLU between them, trained by momentum."""

    def __init__(self, pixels: int, rng: np.random.Generator) -> None:
        self.weights = [
            (rng.standard_normal((pixels, HIDDEN)) * (2 / pixels) ** 0.5).astype(np.float32),
            np.zeros(HIDDEN, np.float32),
            (rng.standard_normal((HIDDEN, CLASSES)) * (1 / HIDDEN) ** 0.5).astype(np.float32),
            np.zeros(CLASSES, np.float32),
        ]
        self.speeds = [np.zeros_like(each) for each in self.weights]

    def scores(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the hidden layer and a score for each class: (count, HIDDEN), (count, CLASSES)."""
        first, bias, second, shift = self.weights
        hidden = np.maximum(rows @ first + bias, 0)
        return hidden, hidden @ second + shift

    def step(self, rows: np.ndarray, labels: np.ndarray, rate: float) -> float:
        """Learn from a batch; return its mean loss in nats."""
        hidden, scores = self.scores(rows)
        scores -= scores.max(1, keepdims=True)
        chances = np.exp(scores)
        chances /= chances.sum(1, keepdims=True)
        right = np.arange(len(labels)), labels
        loss = -float(np.log(chances[right] + 1e-9).mean())
        chances[right] -= 1
        chances /= len(labels)
        back = (chances @ self.weights[2].T) * (hidden > 0)
        slopes = [rows.T @ back, back.sum(0), hidden.T @ chances, chances.sum(0)]
        for at, slope in enumerate(slopes):
            pull = rate * (slope + WEIGHT_DECAY * self.weights[at])
            self.speeds[at] = MOMENTUM * self.speeds[at] - pull
            self.weights[at] += self.speeds[at]
        return loss


def main() -> None:
    """Train, and write the answers."""
    rng = np.random.default_rng(int(os.environ.get("SEED", "0")))
    rows, labels = load("train"), np.load(DATA / "train" / "labels.npy")
    network = Network(rows.shape[1], rng)
    for epoch in range(EPOCHS):
        order = rng.permutation(len(rows))
        losses = [
            network.step(rows[batch], labels[batch], LEARNING_RATE)
            for batch in np.array_split(order, len(order) // BATCH_SIZE)
        ]
        print(f"epoch {epoch + 1}: loss {np.mean(losses):.4f}", flush=True)
    OUT.mkdir(exist_ok=True)
    for split in ("val", "test"):
        np.save(OUT / f"{split}.npy", network.scores(load(split))[1].argmax(1))


if __name__ == "__main__":
    main()
