import base64
import hashlib
import json
import re
import shutil
import subprocess
import zlib
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from autoresearch.records.metric import Direction, Metric, MetricSource
from autoresearch.records.notes import Note
from autoresearch.records.values import Trust, Verdict
from autoresearch.render.page import details, page
from autoresearch.render.page.summary import certainty, heading, sentences
from autoresearch.report import StudyReport, study_report
from autoresearch.report.tariff import GpuRate, Tariff
from tests.browser import CHROMIUM, browser
from tests.long_night import long_night
from tests.rendering import Fabricated
from tests.test_render_picture import a_table, imported

HOSTILE = (
    "</script><script>document.title='owned'</script>",
    "<img src=x onerror=\"document.title='owned'\">\x1b[2J\x1b]0;owned\x07",
    "'\"`${document.title='owned'}{{ 7 * 7 }}&lt;!--",
    "مرحبا \u202e reversed \u2066 עולם 😀👩‍👩‍👧 " + "wide" * 2500,
    "http://example.org/leak?x=1 javascript:alert(1)",
)
VOID = {"meta", "br", "input", "link", "img"}
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium on the PATH")


class Outline(HTMLParser):
    """What a page is made of; nothing may be left open, or closed that was not opened."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.inside: dict[str, str] = {}
        self._open: list[str] = []
        self.feed(text)
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] in ("script", "style"):
            name = dict(self.tags[-1][1]).get("id") or self._open[-1]
            self.inside[name] = self.inside.get(name, "") + data

    def json(self, name: str) -> Any:
        return json.loads(self.inside[name])


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> StudyReport:
    registry, study = long_night(tmp_path_factory.mktemp("night"), 40, texts=HOSTILE)
    return study_report(registry, study)


def opened(packed: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        each
        for block in packed["blocks"]
        for each in json.loads(zlib.decompress(base64.b64decode(block)))
    ]


def test_hostile_texts_stay_texts_and_nothing_is_fetched(hostile: StudyReport) -> None:
    text = page(hostile)
    outline = Outline(text)
    scripts = [attributes for tag, attributes in outline.tags if tag == "script"]
    assert len(scripts) == 3
    kinds = {name for _, attributes in outline.tags for name in attributes}
    assert not any(name.startswith("on") or name in ("src", "href", "style") for name in kinds)
    assert not {tag for tag, _ in outline.tags} & {"img", "link", "iframe", "object", "base"}
    assert "\x1b" not in text
    assert "\u202e" not in text
    rows = outline.json("data")["experiments"]
    assert len(rows) == 40
    assert any("</script>" in str(row) for row in rows)  # told, and harmless


def test_the_policy_names_the_pages_own_script_and_style_alone(hostile: StudyReport) -> None:
    outline = Outline(page(hostile))
    (policy,) = [
        str(each["content"]) for tag, each in outline.tags if tag == "meta" and "http-equiv" in each
    ]
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    for name in ("script", "style"):
        digest = hashlib.sha256(outline.inside[name].encode()).digest()
        assert f"{name}-src 'sha256-{base64.b64encode(digest).decode()}'" in policy


def test_every_experiment_is_there_in_full(hostile: StudyReport) -> None:
    found = opened(Outline(page(hostile)).json("details"))
    assert [each["number"] for each in found] == [each.number for each in hostile.experiments]
    kept = next(each for each in found if each["fate"] == "confirmed")
    assert {"pairs", "trials", "change", "log", "curve", "before"} <= kept.keys()
    assert kept["curve"] != kept["before"]
    assert kept["pairs"]
    assert "+LINE_0 = " in kept["change"]
    assert "step 2 loss" in kept["log"]
    crash = next(each for each in found if each["fate"] == "crash")
    assert "Error: " in crash["traceback"]


def test_long_texts_give_way_where_a_study_is_large(
    hostile: StudyReport, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = opened(details.details(hostile))
    monkeypatch.setattr(details, "LARGEST", 12_000)
    short = opened(details.details(hostile))
    assert len(short[1]["change"]) < len(whole[1]["change"]) / 2
    assert "the rest is in `autoresearch diff 2`" in short[1]["change"]


def test_the_gain_stands_at_the_top_with_its_interval_and_its_trust(tmp_path: Path) -> None:
    made = Fabricated(tmp_path, trust=Trust.SELF_REPORTED)
    made.add(Verdict.KEEP, 2.0, patch="")
    made.trial(made.add(Verdict.KEEP, 1.8, delta=-0.1, parent=1), 1.8)
    report = study_report(made.registry, made.study)
    assert heading(report) == "0.1000 bpb below the baseline"
    assert certainty(report) == "95%: 0.0922 to 0.1078 · self-reported"
    said = sentences(report)
    assert said[0] == (
        "The best is experiment 2, at val_bpb 1.8000 ± 0.0031 (self-reported): believed to be "
        "0.1000 bpb (5.00%) below the baseline, with 95% certainty 0.0922 to 0.1078."
    )
    assert "each is what the code under test said of itself" in said[1]
    assert any("autoresearch promote 2 --confirm" in each for each in said)


def test_a_metric_that_is_better_higher_is_told_as_it_is(tmp_path: Path) -> None:
    made = Fabricated(tmp_path, trust=Trust.EVALUATED)
    metric = Metric("accuracy", "", Direction.HIGHER, MetricSource.EVALUATED, 3)
    changes = {"measure": metric.stored}
    made.study = made.registry.save(made.study.model_copy(update=changes))
    made.trial(made.add(Verdict.KEEP, -0.5, patch=""), -0.5)
    made.trial(made.add(Verdict.KEEP, -0.6, delta=-0.1, parent=1), -0.6)
    report = study_report(made.registry, made.study)
    assert heading(report) == "accuracy 0.100 above the baseline"
    assert certainty(report) == "95%: 0.092 to 0.108 · evaluated"
    best, trust, *_ = sentences(report)
    assert best == (
        "The best is experiment 2, at accuracy 0.600 ± 0.003 (evaluated): believed to be 0.100 "
        "(20.00%) above the baseline, with 95% certainty 0.092 to 0.108."
    )
    assert "a fixed program of the project's read" in trust
    outline = Outline(page(report))
    data, shown = outline.json("data"), outline.json("details")
    row = dict(zip(data["columns"], data["experiments"][1], strict=True))
    assert (row["score"], row["effect"], row["predicted"]) == (0.6, 0.1, 0.01)
    assert data["metric"]["axis"] == "accuracy (higher is better, evaluated)"
    assert (data["effects"][0]["value"], data["metric"]["better"]) == (0.1, "above zero is better")
    detail = dict(opened(shown)[1]["rows"])
    assert detail["accuracy"] == "0.60000 ± 0.00310 (evaluated)"
    assert detail["effect to experiment 1"] == "+0.10000 ± 0.00400"


def test_an_imported_table_is_told_for_what_it_is(tmp_path: Path) -> None:
    report = study_report(*imported(tmp_path, a_table()))
    assert heading(report) == "0.0282 bpb below the baseline"
    assert certainty(report) == "without an error: nothing was repeated · self-reported"
    said = sentences(report)
    assert "0.0282 bpb (2.83%) below the baseline, by that file alone." in said[0]
    assert said[2] == "126 experiments: 23 kept, 102 discarded, 1 crashed."
    assert not any("autoresearch promote" in each for each in said)
    assert "0.0000 ± 0.0000" not in page(report)


def test_notes_and_duty_are_told(tmp_path: Path) -> None:
    registry, study = long_night(tmp_path, 6)
    told_at = study.created_at
    for text, dropped in (("look </bdi> closer", None), ("no more layers", told_at)):
        registry.save(
            Note(study_id=study.id or 0, text=text, created_at=told_at, dropped_at=dropped)
        )
    report = study_report(registry, study)
    assert any(each.startswith("Duty 8") for each in sentences(report))
    text = page(report)
    assert "look &lt;/bdi&gt; closer" in text
    assert "it stands" in text
    time = dict(Outline(text).json("data")["time"])
    assert {"counted training", "proposals", "start-up", "scoring"} <= time.keys()
    assert sum(time.values()) == pytest.approx(report.duty.slot_seconds if report.duty else 0)


@pytest.mark.parametrize(
    ("effect", "said"),
    [
        (None, "Nothing better than the baseline yet"),
        (-0.001, "That interval holds zero: it may be no gain at all."),
    ],
)
def test_what_is_no_gain_is_called_none(tmp_path: Path, effect: float | None, said: str) -> None:
    made = Fabricated(tmp_path)
    made.add(Verdict.KEEP, 2.0, patch="")
    if effect is not None:
        made.add(Verdict.KEEP, 1.99, delta=effect, parent=1)
    report = study_report(made.registry, made.study)
    assert said in f"{heading(report)} {sentences(report)}"


def test_what_it_cost_is_told_before_anything_is_confirmed(tmp_path: Path) -> None:
    made = Fabricated(tmp_path)
    made.paired()
    tariff = Tariff(20.0, GpuRate(2.0, "GPU", counted=True))
    *_, cost = sentences(study_report(made.registry, made.study, tariff))
    assert cost.startswith("Spent ")
    assert "confirmed keep" not in cost


def test_a_study_without_a_score_has_a_page(tmp_path: Path) -> None:
    made = Fabricated(tmp_path)
    assert "No score yet" in page(study_report(made.registry, made.study))


@pytest.mark.skipif(shutil.which("node") is None, reason="needs Node on the PATH")
def test_the_script_can_be_read(hostile: StudyReport, tmp_path: Path) -> None:
    path = tmp_path / "page.js"
    path.write_text(Outline(page(hostile)).inside["script"], "utf-8")
    subprocess.run(["node", "--check", path], check=True)


@pytest.mark.thorough
@needs_chromium
def test_in_a_browser_it_draws_opens_zooms_and_lets_nothing_out(
    hostile: StudyReport, tmp_path: Path
) -> None:
    path = tmp_path / "report.html"
    path.write_text(page(hostile), "utf-8")
    with browser(tmp_path / "profile") as tab:
        tab.open(path.as_uri(), width=480, dark=True)
        assert tab.run("document.documentElement.scrollWidth <= innerWidth")
        tab.open(path.as_uri())
        drawn = tab.run("[...document.querySelectorAll('[data-chart]')].map(e => e.innerHTML)")
        assert len(drawn) == 8
        assert all(re.match("<svg", each) for each in drawn)
        tab.click("#experiments tbody button")
        tab.wait("document.querySelector('dialog').open")
        assert tab.run("document.querySelector('dialog h2').innerText").startswith("experiment 40 ")
        assert tab.run("document.querySelectorAll('dialog pre .add').length") > 5
        tab.press("ArrowLeft")
        tab.wait("document.querySelector('dialog h2').innerText.startsWith('experiment 39 ')")
        tab.press("Escape")
        tab.wait("!document.querySelector('dialog').open")
        tab.run("document.querySelector('[data-chart=progress]').focus()")
        tab.press("ArrowLeft")
        tab.wait("document.querySelector('#chosen').textContent.startsWith('38 ·')")
        tab.press("Enter")
        tab.wait("document.querySelector('dialog').open")
        tab.press("Escape")
        tab.wait("!document.querySelector('dialog').open")
        before = tab.run("document.querySelectorAll('[data-chart=progress] circle').length")
        x, y = tab.run(
            "(() => { scrollTo(0, 0); const b = document.querySelector("
            "'[data-chart=progress] svg').getBoundingClientRect(); return [b.x, b.y]; })()"
        )
        tab.drag(x + 400, y + 40, x + 600, y + 60)
        tab.wait(f"document.querySelectorAll('[data-chart=progress] circle').length < {before}")
        assert tab.run("document.title") == "nov23 · autoresearch"
        assert tab.said == []
        assert set(tab.asked) == {path.as_uri()}


@pytest.mark.thorough
@needs_chromium
def test_two_thousand_experiments_open_at_once(tmp_path: Path) -> None:
    registry, study = long_night(tmp_path, 2000, patch_lines=60)
    path = tmp_path / "report.html"
    path.write_text(page(study_report(registry, study)), "utf-8")
    assert path.stat().st_size < 5_000_000
    with browser(tmp_path / "profile") as tab:
        # Seconds of the page's own thread at work: other programs' do not count.
        tab.send("Performance.enable", timeDomain="threadTicks")
        tab.open(path.as_uri())
        metrics = tab.send("Performance.getMetrics")["metrics"]
        took = {each["name"]: each["value"] for each in metrics}
        assert 0 < took["TaskDuration"] < 2
        assert tab.said == []
