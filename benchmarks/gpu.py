"""How fast a train.py trains here, and how far it gets.

    python benchmarks/gpu.py [--text PATH] [--seconds 60] [--beside PATH] [--seed 42]
                             [--device cuda] [--profile gpu]

Trains the template at a profile on the given text (a file, or a folder of .txt, .md and .py; the
running Python's own source by default) and prints tokens/s, MFU, peak memory, start-up and compile
seconds, and val_bpb. `--beside PATH` trains another train.py on the same text in the same call,
in a process of its own, and prints the ratios. Nothing but PyTorch is needed: no registry, no
network, no tokenizer package. Text is cut into words by a vocabulary of the commonest ones, so
val_bpb compares runs of this benchmark with each other and with nothing else.
"""

import argparse
import array
import importlib
import json
import mmap
import os
import platform
import re
import resource
import subprocess
import sys
import sysconfig
import tempfile
import time
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from autoresearch.patching import set_constants  # noqa: E402 - needs the path above
from autoresearch.runtime import Session, TrainData  # noqa: E402 - needs the path above

TEMPLATE = ROOT / "templates" / "gpt"
SUFFIXES = (".txt", ".md", ".py")
DOCUMENT_BYTES = 16_384  # a file is cut into documents of about this size, at a line's end
VAL_BYTES = 1_000_000
WORDS = re.compile(rb" ?[A-Za-z]+| ?[0-9]{1,3}|\s+|[^\sA-Za-z0-9]")


@dataclass(frozen=True)
class Figures:
    """What one training came to; None where this machine cannot tell."""

    tokens_per_second: float
    mfu_percent: float | None
    peak_memory_gib: float
    startup_seconds: float
    compile_seconds: float
    val_bpb: float
    steps: int
    parameters: int
    attention: str
    machine: str


class Vocabulary:
    """A lossless tokenizer: the commonest words of a text, single bytes for the rest, BOS last."""

    def __init__(self, documents: list[bytes], size: int) -> None:
        counts = Counter(word for text in documents for word in WORDS.findall(text))
        common = sorted((word for word in counts if len(word) > 1), key=lambda w: (-counts[w], w))
        self._ids = {word: 256 + at for at, word in enumerate(common[: size - 257])}
        self.bos = size - 1

    def encode(self, text: bytes) -> list[int]:
        """Return the ids of a document, BOS first; their bytes concatenate to the text."""
        found = [self.bos]
        for word in WORDS.findall(text):
            known = self._ids.get(word)
            found += [known] if known is not None else word
        return found


class BenchSession(Session):
    """A session whose data are given and whose end hands in nothing."""

    launched = 0.0
    waited = 0.0

    def start(self) -> TrainData:
        """Note how long the start-up took, from the launch of the process on."""
        self.waited = time.monotonic() - self.launched
        return super().start()

    def finish(self) -> None:
        """Keep the model in memory: no file, so no safetensors package, is needed."""


def main() -> int:
    """Train one or two files and print what each came to."""
    options = parse()
    if options.child:
        return train_here(Path(options.child), options)
    columns = {"template": TEMPLATE / "train.py"}
    if options.beside:
        columns["beside"] = Path(options.beside).resolve()
    with tempfile.TemporaryDirectory(prefix="autoresearch-bench-") as name:
        place = Path(name)
        write_text(place, Path(options.text), vocabulary_size(options.profile))
        results = {label: train_apart(place, path, options) for label, path in columns.items()}
    report(results, options)
    return 0


def parse() -> argparse.Namespace:
    """Return the command line's options; `child` is how this file calls itself."""
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n", maxsplit=1)[0])
    parser.add_argument("--text", default=sysconfig.get_path("stdlib"))
    parser.add_argument("--seconds", type=float, default=60.0, help="of training, each")
    parser.add_argument("--beside", metavar="PATH", help="another train.py")
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--profile", default="gpu", choices=profiles())
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--launched", type=float, default=0.0, help=argparse.SUPPRESS)
    return parser.parse_args()


def profiles() -> list[str]:
    """Return the names of the template's profiles."""
    return [*tomllib.loads((TEMPLATE / "profiles.toml").read_text("utf-8"))]


def profile_values(profile: str) -> dict[str, dict[str, object]]:
    """Return what a profile changes: `train`, and the settings with their sections folded away."""
    found = tomllib.loads((TEMPLATE / "profiles.toml").read_text("utf-8"))[profile]
    settings = {k: v for section in found["settings"].values() for k, v in section.items()}
    return {"train": found["train"], "settings": settings}


def vocabulary_size(profile: str) -> int:
    """Return the number of tokens at a profile."""
    given = tomllib.loads((TEMPLATE / "autoresearch.toml").read_text("utf-8"))
    return int(
        str(profile_values(profile)["settings"].get("vocab_size", given["corpus"]["vocab_size"]))
    )


def documents(source: Path) -> Iterator[bytes]:
    """Yield the documents of a file or a folder, in the order of their paths."""
    paths = [source] if source.is_file() else sorted(source.rglob("*"))
    for path in paths:
        wanted = path == source or (path.suffix in SUFFIXES and "-packages" not in str(path))
        if wanted and path.is_file():
            lines, size = [], 0
            for line in path.read_bytes().splitlines(keepends=True):
                lines.append(line)
                size += len(line)
                if size >= DOCUMENT_BYTES:
                    yield b"".join(lines)
                    lines, size = [], 0
            if lines:
                yield b"".join(lines)


def write_text(place: Path, source: Path, vocab_size: int) -> None:
    """Write train.bin (uint16 or uint32 tokens) and val.json (ids and bytes of each document)."""
    texts = list(documents(source))
    held_out = texts[::20]
    del texts[::20]
    if not texts:
        sys.exit(f"{source} holds too little text: give a file, or a folder of {SUFFIXES}")
    vocabulary = Vocabulary(texts, vocab_size)
    tokens = array.array("H" if vocab_size <= 2**16 else "I")
    for text in texts:
        tokens.extend(vocabulary.encode(text))
    (place / "00000.bin").write_bytes(tokens.tobytes())
    val, size = [], 0
    for text in held_out:
        if size < VAL_BYTES:
            val.append((vocabulary.encode(text), len(text)))
            size += len(text)
    (place / "val.json").write_text(json.dumps({"bytes": tokens.itemsize, "documents": val}))


def train_apart(place: Path, train: Path, options: argparse.Namespace) -> Figures:
    """Train one file in a process of its own."""
    with tempfile.TemporaryDirectory(dir=place) as name:
        project = Path(name)
        write_project(project, train, options.profile)
        command = [sys.executable, __file__, "--child", name, "--launched", str(time.monotonic())]
        for flag in ("seconds", "seed", "device", "profile"):
            command += [f"--{flag}", str(getattr(options, flag))]
        done = subprocess.run(command, cwd=project, stdout=sys.stderr, check=False)
        if done.returncode != 0:
            sys.exit(f"{train} failed with code {done.returncode}: see above")
        return Figures(**json.loads((project / "figures.json").read_text()))


def write_project(project: Path, train: Path, profile: str) -> None:
    """Write train.py, prepare.py and the settings at a profile."""
    values = profile_values(profile)
    source = train.read_text("utf-8")
    known = {k: v for k, v in values["train"].items() if re.search(rf"(?m)^{k} = ", source)}
    (project / "train.py").write_text(set_constants(source, known), "utf-8")  # type: ignore[arg-type] # TOML gives numbers and text
    (project / "prepare.py").write_bytes((TEMPLATE / "prepare.py").read_bytes())
    settings = (TEMPLATE / "autoresearch.toml").read_text("utf-8")
    for key, value in values["settings"].items():
        settings = re.sub(rf"(?m)^{key} = [^#\n]*", f"{key} = {json.dumps(value)} ", settings)
    (project / "autoresearch.toml").write_text(settings, "utf-8")


def train_here(project: Path, options: argparse.Namespace) -> int:
    """Train in this process, score the model in memory and write figures.json."""
    sys.path.insert(0, str(project))
    import torch  # noqa: PLC0415 - the parent process has no need of it

    prepare, train = (importlib.import_module(name) for name in ("prepare", "train"))
    if not (options.device == "cpu" or torch.cuda.is_available()):
        sys.exit("no CUDA device here: add --device cpu --profile cpu")
    text = json.loads((project.parent / "val.json").read_text())
    session = new_session(project, options, prepare.SETTINGS, text["bytes"])
    vars(train)["save_checkpoint"] = lambda _model, _directory: None
    model, stats = train.main(session)
    val_bpb = prepare.evaluate_bpb(model, text["documents"], options.device)
    speed = stats.tokens / stats.training_seconds
    peak = prepare.peak_flops(options.device)
    cuda = options.device == "cuda"
    resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    figures = Figures(
        tokens_per_second=speed,
        mfu_percent=100 * speed * stats.flops_per_token / peak if peak else None,
        peak_memory_gib=(stats.peak_vram_bytes if cuda else resident) / 2**30,
        startup_seconds=session.waited,
        compile_seconds=stats.warmup_seconds,
        val_bpb=val_bpb,
        steps=stats.steps,
        parameters=stats.num_params,
        attention=stats.attention,
        machine=f"{torch.cuda.get_device_name() if cuda else platform.processor() or 'CPU'}, "
        f"torch {torch.__version__}, Python {platform.python_version()}",
    )
    (project / "figures.json").write_text(json.dumps(asdict(figures)))
    return 0


def new_session(
    project: Path, options: argparse.Namespace, settings: Mapping[str, Mapping[str, str]], size: int
) -> BenchSession:
    """Return a session over the text beside the project, on the profile's clock."""

    def hand_over() -> TrainData:
        descriptor = os.open(project.parent / "00000.bin", os.O_RDONLY)
        shard = mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ)
        os.close(descriptor)
        return TrainData({"00000.bin": shard}, size)

    session = BenchSession(
        seed=options.seed,
        budget=options.seconds,
        clock=settings["training"]["clock"],
        device=options.device,
        out=project,
        _hand_over=hand_over,
        _send=lambda _message: None,
        _metric=lambda _metric: None,
    )
    session.launched = options.launched
    return session


def report(results: Mapping[str, Figures], options: argparse.Namespace) -> None:
    """Print one line a figure, one column a train.py, and the ratio of two."""
    first, *others = results.values()
    print(f"{first.machine}; {options.seconds:g} s at the {options.profile} profile")
    print(
        f"{'':<20}"
        + "".join(f"{label:>18}" for label in results)
        + ("  beside/template" * len(others))
    )
    for each in fields(Figures)[:-1]:
        values = [getattr(figures, each.name) for figures in results.values()]
        line = f"{each.name:<20}" + "".join(f"{show(value):>18}" for value in values)
        if len(values) == 2 and all(isinstance(value, int | float) and value for value in values):
            line += f"{values[1] / values[0]:>17.4f}"
        print(line)
    if first.mfu_percent is None:
        print("MFU is left out: this device is not in autoresearch/runtime/peaks.py")


def show(value: int | float | str | None) -> str:  # noqa: PYI041 - a whole number is shown as one
    """Return a figure as text: whole numbers with commas, others with four digits' worth."""
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.0f}" if value >= 1000 else f"{value:.4f}"
    return value or "n/a"


if __name__ == "__main__":
    sys.exit(main())
