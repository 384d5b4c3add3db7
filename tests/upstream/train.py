"""A model of characters that trains by counting, for a fixed time of its own clock.

Usage: python train.py
"""

import time
from collections import Counter

from prepare import TIME_BUDGET, Tokenizer, evaluate_bpb, make_dataloader

DEPTH = 1  # characters that a prediction depends on
SMOOTHING = 20.0  # counts that every character has beforehand
DEVICE_BATCH_SIZE = 8  # rows of a step
WARMUP_STEPS = 10  # steps that the clock does not count


class Counts:
    """How often a character followed the last DEPTH ones."""

    def __init__(self, vocab_size):
        self.vocab_size = vocab_size
        self.pairs, self.totals = Counter(), Counter()

    def learn(self, row):
        for at in range(DEPTH, len(row)):
            before = tuple(row[at - DEPTH : at])
            self.pairs[before, row[at]] += 1
            self.totals[before] += 1

    def chance(self, before, token):
        last = tuple(before[len(before) - DEPTH :]) if DEPTH else ()
        whole = self.totals[last] + SMOOTHING * self.vocab_size
        return (self.pairs[last, token] + SMOOTHING) / whole


t_start = time.time()
tokenizer = Tokenizer.from_directory()
model = Counts(tokenizer.vocab_size)
loader = make_dataloader(tokenizer, DEVICE_BATCH_SIZE)
print(f"Vocab size: {tokenizer.vocab_size:,}")
print(f"Time budget: {TIME_BUDGET}s")

step, training_time = 0, 0.0
while step <= WARMUP_STEPS or training_time < TIME_BUDGET:
    t0 = time.time()
    rows, epoch = next(loader)
    for row in rows:
        model.learn(row)
    if step > WARMUP_STEPS:
        training_time += time.time() - t0
    if step % 50 == 0:
        print(f"\rstep {step:05d} | epoch: {epoch} | {training_time:.2f}s  ", end="", flush=True)
    step += 1
print()

val_bpb = evaluate_bpb(model, tokenizer)

print("---")
print(f"val_bpb:          {val_bpb:.6f}")
print(f"training_seconds: {training_time:.1f}")
print(f"total_seconds:    {time.time() - t_start:.1f}")
print(f"peak_vram_mb:     {0.0:.1f}")
print(f"num_steps:        {step}")
print(f"depth:            {DEPTH}")
