"""What an imported study tells proposers of the studies after it."""

from autoresearch.gitrepo import GitRepo
from autoresearch.proposers import Known, KnownIdea
from autoresearch.records.tables import Experiment, Study
from autoresearch.registry import Registry


def known(registry: Registry, repo: GitRepo, study: Study, base: str) -> Known:
    """Return what an imported study knows; `base` is the commit that the new one began with."""
    metric, rows = study.metric, registry.experiments(study)
    return Known(
        origin=study.origin,
        metric=metric,
        ideas=tuple(
            KnownIdea(
                each.verdict,
                None if each.val_bpb is None else metric.shown(each.val_bpb),
                each.hypothesis,
            )
            for each in rows
            if each.verdict is not None
        ),
        inside=_inside(repo, registry.incumbent(study), base),
    )


def _inside(repo: GitRepo, best: Experiment | None, base: str) -> bool | None:
    """Return whether the commit of the last keep is part of what a commit holds."""
    sha = repo.resolve(best.commit_sha) if best and best.commit_sha else None
    return None if sha is None else repo.merge_base(sha, base) == sha
