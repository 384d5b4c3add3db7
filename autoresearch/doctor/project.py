"""The project: its repository, its settings, its files, its corpus, its registry."""

from collections.abc import Iterator, Sequence

from autoresearch import corpus as corpora
from autoresearch import patching, policy
from autoresearch.config import FIXED, Project
from autoresearch.doctor.finding import Finding, fault, ok, refusal, warning
from autoresearch.errors import CorpusError, GitError, RegistryError
from autoresearch.gitrepo import GitRepo
from autoresearch.records.tables import Study
from autoresearch.registry import Registry, RunLock
from autoresearch.workers.checkpoint_store import CheckpointStore, size_of

_MUCH = 0.8  # of the room for checkpoints


def repository(project: Project) -> tuple[Finding, ...]:
    """Return whether git can be used here: found, an author, a commit, nothing left uncommitted."""
    try:
        repo = GitRepo.open(project.root)
        head = repo.head()
    except GitError as error:
        return (refusal("git", error),)
    branch = repo.current_branch() or "no branch"
    found = ok("git", f"{repo.checkout_root} on {branch} at {head[:7]}")
    return found, _author(repo), _uncommitted(repo, project), _committed(repo, project, head)


def _author(repo: GitRepo) -> Finding:
    try:
        name, address = repo.identity()
    except GitError as error:
        return refusal("author", error)
    return ok("author", f"{name} <{address}>")


def _uncommitted(repo: GitRepo, project: Project) -> Finding:
    if repo.is_dirty((*project.settings.target.editable, *FIXED)):
        return warning("changes", "not all are committed, and a study starts from the commit",
                       "commit them: `git commit -a`")  # fmt: skip
    return ok("changes", "all committed")


def _committed(repo: GitRepo, project: Project, head: str) -> Finding:
    target = project.settings.target
    for glob in target.editable:
        if said := patching.glob_fault(glob):
            return fault("editable", said, "mend [target] editable")
    names = tuple(repo.read_files(head, target.editable))
    if target.entry not in repo.read_files(head, (target.entry,)):
        return fault("editable", f"{target.entry}, which a trial runs, is in no commit yet",
                     f"`git add {target.entry}` and commit, or mend [target] entry")  # fmt: skip
    idle = [
        glob for glob in target.editable if not any(patching.matches(n, (glob,)) for n in names)
    ]
    if idle:
        return fault("editable", f"no committed file is named by {', '.join(idle)}",
                     "commit the file, or mend [target] editable")  # fmt: skip
    loose = [name for name in FIXED if patching.matches(name, target.editable)]
    if loose:
        return warning("editable", f"a proposer may change {', '.join(loose)}",
                       "make [target] editable narrower")  # fmt: skip
    return ok("editable", ", ".join(names))


def corpus(project: Project) -> tuple[Finding, ...]:
    """Return whether a corpus is prepared, to the bit as it was, for these settings, and enough.

    A project with a command of its own has none: what it reads is told in the machine's chapter.
    """
    if project.settings.target.command:
        return ()
    try:
        found = corpora.load(project.corpus_pointer)
        corpora.verify(found)
    except CorpusError as error:
        return (refusal("corpus", error),)
    parts = ", ".join(f"{split} {counts.documents:,}" for split, counts in found.counts.items())
    said = f"{found.name} {found.fingerprint[:12]}; documents: {parts}"
    doubts = (warning("documents", each.said, each.mend) for each in corpora.doubts(found))
    return ok("corpus", said), *doubts, _vocabulary(found, project.settings.corpus.vocab_size)


def _vocabulary(found: corpora.Corpus, wanted: int) -> Finding:
    if found.vocab_size != wanted:
        return fault(
            "vocabulary", f"the corpus has {found.vocab_size:,} tokens, [corpus] says {wanted:,}",
            f"run `autoresearch prepare` again, or write vocab_size = {found.vocab_size}",
        )  # fmt: skip
    return ok("vocabulary", f"{wanted:,} tokens")


def registry(project: Project) -> tuple[Finding, ...]:
    """Return whether the registry is whole, and whether a `run` is at work."""
    if not project.registry.exists():
        return (ok("registry", "none yet: the first `run` makes it"),)
    try:
        found = Registry.look(project.registry)
        found.check()
        studies = [each for each in found.studies() if not each.is_imported]
        found.close()
    except RegistryError as error:
        return (refusal("registry", error),)
    newest = f", the newest {studies[-1].tag}" if studies else ""
    whole = ok("registry", f"whole; studies: {len(studies)}{newest}")
    return whole, *_rounding(studies[-1:]), _lock(project)


def _rounding(newest: Sequence[Study]) -> Iterator[Finding]:
    """Yield that the newest study computes too coarsely for its audit, where it does."""
    for study in newest:
        if study.allowance and policy.at_ceiling(study.allowance):
            said = policy.too_noisy(study.allowance).removesuffix(f" {policy.QUIETER}")
            yield warning("audit", said, policy.QUIETER)


def _lock(project: Project) -> Finding:
    try:
        with RunLock(project.lock):
            return ok("lock", "free: no run is at work")
    except RegistryError as error:
        if "another run is at work" in str(error):
            return ok("lock", str(error).partition(":")[0])
        return refusal("lock", error, f"make {project.state} writable")


def checkpoints(project: Project) -> Finding:
    """Return what the checkpoints kept for `promote` take of the room they have."""
    store = CheckpointStore(project.checkpoints, project.settings.checkpoint_bytes)
    size, room = size_of(project.checkpoints), project.settings.checkpoint_bytes
    gib = project.settings.training.checkpoints_gib
    said = f"{len(store.trials())}, {size / 2**30:.1f} of {gib:g} GiB"
    if size > _MUCH * room:
        return warning(
            "checkpoints", f"{said}: soon the oldest give way, and have no score on test",
            "promote what you want of older studies, or raise [training] checkpoints_gib",
        )  # fmt: skip
    return ok("checkpoints", said)


def globs(project: Project) -> tuple[str, ...]:
    """Return those of [target] editable that are globs; the others are told by `repository`."""
    return tuple(each for each in project.settings.target.editable if not patching.glob_fault(each))


def fixed_files(project: Project) -> tuple[str, ...]:
    """Return the files of the project's last commit that no proposer may change."""
    try:
        repo = GitRepo.open(project.root)
        names = repo.read_files(repo.head(), ("**",))
    except GitError:  # told by `repository`
        return FIXED
    return tuple(name for name in names if not patching.matches(name, globs(project)))
