"""The corpus: text split once into train, val and test, tokenized, sealed and fingerprinted."""

from autoresearch.corpus.bringing import Arrival, find, parts, portion
from autoresearch.corpus.checking import Doubt, doubts, verify, verify_changed
from autoresearch.corpus.documents import Rules, Split
from autoresearch.corpus.manifest import Corpus, load, write_pointer
from autoresearch.corpus.preparing import prepare
from autoresearch.corpus.shards import Counts
from autoresearch.corpus.tokenizer import Tokenizer

__all__ = [
    "Arrival", "Corpus", "Counts", "Doubt", "Rules", "Split", "Tokenizer", "doubts", "find",
    "load", "parts", "portion", "prepare", "verify", "verify_changed", "write_pointer",
]  # fmt: skip
