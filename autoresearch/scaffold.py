"""`init`: a project from a template, its repository and its first commit."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from tomllib import loads

from autoresearch import patching
from autoresearch.errors import GitError, ProjectError
from autoresearch.gitrepo import GitRepo

TEMPLATES = ("gpt",)
PROFILES = ("auto", "cpu", "gpu")
# Named one by one: a template folder may hold caches that are nobody's project.
COPIED = {
    "program.md": "program.md",
    "prepare.py": "prepare.py",
    "train.py": "train.py",
    "autoresearch.toml": "autoresearch.toml",
    "README.md": "README.md",
    "gitignore": ".gitignore",
}
# With --merge these stay as the person has them; all others must not be there.
YIELDING = ("README.md", ".gitignore")
Value = int | float | bool | str


@dataclass(frozen=True)
class Scaffold:
    """What `init` made."""

    root: Path
    profile: str
    commit: str
    kept: tuple[str, ...]


def create_project(root: Path, *, template: str, profile: str, merge: bool) -> Scaffold:
    """Make a project at `root` and commit it; nothing that is there is overwritten.

    Args:
        root: made if missing.
        template: one of TEMPLATES.
        profile: "cpu", "gpu", or "auto" for what the machine has.
        merge: whether `root` may hold other files already.

    Raises:
        ProjectError: unknown names, a non-empty directory, a file in the way, not writable.
        GitError: git is missing or knows no author.
    """
    root = _resolved(root)
    _refuse_unknown("template", template, TEMPLATES)
    _refuse_unknown("profile", profile, PROFILES)
    chosen = detect_profile() if profile == "auto" else profile
    texts = render(template, chosen)
    _refuse_collisions(root, texts, merge=merge)
    kept = tuple(name for name in YIELDING if (root / name).exists())
    texts = {name: text for name, text in texts.items() if name not in kept}
    # Where it will lie: a repository around it may have an author of its own.
    GitRepo.require_identity(next(each for each in (root, *root.parents) if each.is_dir()))
    try:
        root.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            (root / name).write_text(text, "utf-8")
    except OSError as fault:
        msg = f"cannot write {fault.filename}: {fault.strerror}"
        raise ProjectError(msg) from None
    return Scaffold(root, chosen, _commit(root, tuple(texts)), kept)


def _resolved(root: Path) -> Path:
    try:
        path = root.resolve()
        path.exists()
    except (OSError, RuntimeError) as fault:  # a name too long, a loop of links
        msg = f"cannot make a project at {root}: {fault}"
        raise ProjectError(msg) from None
    return path


def _commit(root: Path, names: tuple[str, ...]) -> str:
    """Commit the new files; where git refuses, leave nothing that would block the next try."""
    new = False
    try:
        repo, new = GitRepo.initialise(root)
        return repo.commit_files(names, "Begin an autoresearch project")
    except GitError:
        for name in names:
            (root / name).unlink(missing_ok=True)
        if new:
            shutil.rmtree(root / ".git")
        raise


def detect_profile() -> str:
    """Return "gpu" where PyTorch sees a CUDA device, else "cpu"."""
    # Imported here: torch takes over a second, and only `init` asks.
    import torch  # noqa: PLC0415

    return "gpu" if torch.cuda.is_available() else "cpu"


def template_directory(template: str) -> Path:
    """Return where a template's files lie: in the wheel, or beside the package's sources."""
    package = Path(str(files("autoresearch")))
    shipped = package / "templates" / template
    return shipped if shipped.is_dir() else package.parent / "templates" / template


def render(template: str, profile: str) -> dict[str, str]:
    """Return a new project's files, name to text, with the profile's values written in."""
    source = template_directory(template)
    texts = {name: (source / kept).read_text("utf-8") for kept, name in COPIED.items()}
    changes = loads((source / "profiles.toml").read_text("utf-8")).get(profile, {})
    texts["train.py"] = patching.set_constants(texts["train.py"], changes.get("train", {}))
    for section, values in changes.get("settings", {}).items():
        texts["autoresearch.toml"] = set_keys(texts["autoresearch.toml"], section, values)
    return texts


def set_keys(document: str, section: str, values: Mapping[str, Value]) -> str:
    """Return a TOML text with keys of one section set, comments and order kept.

    Raises:
        KeyError: the section has no such key; templates are ours, so this is a bug.
    """
    lines, current, left = document.splitlines(keepends=True), "", dict(values)
    for number, line in enumerate(lines):
        name = line.partition("=")[0].strip()
        if line.startswith("["):
            current = line.strip().strip("[]")
        elif current == section and name in left:
            comment = line.partition("#")[2].strip()
            suffix = f"  # {comment}" if comment else ""
            lines[number] = f"{name} = {_toml(left.pop(name))}{suffix}\n"
    if left:
        raise KeyError(*left)
    return "".join(lines)


def _toml(value: Value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return f'"{value}"' if isinstance(value, str) else repr(value)


def _refuse_unknown(kind: str, name: str, known: tuple[str, ...]) -> None:
    if name not in known:
        msg = f"no {kind} named {name!r}: choose one of {', '.join(known)}"
        raise ProjectError(msg)


def _refuse_collisions(root: Path, texts: Mapping[str, str], *, merge: bool) -> None:
    if not root.exists():
        return
    if not root.is_dir():
        msg = f"{root} is a file: name a directory"
        raise ProjectError(msg)
    taken = [name for name in texts if name not in YIELDING and (root / name).exists()]
    if taken:
        msg = f"{root} has {', '.join(taken)} already: nothing is overwritten; choose another place"
        raise ProjectError(msg)
    if not merge and any(each.name != ".git" for each in root.iterdir()):
        msg = f"{root} is not empty: choose another place, or add --merge to write beside its files"
        raise ProjectError(msg)
