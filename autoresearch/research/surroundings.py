"""What a study's corpus is, and what compiles here, as a brief tells it; looked at for each run."""

import importlib.util
import shutil

from autoresearch.corpus import Corpus, Split

_COMPILERS = ("c++", "g++", "clang++")


def surroundings(corpus: Corpus, device: str) -> dict[str, int | bool]:
    """Return the size of the training text, and whether `torch.compile` has what it needs."""
    train = corpus.counts[Split.TRAIN]
    sizes = {"documents": train.documents, "bytes": train.bytes, "tokens": train.tokens}
    return {**sizes, "compiles": compiles(device)}


def compiles(device: str) -> bool:
    """Return whether `torch.compile` has what it needs: a compiler, on CUDA also Triton."""
    found = any(map(shutil.which, _COMPILERS))
    return found and (device == "cpu" or importlib.util.find_spec("triton") is not None)
