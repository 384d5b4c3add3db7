"""The corpus: text split once into train, val and test, tokenized, sealed and fingerprinted."""

from autoresearch.corpus.documents import Rules, Split
from autoresearch.corpus.manifest import Corpus, load, verify, write_pointer
from autoresearch.corpus.preparing import prepare
from autoresearch.corpus.shards import Counts
from autoresearch.corpus.tokenizer import Tokenizer

__all__ = [
    "Corpus",
    "Counts",
    "Rules",
    "Split",
    "Tokenizer",
    "load",
    "prepare",
    "verify",
    "write_pointer",
]
