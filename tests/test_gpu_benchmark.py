"""The GPU benchmark as a program, on the CPU: its figures, its ratios and its refusals."""

import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from autoresearch.scaffold import template_directory

BENCHMARK = Path(__file__).parent.parent / "benchmarks" / "gpu.py"


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(BENCHMARK), *arguments], capture_output=True, text=True, check=False
    )


def some_text(directory: Path) -> Path:
    path = directory / "text.txt"
    path.write_text("".join(f"line {n} says {n * n} and é\n" for n in range(20_000)))
    return path


@pytest.mark.thorough
def test_two_files_are_trained_on_one_text_and_compared(tmp_path: Path) -> None:
    other = tmp_path / "other.py"
    source = (template_directory("gpt") / "train.py").read_text()
    # What the evaluator needs is not what speed needs: here the package is not even there.
    other.write_text('import sys\nsys.modules["safetensors"] = None\n' + source)
    done = run(
        "--text", str(some_text(tmp_path)), "--seconds", "1.5", "--device", "cpu",
        "--profile", "cpu", "--beside", str(other),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    rows = dict(re.findall(r"(?m)^(\w+) +(.+)$", done.stdout))
    assert float(rows["tokens_per_second"].split()[0].replace(",", "")) > 1000
    assert rows["mfu_percent"].split() == ["n/a", "n/a"]
    assert "MFU is left out" in done.stdout
    bpb, beside, ratio = map(float, rows["val_bpb"].split())
    assert 0 < bpb < 5
    assert ratio == pytest.approx(beside / bpb, abs=1e-3)
    assert float(rows["startup_seconds"].split()[0]) > float(rows["compile_seconds"].split()[0])
    assert rows["attention"].split() == ["sdpa", "sdpa"]


@pytest.mark.skipif(torch.cuda.is_available(), reason="says what is missing only where it is")
@pytest.mark.thorough
def test_without_a_gpu_it_says_what_to_add(tmp_path: Path) -> None:
    done = run("--text", str(some_text(tmp_path)), "--seconds", "1")
    assert done.returncode == 1
    assert "add --device cpu --profile cpu" in done.stderr
    assert "Traceback" not in done.stderr


def test_too_little_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one line\n")
    done = run("--text", str(tmp_path), "--device", "cpu", "--profile", "cpu")
    assert (done.returncode, done.stdout) == (1, "")
    assert "too little text" in done.stderr


def test_the_tokenizer_loses_nothing() -> None:
    text = "naïve  café\r\n\tx = 12345 # ok\n\x00\n".encode() + b"\xff\xfe"
    vocabulary = runpy.run_path(str(BENCHMARK))["Vocabulary"]([text * 3, b"ok ok"], 270)
    back = {at: word for word, at in vocabulary._ids.items()} | {n: bytes([n]) for n in range(256)}
    ids = vocabulary.encode(text)
    assert ids[0] == vocabulary.bos == 269
    assert b"".join(back[each] for each in ids[1:]) == text
    assert max(ids[1:]) < 269
