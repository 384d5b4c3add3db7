"""What the rules about noise are worth: documents, drift, and what a study can see.

    python benchmarks/noise.py [--trials N] [--write]

Three tables from simulations with the policy's real code: how often the error from the choice of
documents covers the truth; how often a machine that did not change is accused of it, and one that
did is found out; and which gains a study can confirm. With --write they go into results/noise.md.
"""

import argparse
import math
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from autoresearch import policy
from autoresearch.policy.noise import CPU, GPU, NoisePrior
from autoresearch.records.values import Reading

HERE = Path(__file__).parent
TRUE = -0.01  # bpb that the text as a whole gains in the table of documents
CODES = 12  # experiments that were trained on two seeds, the baseline among them
SPEEDS = (1.0, 0.98, 0.95, 0.90, 0.82)


def documents(trials: int) -> Iterator[str]:
    """Yield how often one and two standard errors cover what the whole text gains."""
    yield "| val documents | standard error, bpb | truth within 1 | truth within 2 |"
    yield "|---|---|---|---|"
    draw = np.random.default_rng(1)
    for count in (35, 100, 305, 1000):
        errors, near, nearer = [], 0, 0
        for _ in range(trials):
            found = _val_set(draw, count)
            assert found.error is not None
            errors.append(found.error)
            near += abs(found.bpb - TRUE) < 2 * found.error
            nearer += abs(found.bpb - TRUE) < found.error
        yield (f"| {count} | {np.mean(errors):.4f} | {nearer / trials:.0%} | {near / trials:.0%} |")


def _val_set(draw: np.random.Generator, count: int) -> policy.ByDocument:
    """Return what one choice of documents says; sizes are log-normal, changes have heavy tails."""
    sizes = np.exp(draw.normal(8.5, 1.0, count)).astype(int) + 200
    change = (TRUE + 0.02 * draw.standard_t(4, count)) * sizes
    found = policy.by_document({1: change.tolist()}, {1: [0.0] * count}, sizes.tolist())
    assert found is not None
    return found


def drift(trials: int) -> Iterator[str]:
    """Yield how often a check alarms, by how fast the machine has become."""
    names = " | ".join("as before" if each == 1 else f"{each:.2f} x" for each in SPEEDS)
    yield f"| machine | noise, times the usual | {names} |"
    yield "|---|---|" + "---|" * len(SPEEDS)
    for name, usual in (("CPU", CPU), ("GPU", GPU)):
        for times in (0.5, 1.0, 2.0):
            rates = [_alarms(usual, times, speed, trials) for speed in SPEEDS]
            yield f"| {name} | {times:g} | " + " | ".join(f"{each:.1%}" for each in rates) + " |"


def _alarms(usual: NoisePrior, times: float, speed: float, trials: int) -> float:
    draw = np.random.default_rng(2)
    machine = _Machine(usual, times, draw)
    alarms = 0
    for at in range(trials):
        if at % 10 == 0:  # a study's noise is learned once and used for several checks
            noise = policy.noise(machine.study(), usual)
        then, again = machine.train(0.0), machine.train(math.log(speed))
        alarms += policy.drift(again, then, noise).changed
    return alarms / trials


class _Machine:
    """Trains a code of 1.9 bpb: `times` the usual noise, part of it through the steps taken."""

    def __init__(self, usual: NoisePrior, times: float, draw: np.random.Generator) -> None:
        self._usual, self._draw = usual, draw
        self._speed = times * usual.speed / 2
        own = (times * usual.pair) ** 2 / 2
        self._trial = math.sqrt(max(own - (usual.slope * self._speed) ** 2, own / 10))

    def train(self, slower: float, seed: int = 1, offset: float = 0.0) -> Reading:
        """Return a reading; `slower` is ln of how fast the machine is."""
        logs = slower + self._speed * self._draw.normal()
        bpb = 1.9 + offset + self._usual.slope * logs + self._trial * self._draw.normal()
        return Reading(seed, bpb, round(3000 * math.exp(logs)))

    def study(self) -> dict[int, list[Reading]]:
        """Return the readings from which a study learns its noise."""
        offsets = self._usual.seed * self._draw.normal(size=3)
        seeds = [(1, 2) if code % 2 else (2, 3) for code in range(CODES)]
        return {
            code: [self.train(0.0, seed, offsets[seed - 1]) for seed in pair]
            for code, pair in enumerate(seeds)
        }


def sight() -> Iterator[str]:
    """Yield which gains six pairs confirm, by the noise of a pair's difference."""
    yield "| machine | a pair's noise, bpb | smallest gain | of the ideas that work | in a night |"
    yield "|---|---|---|---|---|"
    for name, scale in (("CPU", policy.CPU_SCALE), ("GPU", policy.GPU_SCALE)):
        usual = scale.noise
        for times in (0.5, 1.0, 2.0, 3.0, 4.0):
            known = policy.Noise(seed=usual.seed, pair=times * usual.pair, pair_repeats=8)
            found = policy.power(known, scale)
            blind = " (blind)" if found.is_too_low else ""
            yield (
                f"| {name} | {found.pair:.4f} | {found.gain:.4f} | {found.share:.0%} "
                f"| {found.expected:.1f}{blind} |"
            )


def main() -> None:
    """Print the tables, and write them where that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--trials", type=int, default=20_000)
    parser.add_argument("--write", action="store_true")
    asked = parser.parse_args()
    began = time.process_time()
    tables = (
        ("The error that the choice of documents leaves", documents(asked.trials // 10)),
        ("A check for drift: how often it alarms", drift(asked.trials)),
        ("What six pairs confirm", sight()),
    )
    text = "\n".join(line for title, rows in tables for line in (f"\n### {title}\n", *rows))
    took = time.process_time() - began
    head = f"`python benchmarks/noise.py --trials {asked.trials} --write` ({took:.0f} CPU seconds)"
    print(text)
    if asked.write:
        page = f"# Noise\n\n{head}; what is simulated is said in the script.\n{text}\n"
        (HERE / "results" / "noise.md").write_text(page, "utf-8")


if __name__ == "__main__":
    main()
