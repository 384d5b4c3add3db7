"""What the controller itself costs: seconds of an experiment spent neither training nor scoring.

usage: python benchmarks/overhead.py [EXPERIMENTS]

A stub trains for one second of wall time; its score is read from its checkpoint, so scoring costs
nothing. What is left is the proposal, preflight, the commit, two exports, the guard, the start of
Python, the rows and the refs. Each experiment here is discarded after one trial.
"""

import platform
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from autoresearch.records.events import Event, ExperimentDone, ExperimentOpened
from autoresearch.research import StopRules
from tests.stubs import TRAIN, Night, Scripted, make_project, processes

SECOND = TRAIN.replace(
    "    for step in range(3):\n",
    "    import time\n    time.sleep(1.0)\n    for step in range(3):\n",
)


def main() -> None:
    """Run the study and print the table."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    sources = [SECOND.replace("= 2.0", f"= {3 + number}.0", 1) for number in range(count)]
    with tempfile.TemporaryDirectory() as place:
        night = Night(
            make_project(Path(place) / "project", SECOND),
            Scripted(list(sources)),
            StopRules(experiments=count + 1),
            clock=time.monotonic,
            worker=processes(),
        )
        times: list[tuple[float, Event]] = []
        night.listener = lambda event: times.append((time.monotonic(), event))
        night.run()
        rows = night.registry.experiments(night.study())[1:]
        trials = [night.registry.trials(row)[0] for row in rows]
    opened = [at for at, event in times if isinstance(event, ExperimentOpened)]
    done = [at for at, event in times if isinstance(event, ExperimentDone)]
    own = [
        # From one verdict to the next: the proposal belongs to the experiment it opens.
        end - begin - trial.training_seconds
        for begin, end, trial in zip(done, done[1:], trials, strict=False)
    ]
    decided = [trial.deciding_seconds or 0.0 for trial in trials]
    startup = [trial.startup_seconds for trial in trials]
    assert len(opened) == count + 1
    print(f"{platform.platform()}, Python {platform.python_version()}, {count} experiments")
    print(f"the controller's own seconds an experiment: median {statistics.median(own):.3f}")
    print(f"  of them start-up of the trial:      median {statistics.median(startup):.3f}")
    print(f"  of them deciding, the slot free:    median {statistics.median(decided):.3f}")
    print(f"  range {min(own):.3f} to {max(own):.3f}; training {trials[0].training_seconds:.3f}")


if __name__ == "__main__":
    main()
