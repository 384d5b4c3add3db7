"""Whether a change looks at a clock, the environment, the network or the like, or alters the seed.

It is found by syntax tree; nothing is run. That saves the training of a proposer's mistake. It is
no guard: code can be written so that no reader of syntax sees what it does. What keeps the score
honest is elsewhere (the supervisor's clock, the sealed evaluator, the sandbox).

Only what is new counts: whatever the incumbent does, a change may do as often as it does.
"""

import ast
import functools
import itertools
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from autoresearch.patching.syntax import Source, read
from autoresearch.preflight.names import mentions
from autoresearch.preflight.seeds import slots, touches
from autoresearch.records.proposals import Rejection
from autoresearch.records.text import safe_line

_CLOCK = "reads a clock; a training's own are session.progress and session.seconds"
_ENVIRONMENT = "looks at the environment; all that a training may know comes from its session"
_PROGRAMS = "starts or steers other programs"
_NETWORK = "reaches for the network"
_CODE = "makes code at run time that cannot be read beforehand"
_BEYOND_RUNTIME = (
    "reaches behind the contract; of autoresearch, `autoresearch.runtime` alone is a training's"
)
_FILES = "names files that are none of a training's"
_RANDOMNESS = "draws chance from elsewhere than session.seed"
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
        _BEYOND_RUNTIME: "autoresearch",
        _RANDOMNESS: "secrets uuid os.urandom os.getrandom random.SystemRandom torch.seed "
        "torch.random.seed torch.cuda.seed torch.cuda.seed_all",
    }.items()
    for name in names.split()
}
# Modules that may not be used as a whole: whoever has one can use all of it.
_WHOLE = frozenset({"os", "sys", "builtins", "importlib"})
# Modules that are found as an attribute of others, too: `prepare.sys.argv`.
_REACHED = frozenset(
    {"builtins", "ctypes", "datetime", "os", "platform", "socket", "subprocess", "sys", "time"}
)
_CONTRACT = tuple(
    f"autoresearch.runtime.{name}" for name in ("Session", "TrainData", "open_session")
)
_ALLOWED = frozenset({"autoresearch", "autoresearch.runtime", *_CONTRACT})
_PRIVATE = frozenset({"_clock", "_hand_over", "_metric", "_now", "_send", "_started"})
_PLACES = ("/proc/", "/sys/", "/dev/", "/etc/")
_OWN = ".autoresearch"
_ENOUGH = 20  # findings, of which one is chosen to be shown


@dataclass(frozen=True)
class _Finding:
    """One place with a forbidden use; `key` (kind and name) is equal where the same is done."""

    key: tuple[str, str]
    path: str
    line: int
    why: str

    def rejection(self) -> Rejection:
        place = f"{safe_line(self.path, 60)} line {self.line}"
        return Rejection(f"{place}: `{safe_line(self.key[1], 80)}` {self.why}")


def new_forbidden_use(
    before: Mapping[str, str], after: Mapping[str, str], own: Collection[str] = ()
) -> Rejection | None:
    """Return why a change is refused: a forbidden use that the incumbent does not have as often.

    None where there is no such use.

    Args:
        before: the incumbent's editable files, path to text.
        after: the same files with the change.
        own: the names of the project's own modules, which may be called like forbidden ones.
    """
    try:
        seed_slots, allowed = _uses_of_incumbent(tuple(sorted(before.items())), frozenset(own))
        surplus = _surplus(_findings(_sources(after), seed_slots, own), allowed)
        old_lines = {line.strip() for text in before.values() for line in text.splitlines()}
        lines = {path: text.splitlines() for path, text in after.items()}
        return _refusal(surplus, lambda each: _line(lines[each.path], each.line) in old_lines)
    except RecursionError:
        return Rejection("it is nested too deeply to be read")


@functools.lru_cache(maxsize=4)  # one incumbent is compared with many
def _uses_of_incumbent(
    files: tuple[tuple[str, str], ...], own: frozenset[str]
) -> tuple[set[tuple[str, int]], Counter[tuple[str, str]]]:
    """Return where the incumbent hands the seed on, and how often it has each forbidden use."""
    sources = _sources(dict(files))
    seed_slots = set().union(*(slots(source.nodes) for source in sources.values()))
    return seed_slots, Counter(each.key for each in _findings(sources, seed_slots, own))


def _surplus(
    findings: Iterable[_Finding], allowed: Mapping[tuple[str, str], int]
) -> Iterator[list[_Finding]]:
    """Yield all findings of a key, each time that there is one more of them than is allowed."""
    kinds: defaultdict[tuple[str, str], list[_Finding]] = defaultdict(list)
    for each in findings:
        known = allowed.get(each.key, 0)
        if known and each.key[0] == "import":  # once imported is imported; only uses are counted
            continue
        kinds[each.key].append(each)
        if len(kinds[each.key]) > known:
            yield kinds[each.key]


def _refusal(
    surplus: Iterator[list[_Finding]], is_old: Callable[[_Finding], bool]
) -> Rejection | None:
    """Return the refusal for one of the findings too many: rather one on a line that is new."""
    first = None
    for findings in itertools.islice(surplus, _ENOUGH):
        new = next((each for each in findings if not is_old(each)), None)
        if new:
            return new.rejection()
        first = first or findings[0]
    return first.rejection() if first else None


def _findings(
    sources: Mapping[str, Source], seed_slots: set[tuple[str, int]], own: Collection[str]
) -> Iterator[_Finding]:
    """Yield the forbidden uses, one by one: the caller may have enough before all are found."""
    for path, source in sources.items():
        for touch in touches(source.nodes, seed_slots):
            yield _Finding(("seed", touch.text), path, touch.line, _SEED)
        judge = functools.cache(functools.partial(_forbidden, own=own))
        for each in mentions(source.tree):
            kind = "import" if each.imported else "use"
            for name, why in judge(each.names, imported=each.imported):
                yield _Finding((kind, name), path, each.line, why)
        for kind, what, line, why in _other_uses(source.nodes):
            yield _Finding((kind, what), path, line, why)


def _sources(files: Mapping[str, str]) -> dict[str, Source]:
    sources = {path: read(text) for path, text in files.items() if path.endswith(".py")}
    return {path: source for path, source in sources.items() if source}


def _forbidden(
    names: Iterable[str], *, imported: bool, own: Collection[str]
) -> list[tuple[str, str]]:
    """Return the forbidden names among these, each with the reason."""
    return [each for name in sorted(names) for each in _rules_for(name, own, imported=imported)]


def _rules_for(name: str, own: Collection[str], *, imported: bool) -> Iterator[tuple[str, str]]:
    """Yield the part of a dotted name that is forbidden, with the reason, if there is one."""
    parts = name.split(".")
    if name in _ALLOWED or any(name.startswith(f"{each}.") for each in _CONTRACT):
        return
    if name in _WHOLE and not imported:
        yield name, "hands a whole module on, so that nobody sees what is used of it"
    elif parts[-1] == "*" and parts[0] in _WHOLE:
        yield name, _CODE
    begins = [
        at for at, part in enumerate(parts) if part in _REACHED or (at == 0 and part not in own)
    ]
    for start in begins:
        for end in range(len(parts), start, -1):
            if why := _RULES.get(".".join(parts[start:end])):
                # An import is of the whole module; uses of different parts of it are different.
                yield ".".join(parts[start : end if imported else None]), why
                return


def _other_uses(nodes: Sequence[ast.AST]) -> Iterator[tuple[str, str, int, str]]:
    """Yield forbidden uses without an import: private parts of the session, paths of others."""
    prose = {node.value for node in nodes if isinstance(node, ast.Expr)}
    for node in nodes:
        if isinstance(node, ast.Attribute) and _is_session(node.value):
            written = not isinstance(node.ctx, ast.Load)
            if node.attr in _PRIVATE or (written and node.attr != "seed"):
                yield "session", ast.unparse(node), node.lineno, _BEYOND_RUNTIME
        elif isinstance(node, ast.Constant) and node not in prose and _is_foreign_path(node.value):
            yield "text", str(node.value), node.lineno, _FILES


def _is_session(node: ast.expr) -> bool:
    name = node.id if isinstance(node, ast.Name) else getattr(node, "attr", "")
    return name == "session"


def _is_foreign_path(text: object) -> bool:
    if not isinstance(text, str) or "\n" in text or text == "/dev/null":  # prose and docstrings
        return False
    return text.startswith(_PLACES) or _OWN in text.split("/") or text.startswith("AUTORESEARCH_")


def _line(lines: Sequence[str], number: int) -> str:
    return lines[number - 1].strip() if 0 < number <= len(lines) else ""
