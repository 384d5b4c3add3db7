"""What only a card can tell, in one command of at most ten minutes.

    python benchmarks/gpu_night.py [--profile NAME] [--beside PATH] [--minutes 10] [--seconds 60]
                                   [--text PATH] [--out FOLDER] [--device cuda]

Probes the machine, trains three trials through the real worker, scores them sealed and promotes
one, measures tokens/s and MFU (`gpu.py`; `--beside PATH` is another train.py on the same text), and
asks the trained model how far its predictions hold when they are made another way. Each line of the
results says what was expected. They are written after every step, into a file with the machine's
name: what a lost machine has told is not lost with it. A step for which no time is left is named.

It needs this repository, its requirements and a PyTorch for the card; the text is the running
Python's own source. `--device cpu --seconds 3` shows that it runs, at the CPU profile's size.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import gpu
from real_night import TAG, PatchFile, RealNight, machine, write_patches

from autoresearch import policy, scaffold
from autoresearch.patching import set_constants
from autoresearch.records.hardware import Hardware
from autoresearch.records.tables import Trial

RESULTS = Path(__file__).parent / "results"
PROBES = Path(__file__).parent / "gpu_probes.py"
TOLD = "session.facts({"
COUNTED = 'session.facts({"cards_in_sight": torch.cuda.device_count(), '
RIGHT_LR = "0.04"  # of matrices, in the template
SLOW = {"MATRIX_LR": 0.0004, "EMBEDDING_LR": 0.008}  # so much too low that the patch is a keep
SPARE = 45.0  # seconds that a training takes beside its budget: compiling, scoring


@dataclass(frozen=True)
class Line:
    """One thing found; `good` is whether it is as expected, None where nothing was."""

    what: str
    found: str
    expected: str = ""
    good: bool | None = None

    def __str__(self) -> str:
        mark = {True: "yes", False: "**no**", None: ""}[self.good]
        cells = (self.what, self.found, self.expected, mark)
        return f"| {' | '.join(' '.join(each.replace('|', '/').split()) for each in cells)} |"


class Report:
    """The file of results, written anew with every step."""

    def __init__(self, path: Path, title: str) -> None:
        self.path, self.title, self.lines = path, title, list[Line]()

    def add(self, step: str, lines: Iterator[Line]) -> None:
        """Do a step and write what it finds, up to where it fails."""
        began = time.monotonic()
        try:
            for line in lines:
                self._write(line)
        except (Exception, SystemExit) as fault:  # noqa: BLE001 - the other steps are to be done
            self._write(
                Line(step, f"{type(fault).__name__}: {fault}"[:300], "no failure", good=False)
            )
        self._write(Line(f"{step}: seconds", f"{time.monotonic() - began:.0f}"))

    def _write(self, line: Line) -> None:
        self.lines.append(line)
        print(line, flush=True)
        head = [
            f"# {self.title}",
            "",
            "| What | Found | Expected | As expected |",
            "|---|---|---|---|",
        ]
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text("\n".join([*head, *map(str, self.lines), ""]))


class Night:
    """The steps, in the order of what they are worth where time runs out."""

    def __init__(self, options: argparse.Namespace, place: Path) -> None:
        self.options, self.place, self.began = options, place, time.monotonic()
        self.profile = options.profile or scaffold.detect_profile().profile
        self.night: RealNight | None = None
        self.figures: dict[str, dict[str, Any]] = {}

    def steps(self) -> Iterator[tuple[str, float, Callable[[], Iterator[Line]]]]:
        """Yield each step with the seconds that it needs at least."""
        training = self.options.seconds + (0 if self.options.device == "cpu" else SPARE)
        yield "machine", 0, self.machine
        yield "project", 30, self.project
        yield "doctor", 10, self.doctor
        yield "trials", 3 * training, self.trials
        yield "promote", 20, self.promote
        yield "speed", training / 2, lambda: self.speed("template", gpu.TEMPLATE / "train.py")
        if self.options.beside:
            yield (
                "beside",
                training / 2,
                lambda: self.speed("beside", self.options.beside.resolve()),
            )
        yield "probes", 60, self.probes

    def run(self, report: Report) -> None:
        """Do what there is time for."""
        for name, needs, step in self.steps():
            left = self.began + 60 * self.options.minutes - time.monotonic()
            if left < needs:
                report.add(name, iter([Line(name, f"left out: {left:.0f} s are too few")]))
            else:
                report.add(name, step())

    def machine(self) -> Iterator[Line]:
        """Name the machine, and what `init` would choose for it."""
        yield Line("machine", machine())
        asked = "name,driver_version,memory.total,compute_cap,power.limit"
        command = ["nvidia-smi", f"--query-gpu={asked}", "--format=csv,noheader"]
        try:
            cards = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        except (OSError, subprocess.CalledProcessError) as fault:
            cards = f"nvidia-smi: {fault}"
        yield Line("cards: name, driver, memory, capability, power", cards.strip())
        found = scaffold.detect_profile()
        said = f"{found.profile} {found.reason}".strip()
        good = found.profile == self.profile
        yield Line("profile that `init` chooses", said, self.profile, good=good)

    def project(self) -> Iterator[Line]:
        """Make a project whose baseline learns too slowly, and prepare its text."""
        train = scaffold.render("gpt", self.profile)["train.py"].replace(TOLD, COUNTED)
        settings = {"# replicates = 2": "replicates = 1"}
        text = str(self.options.text)
        self.night = RealNight(self.place, set_constants(train, SLOW), text, self.profile, settings)
        self.patches = write_patches(
            self.place / "patches",
            [PatchFile("rates", "Rates that are not too low", set_constants(train, SLOW), train)],
        )
        yield Line("project", f"profile {self.profile}")

    def doctor(self) -> Iterator[Line]:
        """Ask `doctor`, which looks into the sandbox too."""
        assert self.night is not None
        self.night.act("doctor")
        yield Line("doctor", "ends with 0", "ends with 0", good=True)

    def trials(self) -> Iterator[Line]:
        """Train the baseline and the patch, in three trials at least, and look at their rows."""
        assert self.night is not None
        words = ["--experiments", "2", "--confirm-share", "0", "--tag", TAG]
        hours = str(4 * (self.options.seconds + SPARE) / 3600)
        self.night.act(
            "run",
            "--proposer",
            self.patches,
            "--budget",
            f"{self.options.seconds:g}s",
            "--hours",
            hours,
            *words,
        )
        rows = self.night.rows()
        found = [trial for _, trials in rows for trial in trials]
        yield Line("trials", str(len(found)), "3 or more", good=len(found) >= 3)
        verdicts = [f"{row.verdict}" for row, _ in rows]
        yield Line("verdicts", ", ".join(verdicts), "the patch a keep", good="keep" in verdicts[1:])
        for trial in found:
            yield from self._trial(trial)
        yield from self._study()
        if len(found) > 1:
            first, last = found[0].startup_seconds, found[-1].startup_seconds
            good = last < first if self.options.device == "cuda" else None  # CPUs compile nothing
            text, expected = f"{last:.1f} of {first:.1f} s", "less: what was compiled is kept"
            yield Line("start-up of the last trial, of the first's", text, expected, good=good)

    def _study(self) -> Iterator[Line]:
        """Tell what the baseline's scoring measured for the audit."""
        assert self.night is not None
        measured = self.night.study().allowance
        good = measured is not None and not policy.at_ceiling(measured)
        yield Line(
            "audit's tolerance, nats", str(measured), "measured, below the ceiling", good=good
        )

    def _trial(self, trial: Trial) -> Iterator[Line]:
        name, facts, budget = f"trial {trial.id}", trial.facts, self.options.seconds
        ended, trust, scoring = str(trial.ending), str(trial.trust), trial.scoring_seconds
        yield Line(f"{name}: ended", f"{ended} {trial.detail[:200]}", good=ended == "finished")
        yield Line(f"{name}: trust", trust, "sealed", good=trust == "sealed")
        yield Line(f"{name}: val_bpb, steps", f"{trial.val_bpb}, {trial.steps}")
        starting = f"{trial.startup_seconds:.1f}, {facts.get('warmup_seconds', 0):.1f}"
        yield Line(f"{name}: seconds of start-up, of them warming up", starting)
        yield Line(f"{name}: seconds of compiling", str(trial.compile_seconds))
        hardware = Hardware.of(trial.hardware)
        yield Line(f"{name}: hardware", str(hardware), "known", good=hardware is not None)
        expected = "under the training, of 30 seconds or more"
        good = scoring < budget if budget >= 30 else None
        yield Line(f"{name}: seconds of scoring", f"{scoring:.1f}", expected, good=good)
        good = trial.mismatch is not None
        yield Line(f"{name}: audit's mismatch, nats", str(trial.mismatch), "measured", good=good)
        attention = f"{facts.get('attention')}, {facts.get('rows_at_once')}"
        yield Line(f"{name}: attention, rows at once", attention)
        yield Line(f"{name}: peak memory, GiB", f"{trial.peak_memory / 2**30:.1f}")
        seen, one = str(facts.get("cards_in_sight")), "0" if self.options.device == "cpu" else "1"
        yield Line(f"{name}: cards in sight", seen, one, good=seen == one)

    def promote(self) -> Iterator[Line]:
        """Bring the kept experiment home, with its score on test."""
        assert self.night is not None
        kept = [row for row, _ in self.night.rows()[1:] if row.verdict == "keep"]
        self.night.act("promote", str(kept[0].id), "--force")
        mended = (self.night.root / "train.py").read_text()
        right = f"\nMATRIX_LR = {RIGHT_LR}\n" in mended
        yield Line(
            "promote", "train.py has the patch" if right else "no patch", "the patch", good=right
        )

    def probes(self) -> Iterator[Line]:
        """Ask a process of its own what holds on this card."""
        assert self.night is not None
        kept = sorted((self.night.root / ".autoresearch" / "checkpoints").glob("trial-*"))
        command = [
            sys.executable,
            str(PROBES),
            str(self.night.root),
            str(kept[-1]),
            self.options.device,
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        for line in done.stdout.splitlines():
            if line.startswith("{"):
                yield Line(**json.loads(line))
        if done.returncode:
            yield Line("probes", done.stderr.strip()[-300:], "exit code 0", good=False)

    def speed(self, label: str, train: Path) -> Iterator[Line]:
        """Train a file apart from any harness; one beside it has the same text."""
        text = self.place / "text"
        if not text.is_dir():
            text.mkdir()
            gpu.write_text(text, self.options.text, gpu.vocabulary_size(self.profile))
        values = {"profile": self.profile, "seed": 42, "seconds": self.options.seconds / 2}
        wanted = argparse.Namespace(**{**vars(self.options), **values})
        self.figures[label] = figures = asdict(gpu.train_apart(text, train, wanted))
        for name, value in figures.items():
            hoped = "35 or more at the gpu profile" if name == "mfu_percent" else ""
            yield Line(f"{label}: {name}", gpu.show(value), hoped)
        for name in ("tokens_per_second", "val_bpb") if label == "beside" else ():
            ratio = self.figures["template"][name] / figures[name]
            faster = name == "tokens_per_second"
            good, expected = (ratio >= 1, "1 or more") if faster else (ratio <= 1, "1 or less")
            yield Line(f"template, in its {name}", f"{ratio:.4f} times", expected, good=good)


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Return the command line's options."""
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n", maxsplit=1)[0])
    parser.add_argument("--profile", choices=gpu.profiles(), help="default: what `init` chooses")
    parser.add_argument("--beside", type=Path, metavar="PATH", help="another train.py")
    parser.add_argument("--minutes", type=float, default=10.0, help="at most, for everything")
    parser.add_argument("--seconds", type=float, default=60.0, help="of each trial")
    parser.add_argument("--text", type=Path, default=Path(sysconfig.get_path("stdlib")))
    parser.add_argument("--out", type=Path, default=RESULTS, help="where the results go")
    parser.add_argument("--device", default="cuda", choices=("cuda", "cpu"))
    return parser.parse_args(arguments)


def card_name(device: str) -> str:
    """Return the machine's name, for a file."""
    import torch  # noqa: PLC0415 - slow, and `--help` needs none

    if device == "cuda" and not torch.cuda.is_available():
        sys.exit("no CUDA device here: add --device cpu --profile cpu --seconds 3")
    return torch.cuda.get_device_name() if device == "cuda" else "cpu"


def main() -> int:
    """Do everything; exit with 1 where something was not as expected."""
    options = parse()
    name = card_name(options.device)
    path = options.out / f"gpu-night-{re.sub(r'[^a-z0-9]+', '-', name.lower())}.md"
    report = Report(path, f"A night on {name}")
    with tempfile.TemporaryDirectory(prefix="autoresearch-gpu-night-") as made:
        os.environ["AUTORESEARCH_HOME"] = str(Path(made) / "home")  # nothing is left behind
        Night(options, Path(made)).run(report)
    bad = sum(line.good is False for line in report.lines)
    print(f"{path}: {len(report.lines)} lines, {bad} not as expected")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
