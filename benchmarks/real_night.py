"""A project in a temporary folder, nights on it by the real command line, and trainings beside it.

What aa.py and planted_bugs.py share.
"""

import difflib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import psutil

from autoresearch import corpus as corpora
from autoresearch import sandbox as sandboxes
from autoresearch.config import load_settings
from autoresearch.config.project import find_project
from autoresearch.evaluation import Evaluator
from autoresearch.records.scores import Score
from autoresearch.records.tables import Experiment, Study, Trial
from autoresearch.records.values import Clock, Reading
from autoresearch.registry import Registry
from autoresearch.workers import Assignment, LocalWorker

ROOT = Path(__file__).parent.parent
TAG = "night"
_AUTHOR = {
    f"GIT_{who}_{what}": value
    for who in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "Benchmark"), ("EMAIL", "benchmark@example.org"))
}


class RealNight:
    """A project with this train.py and other lines of settings, and its study."""

    def __init__(
        self,
        place: Path,
        train: str,
        corpus: str = "stdlib",
        profile: str = "cpu",
        settings: Mapping[str, str] | None = None,
        template: str = "gpt",
    ) -> None:
        self.root = place / "project"
        named = ("--template", template, "--profile", profile)
        self.act("init", str(self.root), *named, here=place)
        begun = {name: (self.root / name).read_text() for name in ("train.py", "autoresearch.toml")}
        changed = {**begun, "train.py": train}
        for old, new in (settings or {}).items():
            changed["autoresearch.toml"] = changed["autoresearch.toml"].replace(old, new)
        if changed != begun:
            for name, text in changed.items():
                (self.root / name).write_text(text)
            self._git("commit", "--quiet", "--all", "--message", "Set the program to begin with")
        self.act("prepare", *(("--corpus", corpus) if corpus else ()))

    def act(self, *arguments: str, here: Path | None = None) -> None:
        """Run the command line; what it prints is shown.

        Raises:
            SystemExit: it failed.
        """
        command = [sys.executable, "-m", "autoresearch", *arguments]
        done = subprocess.run(command, cwd=here or self.root, env=_environment(), check=False)
        if done.returncode:
            raise SystemExit(f"autoresearch {arguments[0]} failed")

    def study(self) -> Study:
        """Return the study."""
        registry = Registry.open(find_project(self.root).registry)
        study = registry.study(TAG)
        registry.close()
        assert study is not None
        return study

    def rows(self) -> list[tuple[Experiment, list[Trial]]]:
        """Return the study's experiments with their trials, oldest first."""
        registry = Registry.open(find_project(self.root).registry)
        study = registry.study(TAG)
        assert study is not None
        found = [(row, registry.trials(row)) for row in registry.experiments(study)]
        registry.close()
        return found

    def incumbent(self) -> Experiment:
        """Return the study's incumbent."""
        registry = Registry.open(find_project(self.root).registry)
        study = registry.study(TAG)
        assert study is not None
        found = registry.incumbent(study)
        registry.close()
        assert found is not None
        return found

    def source(self, commit: str) -> str:
        """Return train.py of a commit."""
        return self._git("show", f"{commit}:train.py")

    def _git(self, *arguments: str) -> str:
        done = subprocess.run(
            ["git", *arguments], cwd=self.root, env=_environment(), check=True,
            capture_output=True, text=True,
        )  # fmt: skip
        return done.stdout


class Bench:
    """Trains and scores a source by itself, as a trial of the project would."""

    def __init__(self, night: RealNight, budget: float) -> None:
        self._night, self._budget = night, budget
        self._settings = load_settings(night.root / "autoresearch.toml")
        self._corpus = corpora.load(find_project(night.root).corpus_pointer)
        sandbox = sandboxes.detect(os.environ)
        self._worker = LocalWorker(sandbox)
        self._evaluator = Evaluator(
            self._settings.evaluation,
            sandbox=sandbox,
            limits=self._settings.limits(),
            device="cpu",
            tokenizer=self._corpus.tokenizer(),
            documents=self._corpus.val(),
        )

    def read(self, source: str, seed: int, clock: Clock = Clock.CPU) -> Reading:
        """Return what a training of this source reads.

        Raises:
            SystemExit: it came to no score.
        """
        with tempfile.TemporaryDirectory(prefix="autoresearch-bench-") as made:
            place = Path(made)
            tree, scratch = place / "tree", place / "scratch"
            tree.mkdir()
            scratch.mkdir()
            for name in ("prepare.py", "autoresearch.toml"):
                shutil.copy(self._night.root / name, tree)
            (tree / "train.py").write_text(source)
            outcome = self._worker.train(
                self._assignment(tree, scratch, seed, clock),
                on_point=lambda _: None,
                stop=lambda: False,
            )
            if outcome.checkpoint is None:
                raise SystemExit(f"a training failed: {outcome.ending}: {outcome.detail}")
            score = self._evaluator.score(tree, outcome.checkpoint, scratch)
        if not isinstance(score, Score):
            raise SystemExit(f"no score: {score.cause}: {score.reason}")
        return Reading(seed, score.bpb, outcome.steps)

    def _assignment(self, tree: Path, scratch: Path, seed: int, clock: Clock) -> Assignment:
        settings = self._settings
        return Assignment(
            tree=tree,
            scratch=scratch,
            entry=settings.target.entry,
            seed=seed,
            device="cpu",
            budget=replace(settings.budget(self._budget), clock=clock),
            limits=settings.limits(),
            train_files=self._corpus.train_files(),
            token_bytes=self._corpus.token_bytes,
        )


@dataclass(frozen=True)
class PatchFile:
    """A patch as a proposer of patches reads it."""

    name: str
    hypothesis: str
    before: str
    after: str


def write_patches(folder: Path, patches: Sequence[PatchFile]) -> str:
    """Write the files in this order and return the proposer's spec."""
    folder.mkdir()
    for number, each in enumerate(patches, 1):
        diff = lean_diff(each.before, each.after)
        path = folder / f"{number:02d}-{each.name}.patch"
        path.write_text(f"Subject: {each.hypothesis}\n\n{diff}")
    return f"patches:{folder}"


def lean_diff(before: str, after: str) -> str:
    """Return the diff of train.py with a line of context: what stands near may have changed."""
    old, new = before.splitlines(keepends=True), after.splitlines(keepends=True)
    return "".join(difflib.unified_diff(old, new, "a/train.py", "b/train.py", n=1))


@contextmanager
def place() -> Iterator[Path]:
    """Hold a temporary folder."""
    with tempfile.TemporaryDirectory(prefix="autoresearch-night-") as made:
        yield Path(made)


def machine() -> str:
    """Return the machine in a line."""
    import torch  # noqa: PLC0415 - slow, and the programs that ask have it anyway

    return (
        f"{platform.platform(terse=True)}, {psutil.cpu_count()} {platform.machine()} cores, "
        f"Python {platform.python_version()}, PyTorch {torch.__version__}"
    )


def _environment() -> Mapping[str, str]:
    return {**os.environ, **_AUTHOR, "PYTHONPATH": str(ROOT)}
