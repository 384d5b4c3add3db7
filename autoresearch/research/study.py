"""Opening a study, continuing one, and putting both sides right after a kill."""

import json
import re
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from autoresearch.config import Project
from autoresearch.corpus import Split
from autoresearch.errors import BranchMovedError, GitError, UsageFault
from autoresearch.execution import Task
from autoresearch.gitrepo import NO_REF, GitRepo, default_tag
from autoresearch.process import remove
from autoresearch.records.hardware import Hardware
from autoresearch.records.tables import Study
from autoresearch.records.training import Budget
from autoresearch.records.values import ExperimentState, StudyState, Trust
from autoresearch.registry import Registry, refuse_imported
from autoresearch.registry.packing import pack_counts
from autoresearch.research.checkpoints import checkpoint_store_of, tidy
from autoresearch.research.conditions import (
    comparability,
    fixed_files,
    is_begun,
    on_this_machine,
    refuse_incomparable,
    run_facts,
)

_TAG = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_-]|\.(?!\.|lock$|$)){0,63}")
_SALT_BYTES = 16


def open_study(
    registry: Registry,
    repo: GitRepo,
    project: Project,
    task: Task,
    *,
    tag: str | None,
    budget: float | None,
    trust: Trust,
    hardware: Hardware,
) -> Study:
    """Return the study to work on: the one with this tag, the latest one, or a new one.

    Args:
        registry: where studies are.
        repo: the project's repository; a new study starts from its head.
        project: with its settings.
        task: what its trials learn from and are scored by.
        tag: None continues the latest study, or starts one named after today.
        budget: training seconds a trial; None takes the study's, or the settings'.
        trust: what this machine's sandbox promises.
        hardware: what trainings run on here.

    Raises:
        UsageFault: a bad tag.
        ProjectError: the study's scores would not be comparable.
        RegistryError: it was read from a file, not trained here.
        GitError: the tag's branch belongs to no study, a branch or ref of the person's is in the
            way of the study's, or there is nothing to start from.
    """
    found = registry.study(tag)
    if found:
        refuse_imported(found, "go on with: start a study of another --tag")
    name = found.tag if found else default_tag(registry.now()) if tag is None else tag
    seconds = budget or (found.budget_seconds if found else None)
    chosen = project.settings.budget(seconds)
    base = found.base_commit if found else repo.head()
    fixed = fixed_files(repo, base, project.settings.target.editable)
    key = comparability(project, task, chosen, trust, fixed, hardware)
    terms = _terms(project, task, chosen, trust, key)
    if found is None:
        _require_new(repo, project, name, registry.newest())
        made = Study(
            tag=name,
            branch=f"autoresearch/{name}",
            base_commit=base,
            state=StudyState.STOPPED,
            created_at=registry.now(),
            **terms,
        )
        return _completed(registry, made, task)
    found = on_this_machine(registry, found, key)
    if not is_begun(registry, found):  # nothing is scored: it may all be otherwise by now
        found = found.model_copy(update={**terms, "doc_bytes": None, "token_bytes": None})
    refuse_incomparable(found, key)
    repo.require_clear(found.tag, registry.newest())
    return begin_anew(registry, repo, _completed(registry, found, task))


def require_openable(
    registry: Registry | None,
    repo: GitRepo,
    project: Project,
    task: Task,
    trust: Trust,
    hardware: Hardware,
) -> str:
    """Return the tag of the study that a plain `run` would work on, if it would; change nothing.

    Args:
        registry: None where there is none yet.
        repo: the project's repository.
        project: with its settings.
        task: what its trials learn from and are scored by.
        trust: what this machine's sandbox promises.
        hardware: what trainings run on here.

    Raises:
        ProjectError: see `open_study`.
        GitError: see `open_study` and `recover`.
    """
    found = registry.study() if registry else None
    if registry is None or found is None:
        tag = default_tag(datetime.now(UTC))
        _require_new(repo, project, tag, registry.newest() if registry else 0)
        return tag
    settings = project.settings
    fixed = fixed_files(repo, found.base_commit, settings.target.editable)
    budget = settings.budget(found.budget_seconds)
    key = comparability(project, task, budget, trust, fixed, hardware)
    if is_begun(registry, found):
        refuse_incomparable(on_this_machine(registry, found, key), key)
    repo.require_clear(found.tag, registry.newest())
    repo.require_unused(found.branch)
    incumbent = registry.incumbent(found)
    if incumbent and not registry.unfinished(found) and repo.branch_exists(found.branch):
        _require_at(repo, found, str(incumbent.commit_sha))
    return found.tag


def recover(registry: Registry, repo: GitRepo, project: Project, study: Study) -> None:
    """Put registry, branch and working folder in agreement after any kind of end.

    Must be called with the run lock held: whatever looks at work then belongs to the dead.

    Raises:
        GitError: someone else moved the study's branch, or has it checked out.
        RegistryError: the registry is damaged.
    """
    registry.check()
    registry.forget_running()
    remove(project.work)
    tidy(checkpoint_store_of(project), registry)
    repo.prune()
    follow(registry, repo, study)
    incumbent = registry.incumbent(study)
    expected = str(incumbent.commit_sha) if incumbent else study.base_commit
    if not repo.branch_exists(study.branch):
        repo.ensure_branch(study.branch, expected)
    repo.require_unused(study.branch)
    _require_at(repo, study, expected)


def follow(registry: Registry, repo: GitRepo, study: Study) -> None:
    """Move the branch to what is kept, where it has not followed yet; call those rows done.

    Safe to repeat. Several verdicts may have come meanwhile, keeps taken back among them.

    Raises:
        GitError: the branch is elsewhere than where such a row found it, or checked out.
    """
    rows = registry.moving(study)
    if not rows:
        return
    repo.require_unused(study.branch)
    name, best = f"refs/heads/{study.branch}", registry.incumbent(study)
    tip, due = repo.resolve(name), str(best.commit_sha) if best else study.base_commit
    if tip != due:
        ends = [str(sha) for row in rows for sha in (row.parent_sha, row.commit_sha)]
        repo.set_ref(name, due, NO_REF if tip is None else tip if tip in ends else ends[0])
    for row in rows:
        registry.save(row.model_copy(update={"state": ExperimentState.DONE}))


def _require_new(repo: GitRepo, project: Project, tag: str, last: int) -> None:
    """Return if a new study of this tag can begin; `last` is the newest experiment's number."""
    if not _TAG.fullmatch(tag):
        msg = f"{tag!r} is no tag: use letters, digits, '-', '_' and '.', for example nov23"
        raise UsageFault(msg)
    branch = f"autoresearch/{tag}"
    repo.require_clear(tag, last)
    if repo.branch_exists(branch):
        msg = f"branch {branch} exists but no study here made it: choose another --tag"
        raise GitError(msg)
    entry = project.settings.target.entry
    if entry not in repo.read_files(repo.head(), (entry,)):
        msg = f"{entry} is in no commit yet: commit it, a study starts from a commit"
        raise GitError(msg)


def _terms(
    project: Project, task: Task, budget: Budget, trust: Trust, key: Mapping[str, str]
) -> dict[str, Any]:
    """Return the columns of a study that say what its scores rest on."""
    return {
        "profile": project.settings.training.profile,
        "device": project.settings.training.device,
        "corpus": task.name,
        "measure": task.metric.stored,
        "seeded": not project.settings.target.command or bool(project.settings.target.seed),
        "comparability": json.dumps(key, sort_keys=True),
        "budget_seconds": budget.training,
        "clock": budget.clock,
        "trust": trust,
    }


def begin_anew(registry: Registry, repo: GitRepo, study: Study) -> Study:
    """Let a study whose baseline never worked start from the commit that is there now."""
    head = repo.head()
    if is_begun(registry, study) or head == study.base_commit:
        return study
    tip = repo.resolve(f"refs/heads/{study.branch}")
    if tip not in (None, head):  # a killed run may have moved it already
        repo.require_unused(study.branch)
        behind = repo.merge_base(tip, head) == tip
        repo.set_ref(f"refs/heads/{study.branch}", head, tip if behind else study.base_commit)
    key: dict[str, str] = json.loads(study.comparability)
    key["fixed files"] = fixed_files(repo, head, key.get("editable files", "").split(", "))
    changes = {
        "base_commit": head,
        "comparability": json.dumps(key, sort_keys=True),
        "audit_tolerance": None,  # another baseline, another arithmetic
        "audit_noise": None,
    }
    return registry.save(study.model_copy(update=changes))


def _completed(registry: Registry, study: Study, task: Task) -> Study:
    """Return the study as this version makes one: with a salt and its documents' sizes.

    Without the number of the package, too, which older versions held against newer ones.
    """
    changes: dict[str, object] = {}
    key: dict[str, str] = json.loads(study.comparability)
    if key.pop("package", None) is not None:
        changes["comparability"] = json.dumps(key, sort_keys=True)
    if not study.salt:
        changes["salt"] = secrets.token_hex(_SALT_BYTES)
    if study.doc_bytes is None and (sizes := task.sizes(Split.VAL)) is not None:
        changes["doc_bytes"] = pack_counts(sizes)
    if study.token_bytes is None:
        changes["token_bytes"] = task.token_bytes
    changes["facts"] = run_facts(task, study.device)  # it may be another machine
    return registry.save(study.model_copy(update=changes))


def _require_at(repo: GitRepo, study: Study, expected: str) -> None:
    tip = repo.branch_tip(study.branch)
    if tip != expected:
        msg = (
            f"branch {study.branch} is at {tip[:7]}, but the study's best is {expected[:7]}: "
            f"put it back with `git branch -f {study.branch} {expected[:7]}`, or start a new "
            "study with --tag"
        )
        raise BranchMovedError(msg)
