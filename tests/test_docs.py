"""What the guides say is what the code does: examples load, names exist, nothing is left out."""

import os
import re
import shlex
import subprocess
import sys
from dataclasses import fields, is_dataclass
from pathlib import Path

import pytest
import typer.main

from autoresearch import cli
from autoresearch.commands.examples import EXAMPLES, epilog
from autoresearch.config import PriceSettings, Settings, load_settings
from autoresearch.evaluation import Cause
from autoresearch.proposers import specs
from autoresearch.proposers.prompting.templates import OWN
from autoresearch.records.known_corpora import KNOWN_CORPORA
from autoresearch.records.metric import Direction, Metric, MetricSource
from autoresearch.records.money import CallEnding
from autoresearch.records.values import Category
from autoresearch.scaffold import render

DOCS = Path(__file__).parent.parent / "docs"
PROPOSERS = (DOCS / "proposers.md").read_text("utf-8")
(SETTINGS,) = re.findall(r"```toml\n(.*?)```", PROPOSERS, re.DOTALL)
THINKING = ("llm", "command", "money", "preflight")


def load(tmp_path: Path, text: str) -> Settings:
    path = tmp_path / "autoresearch.toml"
    path.write_text(text, "utf-8")
    return load_settings(path)


def open_up(text: str) -> str:
    """Take the comment sign from settings that are commented out."""
    return re.sub(r"^# (?=\[|\w+ = )", "", text, flags=re.MULTILINE)


def test_the_settings_to_copy_are_the_defaults(tmp_path: Path) -> None:
    assert load(tmp_path, SETTINGS) == Settings()


def test_the_settings_to_copy_are_all_there_are_and_all_can_be_opened(tmp_path: Path) -> None:
    opened = open_up(SETTINGS)
    found = load(tmp_path, opened)
    assert found.money.study_usd is not None
    assert found.command.usd is not None
    assert list(found.prices.values()) == [PriceSettings(0.2, 0.8, 0.1, 0.2)]
    for section in THINKING:
        kind = type(getattr(Settings(), section))
        assert is_dataclass(kind)
        for each in fields(kind):
            assert re.search(rf"^(\[{section}\.{each.name}\]|{each.name} = )", opened, re.MULTILINE)


@pytest.mark.parametrize("profile", ["cpu", "gpu"])
def test_a_new_projects_commented_settings_can_be_opened_too(tmp_path: Path, profile: str) -> None:
    text = render("gpt", profile)["autoresearch.toml"]
    assert load(tmp_path, open_up(text)).llm.brief_tokens == Settings().llm.brief_tokens
    assert load(tmp_path, text).llm == Settings().llm


def test_the_metric_to_copy_goes_with_a_command(tmp_path: Path) -> None:
    (block,) = re.findall(r"```toml\n(.*?)```", (DOCS / "metric.md").read_text("utf-8"), re.DOTALL)
    found = load(tmp_path, f"[target]\ncommand = 'make'\n{block}").metric
    assert found.metric == Metric("accuracy", "accuracy", Direction.HIGHER, MetricSource.EVALUATED)


def test_every_cause_of_a_missing_metric_is_in_the_guide() -> None:
    table = (DOCS / "metric.md").read_text("utf-8").partition("## When there is no score")[2]
    named = set(re.findall(r"`([a-z -]+)`", table))
    causes = ("METRIC", "NON_FINITE", "EXCEPTION", "TIMEOUT", "MEMORY", "LIMIT", "DEATH", "START")
    assert {str(Cause[each]) for each in causes} <= named


def test_every_spec_in_the_guide_names_a_proposer() -> None:
    named = re.findall(r"`((?:anthropic|openai|command|patches|optuna|[\d.]+):[^`]+)`", PROPOSERS)
    assert len(named) > 12
    for each in named:
        assert specs.parse(each).kind in ("anthropic", "openai", "command", "patches", "optuna")


def test_the_table_of_a_bad_night_has_every_ending() -> None:
    night = PROPOSERS.partition("## A bad night")[2]
    for ending in CallEnding:
        assert f"`{ending}`" in night


def test_every_template_is_named_and_every_name_is_a_template() -> None:
    named = set(re.findall(r"`(\w+\.md\.j2)`", PROPOSERS))
    assert named == {path.name for path in OWN.glob("*.j2")}


def test_the_form_of_the_answer_names_the_categories() -> None:
    (line,) = re.findall(r"^category: (.*)$", PROPOSERS, re.MULTILINE)
    known = [str(each) for each in Category if each not in (Category.BASELINE, Category.OTHER)]
    assert line.split(" | ") == known


def commands_in(text: str) -> list[str]:
    """Return the commands that a guide tells its reader to type."""
    blocks = re.findall(r"^```(?:sh|bash|console)?\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    lines = [line.strip() for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    return [line for line in lines if line.startswith("autoresearch ")]


def typed(line: str) -> tuple[str, list[str]]:
    """Return the name of a command and its arguments, as a shell would."""
    line = line.partition("  # ")[0].partition(" > ")[0].partition(" && ")[0]
    _, name, *arguments = shlex.split(line, comments=True)
    return name, arguments


AGENTS = DOCS.parent / "templates" / "AGENTS.md"
GUIDES = (*sorted(DOCS.glob("*.md")), DOCS.parent / "README.md", AGENTS)
TYPED = [
    *(line for path in GUIDES for line in commands_in(path.read_text("utf-8"))),
    *(f"autoresearch {name} {words}" for name in EXAMPLES for words, _ in EXAMPLES[name]),
]


@pytest.mark.parametrize("line", dict.fromkeys(TYPED))
def test_what_guides_and_help_tell_one_to_type_is_understood(line: str) -> None:
    name, arguments = typed(line)
    command = typer.main.get_group(cli.app).commands[name]
    command.make_context(name, arguments)


def test_every_command_has_examples_in_its_help() -> None:
    commands = typer.main.get_group(cli.app).commands
    assert set(commands) == set(EXAMPLES)
    for name, command in commands.items():
        assert command.epilog == epilog(name)
        assert f"autoresearch {name}" in epilog(name)


def test_links_between_the_guides_lead_somewhere() -> None:
    for path in (*DOCS.glob("*.md"), DOCS.parent / "README.md"):
        text = path.read_text("utf-8")
        for link in re.findall(r"(?:\]\(|src=\"|srcset=\")([^)#:\"]+)[)\"]", text):
            assert (path.parent / link).exists(), f"{path.name}: {link}"


def test_every_named_corpus_is_in_its_guide() -> None:
    guide = (DOCS / "corpora.md").read_text("utf-8")
    assert {*KNOWN_CORPORA} <= {*re.findall(r"`(\w+)`", guide)}


def test_every_guide_has_its_place_on_the_site() -> None:
    site = (DOCS.parent / "mkdocs.yml").read_text("utf-8")
    named = re.findall(r": ([\w-]+\.md)$", site, re.MULTILINE)
    assert {path.name for path in DOCS.glob("*.md")} <= set(named)


@pytest.mark.thorough
def test_the_tutorial_leads_from_init_to_promote(tmp_path: Path) -> None:
    text = (DOCS / "tutorial.md").read_text("utf-8")
    script = "".join(re.findall(r"^```sh\n(.*?)^```", text, re.DOTALL | re.MULTILINE))
    here = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["sh", "-eu", "-c", script], cwd=tmp_path, env={**os.environ, "PATH": here}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert "ready to run; warnings: 0" in done.stdout
    assert "experiment 2: confirmed" in done.stdout
    assert "the gain holds on test" in done.stdout
    assert done.stdout.count("shift every batch by a pixel at random: the fonts are few") > 3
    assert "np.roll" in (tmp_path / "letters" / "train.py").read_text("utf-8")
    assert (tmp_path / "letters" / ".autoresearch" / "report" / "report.html").exists()
