"""What `report` takes on large studies, and the pictures of it in docs/.

    python benchmarks/report.py [SIZE ...]
    python benchmarks/report.py --pictures docs

Registries are made up (`tests/long_night.py`). Seconds are CPU seconds of building the value, the
page and the picture, in this process; MB are the page's, MiB the most memory that was ever held.
The pictures need Chromium.
"""

import argparse
import io
import resource
import tempfile
import time
from itertools import pairwise
from pathlib import Path

from PIL import Image

from autoresearch.render.page import page
from autoresearch.render.picture import picture
from autoresearch.report import StudyReport, study_report
from autoresearch.report.tariff import GpuRate, Tariff
from tests.browser import browser
from tests.long_night import long_night

SIZES = (100, 2_000)
SHOWN = 120  # experiments of the night in docs/
TARIFF = Tariff(50.0, GpuRate(2.5, "H100", counted=True))


def main() -> None:
    """Measure each size and print a line for it; or make the pictures."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("sizes", nargs="*", type=int, default=SIZES, metavar="SIZE")
    parser.add_argument("--pictures", type=Path, metavar="DIR")
    asked = parser.parse_args()
    if asked.pictures:
        pictures(asked.pictures)
        return
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


def pictures(where: Path) -> None:
    """Write a picture of the page, and `progress.png`, of a night that is made up."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        report = a_night(folder)
        path = folder / "report.html"
        path.write_text(page(report), "utf-8")
        with browser(folder / "profile") as tab:
            tab.open(path.as_uri(), width=1280, height=860)
            tab.picture(folder / "page.png")
        small(where / "report.png", (folder / "page.png").read_bytes())
        (where / "progress.png").write_bytes(picture(report))


def a_night(folder: Path) -> StudyReport:
    """Return the night that docs/ shows."""
    registry, study = long_night(folder, SHOWN)
    return study_report(registry, study, TARIFF)


def small(path: Path, data: bytes) -> None:
    """Write a picture with fewer colours, and so fewer bytes."""
    image = Image.open(io.BytesIO(data)).convert("RGB")
    image.quantize(160).save(path, optimize=True)


if __name__ == "__main__":
    main()
