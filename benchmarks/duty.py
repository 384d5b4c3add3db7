"""How much of the slots' time is training: proposals made ahead beside one after another.

usage: python benchmarks/duty.py [SECONDS] [EXPERIMENTS]
       python benchmarks/duty.py --real PROJECT [SECONDS] [EXPERIMENTS]

Stub trainings sleep for T = SECONDS (20 by default) in real processes, under the real controller,
registry, repository and executor, on the real clock; scores are read from the checkpoints. A fake
model takes a share of T for an answer, of as many proposals as it is asked for, and is asked
through the real proposer. Since all of it sleeps, the nights run side by side, each in a process of
its own. What is printed is *duty* (counted training over wall seconds of the slots, `policy.duty`)
and what held back the rest, from when the first idea began until the last one began: before, there
is the baseline on one slot, and behind it the slots that have nothing more to do.

With --real a prepared project of the CPU profile trains on one slot by the random proposer, sealed
scoring included, and experiments an hour are put beside 3600 over the terms that were measured.
"""

import argparse
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from sys import path as sys_path

sys_path.insert(0, str(Path(__file__).parent.parent))

from autoresearch.commands.run_context import run_context
from autoresearch.commands.stations import stations_for
from autoresearch.config import LlmSettings, PriceSettings, find_project
from autoresearch.proposers.llm import LlmProposer
from autoresearch.proposers.metered import MeteredModel
from autoresearch.proposers.models import Prompt, Reply
from autoresearch.proposers.pricing import price
from autoresearch.proposers.prompting import Prompting
from autoresearch.proposers.random_search import RandomProposer
from autoresearch.proposers.specs import PricedModel
from autoresearch.records.events import Event
from autoresearch.records.money import CallEnding, Usage
from autoresearch.records.tables import Trial
from autoresearch.records.values import Purpose, TrialState
from autoresearch.render.duty import line
from autoresearch.research import StopRules, controller_for
from autoresearch.research.backoff import Backoff
from autoresearch.research.schedule import Participant
from tests.stubs import TRAIN, FreeLedger, Night, make_project, processes

_ANSWER = """\
## Proposal {number}

hypothesis: idea {idea}
category: other
predicted_delta: 0.0

train.py
<<<<<<< SEARCH
QUALITY = 2.0
=======
QUALITY = {quality}
>>>>>>> REPLACE
"""


@dataclass(frozen=True)
class Case:
    """A night: slots, the model's share of T, whether proposals are made ahead, what is asked."""

    slots: int
    share: float
    ahead: bool
    least: float | None = None

    @property
    def name(self) -> str:
        """The night in words."""
        how = "ahead" if self.ahead else "sequential"
        return f"{self.slots} slot{'s' * (self.slots > 1)}, model {self.share} T, {how}"


CASES = (
    Case(1, 0.3, ahead=True, least=0.95),
    Case(1, 0.3, ahead=False),
    Case(1, 0.9, ahead=True, least=0.93),
    Case(1, 0.9, ahead=False),
    Case(4, 0.5, ahead=True, least=0.93),
    Case(4, 0.5, ahead=False),
)


@dataclass
class SlowModel:
    """Answers after so many seconds, with as many proposals as it is asked for."""

    seconds: float
    provider: str = "fake"
    model: str = "slow"
    made: int = 0
    calls: list[int] = field(default_factory=list)

    def complete(self, prompt: Prompt, *, max_output: int) -> Reply:
        """Think, and answer."""
        del max_output
        time.sleep(self.seconds)
        told = "".join(section.text for section in prompt.system)
        asked = next((n for n in range(2, 6) if f"asked for {n} proposals" in told), 1)
        self.calls.append(asked)
        text = "a thought\n\n" + "\n".join(self._one(at + 1) for at in range(asked))
        return Reply(CallEnding.ANSWERED, text, Usage(8000, 100), latency=self.seconds)

    def _one(self, number: int) -> str:
        self.made += 1
        return _ANSWER.format(number=number, idea=self.made, quality=3.0 + self.made)


@dataclass(frozen=True)
class Result:
    """What a night came to."""

    case: Case
    duty: float
    held: dict[str, float]
    seconds: float
    trials: int
    calls: list[int]


def night(case: Case, seconds: float, experiments: int) -> Result:
    """Run one night of stubs and return its duty."""
    source = TRAIN.replace(
        "    for step in range(3):\n",
        f"    import time\n    time.sleep({seconds})\n    for step in range(3):\n",
    )
    model = SlowModel(case.share * seconds)
    with tempfile.TemporaryDirectory() as place:
        project = make_project(Path(place) / "project", source)
        settings = project.root / "autoresearch.toml"
        if not case.ahead:
            settings.write_text(settings.read_text().replace("[policy]", "[policy]\nahead = 0"))
            project = find_project(project.root)
        llm = LlmSettings(repairs=0)
        flat = price("fake", "slow", own={"fake:slow": PriceSettings(1.0, 1.0)}, base_url=None)
        asker = MeteredModel(
            "fake:slow", PricedModel(model, flat), ledger=FreeLedger(), redact=str, tell=print
        )
        proposer = LlmProposer("fake:slow", asker, Prompting(llm, folder=None), llm)
        found = Night(
            project,
            [Participant(proposer, at_once=5)],
            StopRules(experiments=experiments + 1),
            worker=processes(),
            slots=case.slots,
            clock=time.monotonic,
            budget=4 * seconds,
        )
        found.run()
        rows = found.registry.experiments(found.study())
        trials = [trial for row in rows for trial in found.registry.trials(row)]
    return _result(case, trials, model.calls)


def _result(case: Case, trials: Sequence[Trial], calls: list[int]) -> Result:
    """Return the duty of what ran on the slots from the first idea's begin to the last one's."""
    ours = sorted(
        (
            each
            for each in trials
            if each.purpose is Purpose.SCREENING and each.state is TrialState.DONE
        ),
        key=lambda each: each.started_at,
    )
    begin, end = ours[0].started_at, ours[-1].started_at
    wall = case.slots * (end - begin).total_seconds()
    counted, held = 0.0, dict[str, float]()
    for at, each in enumerate(ours):
        assert each.finished_at is not None
        # The training lies behind the start-up; what of it is inside of the window counts.
        started = (each.started_at - begin).total_seconds() + each.startup_seconds
        stopped = started + each.training_seconds
        counted += max(min(stopped, wall / case.slots) - started, 0.0)
        if at >= case.slots:  # what the first ones waited for lies before
            _add(held, "proposals", (each.idle_seconds or 0.0) + (each.paused_seconds or 0.0))
            _add(held, "deciding", each.deciding_seconds)
        _add(held, "start-up", each.startup_seconds)
    return Result(case, counted / wall, held, wall / case.slots, len(ours), calls)


def _add(held: dict[str, float], name: str, seconds: float | None) -> None:
    held[name] = held.get(name, 0.0) + (seconds or 0.0)


def stubs(seconds: float, experiments: int) -> None:
    """Run the nights side by side and print the table."""
    work = [(case, seconds, experiments * (2 if case.slots > 1 else 1)) for case in CASES]
    with multiprocessing.get_context("spawn").Pool(len(work)) as pool:
        results = pool.starmap(night, work)
    print(f"T = {seconds:g} s; duty from the first idea's begin to the last one's")
    print(
        f"{'night':<34} {'trials':>6} {'duty':>6} {'wanted':>7}  "
        "proposals of a call; what held it back, s"
    )
    for each in results:
        least = "" if each.case.least is None else f"{each.case.least:.2f}"
        held = ", ".join(f"{name} {value:.1f}" for name, value in each.held.items())
        calls = statistics.fmean(each.calls)
        row = f"{each.case.name:<34} {each.trials:>6} {each.duty:>6.3f} {least:>7}"
        print(f"{row}  {calls:.1f}; {held}")


def real(root: Path, seconds: float, experiments: int) -> None:
    """Train a prepared project on one slot, and put its rate beside what its terms allow."""
    project = find_project(root)
    with run_context(project, stations_for(project, None)) as shop:
        study = shop.study(f"duty-{int(time.time())}", seconds)
        project.make_work()
        backoff = Backoff(time.monotonic, time.sleep, _quiet, lambda: False)
        money_cap = shop.money_cap(study)
        controller = controller_for(
            study, project=project, registry=shop.registry, repo=shop.repo,
            trials=shop.trials(study, backoff, money_cap), money_cap=money_cap,
            participants=[Participant(RandomProposer())], backoff=backoff,
            rules=StopRules(experiments=experiments + 1),
        )  # fmt: skip
        controller.run()
        study = shop.study(study.tag)
        rows = shop.registry.experiments(study)
        trials = [trial for row in rows for trial in shop.registry.trials(row)]
        duty = shop.registry.duty(study)
    # The first process of a run starts cold: what is measured is how it goes on.
    known = sorted(trials, key=lambda each: each.started_at)
    ours = [each for each in known[1:] if each.val_bpb is not None]
    terms = {
        "training, counted": [each.training_seconds for each in ours],
        "training, wall": [each.total_seconds - each.startup_seconds for each in ours],
        "start-up": [each.startup_seconds for each in ours],
        "scoring": [each.scoring_seconds for each in ours],
        "around them": [
            (each.slot_seconds or 0.0) - each.total_seconds - each.scoring_seconds for each in ours
        ],
        "deciding": [each.deciding_seconds or 0.0 for each in ours],
        "idle": [each.idle_seconds or 0.0 for each in ours],
    }
    print(f"{len(ours)} scored trainings of {seconds:g} s on the {study.clock} clock, one slot")
    means = {name: statistics.fmean(values) for name, values in terms.items()}
    for name, value in means.items():
        print(f"  {name:<18} {value:8.2f} s")
    span = (known[-1].finished_at or known[-1].started_at) - known[0].started_at
    begin = (known[0].finished_at or known[0].started_at) - known[0].started_at
    rate = len(known[1:]) * 3600 / (span - begin).total_seconds()
    for name in ("training, counted", "training, wall"):
        allowed = 3600 / (means[name] + means["start-up"] + means["scoring"])
        print(f"  {rate:.1f} trials an hour; {allowed:.1f} by {name}: {rate / allowed:.3f} of it")
    print(f"  {line(duty)}")


def _quiet(_event: Event) -> None:
    """Tell nobody."""


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--real", metavar="PROJECT", type=Path)
    parser.add_argument("seconds", nargs="?", type=float)
    parser.add_argument("experiments", nargs="?", type=int)
    given = parser.parse_args()
    if given.real:
        real(given.real, given.seconds or 60.0, given.experiments or 6)
        return
    stubs(given.seconds or 20.0, given.experiments or 8)


if __name__ == "__main__":
    main()
