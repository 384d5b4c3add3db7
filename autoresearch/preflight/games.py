"""Games with the seed, the clock and the environment, found by syntax tree. Nothing is run.

This is a courtesy to a proposer that errs, and it saves a training. It is no guard: whoever wants
to hide something from a reader of syntax can. What keeps the score honest stands elsewhere (the
supervisor's clock, the sealed evaluator, the sandbox).

Only what is new counts: whatever the incumbent does, it may go on doing as often as it does.
"""

import ast
import itertools
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from autoresearch.patching.syntax import parse
from autoresearch.preflight.names import Mention, mentions
from autoresearch.preflight.seeds import slots, touches
from autoresearch.records.text import safe_line
from autoresearch.records.values import Rejection

_CLOCK = "reads a clock; a training's own are session.progress and session.seconds"
_ENVIRONMENT = "looks at the environment; all that a training may know comes from its session"
_PROGRAMS = "starts or steers other programs"
_NETWORK = "reaches for the network"
_CODE = "makes code at run time that cannot be read beforehand"
_HOUSE = (
    "reaches behind the contract; of autoresearch, `autoresearch.runtime` alone is a training's"
)
_FILES = "names files that are none of a training's"
_CHANCE = "draws chance from elsewhere than session.seed"
_SEED = (
    "touches the seed; every experiment trains on the session's seed as it is, "
    "so that scores can be compared"
)
_RULES: Mapping[str, str] = {
    name: why
    for why, names in {
        _CLOCK: "time datetime timeit sched signal resource profile cProfile os.times "
        "threading.Timer torch.Event torch.cuda.Event torch.mps.event torch.profiler "
        "torch.autograd.profiler torch.utils.benchmark",
        _ENVIRONMENT: "os.environ os.environb os.getenv os.getenvb os.uname os.getloadavg "
        "os.cpu_count os.sched_getaffinity os.getlogin os.getpid os.getppid sys.argv "
        "sys.orig_argv sys.modules sys.path sys.meta_path sys.path_hooks sys._getframe "
        "sys._current_frames sys.settrace sys.setprofile sys.addaudithook os.__dict__ "
        "sys.__dict__ platform psutil getpass pwd grp builtins.input builtins.breakpoint",
        _PROGRAMS: "subprocess pty ctypes cffi os.system os.popen os.fork os.forkpty os.kill "
        "os.killpg os.execl os.execle os.execlp os.execv os.execve os.execvp os.execvpe "
        "os.spawnl os.spawnle os.spawnlp os.spawnv os.spawnve os.spawnvp os.posix_spawn "
        "os.posix_spawnp os.setpriority os.nice os.sched_setaffinity os._exit",
        _NETWORK: "socket socketserver ssl urllib http ftplib smtplib imaplib poplib telnetlib "
        "xmlrpc asyncio requests httpx aiohttp urllib3 websockets websocket grpc zmq paramiko "
        "boto3 huggingface_hub datasets kagglehub wandb torch.hub",
        _CODE: "builtins.eval builtins.exec builtins.compile builtins.__import__ "
        "builtins.__builtins__ builtins.__dict__ importlib.import_module importlib.__import__ "
        "importlib.util.module_from_spec importlib.util.spec_from_file_location "
        "importlib.machinery runpy code codeop pydoc pkgutil gc.get_objects gc.get_referrers "
        "gc.get_referents",
        _HOUSE: "autoresearch",
        _CHANCE: "secrets uuid os.urandom os.getrandom random.SystemRandom torch.seed "
        "torch.random.seed torch.cuda.seed torch.cuda.seed_all",
    }.items()
    for name in names.split()
}
# Handed on whole, these are as good as any of their parts.
_WHOLE = frozenset({"os", "sys", "builtins", "importlib"})
# Modules of Python's own that other modules hold too: `prepare.sys.argv`.
_HELD = frozenset(
    {"builtins", "ctypes", "datetime", "os", "platform", "socket", "subprocess", "sys", "time"}
)
_CONTRACT = tuple(
    f"autoresearch.runtime.{name}" for name in ("Session", "TrainData", "open_session")
)
_ALLOWED = frozenset({"autoresearch", "autoresearch.runtime", *_CONTRACT})
_PRIVATE = frozenset({"_clock", "_hand_over", "_metric", "_now", "_send", "_started"})
_PLACES = ("/proc/", "/sys/", "/dev/", "/etc/")
_OWN = ".autoresearch"


@dataclass(frozen=True)
class _Finding:
    """One place that may be a game: `key` is equal where the same is done."""

    key: tuple[str, str]
    path: str
    line: int
    why: str

    def rejection(self) -> Rejection:
        place = f"{safe_line(self.path, 60)} line {self.line}"
        return Rejection(f"{place}: `{safe_line(self.key[1], 80)}` {self.why}")


def new_game(
    before: Mapping[str, str], after: Mapping[str, str], own: Collection[str] = ()
) -> Rejection | None:
    """Return why a change is refused that reads or touches what is none of a training's.

    Args:
        before: the incumbent's editable files, path to text.
        after: the same files with the change.
        own: the names of the project's own modules, which may be called like others.
    """
    try:
        handed = set().union(*map(slots, _trees(before).values()))
        known, found = _findings(before, handed, own), _findings(after, handed, own)
    except RecursionError:
        return Rejection("it is nested too deeply to be read")
    allowed = Counter(each.key for each in known)
    more = Counter(each.key for each in found) - allowed
    new = [each for each in found if each.key in more and not _presence(each, allowed)]
    old_lines = {line.strip() for text in before.values() for line in text.splitlines()}
    # Of several uses of the same thing the one on a line that was not there is meant.
    new.sort(key=lambda each: _line(after[each.path], each.line) in old_lines)
    return new[0].rejection() if new else None


def _presence(found: _Finding, allowed: Counter[tuple[str, str]]) -> bool:
    """Return whether this is an import of what the incumbent imports too: uses are counted."""
    return found.key[0] == "import" and found.key in allowed


def _findings(
    files: Mapping[str, str], handed: set[tuple[str, int]], own: Collection[str]
) -> list[_Finding]:
    found = []
    for path, tree in _trees(files).items():
        seeds = [("seed", each.text, each.line, _SEED) for each in touches(tree, handed)]
        names = [
            ("import" if each.imported else "use", name, each.line, why)
            for each in mentions(tree)
            for name, why in _judged(each, own)
        ]
        for kind, what, line, why in (*seeds, *names, *_marks(tree)):
            found.append(_Finding((kind, what), path, line, why))
    return found


def _trees(files: Mapping[str, str]) -> dict[str, ast.Module]:
    trees = {path: parse(text) for path, text in files.items() if path.endswith(".py")}
    return {path: tree for path, tree in trees.items() if tree is not None}


def _judged(mention: Mention, own: Collection[str]) -> Iterator[tuple[str, str]]:
    """Yield the forbidden name behind a mention, with the reason, if there is one."""
    name, parts = mention.name, mention.name.split(".")
    if _allowed(name):
        return
    if name in _WHOLE and not mention.imported:
        yield name, "hands a whole module on, so that nobody sees what is used of it"
    elif parts[-1] == "*" and parts[0] in _WHOLE:
        yield name, _CODE
    begins = [at for at, part in enumerate(parts) if part in _HELD or (at == 0 and part not in own)]
    for start in begins:
        for end in range(len(parts), start, -1):
            if why := _RULES.get(".".join(parts[start:end])):
                # An import brings in all of a module; of uses, each is another.
                yield ".".join(parts[start : end if mention.imported else None]), why
                return


def _allowed(name: str) -> bool:
    return name in _ALLOWED or any(name.startswith(f"{each}.") for each in _CONTRACT)


def _marks(tree: ast.Module) -> Iterator[tuple[str, str, int, str]]:
    """Yield what is told by no import: private parts of the session, places of others."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and _of_session(node.value):
            written = not isinstance(node.ctx, ast.Load)
            if node.attr in _PRIVATE or (written and node.attr != "seed"):
                yield "session", ast.unparse(node), node.lineno, _HOUSE
        elif isinstance(node, ast.Constant) and _elsewhere(node.value):
            yield "text", str(node.value), node.lineno, _FILES


def _of_session(node: ast.expr) -> bool:
    name = node.id if isinstance(node, ast.Name) else getattr(node, "attr", "")
    return name == "session"


def _elsewhere(text: object) -> bool:
    if not isinstance(text, str) or "\n" in text or text == "/dev/null":  # prose and docstrings
        return False
    return text.startswith(_PLACES) or _OWN in text.split("/") or text.startswith("AUTORESEARCH_")


def _line(text: str, number: int) -> str:
    return next(itertools.islice(text.splitlines(), number - 1, None), "").strip()
