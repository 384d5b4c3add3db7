"""A clone of something that has the shape of karpathy/autoresearch, and other people's projects.

`tests/upstream/` holds a program of ours with the same file names, the same printed block and the
same habits of its clock: it keeps its own time, in module code, on data below ~/.cache. It trains
for a fifth of a second, with the standard library alone.
"""

import runpy
import shutil
from collections.abc import Mapping
from pathlib import Path

from tests.stubs import git

UPSTREAM = Path(__file__).parent / "upstream"
UNTRACKED = "results.tsv"


def upstream(root: Path, *, prepared: bool = False) -> Path:
    """Lay out the stand-in as a clone with one commit; `prepared`: its data is below ~, too."""
    shutil.copytree(UPSTREAM, root, ignore=shutil.ignore_patterns("__pycache__"))
    if prepared:
        runpy.run_path(str(root / "prepare.py"), run_name="__main__")
    return committed(root)


def project(root: Path, files: Mapping[str, str]) -> Path:
    """Make a repository with one commit of these files."""
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return committed(root)


def committed(root: Path) -> Path:
    """Make a repository of a folder, and commit what it does not ignore."""
    git(root, "init", "--quiet")
    git(root, "add", ".")
    git(root, "commit", "--quiet", "--message", "A project")
    return root


def contents(root: Path) -> dict[str, bytes]:
    """Return the bytes of all files of the person's: outside .git, and none of ours."""
    ours = {".autoresearch", ".git"}
    files = (path for path in sorted(root.rglob("*")) if path.is_file())
    named = {str(path.relative_to(root)): path for path in files}
    return {
        name: path.read_bytes() for name, path in named.items() if not ours & {*Path(name).parts}
    }
