"""What a study's scores rest on, written down with it: where that differs it does not go on."""

import hashlib
import importlib.util
import json
import shutil
from collections.abc import Mapping, Sequence

from autoresearch import patching
from autoresearch.config import Project
from autoresearch.errors import ProjectError
from autoresearch.execution import Task
from autoresearch.gitrepo import GitRepo
from autoresearch.records.hardware import MACHINE, Hardware
from autoresearch.records.tables import Study
from autoresearch.records.training import Budget
from autoresearch.records.values import Trust
from autoresearch.registry import Registry

_COMPILERS = ("c++", "g++", "clang++")


def comparability(
    project: Project,
    task: Task,
    budget: Budget,
    trust: Trust,
    fixed: str,
    hardware: Hardware,
) -> dict[str, str]:
    """Return what two scores must share to be compared at all; `fixed` is of `fixed_files`."""
    target = project.settings.target
    return {
        "entry": target.entry,
        "editable files": ", ".join(target.editable),
        "device": project.settings.training.device,
        **task.key,
        "budget": f"{budget.training:g} s",
        "clock": str(budget.clock),
        "threads": str(project.settings.training.threads),
        "trust": str(trust),
        "fixed files": fixed,
        **hardware.key,
    }


def is_begun(registry: Registry, study: Study) -> bool:
    """Return whether anything of a study is scored, or may be from where a killed run was."""
    return registry.incumbent(study) is not None or bool(registry.unfinished(study))


def on_this_machine(registry: Registry, study: Study, key: Mapping[str, str]) -> Study:
    """Return the study, not saved, with what its key does not say of the machine yet.

    Older versions wrote down less of it. Where nothing is scored, there is nothing that this
    machine's scores could not be compared with: then all of it is as it is now.
    """
    before: dict[str, str] = json.loads(study.comparability)
    machine = {name: key[name] for name in MACHINE if name in key}
    known = before | machine if not is_begun(registry, study) else machine | before
    return study.model_copy(update={"comparability": json.dumps(known, sort_keys=True)})


def fixed_files(repo: GitRepo, commit: str, editable: Sequence[str]) -> str:
    """Return a digest of the Python files that no proposal may change: prepare.py and its like.

    Raises:
        GitError: there is no such commit, or the project is not in it.
    """
    digest = hashlib.sha256()
    for path, text in sorted(repo.read_files(commit, ("**/*.py",)).items()):
        if not patching.matches(path, editable):
            digest.update(json.dumps([path, text]).encode())
    return digest.hexdigest()[:12]


def refuse_incomparable(study: Study, key: Mapping[str, str]) -> None:
    """Return if a study may go on under this key.

    Raises:
        ProjectError: its scores would not be comparable with those to come.
    """
    before: dict[str, str] = json.loads(study.comparability)
    for name, now in key.items():
        if before.get(name) != now:
            msg = (
                f"study {study.tag} was run with {name} {before.get(name)}, now it is {now}: "
                "scores would not be comparable; start a new study with --tag"
            )
            raise ProjectError(msg)


def run_facts(task: Task, device: str) -> dict[str, int | bool]:
    """Return what a run's briefs tell of what it trains on and with.

    They are the size of the training text, and whether `torch.compile` has what it needs here: a
    compiler, on CUDA also Triton.
    """
    found = any(map(shutil.which, _COMPILERS))
    compiles = found and (device == "cpu" or importlib.util.find_spec("triton") is not None)
    return {**task.facts, "compiles": compiles}
