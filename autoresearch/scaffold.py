"""`init`: a project from a template, its repository and its first commit."""

import os
import platform
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path
from tomllib import loads

from autoresearch import devices, patching
from autoresearch.devices import Card, DeviceTree, Step, Vendor
from autoresearch.errors import GitError, ProjectError
from autoresearch.gitrepo import GitRepo
from autoresearch.records.proposals import Rejection
from autoresearch.records.text import safe_line

TEMPLATES = ("gpt", "curriculum", "mlx", "blank")
# What a template has no file of its own for it takes from its base, changed by its patch if it has
# one.
BASES = {"curriculum": "gpt", "mlx": "gpt"}
_PATCH = "changes.patch"
_PROFILES = "profiles.toml"
AUTO = "auto"
# GB by which cards are sold, and the profile for one that has at least these.
SIZES = {80: "gpu", 48: "gpu-48gb", 24: "gpu-24gb", 16: "gpu-16gb", 12: "gpu-12gb", 8: "gpu-8gb"}
_SHORT_OF = 0.92  # of them in GiB: what error correction and the driver take, and a GB is no GiB
_OLDEST = (7, 0)  # compute capability of the oldest cards that PyTorch's compiler makes code for
_IDLE_BYTES = 4 * 2**30  # a card of less is there for the screen
# Named one by one: a template folder may hold caches that are nobody's project.
COPIED = {
    "program.md": "program.md",
    "prepare.py": "prepare.py",
    "train.py": "train.py",
    "evaluate.py": "evaluate.py",
    "autoresearch.toml": "autoresearch.toml",
    "README.md": "README.md",
    "gitignore": ".gitignore",
}
AGENTS = "AGENTS.md"  # the same for every project, also for one that is adopted
# With --merge these stay as the person has them; all others must not be there.
YIELDING = ("README.md", ".gitignore", AGENTS)
Value = int | float | bool | str


@dataclass(frozen=True)
class Scaffold:
    """What `init` made; `reason` says why it has its profile, where that was chosen."""

    root: Path
    profile: str
    reason: str
    commit: str
    kept: tuple[str, ...]


@dataclass(frozen=True)
class Choice:
    """A profile, and why it was chosen."""

    profile: str
    reason: str = ""


def create_project(
    root: Path,
    *,
    template: str,
    profile: str,
    merge: bool,
    detect: Callable[[], Choice] | None = None,
) -> Scaffold:
    """Make a project at `root` and commit it; nothing that is there is overwritten.

    Args:
        root: made if missing.
        template: one of TEMPLATES.
        profile: one of the template's, or "auto" for the one that fits the machine.
        merge: whether `root` may hold other files already.
        detect: chooses the profile; `detect_profile` if None.

    Raises:
        ProjectError: unknown names, a non-empty directory, a file in the way, not writable.
        GitError: git is missing or knows no author.
    """
    root = _resolved(root)
    _refuse_unknown("template", template, TEMPLATES)
    _refuse_unknown("profile", profile, (AUTO, *profiles(template)))
    choice = _choice(template, profile, detect or detect_profile)
    texts = render(template, choice.profile)
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
    return Scaffold(root, choice.profile, choice.reason, _commit(root, tuple(texts)), kept)


def _choice(template: str, profile: str, detect: Callable[[], Choice]) -> Choice:
    known = profiles(template)
    if profile != AUTO or len(known) == 1:
        return Choice(known[0] if profile == AUTO else profile)
    found = detect()
    if found.profile in known:
        return found
    return Choice("cpu", f"the template {template} has none for {found.reason}")


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


def detect_profile(
    environment: Mapping[str, str] = os.environ,
    tree: DeviceTree = DeviceTree(),  # noqa: B008 - frozen
    ask: Callable[..., Sequence[Step]] = devices.ask,
) -> Choice:
    """Return the profile for the card that trainings would get, or for the CPU.

    Args:
        environment: the person's, whose choice of cards is kept.
        tree: where cards are looked for.
        ask: asks PyTorch about a device, as `devices.ask` does.
    """
    access = devices.access("cuda", environment, tree)
    card, found = access.card, ask("cuda", ("driver", "torch"), access.variables)[-1]
    if found.fault:
        if platform.system() == "Darwin" and not ask("mps", ("torch",), {})[-1].fault:
            return Choice("mps", platform.machine())
        return _without(card, found.fault)
    card = card or Card(Vendor.NVIDIA, 0, "", found.text("name"))
    memory = card.memory or found.number("memory")
    return choose_profile(replace(card, memory=memory, capability=found.capability))


def _without(card: Card | None, fault: str) -> Choice:
    """Return the CPU's profile; a card that stands idle is named, with what keeps it so."""
    if card is None or 0 < card.memory < _IDLE_BYTES:
        return Choice("cpu", "there is no card to train on")
    why = safe_line(next(iter(fault.splitlines()), ""), 200)
    return Choice("cpu", f"{card.name} stands idle: {why}; `autoresearch doctor` helps")


def choose_profile(card: Card) -> Choice:
    """Return the profile that fits a card, by its memory and its generation."""
    if card.vendor is Vendor.NVIDIA and card.capability and card.capability < _OLDEST:
        needed = ".".join(map(str, _OLDEST))
        return Choice("cpu", f"{card}: PyTorch's compiler needs {needed}")
    fits = (name for size, name in SIZES.items() if card.memory >= size * _SHORT_OF * 2**30)
    return Choice(next(fits, SIZES[min(SIZES)]), str(card))


def profiles(template: str) -> tuple[str, ...]:
    """Return the names of a template's profiles."""
    return tuple(sorted(loads(_read(template, _PROFILES))))


def template_directory(template: str) -> Path:
    """Return where a template's files lie: in the wheel, or beside the package's sources."""
    return _templates() / template


def agents_text() -> str:
    """Return what a project tells coding agents: how a study is read and steered."""
    return (_templates() / AGENTS).read_text("utf-8")


def _read(template: str, name: str) -> str:
    """Return a file of a template's, or of its base's where it has none; "" if there is neither."""
    folders = map(template_directory, filter(None, (template, BASES.get(template))))
    paths = (folder / name for folder in folders)
    return next((path.read_text("utf-8") for path in paths if path.is_file()), "")


def _templates() -> Path:
    package = Path(str(files("autoresearch")))
    shipped = package / "templates"
    return shipped if shipped.is_dir() else package.parent / "templates"


def render(template: str, profile: str) -> dict[str, str]:
    """Return a new project's files, name to text, with the profile's values written in."""
    texts = {name: _read(template, kept) for kept, name in COPIED.items()}
    texts = {name: text for name, text in texts.items() if text}
    patch = template_directory(template) / _PATCH
    if patch.is_file():
        texts = _patched(texts, patch.read_text("utf-8"))
    texts[AGENTS] = agents_text()
    changes = loads(_read(template, _PROFILES)).get(profile, {})
    texts["train.py"] = patching.set_constants(texts["train.py"], changes.get("train", {}))
    for section, values in changes.get("settings", {}).items():
        texts["autoresearch.toml"] = set_keys(texts["autoresearch.toml"], section, values)
    return texts


def _patched(texts: Mapping[str, str], patch: str) -> dict[str, str]:
    found = patching.apply_diff(texts, patch)
    if isinstance(found, Rejection):  # templates are ours, so this is a bug
        raise TypeError(found.reason)
    return found


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
        msg = (
            f"{root} has {', '.join(taken)} already: nothing is overwritten; choose another place, "
            "or --adopt to research the project that is here"
        )
        raise ProjectError(msg)
    if not merge and any(each.name != ".git" for each in root.iterdir()):
        adopts = ", --adopt to research the project that is here" if _is_repository(root) else ""
        msg = (
            f"{root} is not empty: choose another place{adopts}, or --merge to write beside its "
            "files"
        )
        raise ProjectError(msg)


def _is_repository(root: Path) -> bool:
    return any((each / ".git").exists() for each in (root, *root.parents))
