"""Every cheat ends disqualified, as a crash or at its true worth; honest twins are accepted."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from autoresearch import sandbox
from autoresearch.records.scores import Score
from autoresearch.records.values import Ending, FailureKind, Trust
from autoresearch.sandbox import Sandbox
from tests.cheats.catalogue import WORTH, Entry, entries, honest
from tests.cheats.fates import Fate, Range
from tests.cheats.house import House
from tests.evaluation_stubs import warm_sandbox
from tests.processes import guarded_children

PROTOCOL = ("looking", "numbers", "tokenizers", "telling", "clock", "checkpoints", "resources")
FILES = [path.stem for path in sorted((Path(__file__).parent / "zoo").glob("*.toml"))]
REAL, WARM = "", "warm: "  # how what it hands in is scored: as in any study, or by warm servers


def each_of(*files: str) -> list[Any]:
    """Return parameters (way, entry): all the real way, the share of `make test` the warm one."""
    real = [
        pytest.param(REAL, each, id=f"{file}: {each.name}", marks=pytest.mark.thorough)
        for file in files
        for each in entries(file)
    ]
    warm = [
        pytest.param(WARM, each, id=f"{WARM}{file}: {each.name}")
        for file in files
        for each in entries(file)
        if each.always
    ]
    return real + warm


class Ranges:
    """The ranges of one sandbox, each made when it is first asked for."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self._made: dict[str, Range] = {}

    def get(self, way: str) -> Range:
        if way not in self._made:
            servers = warm_sandbox() if way == WARM else None
            self._made[way] = accustomed(Range(self.sandbox, servers))
        return self._made[way]


def accustomed(place: Range) -> Range:
    """Have it score an honest checkpoint first: a night begins with its baseline."""
    assert place.run(honest()).end == WORTH
    return place


@pytest.fixture(scope="module")
def unsealed() -> Ranges:
    return Ranges(sandbox.Unsealed({"PATH": os.environ["PATH"]}))


@pytest.fixture(scope="module")
def strongest() -> Ranges:
    return Ranges(sandbox.detect(os.environ))


@pytest.fixture(scope="module")
def sealed(strongest: Ranges) -> Ranges:
    if strongest.sandbox.trust is not Trust.SEALED:
        pytest.skip("no sandbox can be had on this machine: bubblewrap is missing or forbidden")
    return strongest


@pytest.fixture(autouse=True)
def nothing_is_left(isolation: None) -> Iterator[None]:
    yield
    assert not guarded_children()


def assert_harmless(fate: Fate, place: Range, base: str) -> None:
    """It was not kept for what it is not: a reason in one line, or the score it deserves."""
    if fate.end == WORTH:
        assert fate.outcome.checkpoint is not None
        assert fate.bpb == pytest.approx(
            place.worth(honest(base), fate.outcome.checkpoint), abs=1e-4
        )
        assert isinstance(fate.result, Score)
        assert fate.result.trust is place.sandbox.trust
        return
    assert fate.reason
    assert fate.reason.isprintable()
    if fate.result is None:
        assert Ending(fate.end).failure in (FailureKind.IDEA, FailureKind.RULE)


@pytest.mark.parametrize("file", FILES)
def test_of_every_kind_some_are_always_tried(file: str) -> None:
    assert any(each.always for each in entries(file))


@pytest.mark.parametrize(("way", "entry"), each_of(*PROTOCOL))
def test_a_cheat_gains_nothing(strongest: Ranges, way: str, entry: Entry) -> None:
    place = strongest.get(way)
    if entry.timeout:
        place = Range(place.sandbox, place.servers, timeout=entry.timeout)
    fate = place.run(entry.files(), entry.budget)
    assert fate.end in entry.ends, fate.reason
    assert entry.says in fate.reason
    assert_harmless(fate, place, entry.base)


@pytest.mark.parametrize(("way", "entry"), each_of("machine"))
def test_a_sandbox_keeps_it_from_the_machine(sealed: Ranges, way: str, entry: Entry) -> None:
    place = sealed.get(way)
    with House() as house:
        fate = place.run(entry.files(house.names()), entry.budget)
        assert not house.harm(fate)
    assert_harmless(fate, place, entry.base)


@pytest.mark.parametrize(("way", "entry"), each_of("machine"))
def test_without_a_sandbox_it_succeeds_and_the_score_says_so(
    unsealed: Ranges, way: str, entry: Entry
) -> None:
    if entry.needs == "ptrace" and not may_trace():
        pytest.skip("this system lets nobody read a neighbour's memory")
    place = unsealed.get(way)
    with House() as house:
        fate = place.run(entry.files(house.names()), entry.budget)
        assert house.harm(fate) == entry.harm, fate.reason
    assert isinstance(fate.result, Score)
    assert fate.result.trust is Trust.UNSEALED


@pytest.mark.parametrize(("way", "entry"), each_of("twins"))
def test_an_honest_twin_is_scored_as_in_process(strongest: Ranges, way: str, entry: Entry) -> None:
    place, files = strongest.get(way), entry.files()
    fate = place.run(files, entry.budget)
    assert fate.end == WORTH, fate.reason
    assert fate.outcome.checkpoint is not None
    assert fate.bpb == pytest.approx(place.worth(files, fate.outcome.checkpoint), abs=1e-4)


@pytest.mark.parametrize(("way", "entry"), each_of("terminal"))
def test_nothing_live_comes_out_of_a_trial(strongest: Ranges, way: str, entry: Entry) -> None:
    fate = strongest.get(way).run(entry.files())
    assert fate.end in entry.ends
    outcome = fate.outcome
    words = [outcome.detail, *outcome.facts, *map(str, outcome.facts.values())]
    assert all(each.isprintable() for each in [*words, *outcome.traceback.splitlines()])


PLANT = """
def before(session):
    import os, site, sysconfig
    home = Path(os.environ["HOME"])
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for folder in (home / ".local/lib" / version / "site-packages", home / "cache", Path.cwd()):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for name in ("sitecustomize.py", "usercustomize.py", "torch.py", "evil.pth"):
                (folder / name).write_text("print('planted', flush=True)")
        except OSError:
            pass
    os.environ["LD_PRELOAD"] = str(home / "evil.so")
    os.environ["PYTHONPATH"] = str(home)
    os.environ["PYTHONSTARTUP"] = str(home / "sitecustomize.py")
""".replace("import os,", "import os, sys,")


WAYS = [pytest.param(REAL, id="as ever", marks=pytest.mark.thorough), pytest.param(WARM, id="warm")]


@pytest.mark.parametrize("way", WAYS)
def test_what_one_trial_plants_the_next_one_does_not_meet(strongest: Ranges, way: str) -> None:
    place, planted = strongest.get(way), Entry("plant", PLANT, (WORTH,))
    assert_harmless(place.run(planted.files()), place, "stub")
    fate = place.run(honest())
    assert fate.end == WORTH
    assert fate.outcome.log == b""


@pytest.mark.parametrize("way", WAYS)
def test_a_left_over_descriptor_leads_nowhere(strongest: Ranges, way: str) -> None:
    peek = """
def before(session):
    import os
    for each in os.listdir("/proc/self/fd"):
        try:
            print(os.readlink("/proc/self/fd/" + each), flush=True)
        except OSError:
            pass
"""
    place = strongest.get(way)
    sealed_text = Path(os.environ["HOME"]) / "val.txt"
    sealed_text.write_text("sealed")
    with sealed_text.open("rb") as ours:
        os.set_inheritable(ours.fileno(), True)
        fate = place.run(Entry("peek", peek, (WORTH,)).files())
    assert fate.end == WORTH
    assert b"val.txt" not in fate.outcome.log
    assert_harmless(fate, place, "stub")


def may_trace() -> bool:
    if os.geteuid() == 0:
        return True
    try:
        scope = Path("/proc/sys/kernel/yama/ptrace_scope").read_text()
    except OSError:
        return sys.platform == "linux"
    return scope.strip() == "0"


def test_every_sandbox_level_is_an_honest_one() -> None:
    level: Sandbox = sandbox.detect(os.environ)
    assert level.trust in (Trust.SEALED, Trust.UNSEALED)
