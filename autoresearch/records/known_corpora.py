"""The corpora that have a name, as `prepare --corpus` takes it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class KnownCorpus:
    """What a name stands for. `dataset` is one of the Hugging Face hub; "": `corpus` knows it."""

    words: str
    dataset: str = ""


KNOWN_CORPORA = {
    "stdlib": KnownCorpus("the standard library's own source"),
    "climbmix": KnownCorpus("web text", "karpathy/climbmix-400b-shuffle"),
    "tinystories": KnownCorpus("short stories", "karpathy/tinystories-gpt4-clean"),
}
