"""Every cheat ends disqualified, as a crash or at its true worth; honest twins are accepted."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from autoresearch import sandbox
from autoresearch.records.scores import Score
from autoresearch.records.values import Ending, Trust, Verdict
from autoresearch.sandbox import Sandbox
from tests.cheats.catalogue import WORTH, Entry, entries, honest
from tests.cheats.fates import Fate, Range
from tests.cheats.house import House
from tests.processes import guarded_children

PROTOCOL = ("looking", "numbers", "tokenizers", "telling", "clock", "checkpoints", "resources")
CHEATS = [
    pytest.param(each, id=f"{file}: {each.name}") for file in PROTOCOL for each in entries(file)
]
MACHINE = [pytest.param(each, id=each.name) for each in entries("machine")]
TWINS = [pytest.param(each, id=each.name) for each in entries("twins")]
TERMINAL = [pytest.param(each, id=each.name) for each in entries("terminal")]


@pytest.fixture(scope="module")
def unsealed() -> Range:
    return Range(sandbox.Unsealed({"PATH": os.environ["PATH"]}))


@pytest.fixture(scope="module")
def strongest() -> Range:
    return accustomed(Range(sandbox.detect(os.environ)))


@pytest.fixture(scope="module")
def sealed(strongest: Range) -> Range:
    if strongest.sandbox.trust is not Trust.SEALED:
        pytest.skip("no sandbox can be had on this machine: bubblewrap is missing or forbidden")
    return strongest


def accustomed(place: Range) -> Range:
    """Have it score an honest checkpoint first: a night begins with its baseline."""
    assert place.run(honest()).end == WORTH
    return place


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
        assert Ending(fate.end).verdict in (Verdict.CRASH, Verdict.DISQUALIFIED)


@pytest.mark.parametrize("entry", CHEATS)
def test_a_cheat_gains_nothing(strongest: Range, entry: Entry) -> None:
    place = Range(strongest.sandbox, timeout=entry.timeout) if entry.timeout else strongest
    fate = place.run(entry.files(), entry.budget)
    assert fate.end in entry.ends, fate.reason
    assert entry.says in fate.reason
    assert_harmless(fate, place, entry.base)


@pytest.mark.parametrize("entry", MACHINE)
def test_a_sandbox_keeps_it_from_the_machine(sealed: Range, entry: Entry) -> None:
    with House() as house:
        fate = sealed.run(entry.files(house.names()), entry.budget)
        assert not house.harm(fate)
    assert_harmless(fate, sealed, entry.base)


@pytest.mark.parametrize("entry", MACHINE)
def test_without_a_sandbox_it_succeeds_and_the_score_says_so(unsealed: Range, entry: Entry) -> None:
    if entry.needs == "ptrace" and not may_trace():
        pytest.skip("this system lets nobody read a neighbour's memory")
    with House() as house:
        fate = unsealed.run(entry.files(house.names()), entry.budget)
        assert house.harm(fate) == entry.harm, fate.reason
    assert isinstance(fate.result, Score)
    assert fate.result.trust is Trust.UNSEALED


@pytest.mark.parametrize("entry", TWINS)
def test_an_honest_twin_is_scored_as_in_process(strongest: Range, entry: Entry) -> None:
    files = entry.files()
    fate = strongest.run(files, entry.budget)
    assert fate.end == WORTH, fate.reason
    assert fate.outcome.checkpoint is not None
    assert fate.bpb == pytest.approx(strongest.worth(files, fate.outcome.checkpoint), abs=1e-4)


@pytest.mark.parametrize("entry", TERMINAL)
def test_nothing_live_comes_out_of_a_trial(strongest: Range, entry: Entry) -> None:
    fate = strongest.run(entry.files())
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


def test_what_one_trial_plants_the_next_one_does_not_meet(strongest: Range) -> None:
    planted = Entry("plant", PLANT, (WORTH,))
    assert_harmless(strongest.run(planted.files()), strongest, "stub")
    fate = strongest.run(honest())
    assert fate.end == WORTH
    assert fate.outcome.log == b""


def test_a_left_over_descriptor_leads_nowhere(strongest: Range) -> None:
    peek = """
def before(session):
    import os
    for each in os.listdir("/proc/self/fd"):
        try:
            print(os.readlink("/proc/self/fd/" + each), flush=True)
        except OSError:
            pass
"""
    sealed_text = Path(os.environ["HOME"]) / "val.txt"
    sealed_text.write_text("sealed")
    with sealed_text.open("rb") as ours:
        os.set_inheritable(ours.fileno(), True)
        fate = strongest.run(Entry("peek", peek, (WORTH,)).files())
    assert fate.end == WORTH
    assert b"val.txt" not in fate.outcome.log
    assert_harmless(fate, strongest, "stub")


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
