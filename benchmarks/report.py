"""What `report` takes on large studies.

    python benchmarks/report.py [SIZE ...]

Registries are made up (`tests/long_night.py`). Seconds are CPU seconds of building the value, the
page and the picture, in this process; MB are the page's, MiB the most memory that was ever held.
"""

import argparse
import resource
import tempfile
import time
from itertools import pairwise
from pathlib import Path

from autoresearch.render.page import page
from autoresearch.render.picture import picture
from autoresearch.report import study_report
from tests.long_night import long_night

SIZES = (100, 2_000)


def main() -> None:
    """Measure each size and print a line for it."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("sizes", nargs="*", type=int, default=SIZES, metavar="SIZE")
    asked = parser.parse_args()
    print(f"{'experiments':>12} {'value':>8} {'page':>8} {'picture':>8} {'MB':>6} {'MiB':>6}")
    for size in asked.sizes:
        measure(size)


def measure(size: int) -> None:
    """Print what one size takes."""
    with tempfile.TemporaryDirectory() as folder:
        registry, study = long_night(Path(folder), size, patch_lines=60)
        ticks = [time.process_time()]
        report = study_report(registry, study)
        ticks.append(time.process_time())
        text = page(report)
        ticks.append(time.process_time())
        picture(report)
        ticks.append(time.process_time())
    value, written, drawn = (after - before for before, after in pairwise(ticks))
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    megabytes = len(text.encode()) / 1e6
    print(f"{size:>12,} {value:>8.2f} {written:>8.2f} {drawn:>8.2f} {megabytes:>6.2f} {most:>6.0f}")


if __name__ == "__main__":
    main()
