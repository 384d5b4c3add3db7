"""Data, tokenizer and evaluation for the stand-in. Run it once: `python prepare.py`."""

import math
import os
import random

# Fixed: the training file imports these and must not change them.
MAX_SEQ_LEN = 32
TIME_BUDGET = 0.2  # seconds of training, counted by the training itself
CACHE_DIR = os.path.join(os.path.expanduser("~"), ".cache", "autoresearch")
DATA_DIR = os.path.join(CACHE_DIR, "data")
TOKENIZER_DIR = os.path.join(CACHE_DIR, "tokenizer")
WORDS = "the model of a night reads and is read by no one but the clock".split()


class Tokenizer:
    """One token a character that was seen; a further one for all others."""

    def __init__(self, letters):
        self.numbers = {letter: number for number, letter in enumerate(letters)}
        self.vocab_size = len(letters) + 1

    @classmethod
    def from_directory(cls):
        with open(os.path.join(TOKENIZER_DIR, "letters.txt"), encoding="utf-8") as file:
            return cls(file.read())

    def encode(self, text):
        return [self.numbers.get(letter, self.vocab_size - 1) for letter in text]


def read_split(split):
    with open(os.path.join(DATA_DIR, f"{split}.txt"), encoding="utf-8") as file:
        return file.read()


def make_dataloader(tokenizer, rows):
    """Yield batches of rows of tokens for ever, and the number of the epoch."""
    tokens = tokenizer.encode(read_split("train"))
    epoch = 1
    while True:
        for start in range(0, len(tokens) - rows * MAX_SEQ_LEN, rows * MAX_SEQ_LEN):
            at = [start + row * MAX_SEQ_LEN for row in range(rows)]
            yield [tokens[each : each + MAX_SEQ_LEN] for each in at], epoch
        epoch += 1


def evaluate_bpb(model, tokenizer):
    """Return the bits that the model needs for a byte of the validation text."""
    text = read_split("val")
    tokens = tokenizer.encode(text)
    bits = sum(-math.log2(model.chance(tokens[:at], each)) for at, each in enumerate(tokens))
    return bits / len(text.encode("utf-8"))


def main():
    for folder in (DATA_DIR, TOKENIZER_DIR):
        os.makedirs(folder, exist_ok=True)
    draw = random.Random(1)
    for split, size in (("train", 4000), ("val", 200)):
        with open(os.path.join(DATA_DIR, f"{split}.txt"), "w", encoding="utf-8") as file:
            file.write(" ".join(draw.choice(WORDS) for _ in range(size)))
    with open(os.path.join(TOKENIZER_DIR, "letters.txt"), "w", encoding="utf-8") as file:
        file.write("".join(sorted(set(" ".join(WORDS)))))
    print(f"Data: {DATA_DIR}")


if __name__ == "__main__":
    main()
