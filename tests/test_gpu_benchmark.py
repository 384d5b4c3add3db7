"""The GPU benchmarks on the CPU: figures, ratios, refusals, probes, and the night as a program."""

import argparse
import importlib
import re
import runpy
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from autoresearch.scaffold import template_directory

sys.path.insert(0, str(Path(__file__).parent.parent / "benchmarks"))

import gpu
import gpu_night
import gpu_probes

BENCHMARK = Path(__file__).parent.parent / "benchmarks" / "gpu.py"
NIGHT = BENCHMARK.with_name("gpu_night.py")


def run(*arguments: str, program: Path = BENCHMARK) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(program), *arguments], capture_output=True, text=True, check=False
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


# --- the night


@pytest.mark.thorough  # six trainings; its steps and probes are below
def test_a_night_runs_at_toy_size_and_all_is_as_expected(tmp_path: Path) -> None:
    done = run(
        "--text", str(some_text(tmp_path)), "--seconds", "2", "--device", "cpu", "--profile", "cpu",
        "--beside", str(template_directory("gpt") / "train.py"), "--out", str(tmp_path / "results"),
        program=NIGHT,
    )  # fmt: skip
    said = (tmp_path / "results" / "gpu-night-cpu.md").read_text()
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in said.splitlines()[4:]]
    found = {row[0]: row for row in rows}
    ratios = {name for name in found if name.startswith("template, in its")}
    bad = [row for row in rows if row[3] == "**no**" and row[0] not in ratios]  # of one file, noise
    assert bad == [], done.stdout + done.stderr
    assert len(ratios) == 2
    for name in ("verdicts", "promote", "trial 3: trust", "noise of predictions made alone, nats"):
        assert found[name][3] == "yes"


def options(**values: object) -> argparse.Namespace:
    return argparse.Namespace(**{**vars(gpu_night.parse(["--device", "cpu"])), **values})


def test_a_step_that_fails_is_a_line_and_what_was_found_before_it_stays(tmp_path: Path) -> None:
    report = gpu_night.Report(tmp_path / "new" / "night.md", "A night on a card")

    def broken() -> Iterator[gpu_night.Line]:
        yield gpu_night.Line("first", "found | so\n", "as much", good=True)
        raise SystemExit("the machine went")

    report.add("step", broken())
    lines = report.path.read_text().splitlines()
    assert lines[0] == "# A night on a card"
    assert "| first | found / so | as much | yes |" in lines
    assert "| step | SystemExit: the machine went | no failure | **no** |" in lines
    assert lines[-1].startswith("| step: seconds |")


def test_what_no_time_is_left_for_is_named(tmp_path: Path, monkeypatch: Any) -> None:
    night = gpu_night.Night(options(minutes=0.2, profile="cpu", beside=None), tmp_path)
    monkeypatch.setattr(night, "machine", lambda: iter([gpu_night.Line("machine", "a toy")]))
    report = gpu_night.Report(tmp_path / "night.md", "A night")
    for name in ("doctor", "project"):
        monkeypatch.setattr(night, name, lambda: iter([]))
    night.run(report)
    found = {line.what: line.found for line in report.lines}
    assert found["machine"] == "a toy"
    assert "left out" in found["trials"]
    assert "left out" in found["speed"]


def test_the_patch_of_the_night_makes_the_profile_s_own_program() -> None:
    source = (template_directory("gpt") / "train.py").read_text()
    assert source.count(gpu_night.TOLD) == 1
    assert re.search(rf"(?m)^MATRIX_LR = {gpu_night.RIGHT_LR}", source)


def test_probes_find_the_cpu_as_it_is(tmp_path: Path, monkeypatch: Any) -> None:
    gpu.write_project(tmp_path, template_directory("gpt") / "train.py", "cpu")
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in ("train", "prepare"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    train, device = importlib.import_module("train"), torch.device("cpu")
    lines = [*gpu_probes.numbers(train, device), *gpu_probes.attentions(train, device)]
    lines += gpu_probes.exhaustion(device)
    lines += gpu_probes.fewer_rows(train, device)
    assert [line["good"] for line in lines] == [True] * 4
    assert lines[-1]["found"] == "2, 4 times"
    monkeypatch.setattr(train, "sdpa", lambda q, k, v, window: q)
    assert [line["good"] for line in gpu_probes.attentions(train, device)] == [True]
    monkeypatch.setattr(train, "attentions", lambda *_: [("wrong", lambda q, k, v, window: q + 1)])
    assert [line["good"] for line in gpu_probes.attentions(train, device)] == [False]
    for name in ("train", "prepare"):
        sys.modules.pop(name, None)
